//! What kiss needs of AWS: Secrets Manager and IAM.

mod aws;
#[cfg(test)]
pub(crate) mod memory;

pub use aws::{Account, AwsCloud, ConnectError, connect};

use zeroize::Zeroizing;

/// Tags, keys and values.
pub type Tags = Vec<(String, String)>;

/// A value of a secret, which is overwritten when it is dropped.
pub type Value = Zeroizing<String>;

/// Something in AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its ARN. That of a secret ends with characters that a secret of the same name, created later, does
    /// not have.
    pub arn: String,
    /// Its tags.
    pub tags: Tags,
}

/// A secret in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name in AWS.
    pub name: String,
    /// Its tags.
    pub tags: Tags,
}

/// Some of several things, and how to get the next ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The things.
    pub items: Vec<T>,
    /// The token of the next page. `None`: this is the last one.
    pub next: Option<String>,
}

/// Secrets Manager and IAM of one account in one Region.
///
/// What exists is acted on by its ARN, so that nothing else is meant if something of the same name takes its
/// place.
pub trait Cloud: Send + Sync + 'static {
    /// Creates a secret of a name that does not exist.
    fn create_secret(
        &self,
        name: &str,
        value: Value,
        tags: Tags,
    ) -> impl Future<Output = Result<(), CloudError>> + Send;

    /// The secret of a name.
    fn secret(&self, name: &str) -> impl Future<Output = Result<Found, CloudError>> + Send;

    /// Replaces the value of a secret.
    fn put_secret(
        &self,
        arn: &str,
        value: Value,
    ) -> impl Future<Output = Result<(), CloudError>> + Send;

    /// Deletes a secret without recovery.
    fn delete_secret(&self, arn: &str) -> impl Future<Output = Result<(), CloudError>> + Send;

    /// All secrets that may belong to `namespace`, and perhaps others.
    fn secrets(
        &self,
        namespace: &str,
        token: Option<String>,
    ) -> impl Future<Output = Result<Page<Listed>, CloudError>> + Send;

    /// The ARN of the policy of a name, in this account.
    fn policy_arn(&self, name: &str) -> String;

    /// Creates a policy of a name that does not exist.
    fn create_policy(
        &self,
        name: &str,
        document: String,
        tags: Tags,
    ) -> impl Future<Output = Result<(), CloudError>> + Send;

    /// The policy of an ARN.
    fn policy(&self, arn: &str) -> impl Future<Output = Result<Found, CloudError>> + Send;

    /// Deletes a policy that is attached to nothing, with its versions.
    fn delete_policy(&self, arn: &str) -> impl Future<Output = Result<(), CloudError>> + Send;

    /// The names of the roles that a policy is attached to.
    fn roles(
        &self,
        arn: &str,
        token: Option<String>,
    ) -> impl Future<Output = Result<Page<String>, CloudError>> + Send;

    /// Attaches a policy to a role.
    fn attach(&self, arn: &str, role: &str) -> impl Future<Output = Result<(), CloudError>> + Send;

    /// Detaches a policy from a role.
    fn detach(&self, arn: &str, role: &str) -> impl Future<Output = Result<(), CloudError>> + Send;
}

/// What kind of error AWS returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloudErrorKind {
    /// There is something of this name already.
    Exists,
    /// There is nothing of this name.
    NotFound,
    /// The state does not allow it: the secret is being deleted, for example.
    State,
    /// The policy is still attached to something.
    Attached,
    /// There is no answer: AWS may have done what it was asked for.
    NoAnswer,
    /// Anything else.
    Other,
}

/// An error of AWS. It never contains a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{action}: {message}")]
pub struct CloudError {
    /// What kind of error it is.
    pub kind: CloudErrorKind,
    /// What AWS was asked for, `secretsmanager:CreateSecret`.
    pub action: &'static str,
    /// AWS's code, or `no response`.
    pub code: String,
    /// What AWS said.
    pub message: String,
}
