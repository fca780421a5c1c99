//! The answer to a review.

use crate::SkipReason;

/// The answer, with what may be logged and counted of it: never a value or a patch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The body: an `AdmissionReview` as JSON, always to be sent with HTTP status 200.
    pub json: Vec<u8>,
    /// What became of the pod.
    pub outcome: Outcome,
    /// How many faults a denial names.
    pub faults: usize,
    /// How many warnings are sent along.
    pub warnings: usize,
    /// The namespace of the request, where it could be read.
    pub namespace: Option<String>,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Allowed, with a patch.
    Patched,
    /// Allowed; ours was there already, as it should be.
    Unchanged,
    /// Allowed, left as it is.
    Skipped(SkipReason),
    /// Refused: the pod cannot work or may not.
    Denied,
    /// Refused: the body could not be read.
    Malformed,
}

impl Outcome {
    /// A word for metrics and logs, without the reason of [`Outcome::Skipped`].
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Patched => "patched",
            Self::Unchanged => "unchanged",
            Self::Skipped(_) => "skipped",
            Self::Denied => "denied",
            Self::Malformed => "malformed",
        }
    }
}

impl Reply {
    /// Refuses a body that cannot be read, with code 400. `body` may be all of it or its
    /// beginning: the uid is taken from there if it can be found.
    pub fn malformed(_body: &[u8], _message: &str) -> Self {
        Self {
            json: Vec::new(),
            outcome: Outcome::Malformed,
            faults: 0,
            warnings: 0,
            namespace: None,
        }
    }
}
