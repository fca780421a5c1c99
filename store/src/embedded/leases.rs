//! The records of leases in the file: rows of the table of values, so that people can list and delete
//! them as values. Each is JSON with the names of the attributes in DynamoDB.

use kees_common::{StoragePath, StoreName};
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};
use serde::{Deserialize, Serialize};

use super::{Embedded, File};
use crate::{
    ErrorKind, StoreError,
    lease_changes::check_changes,
    leases::{Change, LeaseStore, PodIdentity, Record, RecordPage},
};

/// The most records of a page. Other processes can write between two pages.
const PAGE: u32 = 500;

/// A record as it is stored.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod_namespace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod_uid: Option<String>,
}

impl Row {
    fn of(record: &Record) -> Self {
        let pod = record.pod.as_ref();
        Self {
            value: record.value.clone(),
            pod_namespace: pod.map(|pod| pod.namespace.clone()),
            pod_uid: pod.map(|pod| pod.uid.clone()),
        }
    }

    /// The record, unless it has a part of a pod only.
    fn into_record(self) -> Option<Record> {
        let pod = match (self.pod_namespace, self.pod_uid) {
            (Some(namespace), Some(uid)) => Some(PodIdentity { namespace, uid }),
            (None, None) => None,
            _ => return None,
        };
        let value = self.value;
        Some(Record { value, pod })
    }
}

impl LeaseStore for Embedded {
    async fn records(&self, paths: &[StoragePath]) -> Vec<Result<Option<Record>, StoreError>> {
        let at = paths.to_vec();
        let records = self
            .with(move |file, connection| file.records(connection, &at))
            .await;
        records.unwrap_or_else(|error| {
            let errors = paths.iter().map(|path| Err(error.clone().at(path)));
            errors.collect()
        })
    }

    async fn records_below(
        &self,
        prefix: &str,
        start: Option<&str>,
    ) -> Result<RecordPage, StoreError> {
        let (prefix, start) = (prefix.to_owned(), start.map(str::to_owned));
        self.with(move |file, connection| file.records_below(connection, &prefix, start))
            .await
    }

    async fn swap(&self, changes: &[Change]) -> Result<bool, StoreError> {
        check_changes(StoreName::Embedded, changes)?;
        let path = changes.first().map(|change| change.path.clone());
        let changes = changes.to_vec();
        let swapped = self
            .with(move |file, connection| file.swap(connection, &changes))
            .await;
        swapped.map_err(|error| StoreError { path, ..error })
    }
}

impl File {
    /// Reads all paths in one transaction, which is one snapshot.
    fn records(
        &self,
        connection: &mut Connection,
        paths: &[StoragePath],
    ) -> Result<Vec<Result<Option<Record>, StoreError>>, StoreError> {
        let mut read = || {
            let transaction = connection.transaction()?;
            let rows = paths.iter().map(|path| {
                let stored = stored(&transaction, path)?;
                let record = stored.map(|row| self.record(path.as_str(), &row));
                Ok(record.transpose())
            });
            rows.collect::<rusqlite::Result<_>>()
        };
        read().map_err(|error| self.explain(&error, "read"))
    }

    /// The records after `start`, in the order of their names.
    fn records_below(
        &self,
        connection: &mut Connection,
        prefix: &str,
        start: Option<String>,
    ) -> Result<RecordPage, StoreError> {
        let read = || -> rusqlite::Result<Vec<(String, Vec<u8>)>> {
            let mut select = connection.prepare_cached(
                "SELECT name, CAST(value AS BLOB) FROM kees_secret \
                 WHERE name >= ?1 AND name > ?2 AND substr(name, 1, length(?1)) = ?1 \
                 ORDER BY name LIMIT ?3",
            )?;
            let start = start.unwrap_or_default();
            let rows =
                select.query_map((prefix, start, PAGE), |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        };
        let rows = read().map_err(|error| self.explain(&error, "read"))?;
        let is_full = u32::try_from(rows.len()).is_ok_and(|read| read == PAGE);
        let next = rows
            .last()
            .filter(|_| is_full)
            .map(|(name, _)| name.clone());
        let records = rows.into_iter().map(|(name, row)| {
            let record = self.record(&name, &row);
            (name, record)
        });
        Ok(RecordPage {
            records: records.collect(),
            next,
        })
    }

    /// Makes all changes if each record is the expected one.
    fn swap(&self, connection: &mut Connection, changes: &[Change]) -> Result<bool, StoreError> {
        let mut swap = || {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for Change { path, expected, .. } in changes {
                let record =
                    stored(&transaction, path)?.map(|row| self.record(path.as_str(), &row));
                // What cannot be decoded is not the expected record.
                if !matches!(record.transpose(), Ok(record) if record == *expected) {
                    return Ok(false);
                }
            }
            for Change { path, new, .. } in changes {
                write(&transaction, path, new.as_ref())?;
            }
            transaction.commit()?;
            Ok(true)
        };
        swap().map_err(|error| self.explain(&error, "write"))
    }

    /// The record in the row `name`.
    fn record(&self, name: &str, row: &[u8]) -> Result<Record, StoreError> {
        let row = serde_json::from_slice(row).ok();
        row.and_then(Row::into_record).ok_or_else(|| {
            let error = self.error(
                ErrorKind::Malformed,
                &format!("{name} is no record of a lease"),
                "delete its row if no living pod holds the number",
            );
            StoreError {
                path: name.parse().ok(),
                ..error
            }
        })
    }
}

/// The bytes of the row of `path`.
fn stored(transaction: &Transaction<'_>, path: &StoragePath) -> rusqlite::Result<Option<Vec<u8>>> {
    let mut select = transaction
        .prepare_cached("SELECT CAST(value AS BLOB) FROM kees_secret WHERE name = ?1")?;
    select
        .query_row([path.as_str()], |row| row.get(0))
        .optional()
}

/// Writes or deletes the row of `path`.
fn write(
    transaction: &Transaction<'_>,
    path: &StoragePath,
    new: Option<&Record>,
) -> rusqlite::Result<()> {
    let Some(record) = new else {
        transaction.execute("DELETE FROM kees_secret WHERE name = ?1", [path.as_str()])?;
        return Ok(());
    };
    let row = serde_json::to_vec(&Row::of(record))
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let insert = "INSERT INTO kees_secret (name, value) VALUES (?1, ?2) \
                  ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    transaction.execute(insert, (path.as_str(), row))?;
    Ok(())
}

#[cfg(test)]
mod tests;
