//! A store for tests that decide the result of each call.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use kees_common::{Field, Locator, SecretValue, StoreName};
use kees_store::{
    CreateRequest, CreateStore, Creation, ErrorKind, Found, IdempotencyToken, NewGeneration,
    ReadStore, StoreError, WriteLimits, memory::Memory,
};

use crate::generated_by;

/// What a call meets before, or instead of, the store behind it.
#[derive(Debug, Clone)]
pub enum Play {
    /// The call succeeds.
    Answer,
    /// The call fails, and the store does not learn of it.
    Fail(ErrorKind),
    /// The store executes the call, but its response is lost.
    LoseAnswer,
    /// The store sends no response.
    Silence,
    /// A writer called `other` stores its own values of every generation of the request just
    /// before.
    OtherWriterFirst,
    /// The writer called `other` stores the first generation of the request just before.
    OtherWriterFirstForOne,
    /// One field is not seen: a batch beside a transaction.
    SeeNot(Field),
    /// Nothing is seen: a replica that lags behind.
    SeeNothing,
    /// Everything is deleted, and the response is the same as before.
    DeletedSince,
    /// The name exists, as far as this call is told.
    Exists,
}

/// A store in memory with a script of errors. After the script has ended, every call succeeds.
#[derive(Debug)]
pub struct Scripted {
    /// What is stored.
    pub memory: Memory,
    is_consistent: bool,
    limits: WriteLimits,
    reads: Mutex<VecDeque<Play>>,
    reads_together: Mutex<VecDeque<Play>>,
    creates: Mutex<VecDeque<Play>>,
    log: Mutex<Vec<String>>,
}

impl Default for Scripted {
    fn default() -> Self {
        Self {
            memory: Memory::new(),
            is_consistent: true,
            limits: WriteLimits::UNLIMITED,
            reads: Mutex::default(),
            reads_together: Mutex::default(),
            creates: Mutex::default(),
            log: Mutex::default(),
        }
    }
}

impl Scripted {
    /// An empty store without a script.
    pub fn new() -> Self {
        Self::default()
    }

    /// A store whose reads may lag behind its writes.
    pub fn lagging() -> Self {
        Self {
            is_consistent: false,
            ..Self::default()
        }
    }

    /// With the limits that a store has for one write.
    #[must_use]
    pub fn with_limits(self, limits: WriteLimits) -> Self {
        Self { limits, ..self }
    }

    /// What the next batch reads meet.
    #[must_use]
    pub fn reads(self, plays: impl IntoIterator<Item = Play>) -> Self {
        lock(&self.reads).extend(plays);
        self
    }

    /// What the next reads in a snapshot meet.
    #[must_use]
    pub fn reads_together(self, plays: impl IntoIterator<Item = Play>) -> Self {
        lock(&self.reads_together).extend(plays);
        self
    }

    /// What the next writes meet.
    #[must_use]
    pub fn creates(self, plays: impl IntoIterator<Item = Play>) -> Self {
        lock(&self.creates).extend(plays);
        self
    }

    /// With a value that is there from the start.
    #[must_use]
    pub fn put(self, path: &str, value: &str) -> Self {
        self.store(path, value);
        self
    }

    /// Stores a value, as something other than kees does.
    pub fn store(&self, path: &str, value: &str) {
        let value = SecretValue::new(value.as_bytes().to_vec());
        self.memory.put(path.parse().unwrap(), value);
    }

    /// The calls so far: `read N`, `read together N`, and `create N` with N values.
    pub fn log(&self) -> Vec<String> {
        lock(&self.log).clone()
    }

    fn next(&self, plays: &Mutex<VecDeque<Play>>, call: String) -> Play {
        lock(&self.log).push(call);
        lock(plays).pop_front().unwrap_or(Play::Answer)
    }

    fn found(&self, locators: &[Locator]) -> Vec<Found> {
        let found = |at: &Locator| Ok(self.memory.get(&at.path));
        locators.iter().map(found).collect()
    }

    async fn play_read(&self, play: Play, locators: &[Locator]) -> Vec<Found> {
        match play {
            Play::Fail(kind) => locators.iter().map(|_| Err(error_of(&kind))).collect(),
            Play::LoseAnswer | Play::Silence => std::future::pending().await,
            Play::SeeNothing => locators.iter().map(|_| Ok(None)).collect(),
            Play::SeeNot(field) => locators
                .iter()
                .zip(self.found(locators))
                .map(|(at, found)| {
                    if at.path.as_str().ends_with(field.as_str()) {
                        Ok(None)
                    } else {
                        found
                    }
                })
                .collect(),
            _ => self.found(locators),
        }
    }

    async fn store_others(&self, generations: &[NewGeneration<'_>]) {
        for new in generations {
            let values = generated_by("other", &new.generation.spec);
            let others = NewGeneration {
                values: &values,
                ..*new
            };
            let request = CreateRequest {
                generations: &[others],
                token: &IdempotencyToken::random().unwrap(),
            };
            self.memory.create(&request).await.unwrap();
        }
    }
}

impl ReadStore for Scripted {
    fn name(&self) -> StoreName {
        StoreName::Memory
    }

    fn is_consistent(&self) -> bool {
        self.is_consistent
    }

    async fn read(&self, locators: &[Locator]) -> Vec<Found> {
        let play = self.next(&self.reads, format!("read {}", locators.len()));
        self.play_read(play, locators).await
    }

    async fn read_together(&self, locators: &[Locator]) -> Vec<Found> {
        let call = format!("read together {}", locators.len());
        let play = self.next(&self.reads_together, call);
        self.play_read(play, locators).await
    }
}

impl CreateStore for Scripted {
    fn write_limits(&self) -> WriteLimits {
        self.limits
    }

    async fn create(&self, request: &CreateRequest<'_>) -> Result<Creation, StoreError> {
        let call = format!("create {}", request.items()?.len());
        let play = self.next(&self.creates, call);
        match play {
            Play::Fail(kind) => return Err(error_of(&kind)),
            Play::Silence => std::future::pending().await,
            Play::LoseAnswer => {
                self.memory.create(request).await?;
                return Err(error_of(&ErrorKind::Unreachable));
            }
            Play::OtherWriterFirst => self.store_others(request.generations).await,
            Play::OtherWriterFirstForOne => self.store_others(&request.generations[..1]).await,
            Play::DeletedSince => return Ok(Creation::Created),
            Play::Exists => return Ok(Creation::Exists),
            Play::Answer | Play::SeeNot(_) | Play::SeeNothing => {}
        }
        self.memory.create(request).await
    }
}

/// The error of [`Play::Fail`].
pub fn error_of(kind: &ErrorKind) -> StoreError {
    StoreError {
        kind: kind.clone(),
        store: StoreName::Memory,
        path: None,
        code: None,
        message: "as the test says".to_owned(),
        remedy: String::new(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
