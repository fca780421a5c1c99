//! Whether this process works: the state behind `/readyz`.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The state behind `/readyz`.
#[derive(Debug, Default)]
pub(crate) struct Health {
    is_listed: AtomicBool,
    /// Whether the list of Secrets is waited for.
    needs_secrets: AtomicBool,
    is_stopping: AtomicBool,
}

impl Health {
    /// The first list of pods has arrived.
    pub(crate) fn listed(&self) {
        self.is_listed.store(true, Relaxed);
    }

    /// The list of the Secrets that the controller writes is needed too.
    pub(crate) fn need_secrets(&self) {
        self.needs_secrets.store(true, Relaxed);
    }

    /// The first list of these Secrets has arrived.
    pub(crate) fn secrets_listed(&self) {
        self.needs_secrets.store(false, Relaxed);
    }

    /// The process is about to stop.
    pub(crate) fn stopping(&self) {
        self.is_stopping.store(true, Relaxed);
    }

    /// Why the process is not ready; `None` if it is.
    pub(crate) fn not_ready(&self) -> Option<&'static str> {
        if self.is_stopping.load(Relaxed) {
            Some("stopping")
        } else if !self.is_listed.load(Relaxed) {
            Some("the API server has not sent the list of pods yet")
        } else if self.needs_secrets.load(Relaxed) {
            Some("the API server has not sent the list of Secrets yet")
        } else {
            None
        }
    }
}
