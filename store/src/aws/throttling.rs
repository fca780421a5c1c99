//! The error of a request that AWS throttled.

use crate::ErrorKind;

/// The kind of the error, and what to do about it.
pub(super) fn throttled() -> (ErrorKind, String) {
    (
        ErrorKind::Throttled,
        "nothing if it passes: it is tried again until the deadline; else raise the table's capacity or the account's quota".to_owned(),
    )
}
