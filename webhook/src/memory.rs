//! The memory budget that the bodies of all requests and the long responses share, and the deadline
//! by which a request must get its part of it.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

/// The budget in KiB. With the buffers of all connections and the review of one large body, the
/// process stays below the 64 MiB that the manifests allow.
const BUDGET: u32 = 12 * 1024;

/// A share of the budget, which is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Reserved(OwnedSemaphorePermit);

impl Reserved {
    /// The number of KiB.
    pub(crate) fn kib(&self) -> u32 {
        u32::try_from(self.0.num_permits()).unwrap_or(BUDGET)
    }

    /// Adds a share to this one.
    pub(crate) fn merge(&mut self, other: Self) {
        self.0.merge(other.0);
    }
}

/// The memory budget.
#[derive(Debug, Clone)]
pub(crate) struct MemoryBudget(Arc<Semaphore>);

impl MemoryBudget {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(BUDGET as usize)))
    }

    /// Waits until memory is reserved. `None` if `deadline` passes first.
    pub(crate) async fn reserve(&self, kib: u32, deadline: Deadline) -> Option<Reserved> {
        let reserved = deadline.acquire(&self.0, kib).await;
        reserved.map(Reserved)
    }

    /// The size in KiB, rounded up.
    pub(crate) fn kib(bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(1024)).unwrap_or(BUDGET)
    }
}

/// The time by which something must be complete.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    pub(crate) at: Instant,
    /// The timeout that set it, for error messages.
    pub(crate) timeout: Duration,
}

impl Deadline {
    pub(crate) fn after(timeout: Duration) -> Self {
        Self {
            at: Instant::now() + timeout,
            timeout,
        }
    }

    /// Waits for permits of `semaphore`. `None` if the deadline passes first.
    pub(crate) async fn acquire(
        self,
        semaphore: &Arc<Semaphore>,
        permits: u32,
    ) -> Option<OwnedSemaphorePermit> {
        let acquired = Arc::clone(semaphore).acquire_many_owned(permits);
        // The semaphores are never closed: the only error here is the timeout.
        timeout_at(self.at, acquired).await.ok()?.ok()
    }
}
