//! The rows of the file with their marks: a column with JSON, which has the names of the attributes in
//! DynamoDB.

use kees_common::{SecretValue, StoragePath};
use rusqlite::{OptionalExtension as _, Transaction};
use serde::{Deserialize, Serialize};

use super::File;
use crate::{
    StoreError,
    rows::{FoundRow, Marks, Row},
};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    generation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    superseded_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<u64>,
}

impl File {
    /// The row of `path`.
    pub(super) fn row(
        &self,
        transaction: &Transaction<'_>,
        path: &StoragePath,
    ) -> rusqlite::Result<FoundRow> {
        let select = if has_marks(transaction)? {
            "SELECT value, marks FROM kees_secret WHERE name = ?1"
        } else {
            "SELECT value, NULL FROM kees_secret WHERE name = ?1"
        };
        let mut select = transaction.prepare_cached(select)?;
        let found = select
            .query_row([path.as_str()], |row| {
                let marks: Option<String> = row.get(1)?;
                Ok(self.decode(path, self.value(path, row.get_ref(0)?), marks.as_deref()))
            })
            .optional()?;
        Ok(found.transpose())
    }

    fn decode(
        &self,
        path: &StoragePath,
        value: Result<SecretValue, StoreError>,
        marks: Option<&str>,
    ) -> Result<Row<SecretValue>, StoreError> {
        let value = value?;
        let Some(marks) = marks else {
            return Ok(Row::new(value));
        };
        let Stored {
            generation,
            superseded_by,
            since,
        } = serde_json::from_str(marks).map_err(|_| self.malformed(path, "has invalid marks"))?;
        let marks = Marks {
            generation,
            superseded_by,
            since,
        };
        Ok(Row { value, marks })
    }
}

/// Whether the table has the column. It gets it at the first rotation.
fn has_marks(transaction: &Transaction<'_>) -> rusqlite::Result<bool> {
    let mut columns = transaction
        .prepare_cached("SELECT 1 FROM pragma_table_info('kees_secret') WHERE name = 'marks'")?;
    columns.exists([])
}

/// Adds the column, if the table has none.
pub(super) fn add_marks(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    if has_marks(transaction)? {
        return Ok(());
    }
    transaction.execute_batch("ALTER TABLE kees_secret ADD COLUMN marks TEXT")
}

/// Replaces the row of `path`.
pub(super) fn write(
    transaction: &Transaction<'_>,
    path: &StoragePath,
    row: &Row<SecretValue>,
) -> rusqlite::Result<()> {
    let Marks {
        generation,
        superseded_by,
        since,
    } = row.marks.clone();
    let marks = Stored {
        generation,
        superseded_by,
        since,
    };
    let marks = serde_json::to_string(&marks)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    transaction.execute(
        "INSERT OR REPLACE INTO kees_secret (name, value, marks) VALUES (?1, ?2, ?3)",
        (path.as_str(), row.value.expose(), marks),
    )?;
    Ok(())
}
