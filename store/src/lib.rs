//! The stores of secrets, and the protocol that creates a generation once.
//!
//! A backend implements [`ReadStore`] and [`CreateStore`], and passes one conformance suite.
//! [`Store`] is the enum of the backends. The protocol, which makes every reader see the same
//! generation, is in [`protocol`] and knows no backend. What people do with single values by hand is in
//! `values`, behind a cargo feature of that name.

#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
#[cfg(feature = "embedded")]
pub mod embedded;
mod error;
#[cfg(any(feature = "dynamodb", feature = "embedded", feature = "memory"))]
mod lease_changes;
pub mod leases;
#[cfg(any(feature = "secretsmanager", feature = "ssm"))]
mod members;
#[cfg(feature = "memory")]
pub mod memory;
pub mod permissions;
pub mod protocol;
mod retry;
pub mod rotation;
pub mod rows;
#[cfg(feature = "secretsmanager")]
pub mod secretsmanager;
#[cfg(feature = "ssm")]
pub mod ssm;
mod stores;
mod token;
#[cfg(feature = "values")]
pub mod values;

pub use error::{ErrorKind, StoreError};
pub use protocol::group::WriteLimits;
pub use retry::{Backoff, RetryBudget};
pub use stores::{Store, StoreSettings, Stores};
pub use token::{IdempotencyToken, RandomnessError};

use std::future::Future;

use kees_common::{Generated, Generation, Locator, SecretValue, StoragePath, StoreName};

/// The result of one read: a value, `None` if the value is absent, or an error.
pub type Found = Result<Option<SecretValue>, StoreError>;

/// Reads values.
pub trait ReadStore {
    /// The name of this store.
    fn name(&self) -> StoreName;

    /// Whether a read sees every write that was answered before it. If not (Secrets
    /// Manager), a value may still look absent after another writer was first, and is read again.
    fn is_consistent(&self) -> bool;

    /// The values at `locators`: one result for each, in their order. Each is read once, in as few
    /// calls as the store allows, without retries. The read is consistent if the store has
    /// consistent reads.
    ///
    /// No two values of one secret are of different generations: a field of another generation looks
    /// absent, and so does a previous value that is not the one before the current value.
    fn read(&self, locators: &[Locator]) -> impl Future<Output = Vec<Found>> + Send;

    /// The values at `locators` in one snapshot, for a generation of which [`ReadStore::read`]
    /// found only a part. A store whose `read` is atomic for one generation can call `read`.
    fn read_together(&self, locators: &[Locator]) -> impl Future<Output = Vec<Found>> + Send;
}

/// Creates generations.
pub trait CreateStore {
    /// The limits of one write.
    fn write_limits(&self) -> WriteLimits {
        WriteLimits::ONE_GENERATION
    }

    /// Stores all values of all generations of `request` in one atomic write, on the condition that
    /// none of their names exists. The same request may be sent again: with the same token it is
    /// not another write. This method does not retry.
    fn create(
        &self,
        request: &CreateRequest<'_>,
    ) -> impl Future<Output = Result<Creation, StoreError>> + Send;
}

/// Generations that are stored in one atomic write: at least one, and no more than the store's
/// [`CreateStore::write_limits`]. No two of them have a name in common.
#[derive(Debug)]
pub struct CreateRequest<'a> {
    /// What is stored.
    pub generations: &'a [NewGeneration<'a>],
    /// Distinguishes a repeated request from a request of another writer.
    pub token: &'a IdempotencyToken,
}

/// A generation that is generated, but not stored yet.
#[derive(Debug, Clone, Copy)]
pub struct NewGeneration<'a> {
    /// Its store and paths.
    pub generation: &'a Generation,
    /// Its values, one for each of the generation's fields.
    pub values: &'a Generated,
    /// The pod's namespace, for the store's own tags.
    pub namespace: Option<&'a str>,
}

impl CreateRequest<'_> {
    /// The path and value of each field of every generation: what a flat store writes in one
    /// transaction.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] if a field has no value, because the write would be incomplete.
    pub fn items(&self) -> Result<Vec<(&StoragePath, &SecretValue)>, StoreError> {
        let mut items = Vec::new();
        for new in self.generations {
            items.append(&mut new.items()?);
        }
        Ok(items)
    }

    /// The generation, for a store that writes one at a time.
    ///
    /// # Errors
    /// [`ErrorKind::Other`] if the caller ignored [`CreateStore::write_limits`].
    pub fn only_generation(&self) -> Result<&NewGeneration<'_>, StoreError> {
        if let [new] = self.generations {
            return Ok(new);
        }
        let generation = self.generations.first().map(|new| new.generation);
        Err(StoreError {
            kind: ErrorKind::Other,
            store: generation.map_or(StoreName::Memory, |generation| generation.store),
            path: self.path().cloned(),
            code: None,
            message: format!("{} generations in one write", self.generations.len()),
            remedy: "report this as a defect of kees".to_owned(),
        })
    }

    /// The path of the first generation, for errors about the request as a whole.
    pub fn path(&self) -> Option<&StoragePath> {
        self.generations.first().map(|new| &new.generation.path)
    }
}

impl NewGeneration<'_> {
    /// The path and value of each field.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] if a field has no value.
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

/// The result of a create request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creation {
    /// This write, or an earlier one with the same token, was carried out.
    Created,
    /// Nothing was written, because a name of one of the generations exists: another writer was
    /// first, or some fields of a generation are stored.
    Exists,
}
