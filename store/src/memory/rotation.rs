//! Rotation in memory.

use kees_common::{StoragePath, StoreName};

use super::Memory;
use crate::{
    IdempotencyToken, StoreError,
    rotation::flat::{RowChange, RowStore, rotate_rows},
    rows::FoundRow,
};

rotate_rows!(Memory);

impl RowStore for Memory {
    fn store(&self) -> StoreName {
        StoreName::Memory
    }

    async fn snapshot(&self, paths: &[StoragePath]) -> Vec<FoundRow> {
        let values = self.values();
        paths
            .iter()
            .map(|path| Ok(values.get(path).cloned()))
            .collect()
    }

    async fn change(
        &self,
        changes: &[RowChange],
        _token: Option<&IdempotencyToken>,
    ) -> Result<bool, StoreError> {
        let mut values = self.values();
        let is_met = |change: &RowChange| change.condition.is_met(values.get(&change.path));
        if !changes.iter().all(is_met) {
            return Ok(false);
        }
        for RowChange { path, new, .. } in changes {
            match new {
                Some(row) => values.insert(path.clone(), row.clone()),
                None => values.remove(path),
            };
        }
        Ok(true)
    }
}
