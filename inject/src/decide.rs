//! The decision: which pods are left alone, which are refused, and what is done to the others.

use kees_common::{Domain, Parsed, Word, names::init};

use crate::{
    InjectSettings, Operations, Place, PodError, PodErrorKind, PodView, names,
    patch::identity::Identity, patch::injection::Injection, patch::placement::Placement,
    policy::effective::Grant,
};

/// What is to be done with a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Leave it as it is.
    Skip {
        /// Why.
        reason: SkipReason,
        /// What the author should know.
        warnings: Vec<String>,
    },
    /// Refuse it.
    Deny {
        /// Everything that is wrong, at least one thing.
        faults: Vec<PodError>,
        /// What has no effect.
        warnings: Vec<String>,
    },
    /// Change it; no operations where it is already as it should be.
    Patch {
        /// The changes.
        operations: Operations,
        /// What has no effect.
        warnings: Vec<String>,
    },
}

/// Why a pod is left as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SkipReason {
    /// The request is not about the creation of a pod.
    NotPodCreation,
    /// No annotation of ours.
    NotAnnotated,
    /// `init.DOMAIN/inject: "false"`.
    OptedOut,
    /// A static pod's mirror, which a patch would keep Pending for ever.
    Mirror,
    /// A Windows pod.
    Windows,
    /// The author wired kees's init container by hand; the policy holds all the same.
    WiredByHand,
}

impl SkipReason {
    /// A word for metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotPodCreation => "not_pod_creation",
            Self::NotAnnotated => "not_annotated",
            Self::OptedOut => "opted_out",
            Self::Mirror => "mirror",
            Self::Windows => "windows",
            Self::WiredByHand => "wired_by_hand",
        }
    }
}

/// Decides on the creation of `pod` in `namespace`, which for a bare pod may stand in the request
/// alone.
pub fn decide(pod: &PodView<'_>, namespace: &str, settings: &InjectSettings) -> Decision {
    if let Some(reason) = skip_reason(pod, &settings.domain) {
        let warnings = match reason {
            SkipReason::Windows => {
                vec!["kees has no init container for Windows: nothing was injected".to_owned()]
            }
            _ => Vec::new(),
        };
        return Decision::Skip { reason, warnings };
    }
    if let Some(fault) = too_large(pod) {
        let (faults, warnings) = (vec![fault], Vec::new());
        return Decision::Deny { faults, warnings };
    }
    let standing = Standing::of(pod, settings);
    let parsed = Parsed::from_annotations(&settings.domain, pod.annotations());
    let mut warnings: Vec<String> = parsed.warnings.iter().map(ToString::to_string).collect();
    let mut faults = Vec::new();

    let grant = Grant::new(pod, namespace, settings, &parsed, standing, &mut faults);
    if let Standing::WiredByHand(_) = standing {
        return if faults.is_empty() {
            Decision::Skip {
                reason: SkipReason::WiredByHand,
                warnings,
            }
        } else {
            Decision::Deny { faults, warnings }
        };
    }
    let placement = Placement::new(
        pod,
        &parsed.options,
        settings,
        standing,
        &mut faults,
        &mut warnings,
    );
    let identity = Identity::of(
        pod,
        &parsed.options,
        settings,
        standing.injected(),
        &mut faults,
    );
    match (grant, placement) {
        (Some(grant), Some(placement)) if faults.is_empty() => {
            let injection =
                Injection::new(pod, &parsed.options, settings, grant, placement, identity);
            warnings.extend(injection.unreadable());
            match injection.operations() {
                Ok(operations) => Decision::Patch {
                    operations,
                    warnings,
                },
                Err(faults) => Decision::Deny { faults, warnings },
            }
        }
        _ => Decision::Deny { faults, warnings },
    }
}

fn skip_reason(pod: &PodView<'_>, domain: &Domain) -> Option<SkipReason> {
    let entry = |(key, _): (&str, &str)| {
        matches!(
            domain.split(key),
            Some((Word::Secret | Word::Resource | Word::Lease, _))
        )
    };
    let windows = |os: Option<&str>| os == Some("windows");
    // The words are compared exactly, as the `matchConditions` do.
    if !pod.annotations().any(entry) {
        Some(SkipReason::NotAnnotated)
    } else if pod.annotation(&domain.init(init::INJECT)) == Some("false") {
        Some(SkipReason::OptedOut)
    } else if pod.annotation("kubernetes.io/config.mirror").is_some() {
        Some(SkipReason::Mirror)
    } else if windows(pod.spec.os.name.as_deref()) || windows(pod.spec.node_selector.os.as_deref())
    {
        Some(SkipReason::Windows)
    } else {
        None
    }
}

/// A pod that Kubernetes would refuse or could not store for its size, which it finds out only
/// after this: what follows takes time and memory in proportion.
fn too_large(pod: &PodView<'_>) -> Option<PodError> {
    // TotalAnnotationSizeLimitB of `k8s.io/apimachinery/pkg/api/validation`.
    const ANNOTATION_BYTES: usize = 256 << 10;
    // An object of etcd has 1.5 MiB at most, and a container hundreds of bytes by its defaults.
    const CONTAINERS: usize = 4096;
    let bytes = pod
        .annotations()
        .map(|(key, value)| key.len() + value.len())
        .sum();
    let count = pod.spec.containers.len() + pod.spec.init_containers.len();
    let at = |place: &str, problem| Some(PodError::at(Place::Field(place.to_owned()), problem));
    if bytes > ANNOTATION_BYTES {
        at(
            "metadata.annotations",
            PodErrorKind::AnnotationsTooLarge { bytes },
        )
    } else if count > CONTAINERS {
        at(
            "spec.containers",
            PodErrorKind::TooManyContainers {
                count,
                most: CONTAINERS,
            },
        )
    } else {
        None
    }
}

/// How an init container of kees's stands in the pod already, by its index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// None does.
    Absent,
    /// Ours, from an earlier call or an injected manifest.
    Injected(usize),
    /// The author's own.
    WiredByHand(usize),
}

impl Standing {
    fn of(pod: &PodView<'_>, settings: &InjectSettings) -> Self {
        let containers = || pod.spec.init_containers.iter();
        let ours =
            containers().position(|c| &*c.name == names::CONTAINER && c.mounts(names::SECRETS));
        let wired = || {
            containers().position(|c| {
                c.image
                    .as_deref()
                    .is_some_and(|image| settings.wired_image.matches(image))
            })
        };
        match ours {
            Some(index) => Self::Injected(index),
            None => wired().map_or(Self::Absent, Self::WiredByHand),
        }
    }

    /// The index of our own container.
    pub(crate) fn injected(self) -> Option<usize> {
        match self {
            Self::Injected(index) => Some(index),
            Self::Absent | Self::WiredByHand(_) => None,
        }
    }
}
