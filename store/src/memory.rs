//! The memory of one process, for tests.

mod leases;
mod rotation;
#[cfg(feature = "values")]
mod values;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use kees_common::{Locator, SecretValue, StoragePath, StoreName};

use crate::{
    CreateRequest, CreateStore, Creation, Found, ReadStore, StoreError, WriteLimits,
    leases::Record,
    rows::{Row, answers},
};

/// A store that ends with its process. It has one lock for values, so every read is a snapshot, and
/// one for the records of leases, which are no values here.
#[derive(Debug, Default)]
pub struct Memory {
    values: Mutex<HashMap<StoragePath, Row<SecretValue>>>,
    leases: Mutex<BTreeMap<StoragePath, Record>>,
}

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stores one value, and replaces an existing one: for REFERENCE entries, resources, and the
    /// incomplete generations of tests.
    pub fn put(&self, path: StoragePath, value: SecretValue) {
        self.values().insert(path, Row::new(value));
    }

    /// The value at `path`.
    pub fn get(&self, path: &StoragePath) -> Option<SecretValue> {
        self.values().get(path).map(|row| row.value.clone())
    }

    fn values(&self) -> MutexGuard<'_, HashMap<StoragePath, Row<SecretValue>>> {
        // A panic cannot interrupt a change, so the values behind a poisoned lock are complete.
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReadStore for Memory {
    fn name(&self) -> StoreName {
        StoreName::Memory
    }

    fn is_consistent(&self) -> bool {
        true
    }

    async fn read(&self, locators: &[Locator]) -> Vec<Found> {
        let values = self.values();
        let rows = locators.iter().map(|at| Ok(values.get(&at.key()).cloned()));
        answers(locators, rows.collect())
    }

    async fn read_together(&self, locators: &[Locator]) -> Vec<Found> {
        self.read(locators).await
    }
}

impl CreateStore for Memory {
    fn write_limits(&self) -> WriteLimits {
        WriteLimits::UNLIMITED
    }

    async fn create(&self, request: &CreateRequest<'_>) -> Result<Creation, StoreError> {
        let items = request.items()?;
        let mut values = self.values();
        if items
            .iter()
            .all(|(path, value)| values.get(*path).map(|row| &row.value) == Some(*value))
        {
            // Generated values are never equal by chance, so this is the same request again.
            return Ok(Creation::Created);
        }
        if items.iter().any(|(path, _)| values.contains_key(*path)) {
            return Ok(Creation::Exists);
        }
        let items = items.into_iter();
        values.extend(items.map(|(path, value)| (path.clone(), Row::new(value.clone()))));
        Ok(Creation::Created)
    }
}
