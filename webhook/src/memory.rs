//! The memory budget that the bodies of all requests and the long responses share, and the deadline
//! by which a request must get its part of it.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

/// The memory in KiB that is reserved as it is needed. With the long bodies, the buffers of all
/// connections and one decision about a long body, the process stays below the 64 MiB that the
/// manifests allow.
const SHARED: u32 = 6 * 1024;

/// The most long bodies at the same time: one is decided, and one arrives. Each may have the longest
/// length, so that two long bodies never wait for memory that the other one holds.
const LONG_BODIES: usize = 2;

/// A share of the budget, which is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Reserved(OwnedSemaphorePermit);

impl Reserved {
    /// The number of KiB.
    pub(crate) fn kib(&self) -> u32 {
        u32::try_from(self.0.num_permits()).unwrap_or(SHARED)
    }

    /// Adds a share to this one.
    pub(crate) fn merge(&mut self, other: Self) {
        self.0.merge(other.0);
    }
}

/// The memory budget.
#[derive(Debug, Clone)]
pub(crate) struct MemoryBudget {
    shared: Arc<Semaphore>,
    long_bodies: Arc<Semaphore>,
}

impl MemoryBudget {
    pub(crate) fn new() -> Self {
        Self {
            shared: Arc::new(Semaphore::new(SHARED as usize)),
            long_bodies: Arc::new(Semaphore::new(LONG_BODIES)),
        }
    }

    /// Waits until memory is reserved. `None` if `deadline` passes first.
    pub(crate) async fn reserve(&self, kib: u32, deadline: Deadline) -> Option<Reserved> {
        let reserved = deadline.acquire(&self.shared, kib).await;
        reserved.map(Reserved)
    }

    /// Reserves memory if there is some now.
    pub(crate) fn try_reserve(&self, kib: u32) -> Option<Reserved> {
        let reserved = Arc::clone(&self.shared).try_acquire_many_owned(kib);
        reserved.ok().map(Reserved)
    }

    /// Waits until memory for the longest body is reserved. `None` if `deadline` passes first.
    pub(crate) async fn reserve_long_body(&self, deadline: Deadline) -> Option<Reserved> {
        let reserved = deadline.acquire(&self.long_bodies, 1).await;
        reserved.map(Reserved)
    }

    /// The size in KiB, rounded up.
    pub(crate) fn kib(bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(1024)).unwrap_or(SHARED)
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
