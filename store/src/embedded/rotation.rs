//! Rotation in the file.

use kees_common::{StoragePath, StoreName};
use rusqlite::{Connection, TransactionBehavior};

use super::{
    Embedded, File,
    marks::{add_marks, write},
};
use crate::{
    IdempotencyToken, StoreError,
    rotation::flat::{RowChange, RowStore, rotate_rows},
    rows::FoundRow,
};

rotate_rows!(Embedded);

impl RowStore for Embedded {
    fn store(&self) -> StoreName {
        StoreName::Embedded
    }

    async fn snapshot(&self, paths: &[StoragePath]) -> Vec<FoundRow> {
        self.rows(paths.to_vec()).await
    }

    async fn change(
        &self,
        changes: &[RowChange],
        _token: Option<&IdempotencyToken>,
    ) -> Result<bool, StoreError> {
        let path = changes.first().map(|change| change.path.clone());
        let changes = changes.to_vec();
        let is_made = self
            .with(move |file, connection| file.change(connection, &changes))
            .await;
        is_made.map_err(|error| StoreError { path, ..error })
    }
}

impl File {
    /// Makes all changes if every condition is met.
    fn change(
        &self,
        connection: &mut Connection,
        changes: &[RowChange],
    ) -> Result<bool, StoreError> {
        let mut change = || {
            // What is replaced is overwritten in the file, too.
            connection.pragma_update(None, "secure_delete", true)?;
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for RowChange {
                path, condition, ..
            } in changes
            {
                // What cannot be decoded meets no condition.
                if !matches!(self.row(&transaction, path)?, Ok(row) if condition.is_met(row.as_ref()))
                {
                    return Ok(false);
                }
            }
            add_marks(&transaction)?;
            for RowChange { path, new, .. } in changes {
                if let Some(row) = new {
                    write(&transaction, path, row)?;
                } else {
                    let delete = "DELETE FROM kees_secret WHERE name = ?1";
                    transaction.execute(delete, [path.as_str()])?;
                }
            }
            transaction.commit()?;
            Ok(true)
        };
        change().map_err(|error| self.explain(&error, "write"))
    }
}
