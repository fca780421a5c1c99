//! Why a pod is refused.

use std::fmt;

use crate::{Unfilled, patch::identity::IdentityError};

/// One reason why a pod is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PodError {
    /// What an annotation says is wrong in itself.
    #[error("{0}")]
    Annotation(#[from] kees_common::AnnotationError),
    /// The pod, or the policy that holds for it, does not go together with its annotations.
    #[error("{place}: {problem}")]
    Pod {
        /// Where.
        place: Place,
        /// What is wrong and what would be right.
        problem: PodErrorKind,
    },
}

impl PodError {
    pub(crate) fn at(place: Place, problem: PodErrorKind) -> Self {
        Self::Pod { place, problem }
    }

    /// The field of the pod, as `status.details.causes` names one.
    pub fn field(&self) -> String {
        match self {
            Self::Annotation(fault) => format!("metadata.annotations[{}]", fault.annotation),
            Self::Pod {
                place: Place::Annotation(key),
                ..
            } => format!("metadata.annotations[{key}]"),
            Self::Pod {
                place: Place::Field(field),
                ..
            } => field.clone(),
        }
    }

    /// What is wrong, without the place.
    pub fn problem(&self) -> &dyn fmt::Display {
        match self {
            Self::Annotation(fault) => &fault.kind,
            Self::Pod { problem, .. } => problem,
        }
    }
}

/// Where a fault is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The whole key of an annotation.
    Annotation(String),
    /// A field of the pod: `spec.containers[app]`.
    Field(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Annotation(text) | Self::Field(text) => f.write_str(text),
        }
    }
}

/// What is wrong with a pod beside what is wrong with one annotation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PodErrorKind {
    /// More than Kubernetes takes, which it says only after admission.
    #[error("they have {bytes} bytes together; Kubernetes takes 262144 at most")]
    AnnotationsTooLarge {
        /// Keys and values together.
        bytes: usize,
    },
    /// More than a pod that can be stored has.
    #[error("{count} containers are too many; use {most} at most")]
    TooManyContainers {
        /// Init containers included.
        count: usize,
        /// The most there may be.
        most: usize,
    },
    /// No rule of the policy matches.
    #[error(
        "the policy has no rule for service account {service_account} in namespace {namespace}; \
         ask the operator for one"
    )]
    NoRule {
        /// The pod's namespace.
        namespace: String,
        /// The pod's service account.
        service_account: String,
    },
    /// The rule gives no prefix, and a store would be used.
    #[error(
        "the policy gives no storage prefix to service account {service_account} in namespace \
         {namespace}; ask the operator for one"
    )]
    NoPrefix {
        /// The pod's namespace.
        namespace: String,
        /// The pod's service account.
        service_account: String,
    },
    /// The pod asks for a prefix that is not its own.
    #[error(
        "{asked} is not at or below {given}, which the policy gives to this pod; use {given} or a prefix below it"
    )]
    ForeignPrefix {
        /// What the pod asks for.
        asked: String,
        /// What the rule gives.
        given: String,
    },
    /// A pod that is wired by hand and names no prefix.
    #[error(
        "is missing, and the pod's own init container would use /; give {given} or a prefix below it"
    )]
    PrefixMissing {
        /// What the rule gives.
        given: String,
    },
    /// The rule's template does not fit the pod.
    #[error("{0}")]
    Template(Unfilled),
    /// An ARN that no rule lists.
    #[error(
        "{arn} is not among the references that the policy allows; ask the operator to list it"
    )]
    Reference {
        /// The ARN.
        arn: String,
    },
    /// A name that the injection needs for itself.
    #[error("the name {name} is kees's own; rename it")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// A mount of a volume of ours that we did not make.
    #[error("it mounts {volume}, which is kees's own; remove the mount, kees adds its own")]
    MountTaken {
        /// The volume.
        volume: String,
    },
    /// What looks like an AWS identity and is not what EKS makes.
    #[error("{problem} (kees-init takes over {volume} only as EKS makes it)")]
    Identity {
        /// The volume of the token.
        volume: &'static str,
        /// What is different, and what would be right.
        problem: IdentityError,
    },
    /// JSON that serde reads past but not into.
    #[error("kees-init is there already and cannot be read; remove it, kees adds its own")]
    Unreadable,
    /// The mount path is in use.
    #[error("{path} is where {container} mounts {volume} ({at}); use another path")]
    PathTaken {
        /// The mount path asked for.
        path: String,
        /// The container.
        container: String,
        /// The volume that is mounted there.
        volume: String,
        /// Where it is mounted.
        at: String,
    },
    /// The mount path lies in a volume in which no folder can be made.
    #[error(
        "{path} lies in {volume}, which {container} mounts at {at}: the kubelet alone writes it, and no folder \
         for the files can be made there; use a path outside of it"
    )]
    PathInVolume {
        /// The mount path asked for.
        path: String,
        /// The container.
        container: String,
        /// The volume.
        volume: String,
        /// Where it is mounted.
        at: String,
    },
    /// The mount path lies where nothing can be mounted.
    #[error("{path} lies in a folder that the container runtime fills; use another path")]
    PathReserved {
        /// The mount path asked for.
        path: String,
    },
    /// The mount path would hide what our own container runs or reads.
    #[error(
        "{path} and {at} ({what}), which kees-init needs, lie in one another; use another path"
    )]
    PathNeeded {
        /// The mount path asked for.
        path: String,
        /// What it would hide.
        at: String,
        /// What that is.
        what: String,
    },
    /// A container that is not there.
    #[error("the pod has no container {name}; use the names of its containers")]
    NoContainer {
        /// The name.
        name: String,
    },
    /// An init container that is not there.
    #[error("the pod has no init container {name}; use the name of one, first or last")]
    NoInitContainer {
        /// The name.
        name: String,
    },
    /// It would see an empty folder.
    #[error("{name} runs before kees-init and would see no files; leave it out or change {order}")]
    RunsBefore {
        /// The name.
        name: String,
        /// The key of the annotation that says where kees-init stands.
        order: String,
    },
}

/// A name or path of the pod as a fault repeats it: cut and escaped, since nothing has looked at
/// it yet, and one long name must not be repeated a thousand times.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 256;
    let mut shown: String = text
        .chars()
        .take(MOST)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    shown
}
