//! The store that contains a value, for messages.

use kees_common::StoreName;

/// The store that contains a value, and its word for a stored value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Holder {
    pub(crate) store: StoreName,
    /// For messages: `secret`, `parameter`.
    pub(crate) noun: &'static str,
}
