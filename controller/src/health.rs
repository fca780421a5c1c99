//! Whether this process works: the state behind `/readyz`.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The state behind `/readyz`.
#[derive(Debug, Default)]
pub(crate) struct Health {
    is_listed: AtomicBool,
    is_stopping: AtomicBool,
}

impl Health {
    /// The first list of pods has arrived.
    pub(crate) fn listed(&self) {
        self.is_listed.store(true, Relaxed);
    }

    /// The process is about to stop.
    pub(crate) fn stopping(&self) {
        self.is_stopping.store(true, Relaxed);
    }

    /// Why the process is not ready; `None` if it is.
    pub(crate) fn not_ready(&self) -> Option<&'static str> {
        if self.is_stopping.load(Relaxed) {
            Some("stopping")
        } else if self.is_listed.load(Relaxed) {
            None
        } else {
            Some("the API server has not sent the list of pods yet")
        }
    }
}
