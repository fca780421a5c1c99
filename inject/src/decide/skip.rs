//! Why a pod is not injected, and what its author is told then.

use kees_common::{
    Domain, Word, misspelled_prefix,
    names::init::{self, is_env},
};

use crate::{
    class::found::Found,
    error::{Place, PodErrorKind},
    findings::{Findings, PodWarning},
    pod::view::PodView,
};

/// Why a pod is not injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SkipReason {
    /// The request does not create a pod.
    NotPodCreation,
    /// The pod has no annotation that asks for a value.
    NotAnnotated,
    /// `init.DOMAIN/inject: "false"`.
    OptedOut,
    /// The mirror pod of a static pod. A patch would keep it in the phase Pending.
    Mirror,
    /// A Windows pod.
    Windows,
    /// The pod author wired the init container by hand. The annotations are still checked.
    WiredByHand,
    /// The pod has no annotation that asks for a value, and its classes are those of other providers.
    OtherProvider,
}

impl SkipReason {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::NotPodCreation,
        Self::NotAnnotated,
        Self::OptedOut,
        Self::Mirror,
        Self::Windows,
        Self::WiredByHand,
        Self::OtherProvider,
    ];

    /// The reason in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotPodCreation => "not_pod_creation",
            Self::NotAnnotated => "not_annotated",
            Self::OptedOut => "opted_out",
            Self::Mirror => "mirror",
            Self::Windows => "windows",
            Self::WiredByHand => "wired_by_hand",
            Self::OtherProvider => "other_provider",
        }
    }
}

/// Whether the key of an annotation asks for a value.
pub(super) fn is_entry(key: &str, domain: &Domain) -> bool {
    matches!(
        domain.split(key),
        Some((Word::Secret | Word::Resource | Word::Lease, _))
    )
}

/// The reason to leave the pod alone, if there is one, with its number of `entries`.
pub(super) fn skip_reason(
    pod: &PodView<'_>,
    entries: usize,
    found: &Found<'_>,
    domain: &Domain,
) -> Option<SkipReason> {
    // The values are compared exactly, as in the `matchConditions`.
    if entries == 0 && found.is_empty() && !pod.metadata.annotations.is_too_large() {
        Some(SkipReason::NotAnnotated)
    } else if pod.annotation(&domain.init(init::INJECT)) == Some("false") {
        Some(SkipReason::OptedOut)
    } else if pod.annotation("kubernetes.io/config.mirror").is_some() {
        Some(SkipReason::Mirror)
    } else if pod.is_windows() {
        Some(SkipReason::Windows)
    } else {
        None
    }
}

/// Warns if the pod author probably expects the pod to be injected.
pub(super) fn warn_of_skip(
    reason: SkipReason,
    pod: &PodView<'_>,
    domain: &Domain,
    findings: &mut Findings,
) {
    match reason {
        SkipReason::Windows => {
            let message = "kees has no init container for Windows, so nothing is injected";
            findings.warn(Place::field("spec.os"), message);
        }
        SkipReason::NotAnnotated => {
            // The number of annotations is not checked yet.
            const LIMIT: usize = 64;
            let keys = pod.annotations().map(|(key, _)| key);
            let misspelled = keys.filter_map(|key| misspelled_prefix(domain, key));
            let warnings = misspelled.map(|warning| PodWarning::from(&warning));
            findings.warnings.extend(warnings.take(LIMIT));
        }
        _ => {}
    }
}

/// Denies a pod of Windows that asks for variables: its containers would start without them.
pub(super) fn deny_variables(pod: &PodView<'_>, domain: &Domain, findings: &mut Findings) {
    let asks = |(key, value): &(&str, &str)| {
        let option = domain.split(key).filter(|(word, _)| *word == Word::Init);
        let is_env = option.is_some_and(|(_, name)| is_env(name));
        is_env && value.trim() != "false"
    };
    for (key, _) in pod.annotations().filter(asks) {
        findings.error(Place::annotation(key), PodErrorKind::WindowsVariables);
    }
}
