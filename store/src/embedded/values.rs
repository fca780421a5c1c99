//! Lists, puts and deletes values in the file.

use kees_common::{SecretValue, StoragePath, StoragePrefix};
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::{Embedded, File};
use crate::{
    Creation, StoreError,
    values::{
        DeleteStore, ListStore, Metadata, Page, PageToken, PutRequest, PutStore, Recovery,
        create_alone,
    },
};

/// The most names that are read at once. Other processes can write between two pages.
const PAGE: u32 = 500;

impl ListStore for Embedded {
    async fn list(
        &self,
        prefix: &StoragePrefix,
        token: Option<&PageToken>,
    ) -> Result<Page, StoreError> {
        let prefix = prefix.clone();
        let after = token.map(|token| token.0.clone());
        self.with(move |file, connection| file.list(connection, &prefix, after))
            .await
    }

    async fn describe(&self, path: &StoragePath) -> Result<Option<Metadata>, StoreError> {
        let at = path.clone();
        let described = self
            .with(move |file, connection| file.describe(connection, &at))
            .await;
        described.map_err(|error| error.at(path))
    }
}

impl PutStore for Embedded {
    async fn put(&self, request: &PutRequest<'_>) -> Result<Creation, StoreError> {
        if !request.overwrite {
            return create_alone(self, request).await;
        }
        let (at, value) = (request.path.clone(), request.value.clone());
        let put = self
            .with(move |file, connection| file.replace(connection, &at, &value))
            .await;
        put.map(|()| Creation::Created)
            .map_err(|error| error.at(request.path))
    }
}

impl DeleteStore for Embedded {
    async fn delete(&self, path: &StoragePath, _: Recovery) -> Result<bool, StoreError> {
        let at = path.clone();
        let deleted = self
            .with(move |file, connection| file.delete(connection, &at))
            .await;
        deleted.map_err(|error| error.at(path))
    }
}

impl File {
    /// The names after `after`, in their order.
    fn list(
        &self,
        connection: &mut Connection,
        prefix: &StoragePrefix,
        after: Option<String>,
    ) -> Result<Page, StoreError> {
        let read = || -> rusqlite::Result<Vec<Metadata>> {
            let mut select = connection.prepare_cached(
                "SELECT name, length(CAST(value AS BLOB)) FROM kees_secret WHERE name > ?1 \
                 ORDER BY name LIMIT ?2",
            )?;
            let start = after.unwrap_or_default();
            let rows = select.query_map((start, PAGE), |row| {
                Ok(Metadata {
                    size: size(row, 1)?,
                    ..Metadata::named(row.get::<_, String>(0)?)
                })
            })?;
            rows.collect()
        };
        let mut values = read().map_err(|error| self.explain(&error, "read"))?;
        let last = values.last().map(|value| value.name.clone());
        let is_full = u32::try_from(values.len()).is_ok_and(|read| read == PAGE);
        let next = last.filter(|_| is_full).map(PageToken);
        values.retain(|value| prefix.contains_name(&value.name));
        Ok(Page { values, next })
    }

    fn describe(
        &self,
        connection: &mut Connection,
        path: &StoragePath,
    ) -> Result<Option<Metadata>, StoreError> {
        let select = "SELECT length(CAST(value AS BLOB)) FROM kees_secret WHERE name = ?1";
        let size = connection
            .query_row(select, [path.as_str()], |row| size(row, 0))
            .optional();
        let size = size.map_err(|error| self.explain(&error, "read"))?;
        Ok(size.map(|size| Metadata {
            size,
            ..Metadata::named(path.as_str())
        }))
    }

    fn replace(
        &self,
        connection: &mut Connection,
        path: &StoragePath,
        value: &SecretValue,
    ) -> Result<(), StoreError> {
        // The marks of the row go, too: they are those of the value that is replaced.
        let insert = "INSERT OR REPLACE INTO kees_secret (name, value) VALUES (?1, ?2)";
        let inserted = overwriting(connection)
            .and_then(|()| connection.execute(insert, (path.as_str(), value.expose())));
        inserted
            .map(|_| ())
            .map_err(|error| self.explain(&error, "write"))
    }

    fn delete(&self, connection: &mut Connection, path: &StoragePath) -> Result<bool, StoreError> {
        let delete = "DELETE FROM kees_secret WHERE name = ?1";
        let deleted =
            overwriting(connection).and_then(|()| connection.execute(delete, [path.as_str()]));
        deleted
            .map(|rows| rows > 0)
            .map_err(|error| self.explain(&error, "write"))
    }
}

fn size(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<usize>> {
    let size: i64 = row.get(column)?;
    Ok(usize::try_from(size).ok())
}

/// Makes SQLite overwrite what is deleted, which otherwise stays in the file until its place is used.
fn overwriting(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "secure_delete", true)
}
