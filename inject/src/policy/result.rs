//! What the policy decided about a pod, for metrics, the audit log and `kees lint`.

use std::{fmt, sync::Arc};

/// The rule that applies to a pod, and what it decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyResult {
    /// The rule's name, or its number in the file, counted from 1, if it has none
    /// ([`Policy::rule_names`](crate::Policy::rule_names)). `None` if no rule matches the pod.
    pub rule: Option<Arc<str>>,
    /// What the rule decided.
    pub outcome: PolicyOutcome,
}

/// What the policy decided about a pod. The pod may be denied for other errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PolicyOutcome {
    /// The policy allows everything that the pod asks for.
    Allowed,
    /// The policy would deny the pod, but its mode is `warn`.
    Warned,
    /// The policy denies the pod.
    Denied,
}

impl PolicyOutcome {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Allowed, Self::Warned, Self::Denied];

    /// The outcome in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Warned => "warned",
            Self::Denied => "denied",
        }
    }
}

impl fmt::Display for PolicyOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
