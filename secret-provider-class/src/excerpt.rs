//! The beginning of a long text.

use std::borrow::Cow;

/// An expression in a message. What is wrong comes after it, and a message that is cut must still have that.
pub(crate) fn excerpt(expression: &str) -> Cow<'_, str> {
    const MAX_CHARS: usize = 200;
    match expression.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", expression.get(..end).unwrap_or_default()).into(),
        None => expression.into(),
    }
}
