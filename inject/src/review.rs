//! From the bytes of a review to the bytes of the answer.

use crate::{Reply, Settings};

/// Answers the `AdmissionReview` in `body`. Whatever the body is, the answer is a review.
pub fn review(body: &[u8], _settings: &Settings) -> Reply {
    Reply::malformed(body, "")
}
