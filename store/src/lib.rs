//! Where secrets lie, and how a generation is created once whatever fails.
//!
//! A backend implements [`ReadStore`] and [`CreateStore`], the two narrow things that the domain asks for;
//! one conformance suite says what that means. [`Store`] is the enum over the backends. The
//! protocol that makes every reader agree lives in [`protocol`], above the backends.

#[cfg(feature = "aws")]
pub mod aws;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
#[cfg(feature = "embedded")]
pub mod embedded;
mod error;
#[cfg(feature = "memory")]
pub mod memory;
#[cfg(test)]
mod model;
pub mod protocol;
mod retry;
#[cfg(test)]
#[cfg(all(feature = "dynamodb", feature = "secretsmanager"))]
mod scale;
#[cfg(feature = "secretsmanager")]
pub mod secretsmanager;
mod stores;
mod token;

pub use error::{ErrorKind, StoreError};
pub use retry::{Backoff, RetryBudget};
pub use stores::{Store, StoreSettings, Stores};
pub use token::{IdempotencyToken, RandomnessError};

use std::future::Future;

use kees_common::{Generated, Generation, Locator, SecretValue, StoragePath, StoreName};

/// What one read found.
pub type Found = Result<Option<SecretValue>, StoreError>;

/// Reads values.
pub trait ReadStore {
    /// Which store this is, for messages.
    fn name(&self) -> StoreName;

    /// Whether a read sees every write that was answered before it. Where not (Secrets Manager),
    /// an absence after a lost race is waited out rather than believed.
    fn is_consistent(&self) -> bool;

    /// The current values at `locators`, one answer for each and in their order, `None` where the
    /// store says that nothing is there. Each locator is asked for once, in as few calls as the
    /// store allows, and nothing is tried again. Consistent where the store has consistent reads.
    fn read(&self, locators: &[Locator]) -> impl Future<Output = Vec<Found>> + Send;

    /// The values at `locators` in one snapshot, for halves of a generation that a batch showed
    /// incomplete. A store whose `read` is already atomic for one generation may call that.
    fn read_together(&self, locators: &[Locator]) -> impl Future<Output = Vec<Found>> + Send;
}

/// Creates generations.
pub trait CreateStore {
    /// Stores all values of `new` in one atomic write, on the condition that none of its names
    /// exists. Sending the same `new` again (same token) is not another write. Nothing is tried
    /// again.
    fn create(
        &self,
        new: &NewGeneration<'_>,
    ) -> impl Future<Output = Result<Creation, StoreError>> + Send;
}

/// A generation that has been made and not been stored yet.
#[derive(Debug)]
pub struct NewGeneration<'a> {
    /// Where it belongs.
    pub generation: &'a Generation,
    /// Its values, one for each of the generation's fields.
    pub values: &'a Generated,
    /// Tells a repeated request from another writer's.
    pub token: IdempotencyToken,
    /// The pod's namespace, for the store's own tags.
    pub namespace: Option<&'a str>,
}

impl NewGeneration<'_> {
    /// Each field's own path and value: what a flat store writes in one transaction.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] where a field has no value; the write would not be whole.
    pub fn items(&self) -> Result<Vec<(&StoragePath, &SecretValue)>, StoreError> {
        self.generation
            .fields
            .iter()
            .map(|(field, path)| {
                let value = self.values.get(*field).filter(|value| !value.is_empty());
                value.map(|value| (path, value)).ok_or_else(|| StoreError {
                    kind: ErrorKind::Malformed,
                    store: self.generation.store,
                    path: Some(path.clone()),
                    code: None,
                    message: format!("nothing was generated for {path}"),
                    remedy: "report this as a defect of kees".to_owned(),
                })
            })
            .collect()
    }
}

/// How a create ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creation {
    /// This write, or an earlier one with the same token, was carried out.
    Created,
    /// A name exists: another writer was first, or half of a pair lies there.
    Exists,
}
