//! A store in memory that can deny and hold writes, and counts them.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use kees_common::{Generation, LeaseRange, Locator, Region, SecretValue, StoragePath, StoreName};
use kees_controller::RegionStores;
use kees_store::{
    CreateRequest, CreateStore, Creation, ErrorKind, Found, ReadStore, StoreError,
    leases::{Change, LeaseStore, Record, RecordPage},
    memory::Memory,
    protocol::StoreSet,
    rotation::{Current, RotateRequest, RotateStore, Rotation},
};
use tokio::sync::Semaphore;

/// A clone is another handle of the same store.
#[derive(Clone)]
pub struct TestStores(Arc<TestStore>);

pub struct TestStore {
    memory: Memory,
    /// Writes below these prefixes are denied.
    denied: Mutex<HashSet<&'static str>>,
    /// Writes that may still be carried out; further ones wait.
    writes: Semaphore,
    /// The values that were created, by path.
    created: Mutex<BTreeMap<String, SecretValue>>,
    reads: AtomicUsize,
    attempts: AtomicUsize,
    regions: Mutex<BTreeMap<String, RegionSet>>,
}

/// The stores of Regions.
#[derive(Clone)]
pub struct TestRegions(TestStores);

/// The stores of one Region. Secrets Manager and Parameter Store have the same content.
#[derive(Clone)]
pub struct RegionSet(Arc<RegionStore>);

#[derive(Default)]
pub struct RegionStore {
    memory: Memory,
    denied: Mutex<HashSet<String>>,
    reads: AtomicUsize,
}

impl RegionSet {
    pub fn put(&self, name: &str, value: &[u8]) {
        let value = SecretValue::new(value.to_vec());
        self.0.memory.put(name.parse().unwrap(), value);
    }

    pub fn deny(&self, name: &str) {
        self.0.denied.lock().unwrap().insert(name.to_owned());
    }

    pub fn permit(&self, name: &str) {
        self.0.denied.lock().unwrap().remove(name);
    }

    /// How often something was read.
    pub fn reads(&self) -> usize {
        self.0.reads.load(SeqCst)
    }
}

/// Nothing is created for a class.
impl CreateStore for RegionStore {
    async fn create(&self, request: &CreateRequest<'_>) -> Result<Creation, StoreError> {
        self.memory.create(request).await
    }
}

impl RegionStores for TestRegions {
    type Set = RegionSet;

    async fn open(&self, region: Option<&Region>) -> Result<Arc<RegionSet>, StoreError> {
        let region = region.map_or_else(String::new, ToString::to_string);
        Ok(Arc::new(self.0.region(&region)))
    }
}

impl StoreSet for RegionSet {
    type Store = RegionStore;

    fn get(&self, _: StoreName) -> Option<&RegionStore> {
        Some(&self.0)
    }
}

impl ReadStore for RegionStore {
    fn name(&self) -> StoreName {
        StoreName::Memory
    }

    fn is_consistent(&self) -> bool {
        true
    }

    async fn read(&self, locators: &[Locator]) -> Vec<Found> {
        self.reads.fetch_add(1, SeqCst);
        let found = self.memory.read(locators).await;
        let denied = self.denied.lock().unwrap();
        let found = found.into_iter().zip(locators).map(|(found, locator)| {
            if denied.contains(locator.path.as_str()) {
                let action = "secretsmanager:GetSecretValue".to_owned();
                let resource = locator.path.to_string();
                let kind = ErrorKind::Denied { action, resource };
                let message = "secretsmanager:GetSecretValue is denied";
                let error = StoreError::new(kind, StoreName::Memory, message, "allow it");
                return Err(error.at(&locator.path));
            }
            found
        });
        found.collect()
    }

    async fn read_together(&self, locators: &[Locator]) -> Vec<Found> {
        self.read(locators).await
    }
}

impl TestStores {
    pub fn new() -> Self {
        Self(Arc::new(TestStore {
            memory: Memory::new(),
            denied: Mutex::default(),
            writes: Semaphore::new(Semaphore::MAX_PERMITS),
            created: Mutex::default(),
            reads: AtomicUsize::new(0),
            attempts: AtomicUsize::new(0),
            regions: Mutex::default(),
        }))
    }

    /// The stores of all Regions.
    pub fn regions(&self) -> TestRegions {
        TestRegions(self.clone())
    }

    /// The stores of a Region.
    pub fn region(&self, name: &str) -> RegionSet {
        let mut regions = self.0.regions.lock().unwrap();
        let new = || RegionSet(Arc::new(RegionStore::default()));
        regions.entry(name.to_owned()).or_insert_with(new).clone()
    }

    /// Stores a value as somebody else does.
    pub fn put(&self, path: &str, value: &[u8]) {
        let value = SecretValue::new(value.to_vec());
        self.0.memory.put(path.parse().unwrap(), value);
    }

    /// A store that carries out only so many writes until [`TestStores::allow`].
    pub fn holding(writes: usize) -> Self {
        let stores = Self::new();
        stores
            .0
            .writes
            .forget_permits(Semaphore::MAX_PERMITS - writes);
        stores
    }

    pub fn allow(&self, writes: usize) {
        self.0.writes.add_permits(writes);
    }

    pub fn deny(&self, prefix: &'static str) {
        self.0.denied.lock().unwrap().insert(prefix);
    }

    pub fn permit(&self, prefix: &'static str) {
        self.0.denied.lock().unwrap().remove(prefix);
    }

    /// The values that were created, by path.
    pub fn created(&self) -> BTreeMap<String, SecretValue> {
        self.0.created.lock().unwrap().clone()
    }

    /// The paths that were created.
    pub fn paths(&self) -> Vec<String> {
        self.created().into_keys().collect()
    }

    /// The record at `path` of a lease.
    pub async fn record(&self, path: &StoragePath) -> Option<Record> {
        let records = self.0.memory.records(std::slice::from_ref(path)).await;
        records.into_iter().next().unwrap().unwrap()
    }

    /// The pods that hold numbers of `range`, by number.
    pub async fn holders(&self, range: &LeaseRange) -> BTreeMap<i32, String> {
        let prefix = range.number_prefix();
        let page = self.0.memory.records_below(&prefix, None).await;
        let records = page.unwrap().records.into_iter();
        let holders = records
            .filter_map(|(path, record)| Some((range.number_at(&path)?, record.unwrap().value)));
        holders.collect()
    }

    /// Stores a record of a lease as somebody else does.
    pub async fn put_record(&self, path: StoragePath, record: Record) {
        let change = Change {
            path,
            expected: None,
            new: Some(record),
        };
        assert!(self.0.memory.swap(&[change]).await.unwrap());
    }

    /// The value at `path`, if there is one.
    pub fn stored(&self, path: &str) -> Option<String> {
        let value = self.0.memory.get(&path.parse().unwrap())?;
        Some(value.expose_text().unwrap().to_owned())
    }

    /// How often something was read.
    pub fn reads(&self) -> usize {
        self.0.reads.load(SeqCst)
    }

    /// How many writes were sent, those that were denied included.
    pub fn attempts(&self) -> usize {
        self.0.attempts.load(SeqCst)
    }
}

impl StoreSet for TestStores {
    type Store = TestStore;

    fn get(&self, name: StoreName) -> Option<&TestStore> {
        (name == StoreName::Memory).then_some(&*self.0)
    }
}

impl ReadStore for TestStore {
    fn name(&self) -> StoreName {
        StoreName::Memory
    }

    fn is_consistent(&self) -> bool {
        true
    }

    async fn read(&self, locators: &[Locator]) -> Vec<Found> {
        self.reads.fetch_add(1, SeqCst);
        self.memory.read(locators).await
    }

    async fn read_together(&self, locators: &[Locator]) -> Vec<Found> {
        self.memory.read_together(locators).await
    }
}

impl CreateStore for TestStore {
    async fn create(&self, request: &CreateRequest<'_>) -> Result<Creation, StoreError> {
        self.attempts.fetch_add(1, SeqCst);
        let path = request.path().unwrap();
        let is_denied = |prefix: &&str| path.as_str().starts_with(*prefix);
        if self.denied.lock().unwrap().iter().any(is_denied) {
            let kind = ErrorKind::Denied {
                action: "dynamodb:PutItem".to_owned(),
                resource: path.to_string(),
            };
            let remedy = "allow it";
            return Err(StoreError::new(kind, StoreName::Memory, "denied", remedy).at(path));
        }
        self.writes.acquire().await.unwrap().forget();
        let creation = self.memory.create(request).await?;
        if creation == Creation::Created {
            let items = request.items()?;
            let items = items.into_iter();
            let items = items.map(|(path, value)| (path.to_string(), value.clone()));
            self.created.lock().unwrap().extend(items);
        }
        Ok(creation)
    }
}

impl RotateStore for TestStore {
    async fn current(&self, generation: &Generation) -> Result<Option<Current>, StoreError> {
        self.memory.current(generation).await
    }

    async fn rotate(&self, request: &RotateRequest<'_>) -> Result<Rotation, StoreError> {
        self.attempts.fetch_add(1, SeqCst);
        let path = &request.generation.path;
        let is_denied = |prefix: &&str| path.as_str().starts_with(*prefix);
        if self.denied.lock().unwrap().iter().any(is_denied) {
            let kind = ErrorKind::Denied {
                action: "dynamodb:PutItem".to_owned(),
                resource: path.to_string(),
            };
            let remedy = "allow it";
            return Err(StoreError::new(kind, StoreName::Memory, "denied", remedy).at(path));
        }
        self.memory.rotate(request).await
    }

    async fn retire(&self, generation: &Generation, current: &Current) -> Result<bool, StoreError> {
        self.memory.retire(generation, current).await
    }

    async fn remember_since(
        &self,
        generation: &Generation,
        current: &Current,
        now: u64,
    ) -> Result<bool, StoreError> {
        self.memory.remember_since(generation, current, now).await
    }
}

impl LeaseStore for TestStore {
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
        self.attempts.fetch_add(1, SeqCst);
        self.memory.swap(changes).await
    }
}
