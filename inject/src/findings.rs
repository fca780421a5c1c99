//! What the decision finds out about a pod, collected from all checks, so that one message lists
//! every error.

use std::fmt;

use kees_common::{Plan, Warning};

use crate::{
    audit::EntryList,
    error::{Place, PodError, PodErrorKind},
    policy::result::{PolicyOutcome, PolicyResult},
};

/// The most errors that are collected. A response lists fewer, and errors take memory.
const MAX_ERRORS: usize = 1000;

/// The errors and warnings of a pod.
#[derive(Default)]
pub(crate) struct Findings {
    pub(crate) errors: Vec<PodError>,
    pub(crate) warnings: Vec<PodWarning>,
    /// What the pod asks for, for the audit log.
    pub(crate) entries: EntryList,
    /// What is read and created, if the annotations have no errors.
    pub(crate) plan: Option<Plan>,
    /// What the policy decided, if it was asked.
    pub(crate) policy: Option<PolicyResult>,
}

impl Findings {
    pub(crate) fn error(&mut self, place: Place, kind: PodErrorKind) {
        self.push(PodError::Pod { place, kind });
    }

    pub(crate) fn push(&mut self, error: PodError) {
        if !self.is_full() {
            self.errors.push(error);
        }
    }

    /// Whether no more errors are collected.
    pub(crate) fn is_full(&self) -> bool {
        self.errors.len() >= MAX_ERRORS
    }

    pub(crate) fn warn(&mut self, place: Place, message: impl Into<String>) {
        let message = message.into();
        self.warnings.push(PodWarning { place, message });
    }

    /// Makes an error of the policy a warning, for the mode `warn`.
    pub(crate) fn warn_of_error(&mut self, error: &PodError) {
        let message = format!("the policy would deny this: {}", error.message());
        self.warn(error.place(), message);
    }

    /// Makes each warning an error. If there is one, the policy denies the pod.
    pub(crate) fn deny_warnings(&mut self) {
        if let (Some(policy), false) = (&mut self.policy, self.warnings.is_empty()) {
            policy.outcome = PolicyOutcome::Denied;
        }
        for PodWarning { place, message } in std::mem::take(&mut self.warnings) {
            self.error(place, PodErrorKind::DeniedWarning(message));
        }
    }
}

/// A warning, and its place.
pub(crate) struct PodWarning {
    pub(crate) place: Place,
    pub(crate) message: String,
}

impl From<&Warning> for PodWarning {
    fn from(warning: &Warning) -> Self {
        Self {
            place: Place::annotation(&warning.annotation),
            message: warning.message.clone(),
        }
    }
}

impl fmt::Display for PodWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}
