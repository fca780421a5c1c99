//! The store that holds a value, for messages.

use kees_common::StoreName;

/// The store that holds a value, and what it calls it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Holder {
    pub(crate) store: StoreName,
    /// For messages: `secret`, `parameter`.
    pub(crate) noun: &'static str,
}
