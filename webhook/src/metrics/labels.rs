//! The labels of the metrics and all their values. Every label has a closed set of values, so that
//! each series exists from the start: `increase()` does not see the first event of a series that
//! begins with it.

use std::{fmt, sync::Arc};

use kees_inject::{DenialReason, Outcome, PolicyOutcome, PolicyResult, SkipReason};
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};

use crate::handshake::HandshakeError;

/// The labels of a response to a review.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RequestLabels {
    pub(super) outcome: &'static str,
    /// Why a pod was skipped or denied; empty for the other outcomes.
    pub(super) reason: &'static str,
    pub(super) dry_run: bool,
}

impl RequestLabels {
    /// The labels of every possible response.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let skipped = SkipReason::ALL
            .map(|reason| (Outcome::Skipped(reason).as_str(), reason.as_str()))
            .into_iter();
        let denied = DenialReason::ALL
            .map(|reason| (Outcome::Denied.as_str(), reason.as_str()))
            .into_iter();
        let others = [Outcome::Patched, Outcome::Unchanged, Outcome::Malformed]
            .map(|outcome| (outcome.as_str(), ""))
            .into_iter();
        others
            .chain(skipped)
            .chain(denied)
            .flat_map(|(outcome, reason)| {
                [false, true].map(|dry_run| Self {
                    outcome,
                    reason,
                    dry_run,
                })
            })
    }
}

/// The labels of a TLS handshake that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct HandshakeLabels {
    pub(super) reason: HandshakeError,
}

impl EncodeLabelValue for HandshakeError {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        self.as_str().encode(encoder)
    }
}

/// The labels of an attempt to load changed files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ReloadLabels {
    pub(super) file: Watched,
    pub(super) result: ReloadResult,
}

/// The label of a time at which files were loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct FileLabels {
    pub(super) file: Watched,
}

/// What is loaded from files and loaded again when they change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Watched {
    /// The certificate and its key.
    Certificate,
    /// The policy file.
    Policy,
    /// The CAs of clients.
    ClientCa,
}

impl Watched {
    /// Everything that is watched.
    pub(super) const ALL: [Self; 3] = [Self::Certificate, Self::Policy, Self::ClientCa];

    /// The name in labels and log lines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Policy => "policy",
            Self::ClientCa => "client_ca",
        }
    }
}

impl EncodeLabelValue for Watched {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        self.as_str().encode(encoder)
    }
}

/// What became of changed files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ReloadResult {
    /// They are in use.
    Success,
    /// They are invalid, and the previous ones stay in use.
    Error,
}

impl ReloadResult {
    /// Both results.
    pub(super) const ALL: [Self; 2] = [Self::Success, Self::Error];
}

impl EncodeLabelValue for ReloadResult {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        match self {
            Self::Success => "success",
            Self::Error => "error",
        }
        .encode(encoder)
    }
}

/// The labels of what the policy decided.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct DecisionLabels {
    /// Empty if no rule matches.
    rule: Arc<str>,
    outcome: &'static str,
}

impl DecisionLabels {
    /// The labels of every decision with this rule.
    pub(super) fn of_rule(rule: &str) -> [Self; 3] {
        let rule: Arc<str> = rule.into();
        PolicyOutcome::ALL.map(|outcome| Self {
            rule: Arc::clone(&rule),
            outcome: outcome.as_str(),
        })
    }
}

impl From<&PolicyResult> for DecisionLabels {
    fn from(PolicyResult { rule, outcome }: &PolicyResult) -> Self {
        Self {
            rule: rule.clone().unwrap_or_default(),
            outcome: outcome.as_str(),
        }
    }
}

/// The label of the policy that is in use.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct PolicyLabels {
    /// The beginning of the SHA-256 of the policy file; empty without a file.
    pub(super) sha256: String,
}
