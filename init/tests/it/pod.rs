//! A pod for tests, and a store that tests can let fail.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use kees_common::{Locator, SecretValue, StoragePath, StoreName, downward};
use kees_init::{InitSettings, Report, Request, RunError, run, settings::OutputSettings};
use kees_store::{
    CreateRequest, CreateStore, Creation, ErrorKind, Found, ReadStore, StoreError,
    leases::{Change, LeaseStore, Record, RecordPage},
    memory::Memory,
    protocol::StoreSet,
};
use tempfile::TempDir;

/// A pod with a volume of its own.
pub(crate) struct Pod {
    pub(crate) settings: InitSettings,
    volume: TempDir,
}

impl Pod {
    /// A pod that uses the store `memory`.
    pub(crate) fn new() -> Self {
        let volume = TempDir::new().unwrap();
        let mut settings = InitSettings {
            output: OutputSettings::within(volume.path()),
            ..InitSettings::default()
        };
        settings.storage.flags.store = StoreName::Memory;
        settings.pod.pod_name = Some("web-0".to_owned());
        settings.pod.pod_namespace = Some("team-a".to_owned());
        Self { settings, volume }
    }

    /// One run with these annotations, each without the domain: `secret/db` is
    /// `secret.bsycorp.com/db`.
    pub(crate) async fn run(
        &self,
        annotations: &[(&str, &str)],
        stores: &impl StoreSet<Store: LeaseStore>,
    ) -> Result<Report, RunError> {
        run(&self.request(annotations)?, stores, &()).await
    }

    pub(crate) fn request(&self, annotations: &[(&str, &str)]) -> Result<Request, RunError> {
        Request::parse(&self.settings, annotations_file(annotations).as_bytes())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.volume.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// The names of all files in the volume except the record of a run.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.volume.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != ".kees")
            .collect();
        names.sort();
        names
    }

    /// The lines of a list in the format `properties`, decoded.
    pub(crate) fn list(&self, name: &str) -> BTreeMap<String, SecretValue> {
        let decode = |line: &str| {
            let (name, value) = line.split_once('=').unwrap();
            (name.to_owned(), SecretValue::from_base64(value).unwrap())
        };
        self.read(name).lines().map(decode).collect()
    }
}

/// The annotations as the kubelet writes them, with two that it adds.
pub(crate) fn annotations_file(annotations: &[(&str, &str)]) -> String {
    let own = annotations.iter().map(|(key, value)| {
        let (word, name) = key.split_once('/').unwrap();
        (format!("{word}.bsycorp.com/{name}"), (*value).to_owned())
    });
    let kubelet = [
        ("kubernetes.io/config.seen", "2024-01-01T00:00:00Z"),
        ("kubernetes.io/config.source", "api"),
    ];
    let all: Vec<(String, String)> = own
        .chain(kubelet.map(|(k, v)| (k.to_owned(), v.to_owned())))
        .collect();
    downward::write(
        all.iter()
            .map(|(key, value)| (key.as_str(), value.as_str())),
    )
}

/// The number of reads after which another writer stores these values.
type Later = (usize, Vec<(String, SecretValue)>);

/// The store `memory`. It counts calls, and tests can let it fail.
#[derive(Default)]
pub(crate) struct Scripted {
    pub(crate) memory: Memory,
    /// The error of every read.
    pub(crate) reading: Option<ErrorKind>,
    /// The only path that fails. Every path if `None`.
    pub(crate) only: Option<&'static str>,
    /// The number of reads after which the store does not respond any more.
    pub(crate) silent_after: Option<usize>,
    /// The error of every creation.
    pub(crate) creating: Option<ErrorKind>,
    /// The values that another writer stores after a number of reads.
    pub(crate) later: Mutex<Option<Later>>,
    pub(crate) reads: AtomicUsize,
    pub(crate) creations: AtomicUsize,
}

impl Scripted {
    pub(crate) fn put(&self, path: &str, value: impl Into<Vec<u8>>) {
        self.memory
            .put(path.parse().unwrap(), SecretValue::new(value.into()));
    }

    pub(crate) fn put_later<const N: usize>(
        reads: usize,
        values: [(&str, SecretValue); N],
    ) -> Self {
        let values = values.map(|(path, value)| (path.to_owned(), value)).into();
        Self {
            later: Mutex::new(Some((reads, values))),
            ..Self::default()
        }
    }

    /// Counts a read, and stores the values of the other writer when they are due.
    fn count_read(&self) {
        let before = self.reads.fetch_add(1, Ordering::Relaxed);
        let due = self
            .later
            .lock()
            .unwrap()
            .take_if(|(reads, _)| *reads <= before);
        for (path, value) in due.into_iter().flat_map(|(_, values)| values) {
            self.memory.put(path.parse().unwrap(), value);
        }
    }

    pub(crate) fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }

    pub(crate) fn creations(&self) -> usize {
        self.creations.load(Ordering::Relaxed)
    }
}

/// An error as the DynamoDB backend would give it.
pub(crate) fn error(kind: &ErrorKind) -> StoreError {
    let (code, remedy) = match kind {
        ErrorKind::Denied { action, resource } => (
            "AccessDeniedException",
            format!("allow {action} on {resource}"),
        ),
        ErrorKind::Throttled => ("ThrottlingException", "raise the capacity".to_owned()),
        _ => ("SomeException", "remedy".to_owned()),
    };
    StoreError {
        kind: kind.clone(),
        store: StoreName::Memory,
        path: None,
        code: Some(code.to_owned()),
        message: "message of the store".to_owned(),
        remedy,
    }
}

pub(crate) fn denied(action: &str) -> ErrorKind {
    ErrorKind::Denied {
        action: action.to_owned(),
        resource: "arn:aws:dynamodb:table/t".to_owned(),
    }
}

impl ReadStore for Scripted {
    fn name(&self) -> StoreName {
        StoreName::Memory
    }

    fn is_consistent(&self) -> bool {
        true
    }

    async fn read(&self, locators: &[Locator]) -> Vec<Found> {
        self.count_read();
        if self.silent_after.is_some_and(|reads| self.reads() > reads) {
            return std::future::pending().await;
        }
        let mut found = self.memory.read(locators).await;
        if let Some(kind) = &self.reading {
            for (at, found) in locators.iter().zip(&mut found) {
                if self.only.is_none_or(|path| path == at.path.as_str()) {
                    *found = Err(error(kind));
                }
            }
        }
        found
    }

    async fn read_together(&self, locators: &[Locator]) -> Vec<Found> {
        self.read(locators).await
    }
}

impl CreateStore for Scripted {
    async fn create(&self, request: &CreateRequest<'_>) -> Result<Creation, StoreError> {
        self.creations.fetch_add(1, Ordering::Relaxed);
        match &self.creating {
            Some(kind) => Err(error(kind)),
            None => self.memory.create(request).await,
        }
    }
}

impl LeaseStore for Scripted {
    async fn records(&self, paths: &[StoragePath]) -> Vec<Result<Option<Record>, StoreError>> {
        self.memory.records(paths).await
    }

    async fn records_below(
        &self,
        prefix: &str,
        start: Option<&str>,
    ) -> Result<RecordPage, StoreError> {
        self.memory.records_below(prefix, start).await
    }

    async fn swap(&self, changes: &[Change]) -> Result<bool, StoreError> {
        self.memory.swap(changes).await
    }
}

impl StoreSet for Scripted {
    type Store = Self;

    fn get(&self, name: StoreName) -> Option<&Self> {
        (name == StoreName::Memory).then_some(self)
    }
}
