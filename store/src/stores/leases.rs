//! The leases of any backend that keeps them.

use kees_common::{StoragePath, StoreName};

use super::Store;
use crate::{
    ErrorKind, ReadStore as _, StoreError,
    leases::{Change, LeaseStore, Record, RecordPage},
};

/// The same expression for every backend that keeps leases, and another one for the others.
macro_rules! keeping {
    ($store:expr, $backend:ident => $then:expr, $name:ident => $otherwise:expr) => {
        match *$store {
            #[cfg(feature = "memory")]
            Store::Memory(ref $backend) => $then,
            #[allow(
                unreachable_patterns,
                reason = "a build with fewer backends may have only those that keep leases"
            )]
            ref other => {
                let $name = other.name();
                $otherwise
            }
        }
    };
}

impl LeaseStore for Store {
    async fn records(&self, paths: &[StoragePath]) -> Vec<Result<Option<Record>, StoreError>> {
        keeping!(
            self,
            backend => backend.records(paths).await,
            name => paths.iter().map(|path| Err(keeps_none(name).at(path))).collect()
        )
    }

    async fn records_below(
        &self,
        prefix: &str,
        start: Option<&str>,
    ) -> Result<RecordPage, StoreError> {
        keeping!(
            self,
            backend => backend.records_below(prefix, start).await,
            name => Err(keeps_none(name))
        )
    }

    async fn swap(&self, changes: &[Change]) -> Result<bool, StoreError> {
        keeping!(
            self,
            backend => backend.swap(changes).await,
            name => Err(keeps_none(name))
        )
    }
}

fn keeps_none(store: StoreName) -> StoreError {
    let stores = StoreName::names_with(|name| name.keeps_leases() && name.is_persistent());
    StoreError::new(
        ErrorKind::Setup,
        store,
        format!("the store {store} keeps no leases"),
        format!("let a store that keeps leases be the pod's store: {stores}"),
    )
}
