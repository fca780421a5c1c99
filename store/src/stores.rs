//! One type for all backends, and the stores of one run.

#![cfg_attr(
    not(all(feature = "aws", feature = "embedded")),
    allow(
        dead_code,
        unused_variables,
        clippy::unused_async,
        reason = "a build with fewer backends does not use all of it"
    )
)]

use std::path::PathBuf;

use kees_common::{Locator, StoreName};

#[cfg(feature = "aws")]
use crate::aws::{self, Aws};
#[cfg(feature = "dynamodb")]
use crate::dynamodb::DynamoDb;
#[cfg(feature = "embedded")]
use crate::embedded::Embedded;
#[cfg(feature = "memory")]
use crate::memory::Memory;
#[cfg(feature = "secretsmanager")]
use crate::secretsmanager::SecretsManager;
#[cfg(feature = "ssm")]
use crate::ssm::Ssm;
use crate::{
    CreateRequest, CreateStore, Creation, ErrorKind, Found, ReadStore, StoreError, WriteLimits,
    protocol::StoreSet,
};

/// A backend that the program is built with.
#[derive(Debug)]
pub enum Store {
    /// The table of the original kees in DynamoDB.
    #[cfg(feature = "dynamodb")]
    DynamoDb(DynamoDb),
    /// AWS Secrets Manager.
    #[cfg(feature = "secretsmanager")]
    SecretsManager(SecretsManager),
    /// AWS Systems Manager Parameter Store.
    #[cfg(feature = "ssm")]
    Ssm(Ssm),
    /// One SQLite file.
    #[cfg(feature = "embedded")]
    Embedded(Embedded),
    /// The memory of the process.
    #[cfg(feature = "memory")]
    Memory(Memory),
}

/// The same expression for every backend.
macro_rules! each {
    ($store:expr, $backend:ident => $then:expr) => {
        match *$store {
            #[cfg(feature = "dynamodb")]
            Store::DynamoDb(ref $backend) => $then,
            #[cfg(feature = "secretsmanager")]
            Store::SecretsManager(ref $backend) => $then,
            #[cfg(feature = "ssm")]
            Store::Ssm(ref $backend) => $then,
            #[cfg(feature = "embedded")]
            Store::Embedded(ref $backend) => $then,
            #[cfg(feature = "memory")]
            Store::Memory(ref $backend) => $then,
        }
    };
}

mod leases;
mod rotation;
#[cfg(feature = "values")]
mod values;

impl ReadStore for Store {
    fn name(&self) -> StoreName {
        each!(self, backend => backend.name())
    }

    fn is_consistent(&self) -> bool {
        each!(self, backend => backend.is_consistent())
    }

    async fn read(&self, locators: &[Locator]) -> Vec<Found> {
        each!(self, backend => backend.read(locators).await)
    }

    async fn read_together(&self, locators: &[Locator]) -> Vec<Found> {
        each!(self, backend => backend.read_together(locators).await)
    }
}

impl CreateStore for Store {
    fn write_limits(&self) -> WriteLimits {
        each!(self, backend => backend.write_limits())
    }

    async fn create(&self, request: &CreateRequest<'_>) -> Result<Creation, StoreError> {
        each!(self, backend => backend.create(request).await)
    }
}

/// The settings of the backends.
#[derive(Debug, Clone, Default)]
pub struct StoreSettings {
    /// `ENV_LABEL`, the beginning of the name of DynamoDB's table.
    pub env_label: Option<String>,
    /// `KMS_KEY_ID`, for what is created in Secrets Manager and Parameter Store. `None`: the AWS
    /// managed keys.
    pub kms_key_id: Option<String>,
    /// `EMBEDDED_FILE`, for the embedded store.
    pub embedded_file: Option<PathBuf>,
    /// The settings of AWS.
    #[cfg(feature = "aws")]
    pub aws: aws::AwsSettings,
}

/// The stores of one run, each once.
#[derive(Debug, Default)]
pub struct Stores(Vec<Store>);

impl Stores {
    /// Opens each of `names`. No store is called yet.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if a setting that a store needs is missing or wrong, or the program
    /// is built without that store.
    pub async fn open(
        names: impl IntoIterator<Item = StoreName>,
        settings: &StoreSettings,
    ) -> Result<Self, StoreError> {
        let mut opening = Opening::new(settings);
        let mut stores = Self::default();
        for name in names {
            if stores.get(name).is_none() {
                stores.add(opening.open(name).await?);
            }
        }
        Ok(stores)
    }

    /// Adds a store; it replaces the one of the same name.
    pub fn add(&mut self, store: Store) {
        self.0.retain(|other| other.name() != store.name());
        self.0.push(store);
    }

    /// The store `name`, if the run uses it.
    pub fn get(&self, name: StoreName) -> Option<&Store> {
        self.0.iter().find(|store| store.name() == name)
    }
}

impl StoreSet for Stores {
    type Store = Store;

    fn get(&self, name: StoreName) -> Option<&Store> {
        Stores::get(self, name)
    }
}

/// What the stores share while they are opened.
struct Opening<'a> {
    settings: &'a StoreSettings,
    #[cfg(feature = "aws")]
    aws: Option<Aws>,
}

impl<'a> Opening<'a> {
    fn new(settings: &'a StoreSettings) -> Self {
        Self {
            settings,
            #[cfg(feature = "aws")]
            aws: None,
        }
    }

    async fn open(&mut self, name: StoreName) -> Result<Store, StoreError> {
        match name {
            #[cfg(feature = "dynamodb")]
            StoreName::DynamoDb => {
                let label = self.settings.env_label.as_deref();
                let label = label.ok_or_else(|| needs(name, "ENV_LABEL"))?;
                Ok(Store::DynamoDb(DynamoDb::new(self.aws(name).await?, label)))
            }
            #[cfg(feature = "secretsmanager")]
            StoreName::SecretsManager => {
                let key = self.settings.kms_key_id.clone();
                let aws = self.aws(name).await?;
                Ok(Store::SecretsManager(SecretsManager::new(aws, key)))
            }
            #[cfg(feature = "ssm")]
            StoreName::Ssm => {
                let key = self.settings.kms_key_id.clone();
                let aws = self.aws(name).await?;
                Ok(Store::Ssm(Ssm::new(aws, key)))
            }
            #[cfg(feature = "embedded")]
            StoreName::Embedded => {
                let file = self.settings.embedded_file.clone();
                let file = file.ok_or_else(|| needs(name, "EMBEDDED_FILE"))?;
                Ok(Store::Embedded(Embedded::new(file)))
            }
            #[cfg(feature = "memory")]
            StoreName::Memory => Ok(Store::Memory(Memory::new())),
            #[allow(
                unreachable_patterns,
                reason = "with every feature on, nothing is left"
            )]
            _ => Err(StoreError::new(
                ErrorKind::Setting,
                name,
                format!("this program is built without the store {name}"),
                "use a store that it is built with",
            )),
        }
    }

    /// The clients of `store`. All stores of a run share credentials and connections.
    #[cfg(feature = "aws")]
    async fn aws(&mut self, store: StoreName) -> Result<&Aws, StoreError> {
        let aws = match &mut self.aws {
            Some(aws) => aws,
            none => none.insert(Aws::new(&self.settings.aws).await),
        };
        aws.check_region(store)?;
        Ok(aws)
    }
}

#[cfg(any(feature = "dynamodb", feature = "embedded"))]
fn needs(store: StoreName, variable: &str) -> StoreError {
    StoreError::new(
        ErrorKind::Setting,
        store,
        format!("the store {store} needs {variable}"),
        format!("set {variable}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_run_has_each_of_its_stores_once() {
        let names = [StoreName::Memory, StoreName::Memory];
        let stores = Stores::open(names, &StoreSettings::default())
            .await
            .unwrap();
        assert_eq!(
            stores.get(StoreName::Memory).map(ReadStore::name),
            Some(StoreName::Memory)
        );
        assert!(stores.get(StoreName::Embedded).is_none());
        assert_eq!(stores.0.len(), 1);
    }

    #[rstest::rstest]
    #[case(StoreName::DynamoDb, "ENV_LABEL")]
    #[case(StoreName::Embedded, "EMBEDDED_FILE")]
    #[tokio::test]
    async fn a_missing_setting_is_named(#[case] store: StoreName, #[case] variable: &str) {
        let error = Stores::open([store], &StoreSettings::default())
            .await
            .unwrap_err();
        assert_eq!((error.kind, error.store), (ErrorKind::Setting, store));
        assert!(error.message.contains(variable), "{}", error.message);
    }
}
