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
            #[cfg(feature = "dynamodb")]
            Store::DynamoDb(ref $backend) => $then,
            #[cfg(feature = "embedded")]
            Store::Embedded(ref $backend) => $then,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        aws::{
            Aws,
            stub::{Answer, Stub},
        },
        memory::Memory,
        secretsmanager::SecretsManager,
        ssm::Ssm,
    };

    fn path() -> StoragePath {
        "/dev/leases/worker.7".parse().unwrap()
    }

    fn claim() -> Change {
        let new = Record {
            value: "web-0".to_owned(),
            pod: None,
        };
        Change {
            path: path(),
            expected: None,
            new: Some(new),
        }
    }

    #[tokio::test]
    async fn a_store_that_keeps_no_leases_names_those_that_do() {
        let stub = Stub::new(|_| Answer::error_response(400, "Unexpected", ""));
        let aws = Aws::from_config(stub.config());
        for store in [
            Store::SecretsManager(SecretsManager::new(&aws, None)),
            Store::Ssm(Ssm::new(&aws, None)),
        ] {
            let read = store.records(&[path()]).await.remove(0).unwrap_err();
            assert_eq!(read.path, Some(path()));
            let page = store.records_below("/dev/", None).await.unwrap_err();
            let step = store.swap(&[claim()]).await.unwrap_err();
            for error in [read, page, step] {
                assert_eq!((error.kind, error.store), (ErrorKind::Setup, store.name()));
                assert!(
                    error.message.contains("keeps no leases"),
                    "{}",
                    error.message
                );
                let remedy = &error.remedy;
                assert!(remedy.contains("dynamodb or embedded"), "{remedy}");
            }
        }
        assert!(stub.operations().is_empty());
    }

    #[tokio::test]
    async fn the_records_of_any_backend_are_its_own() {
        let store = Store::Memory(Memory::new());
        assert!(store.swap(&[claim()]).await.unwrap());
        assert_eq!(store.records(&[path()]).await, [Ok(claim().new)]);
        let page = store.records_below("/dev/leases/worker.", None).await;
        assert_eq!(page.unwrap().records.len(), 1);
        assert!(StoreName::ALL.into_iter().all(|name| {
            let is_aws_secret = matches!(name, StoreName::SecretsManager | StoreName::Ssm);
            name.keeps_leases() != is_aws_secret
        }));
    }
}
