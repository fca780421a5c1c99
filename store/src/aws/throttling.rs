//! The error of a request that AWS throttled.

use crate::ErrorKind;

/// The kind of the error, and what to do about it.
pub(super) fn throttled() -> (ErrorKind, String) {
    (
        ErrorKind::Throttled,
        "it is tried again until the deadline; if it does not pass, raise the table's capacity or the account's quota".to_owned(),
    )
}
