//! The values of any backend.

use kees_common::{StoragePath, StoragePrefix};

use super::Store;
use crate::{
    Creation, StoreError,
    values::{DeleteStore, ListStore, Metadata, Page, PageToken, PutRequest, PutStore, Recovery},
};

impl ListStore for Store {
    async fn list(
        &self,
        prefix: &StoragePrefix,
        token: Option<&PageToken>,
    ) -> Result<Page, StoreError> {
        each!(self, backend => backend.list(prefix, token).await)
    }

    async fn describe(&self, path: &StoragePath) -> Result<Option<Metadata>, StoreError> {
        each!(self, backend => backend.describe(path).await)
    }
}

impl PutStore for Store {
    async fn put(&self, request: &PutRequest<'_>) -> Result<Creation, StoreError> {
        each!(self, backend => PutStore::put(backend, request).await)
    }
}

impl DeleteStore for Store {
    async fn delete(&self, path: &StoragePath, recovery: Recovery) -> Result<bool, StoreError> {
        each!(self, backend => backend.delete(path, recovery).await)
    }
}
