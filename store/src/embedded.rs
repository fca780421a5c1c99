//! One SQLite file, for local use, tests and the README's first command.
//!
//! Several processes can use it at the same time. Each call is one transaction; a process that
//! finds the file locked waits in SQLite's busy handler. The journal is a rollback journal, not a
//! write-ahead log: it leaves no other file behind, and it works on every file system that has
//! locks.

mod leases;
mod marks;
mod rotation;
#[cfg(feature = "values")]
mod values;

use std::{
    fs::OpenOptions,
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use kees_common::{Locator, SecretValue, StoragePath, StoreName};
use rusqlite::{
    Connection, OpenFlags, OptionalExtension as _, Transaction, TransactionBehavior,
    ffi::ErrorCode, types::ValueRef,
};

use crate::{
    CreateRequest, CreateStore, Creation, ErrorKind, Found, ReadStore, StoreError, WriteLimits,
    rows::{FoundRow, answers},
};

/// How long a call waits for the transaction of another process. If the file is still locked then,
/// the call is tried again like one of a throttled store.
const BUSY: Duration = Duration::from_secs(5);

/// Creates the table, unless the file has it. It gets the column `marks` at the first rotation.
const SCHEMA: &str =
    "CREATE TABLE IF NOT EXISTS kees_secret (name TEXT PRIMARY KEY, value BLOB NOT NULL)";

const MAKE_ROOM: &str = "make room on the file's disk";
const NO_FOLDER: &str = "let EMBEDDED_FILE name a file in a folder that exists";

/// A store in one file. The first call opens the file, and creates it if it does not exist.
#[derive(Debug, Clone)]
pub struct Embedded(Arc<File>);

#[derive(Debug)]
struct File {
    path: PathBuf,
    connection: Mutex<Option<Connection>>,
}

impl Embedded {
    /// The store in the file at `path`. Its folder must exist.
    pub fn new(path: PathBuf) -> Self {
        Self(Arc::new(File {
            path,
            connection: Mutex::new(None),
        }))
    }

    /// The rows at `paths`, in one snapshot.
    async fn rows(&self, paths: Vec<StoragePath>) -> Vec<FoundRow> {
        let count = paths.len();
        let rows = self
            .with(move |file, connection| file.rows(connection, &paths))
            .await;
        rows.unwrap_or_else(|error| vec![Err(error); count])
    }

    /// Runs `work` on a thread that may block.
    async fn with<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&File, &mut Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let file = Arc::clone(&self.0);
        let joined = tokio::task::spawn_blocking(move || {
            let mut connection = file
                .connection
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let connection = match &mut *connection {
                Some(connection) => connection,
                none => none.insert(file.open()?),
            };
            work(&file, connection)
        });
        joined.await.unwrap_or_else(|stopped| {
            Err(self.0.error(
                ErrorKind::Other,
                &format!("the call was stopped: {stopped}"),
                "start again",
            ))
        })
    }
}

impl ReadStore for Embedded {
    fn name(&self) -> StoreName {
        StoreName::Embedded
    }

    fn is_consistent(&self) -> bool {
        true
    }

    async fn read(&self, locators: &[Locator]) -> Vec<Found> {
        let paths = locators.iter().map(Locator::key).collect();
        let found = answers(locators, self.rows(paths).await);
        let at = |(found, at): (Found, &Locator)| found.map_err(|error| error.at(&at.path));
        found.into_iter().zip(locators).map(at).collect()
    }

    async fn read_together(&self, locators: &[Locator]) -> Vec<Found> {
        self.read(locators).await
    }
}

impl CreateStore for Embedded {
    fn write_limits(&self) -> WriteLimits {
        WriteLimits::UNLIMITED
    }

    async fn create(&self, request: &CreateRequest<'_>) -> Result<Creation, StoreError> {
        let items = request.items()?;
        let items: Vec<(StoragePath, SecretValue)> = items
            .into_iter()
            .map(|(path, value)| (path.clone(), value.clone()))
            .collect();
        let path = request.path().cloned();
        let created = self
            .with(move |file, connection| file.create(connection, &items))
            .await;
        created.map_err(|error| StoreError { path, ..error })
    }
}

impl File {
    fn open(&self) -> Result<Connection, StoreError> {
        self.create_private()?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || {
            let connection = Connection::open_with_flags(&self.path, flags)?;
            connection.busy_timeout(BUSY)?;
            connection.execute_batch(SCHEMA)?;
            Ok(connection)
        };
        open().map_err(|error| self.explain(&error, "open"))
    }

    /// SQLite creates files that other users may read. So the file is created, empty, before SQLite
    /// opens it. SQLite gives its journal the mode of the file.
    fn create_private(&self) -> Result<(), StoreError> {
        let created = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.path);
        match created {
            Ok(_) => Ok(()),
            // The file may still be readable. SQLite reports an error if not.
            Err(_) if self.path.exists() => Ok(()),
            Err(error) => Err(self.cannot_create(&error)),
        }
    }

    /// Reads all paths in one transaction, which is one snapshot.
    fn rows(
        &self,
        connection: &mut Connection,
        paths: &[StoragePath],
    ) -> Result<Vec<FoundRow>, StoreError> {
        let mut read = || {
            let transaction = connection.transaction()?;
            let rows = paths.iter().map(|path| self.row(&transaction, path));
            rows.collect::<rusqlite::Result<_>>()
        };
        read().map_err(|error| self.explain(&error, "read"))
    }

    /// The value of a row, which can have any type in SQLite.
    fn value(&self, path: &StoragePath, stored: ValueRef<'_>) -> Result<SecretValue, StoreError> {
        match stored {
            ValueRef::Blob(bytes) => Ok(SecretValue::new(bytes.to_vec())),
            other => Err(self.malformed(path, &format!("is of type {}", other.data_type()))),
        }
    }

    fn create(
        &self,
        connection: &mut Connection,
        items: &[(StoragePath, SecretValue)],
    ) -> Result<Creation, StoreError> {
        let mut create = || {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            if let Some(creation) = already_there(&transaction, items)? {
                return Ok(creation);
            }
            for (path, value) in items {
                transaction.execute(
                    "INSERT INTO kees_secret (name, value) VALUES (?1, ?2)",
                    (path.as_str(), value.expose()),
                )?;
            }
            transaction.commit()?;
            Ok(Creation::Created)
        };
        create().map_err(|error| self.explain(&error, "write"))
    }

    fn explain(&self, error: &rusqlite::Error, doing: &str) -> StoreError {
        let message = error.to_string();
        let mut explained = match error.sqlite_error_code() {
            Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => self.denied(doing, &message),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => self.error(
                ErrorKind::Throttled,
                &message,
                "let the process that holds the file's lock finish, or end it",
            ),
            Some(ErrorCode::DiskFull) => self.error(ErrorKind::Setup, &message, MAKE_ROOM),
            Some(ErrorCode::CannotOpen) => self.error(ErrorKind::Setup, &message, NO_FOLDER),
            Some(ErrorCode::SystemIoFailure) => {
                self.error(ErrorKind::Setup, &message, "check the file's disk")
            }
            // The file is not a database, is corrupt, or has other tables.
            _ => self.error(ErrorKind::Setup, &message, &self.start_again()),
        };
        explained.code = error.sqlite_error_code().map(|code| format!("{code:?}"));
        explained
    }

    fn start_again(&self) -> String {
        let path = self.path.display();
        format!(
            "restore {path} from a copy, or move it away so that kees creates a new one, in which every \
             secret is generated again"
        )
    }

    fn cannot_create(&self, error: &io::Error) -> StoreError {
        let message = error.to_string();
        match error.kind() {
            io::ErrorKind::PermissionDenied => self.denied("create", &message),
            io::ErrorKind::StorageFull => self.error(ErrorKind::Setup, &message, MAKE_ROOM),
            _ => self.error(ErrorKind::Setup, &message, NO_FOLDER),
        }
    }

    fn denied(&self, doing: &str, message: &str) -> StoreError {
        let (action, resource) = (doing.to_owned(), self.path.display().to_string());
        let remedy = "give this user the right to write the file and its folder";
        self.error(ErrorKind::Denied { action, resource }, message, remedy)
    }

    fn malformed(&self, path: &StoragePath, how: &str) -> StoreError {
        let remedy =
            "store its bytes as a BLOB, or delete its row so that kees creates the value again";
        let mut error = self.error(
            ErrorKind::Malformed,
            &format!("the value of {path} {how}"),
            remedy,
        );
        error.path = Some(path.clone());
        error
    }

    fn error(&self, kind: ErrorKind, message: &str, remedy: &str) -> StoreError {
        StoreError {
            kind,
            store: StoreName::Embedded,
            path: None,
            code: None,
            message: format!("{}: {message}", self.path.display()),
            remedy: remedy.to_owned(),
        }
    }
}

/// How a write ends if some of its names exist. Equal values are those of the same request, sent
/// before: generated values are never equal by chance.
fn already_there(
    transaction: &Transaction<'_>,
    items: &[(StoragePath, SecretValue)],
) -> rusqlite::Result<Option<Creation>> {
    let mut select =
        transaction.prepare_cached("SELECT value = ?2 FROM kees_secret WHERE name = ?1")?;
    let mut same = 0;
    let mut found = 0;
    for (path, value) in items {
        let equal: Option<bool> = select
            .query_row((path.as_str(), value.expose()), |row| row.get(0))
            .optional()?;
        found += usize::from(equal.is_some());
        same += usize::from(equal == Some(true));
    }
    Ok(match found {
        0 => None,
        _ if same == items.len() => Some(Creation::Created),
        _ => Some(Creation::Exists),
    })
}

#[cfg(test)]
mod tests;
