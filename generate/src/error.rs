//! The errors of generating values and of verifying stored ones.

use kees_common::{Field, SecretType};

/// A generation could not be created.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// The operating system's random source failed.
    #[error("the operating system's random source failed")]
    Random,
    /// Values of this size are read, but not created.
    #[error("a {secret_type} key of {bits} bits is not created; {}", secret_type.right_size())]
    Size {
        /// The type.
        secret_type: SecretType,
        /// The size.
        bits: u16,
    },
    /// A key could not be generated or encoded.
    #[error("{key} could not be generated: {reason}")]
    Key {
        /// The kind of key.
        key: &'static str,
        /// The library's message, which contains no key material. The libraries have different
        /// error types, so the text is kept instead of a source.
        reason: String,
    },
}

/// A stored value is not what its annotation says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct VerifyError {
    /// The field with the wrong value.
    pub field: Field,
    /// What is wrong with it, and what was expected. Never a value.
    pub message: String,
}

impl VerifyError {
    /// An error in the value of `field`.
    pub fn new(field: Field, message: impl Into<String>) -> Self {
        Self {
            field,
            message: message.into(),
        }
    }
}
