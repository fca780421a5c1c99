//! The backends behind one type, and those that one run uses.

#![cfg_attr(
    not(all(feature = "aws", feature = "embedded")),
    allow(
        dead_code,
        unused_variables,
        clippy::unused_async,
        reason = "fewer backends need less of it"
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
use crate::{CreateStore, Creation, ErrorKind, Found, NewGeneration, ReadStore, StoreError};

/// One of the backends that the program is built with.
#[derive(Debug)]
pub enum Store {
    /// kees's table.
    #[cfg(feature = "dynamodb")]
    DynamoDb(DynamoDb),
    /// AWS Secrets Manager.
    #[cfg(feature = "secretsmanager")]
    SecretsManager(SecretsManager),
    /// One SQLite file.
    #[cfg(feature = "embedded")]
    Embedded(Embedded),
    /// The memory of the process.
    #[cfg(feature = "memory")]
    Memory(Memory),
}

/// The same expression for whichever backend it is.
macro_rules! each {
    ($store:expr, $backend:ident => $then:expr) => {
        match *$store {
            #[cfg(feature = "dynamodb")]
            Store::DynamoDb(ref $backend) => $then,
            #[cfg(feature = "secretsmanager")]
            Store::SecretsManager(ref $backend) => $then,
            #[cfg(feature = "embedded")]
            Store::Embedded(ref $backend) => $then,
            #[cfg(feature = "memory")]
            Store::Memory(ref $backend) => $then,
        }
    };
}

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
    async fn create(&self, new: &NewGeneration<'_>) -> Result<Creation, StoreError> {
        each!(self, backend => backend.create(new).await)
    }
}

/// What the backends need to know.
#[derive(Debug, Clone, Default)]
pub struct StoreSettings {
    /// `ENV_LABEL`, the beginning of the table's name; DynamoDB alone needs it.
    pub env_label: Option<String>,
    /// `KMS_KEY_ID`, for the secrets that Secrets Manager creates; its own key where there is none.
    pub kms_key_id: Option<String>,
    /// `EMBEDDED_FILE`; the embedded store alone needs it.
    pub embedded_file: Option<PathBuf>,
    /// Where AWS is and how it is reached.
    #[cfg(feature = "aws")]
    pub aws: aws::AwsSettings,
}

/// The stores that one run uses, each once.
#[derive(Debug, Default)]
pub struct Stores(Vec<Store>);

impl Stores {
    /// Sets up each of `names`. Nothing is asked of any store yet, so what is wrong with one shows
    /// at its first call.
    ///
    /// # Errors
    /// [`ErrorKind::Setup`] where a setting that a store needs is missing, or the program is built
    /// without that store.
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

    /// Adds a store, in the place of the one of that name.
    pub fn add(&mut self, store: Store) {
        self.0.retain(|other| other.name() != store.name());
        self.0.push(store);
    }

    /// The store of that name, if the run uses it.
    pub fn get(&self, name: StoreName) -> Option<&Store> {
        self.0.iter().find(|store| store.name() == name)
    }
}

/// What stores share while they are set up.
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
                Ok(Store::DynamoDb(DynamoDb::new(self.aws().await, label)))
            }
            #[cfg(feature = "secretsmanager")]
            StoreName::SecretsManager => {
                let key = self.settings.kms_key_id.clone();
                Ok(Store::SecretsManager(SecretsManager::new(
                    self.aws().await,
                    key,
                )))
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
            _ => Err(setup(
                name,
                format!("this program is built without the {name} store"),
                "use a store that it is built with".to_owned(),
            )),
        }
    }

    /// The one pool of connections and one identity of a run.
    #[cfg(feature = "aws")]
    async fn aws(&mut self) -> &Aws {
        match &mut self.aws {
            Some(aws) => aws,
            none => none.insert(Aws::new(&self.settings.aws).await),
        }
    }
}

#[cfg(any(feature = "dynamodb", feature = "embedded"))]
fn needs(store: StoreName, variable: &str) -> StoreError {
    setup(
        store,
        format!("the {store} store needs {variable}"),
        format!("set {variable}"),
    )
}

fn setup(store: StoreName, message: String, remedy: String) -> StoreError {
    StoreError {
        kind: ErrorKind::Setup,
        store,
        path: None,
        code: None,
        message,
        remedy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_run_has_the_stores_that_it_uses_and_each_once() {
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
        assert_eq!((error.kind, error.store), (ErrorKind::Setup, store));
        assert!(error.message.contains(variable), "{}", error.message);
    }
}
