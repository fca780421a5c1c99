//! Something that the tests of a program start once and use one after the other.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use anyhow::anyhow;

/// What is started once. Use it in a `static`.
#[derive(Debug)]
pub struct Shared<W> {
    turn: Mutex<()>,
    started: OnceLock<Result<W, String>>,
}

impl<W> Shared<W> {
    /// Nothing is started yet.
    #[expect(clippy::new_without_default, reason = "a default is not const")]
    pub const fn new() -> Self {
        Self {
            turn: Mutex::new(()),
            started: OnceLock::new(),
        }
    }

    /// What the first call starts. If that fails, every call fails in the same way.
    pub fn get(&self, start: impl FnOnce() -> anyhow::Result<W>) -> anyhow::Result<&W> {
        let start = || start().map_err(|error| format!("{error:?}"));
        let started = self.started.get_or_init(start);
        started.as_ref().map_err(|error| anyhow!(error.clone()))
    }

    /// The same, while no other test uses it: until the guard is dropped.
    pub fn alone(
        &'static self,
        start: impl FnOnce() -> anyhow::Result<W>,
    ) -> anyhow::Result<(&'static W, MutexGuard<'static, ()>)> {
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        Ok((self.get(start)?, turn))
    }
}
