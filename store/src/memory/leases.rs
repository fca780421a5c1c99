//! The records of leases in memory.

use std::{
    collections::BTreeMap,
    sync::{MutexGuard, PoisonError},
};

use kees_common::{StoragePath, StoreName};

use super::Memory;
use crate::{
    StoreError,
    lease_changes::check_changes,
    leases::{Change, LeaseStore, Record, RecordPage},
};

/// The most records of a page. It is small, so that tests have several pages.
const PAGE: usize = 100;

impl Memory {
    fn leases(&self) -> MutexGuard<'_, BTreeMap<StoragePath, Record>> {
        // A panic cannot interrupt a step, so the records behind a poisoned lock are complete.
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LeaseStore for Memory {
    async fn records(&self, paths: &[StoragePath]) -> Vec<Result<Option<Record>, StoreError>> {
        let leases = self.leases();
        let records = paths.iter().map(|path| Ok(leases.get(path).cloned()));
        records.collect()
    }

    async fn records_below(
        &self,
        prefix: &str,
        start: Option<&str>,
    ) -> Result<RecordPage, StoreError> {
        let leases = self.leases();
        let after = |path: &StoragePath| start.is_none_or(|start| path.as_str() > start);
        let records: Vec<_> = leases
            .iter()
            .filter(|(path, _)| path.as_str().starts_with(prefix) && after(path))
            .take(PAGE)
            .map(|(path, record)| (path.to_string(), Ok(record.clone())))
            .collect();
        let last = records.last().filter(|_| records.len() == PAGE);
        let next = last.map(|(path, _)| path.clone());
        Ok(RecordPage { records, next })
    }

    async fn swap(&self, changes: &[Change]) -> Result<bool, StoreError> {
        check_changes(StoreName::Memory, changes)?;
        let mut leases = self.leases();
        if changes
            .iter()
            .any(|change| leases.get(&change.path) != change.expected.as_ref())
        {
            return Ok(false);
        }
        for Change { path, new, .. } in changes {
            match new {
                Some(record) => leases.insert(path.clone(), record.clone()),
                None => leases.remove(path),
            };
        }
        Ok(true)
    }
}
