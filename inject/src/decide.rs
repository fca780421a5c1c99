//! The decision.

use kees_common::Warning;

use crate::{Fault, Operations, PodView, Settings};

/// What is to be done with a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Leave it as it is.
    Skip {
        /// Why.
        reason: SkipReason,
        /// What the author should know.
        warnings: Vec<Warning>,
    },
    /// Refuse it.
    Deny {
        /// Everything that is wrong, at least one thing.
        faults: Vec<Fault>,
        /// What has no effect.
        warnings: Vec<Warning>,
    },
    /// Change it; no operations where it is already as it should be.
    Patch {
        /// The changes.
        operations: Operations,
        /// What has no effect.
        warnings: Vec<Warning>,
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

/// Decides on the creation of `pod` in `namespace`.
pub fn decide(_pod: &PodView<'_>, _namespace: &str, _settings: &Settings) -> Decision {
    Decision::Skip { reason: SkipReason::NotAnnotated, warnings: Vec::new() }
}
