//! Single values that people list, put and delete by hand, with the command `kees`.
//!
//! A program that only runs the protocol needs none of it, so it is behind the feature `values`.

#[cfg(any(feature = "dynamodb", feature = "embedded", feature = "memory"))]
mod flat;
mod metadata;
mod retrying;

use std::future::Future;

use kees_common::{SecretValue, StoragePath, StoragePrefix};

#[cfg(any(feature = "dynamodb", feature = "embedded", feature = "memory"))]
pub(crate) use self::flat::create_alone;
pub use self::{
    metadata::Metadata,
    retrying::{list_all, retrying},
};
use crate::{Creation, IdempotencyToken, StoreError};

/// Lists the names of values, and describes them. No value is read.
pub trait ListStore {
    /// The first page of the names that `prefix` contains
    /// ([`StoragePrefix::contains_name`]), or the page at `token`. A page can be empty although
    /// others follow. This method does not retry.
    fn list(
        &self,
        prefix: &StoragePrefix,
        token: Option<&PageToken>,
    ) -> impl Future<Output = Result<Page, StoreError>> + Send;

    /// What the store says about the value at `path`, or `None` if it is absent. This method does
    /// not retry.
    fn describe(
        &self,
        path: &StoragePath,
    ) -> impl Future<Output = Result<Option<Metadata>, StoreError>> + Send;
}

/// Stores single values.
pub trait PutStore {
    /// Stores one value. [`Creation::Exists`] if there is a value and `request` does not replace it.
    /// The same request may be sent again: with the same token it is not another write. This method
    /// does not retry.
    fn put(
        &self,
        request: &PutRequest<'_>,
    ) -> impl Future<Output = Result<Creation, StoreError>> + Send;
}

/// Deletes single values.
pub trait DeleteStore {
    /// Deletes the value at `path`. Returns whether there was one, as far as the store tells. This
    /// method does not retry.
    fn delete(
        &self,
        path: &StoragePath,
        recovery: Recovery,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

/// One value that is stored as the whole content of its name.
#[derive(Debug)]
pub struct PutRequest<'a> {
    /// The name.
    pub path: &'a StoragePath,
    /// The value, which is not empty. A store that holds text only takes text only.
    pub value: &'a SecretValue,
    /// Whether an existing value is replaced.
    pub overwrite: bool,
    /// Distinguishes a repeated request from a request of another writer.
    pub token: &'a IdempotencyToken,
}

/// How long a deleted value can be restored. Only Secrets Manager can restore one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Recovery {
    /// The store's default: 30 days in Secrets Manager.
    #[default]
    Default,
    /// This many days, 7 to 30.
    Days(u8),
    /// Not at all.
    None,
}

/// Names below a prefix.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Each name once, in the order of the store.
    pub values: Vec<Metadata>,
    /// The next page, if there is one.
    pub next: Option<PageToken>,
}

/// Names a page of a list, in the words of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageToken(pub(crate) String);
