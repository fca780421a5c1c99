//! Errors of this crate within the engine. Only their details are known to have no value.

use minijinja::{Error, ErrorKind};

/// The value is not text.
pub(crate) const NOT_TEXT: &str = "kees: not text";

/// The stored text is not base64, so there is no value.
pub(crate) const NOT_BASE64: &str = "kees: not base64";

/// There are several values, or none.
pub(crate) const NOT_ONE_VALUE: &str = "kees: not one value";

/// The filters have processed too many bytes.
pub(crate) const TOO_MUCH_WORK: &str = "kees: too much work";

/// An error with one of these details.
pub(crate) fn error(detail: &'static str) -> Error {
    Error::new(ErrorKind::InvalidOperation, detail)
}
