//! Lists, puts and deletes values in memory.

use kees_common::{StoragePath, StoragePrefix};

use super::Memory;
use crate::{
    Creation, StoreError,
    values::{
        DeleteStore, ListStore, Metadata, Page, PageToken, PutRequest, PutStore, Recovery,
        create_alone,
    },
};

impl ListStore for Memory {
    async fn list(
        &self,
        prefix: &StoragePrefix,
        _token: Option<&PageToken>,
    ) -> Result<Page, StoreError> {
        let values = self.values();
        let contained = values
            .iter()
            .filter(|(path, _)| prefix.contains_name(path.as_str()));
        let values = contained.map(|(path, row)| Metadata {
            size: Some(row.value.len()),
            ..Metadata::named(path.as_str())
        });
        Ok(Page {
            values: values.collect(),
            next: None,
        })
    }

    async fn describe(&self, path: &StoragePath) -> Result<Option<Metadata>, StoreError> {
        let value = self.get(path);
        Ok(value.map(|value| Metadata {
            size: Some(value.len()),
            ..Metadata::named(path.as_str())
        }))
    }
}

impl PutStore for Memory {
    async fn put(&self, request: &PutRequest<'_>) -> Result<Creation, StoreError> {
        if !request.overwrite {
            return create_alone(self, request).await;
        }
        Memory::put(self, request.path.clone(), request.value.clone());
        Ok(Creation::Created)
    }
}

impl DeleteStore for Memory {
    async fn delete(&self, path: &StoragePath, _: Recovery) -> Result<bool, StoreError> {
        Ok(self.values().remove(path).is_some())
    }
}
