//! What can go wrong in making values, and in looking at those that are stored.

use kees_common::Field;

/// A generation that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// The operating system's random source failed.
    #[error("the operating system's random source failed")]
    Random,
    /// A key could not be made or encoded.
    #[error("{what} could not be made: {why}")]
    Key {
        /// The kind of key.
        what: &'static str,
        /// The library's own words; they name no key material.
        why: String,
    },
}

/// A stored value that is not what its annotation says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct VerifyError {
    /// The field at fault.
    pub field: Field,
    /// What is wrong with it, and what was expected. Never a value.
    pub what: String,
}
