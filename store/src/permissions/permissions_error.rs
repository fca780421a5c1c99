//! Why permissions cannot be listed.

/// What is wrong and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PermissionsError {
    /// There is no need in AWS.
    #[error("nothing in AWS is to be allowed: no entry uses a store in AWS")]
    Nothing,
    /// A key without an account would be a key of any account.
    #[error("the KMS key '{0}' has no account; name the account, or name the key by its ARN")]
    KmsKeyWithoutAccount(String),
}
