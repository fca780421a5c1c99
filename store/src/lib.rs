//! The stores of secrets, and the protocol that creates a generation once.
//!
//! A backend implements [`ReadStore`] and [`CreateStore`], and passes one conformance suite.
//! [`Store`] is the enum of the backends. The protocol, which makes every reader see the same
//! generation, is in [`protocol`] and knows no backend.

#[cfg(feature = "aws")]
pub mod aws;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
#[cfg(feature = "embedded")]
pub mod embedded;
mod error;
#[cfg(feature = "secretsmanager")]
mod members;
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

/// The answer to one read: a value, `None` where there is none, or an error.
pub type Found = Result<Option<SecretValue>, StoreError>;

/// Reads values.
pub trait ReadStore {
    /// The name of this store.
    fn name(&self) -> StoreName;

    /// Whether a read sees every write that was answered before it. Where it does not (Secrets
    /// Manager), an absence after a lost race may pass, and the value is read again.
    fn is_consistent(&self) -> bool;

    /// The values at `locators`: one answer for each, in their order. Each is read once, in as few
    /// calls as the store allows, and nothing is tried again. Consistent where the store has
    /// consistent reads.
    fn read(&self, locators: &[Locator]) -> impl Future<Output = Vec<Found>> + Send;

    /// The values at `locators` in one snapshot, for a generation of which [`ReadStore::read`] found
    /// only a part. A store whose `read` is atomic for one generation may call that.
    fn read_together(&self, locators: &[Locator]) -> impl Future<Output = Vec<Found>> + Send;
}

/// Creates generations.
pub trait CreateStore {
    /// Stores all values of `new` in one atomic write, on the condition that none of its names
    /// exists. The same `new` sent again (with the same token) is not a second write. Nothing is
    /// tried again.
    fn create(
        &self,
        new: &NewGeneration<'_>,
    ) -> impl Future<Output = Result<Creation, StoreError>> + Send;
}

/// A generation that is not stored yet.
#[derive(Debug)]
pub struct NewGeneration<'a> {
    /// Its store and paths.
    pub generation: &'a Generation,
    /// Its values, one for each of the generation's fields.
    pub values: &'a Generated,
    /// Distinguishes a repeated request from that of another writer.
    pub token: IdempotencyToken,
    /// The pod's namespace, for the store's own tags.
    pub namespace: Option<&'a str>,
}

impl NewGeneration<'_> {
    /// The path and value of each field: the items that a store without members writes in one
    /// transaction.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] where a field has no value, so that the generation is not complete.
    pub fn items(&self) -> Result<Vec<(&StoragePath, &SecretValue)>, StoreError> {
        self.generation
            .fields
            .iter()
            .map(|(field, path)| {
                let value = self.values.get(*field).filter(|value| !value.is_empty());
                value.map(|value| (path, value)).ok_or_else(|| {
                    let message = format!("nothing was generated for {path}");
                    let remedy = "report this as a defect of kees";
                    let store = self.generation.store;
                    StoreError::new(ErrorKind::Malformed, store, message, remedy).at(path)
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
    /// A name exists: another writer was first, or a part of a generation is stored.
    Exists,
}
