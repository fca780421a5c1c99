//! What every backend is held to, for the two that need no server.

use std::sync::Arc;

use kees_common::{Generation, Locator, StoragePath, StoragePrefix, StoreName};
use kees_store::{
    CreateRequest, CreateStore, Creation, Found, ReadStore, StoreError, WriteLimits,
    embedded::Embedded,
    leases::{Change, LeaseStore, Record, RecordPage},
    memory::Memory,
    rotation::{Current, RotateRequest, RotateStore, Rotation},
    values::{DeleteStore, ListStore, Metadata, Page, PageToken, PutRequest, PutStore, Recovery},
};
use kees_store_testing::conformance::Fixture;
use tempfile::TempDir;

fn block_on<F: Future>(case: F) -> F::Output {
    tokio::runtime::Runtime::new().unwrap().block_on(case)
}

mod memory {
    use super::*;

    fn fixture() -> Fixture<Memory> {
        Fixture {
            clients: vec![Memory::new()],
            largest: 300_000,
            is_flat: true,
        }
    }

    kees_store_testing::conformance_tests!(block_on, fixture());
    kees_store_testing::rotation_tests!(block_on, fixture());
    kees_store_testing::values_tests!(block_on, fixture());
    kees_store_testing::lease_tests!(block_on, fixture());
}

mod embedded {
    use super::*;

    /// A store whose folder goes with it.
    struct Temporary {
        store: Embedded,
        _folder: Arc<TempDir>,
    }

    impl ReadStore for Temporary {
        fn name(&self) -> StoreName {
            self.store.name()
        }

        fn is_consistent(&self) -> bool {
            self.store.is_consistent()
        }

        async fn read(&self, locators: &[Locator]) -> Vec<Found> {
            self.store.read(locators).await
        }

        async fn read_together(&self, locators: &[Locator]) -> Vec<Found> {
            self.store.read_together(locators).await
        }
    }

    impl CreateStore for Temporary {
        fn write_limits(&self) -> WriteLimits {
            self.store.write_limits()
        }

        async fn create(&self, request: &CreateRequest<'_>) -> Result<Creation, StoreError> {
            self.store.create(request).await
        }
    }

    impl ListStore for Temporary {
        async fn list(
            &self,
            prefix: &StoragePrefix,
            token: Option<&PageToken>,
        ) -> Result<Page, StoreError> {
            self.store.list(prefix, token).await
        }

        async fn describe(&self, path: &StoragePath) -> Result<Option<Metadata>, StoreError> {
            self.store.describe(path).await
        }
    }

    impl PutStore for Temporary {
        async fn put(&self, request: &PutRequest<'_>) -> Result<Creation, StoreError> {
            self.store.put(request).await
        }
    }

    impl LeaseStore for Temporary {
        async fn records(&self, paths: &[StoragePath]) -> Vec<Result<Option<Record>, StoreError>> {
            self.store.records(paths).await
        }

        async fn records_below(
            &self,
            prefix: &str,
            start: Option<&str>,
        ) -> Result<RecordPage, StoreError> {
            self.store.records_below(prefix, start).await
        }

        async fn swap(&self, changes: &[Change]) -> Result<bool, StoreError> {
            self.store.swap(changes).await
        }
    }

    impl RotateStore for Temporary {
        async fn current(&self, generation: &Generation) -> Result<Option<Current>, StoreError> {
            self.store.current(generation).await
        }

        async fn rotate(&self, request: &RotateRequest<'_>) -> Result<Rotation, StoreError> {
            self.store.rotate(request).await
        }

        async fn retire(
            &self,
            generation: &Generation,
            current: &Current,
        ) -> Result<bool, StoreError> {
            self.store.retire(generation, current).await
        }

        async fn remember_since(
            &self,
            generation: &Generation,
            current: &Current,
            now: u64,
        ) -> Result<bool, StoreError> {
            self.store.remember_since(generation, current, now).await
        }
    }

    impl DeleteStore for Temporary {
        async fn delete(&self, path: &StoragePath, recovery: Recovery) -> Result<bool, StoreError> {
            self.store.delete(path, recovery).await
        }
    }

    /// Several connections, as several processes have them.
    fn fixture() -> Fixture<Temporary> {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let client = || Temporary {
            store: Embedded::new(folder.path().join("kees.sqlite")),
            _folder: Arc::clone(&folder),
        };
        Fixture {
            clients: (0..4).map(|_| client()).collect(),
            largest: 300_000,
            is_flat: true,
        }
    }

    kees_store_testing::conformance_tests!(block_on, fixture());
    kees_store_testing::rotation_tests!(block_on, fixture());
    kees_store_testing::values_tests!(block_on, fixture());
    kees_store_testing::lease_tests!(block_on, fixture());
}
