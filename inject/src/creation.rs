//! What a creator may create for a pod: the decision of the policy for a program that creates the
//! secrets of many pods, such as `kees-controller`.

use kees_common::{Entry, Parsed, Plan, Source, names::init};

use crate::{
    error::PodError,
    findings::Findings,
    policy::{apply::enforce, evaluation::AnnotatedPod, rule::Create, template::Subject},
    settings::InjectSettings,
};

/// The parts of a pod that decide what is created for it.
#[derive(Debug, Clone, Copy)]
pub struct CreatorPod<'a> {
    /// The pod's namespace.
    pub namespace: &'a str,
    /// The pod's ServiceAccount.
    pub service_account: &'a str,
}

/// What is created for a pod.
#[derive(Debug)]
pub enum Creation {
    /// Nothing, and that is right.
    Nothing(NoCreation),
    /// Nothing, because the annotations are invalid or the policy denies them.
    Denied(Vec<PodError>),
    /// The generations and leases of this plan.
    Create {
        /// The entries that the plan is made of.
        parsed: Box<Parsed>,
        /// What is read and created, and the leases that the pod gets.
        plan: Plan,
    },
}

/// Why nothing is created for a pod without errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoCreation {
    /// The pod has neither a DYNAMIC entry nor a lease.
    NotAsked,
    /// The pod names no storage prefix, and the webhook has not injected it, so it has none of the
    /// policy either.
    NoPrefix,
    /// The pod uses local mode.
    LocalMode,
    /// The rule of the pod has `create: never`.
    Never,
}

impl NoCreation {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::NotAsked, Self::NoPrefix, Self::LocalMode, Self::Never];

    /// The reason in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotAsked => "not_asked",
            Self::NoPrefix => "no_prefix",
            Self::LocalMode => "local_mode",
            Self::Never => "never",
        }
    }
}

/// Decides what is created for `pod`, which has `annotations`. It skips the pods that the original's
/// creator skips.
///
/// The rule is enforced in the mode `warn` too: a pod that writes outside of its prefix needs the
/// permission itself, but a creator has the permission to write for every pod.
pub fn creation(
    pod: CreatorPod<'_>,
    annotations: &[(&str, &str)],
    settings: &InjectSettings,
) -> Creation {
    let parsed = Parsed::from_annotations(&settings.domain, annotations.iter().copied());
    if let Some(reason) = skip(&parsed, annotations, settings) {
        return Creation::Nothing(reason);
    }
    let subject = Subject {
        cluster: settings.cluster.as_deref(),
        namespace: pod.namespace,
        service_account: pod.service_account,
    };
    let rule = settings.policy.rule(subject);
    if rule.create == Create::Never {
        return Creation::Nothing(NoCreation::Never);
    }
    let mut findings = Findings::default();
    let annotated = AnnotatedPod {
        subject,
        parsed: &parsed,
        entries: parsed.entries.len(),
        wired: None,
    };
    enforce(annotated, rule, settings, &mut findings);
    match findings.plan {
        Some(plan) if findings.errors.is_empty() => {
            if plan.generations.is_empty() && plan.leases.is_empty() {
                Creation::Nothing(NoCreation::NotAsked)
            } else {
                let parsed = Box::new(parsed);
                Creation::Create { parsed, plan }
            }
        }
        _ => Creation::Denied(findings.errors),
    }
}

/// Why nothing is created although the annotations may ask for it.
///
/// The original's creator skips a pod without a prefix. An injected pod has the prefix of its rule.
fn skip(
    parsed: &Parsed,
    annotations: &[(&str, &str)],
    settings: &InjectSettings,
) -> Option<NoCreation> {
    let value_of = |name: &str| {
        let key = settings.domain.init(name);
        let mut annotations = annotations.iter();
        annotations.find_map(|(annotation, value)| (*annotation == key).then_some(*value))
    };
    // Not the parsed value: the original searches the text for `false`.
    if value_of(init::LOCAL_MODE).is_some_and(|value| !value.contains("false")) {
        return Some(NoCreation::LocalMode);
    }
    let is_resource = |entry: &Entry| matches!(entry.source, Source::Resource(_));
    if parsed.errors.is_empty() && parsed.entries.iter().all(is_resource) {
        return Some(NoCreation::NotAsked);
    }
    let has_prefix = [init::STORAGE_PREFIX, init::INJECTED]
        .into_iter()
        .any(|name| value_of(name).is_some());
    (!has_prefix).then_some(NoCreation::NoPrefix)
}
