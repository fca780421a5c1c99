//! The limit on the connections of one port. When all slots are taken, a new connection replaces
//! the one that has been idle longest: an idle connection costs its client nothing, and a client
//! with many of them must not keep other clients out.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use prometheus_client::metrics::counter::Counter;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// How often [`Slots::take`] searches for an idle connection while every connection is busy.
const SEARCH_INTERVAL: Duration = Duration::from_millis(50);

/// An extension of a response: the request was one that the port is there for. Connections that
/// never had such a request are evicted before all others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ValidRequest;

/// The slots of one port.
#[derive(Debug)]
pub(crate) struct Slots {
    free: Arc<Semaphore>,
    taken: Vec<Weak<Activity>>,
    /// Orders events without a clock: it counts the connections that opened and the requests that
    /// ended.
    events: Arc<AtomicU64>,
    evicted: Counter,
}

impl Slots {
    /// As many slots as `number`. Evicted connections are counted in `evicted`.
    pub(crate) fn new(number: usize, evicted: Counter) -> Self {
        Self {
            free: Arc::new(Semaphore::new(number)),
            taken: Vec::new(),
            events: Arc::default(),
            evicted,
        }
    }

    /// Takes a slot for a new connection. If none is free, it evicts an idle connection, or waits
    /// until a connection becomes idle.
    pub(crate) async fn take(&mut self) -> Slot {
        let permit = loop {
            if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
                break permit;
            }
            self.evict();
            let released = Arc::clone(&self.free).acquire_owned();
            // The semaphore is never closed: the only error here is the timeout.
            if let Ok(Ok(permit)) = timeout(SEARCH_INTERVAL, released).await {
                break permit;
            }
        };
        let activity = Arc::new(Activity::new(Arc::clone(&self.events)));
        self.taken.retain(|activity| activity.strong_count() > 0);
        self.taken.push(Arc::downgrade(&activity));
        Slot {
            activity,
            _permit: permit,
        }
    }

    /// Asks one idle connection to close: the one that has been idle longest among those without a
    /// valid request, else among all. A client that never sends a valid request can therefore only
    /// evict connections like its own.
    fn evict(&mut self) {
        let idle = self.taken.iter().enumerate().filter_map(|(index, taken)| {
            let activity = taken.upgrade().filter(|activity| activity.is_idle())?;
            Some((index, activity))
        });
        let longest = idle.min_by_key(|(_, activity)| {
            let last_event = activity.last_event.load(Ordering::Relaxed);
            (activity.had_valid_request(), last_event)
        });
        if let Some((index, activity)) = longest {
            self.taken.swap_remove(index);
            activity.evicted.notify_one();
            self.evicted.inc();
        }
    }
}

/// The slot of one connection, which is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) activity: Arc<Activity>,
    _permit: OwnedSemaphorePermit,
}

/// What has happened on a connection so far.
#[derive(Debug)]
pub(crate) struct Activity {
    started: AtomicU64,
    finished: AtomicU64,
    valid: AtomicBool,
    /// The number of the last event: the connection opened, or a request ended.
    last_event: AtomicU64,
    events: Arc<AtomicU64>,
    evicted: Notify,
}

impl Activity {
    fn new(events: Arc<AtomicU64>) -> Self {
        Self {
            started: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            valid: AtomicBool::new(false),
            last_event: AtomicU64::new(events.fetch_add(1, Ordering::Relaxed)),
            events,
            evicted: Notify::new(),
        }
    }

    /// Counts a request, which is open until the returned value is dropped.
    pub(crate) fn start_request(self: &Arc<Self>) -> OpenRequest {
        self.started.fetch_add(1, Ordering::Relaxed);
        OpenRequest(Arc::clone(self))
    }

    /// How many requests have started.
    pub(crate) fn requests(&self) -> u64 {
        self.started.load(Ordering::Relaxed)
    }

    /// Whether no request is open.
    pub(crate) fn is_idle(&self) -> bool {
        let finished = self.finished.load(Ordering::Relaxed);
        self.requests() == finished
    }

    /// Resolves when the connection must close in favour of a new one.
    pub(crate) async fn evicted(&self) {
        self.evicted.notified().await;
    }

    fn had_valid_request(&self) -> bool {
        self.valid.load(Ordering::Relaxed)
    }
}

/// A request that is open until this is dropped.
pub(crate) struct OpenRequest(Arc<Activity>);

impl OpenRequest {
    /// Remembers that the connection had a valid request.
    pub(crate) fn mark_valid(&self) {
        self.0.valid.store(true, Ordering::Relaxed);
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        let event = self.0.events.fetch_add(1, Ordering::Relaxed);
        self.0.last_event.store(event, Ordering::Relaxed);
        self.0.finished.fetch_add(1, Ordering::Relaxed);
    }
}
