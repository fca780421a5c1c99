//! The limit on the connections of one port. When all slots are taken, a new connection replaces
//! the one that has been idle longest: an idle connection costs its client nothing, and a client
//! with many of them must not keep other clients out. The same holds for a request whose body does not
//! arrive.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use prometheus_client::metrics::counter::Counter;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// How often [`Slots::take`] searches for an idle connection while every connection is busy.
const SEARCH_INTERVAL: Duration = Duration::from_millis(50);

/// The time after which a connection that waits for bodies can be evicted. API servers send a body at once.
const BODY_GRACE: Duration = Duration::from_millis(500);

/// An extension of a response: the request was one that the port is there for. Connections that
/// never had such a request are evicted before all others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ValidRequest;

/// The slots of one port.
#[derive(Debug)]
pub(crate) struct Slots {
    free: Arc<Semaphore>,
    taken: Vec<Weak<Activity>>,
    /// Orders events without a clock: it counts the connections that opened, the requests that ended,
    /// and the bodies that are awaited.
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

    /// Asks one connection to close: the first in the order of [`Eviction`]. A client that never sends a valid
    /// request can therefore only evict connections like its own.
    fn evict(&mut self) {
        let candidates = self.taken.iter().enumerate().filter_map(|(index, taken)| {
            let activity = taken.upgrade()?;
            Some((activity.eviction()?, index, activity))
        });
        let Some((eviction, index, activity)) = candidates.min_by_key(|(eviction, ..)| *eviction)
        else {
            return;
        };
        if let Some(since) = eviction.waits_for_bodies_since {
            if since.elapsed() < BODY_GRACE {
                return;
            }
            activity.aborted.store(true, Ordering::Relaxed);
        }
        self.taken.swap_remove(index);
        activity.evicted.notify_one();
        self.evicted.inc();
    }
}

/// The order in which connections are evicted: those without a valid request first, and of these the one
/// for which nothing has happened longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Eviction {
    had_valid_request: bool,
    last_event: u64,
    /// `None` for an idle connection.
    waits_for_bodies_since: Option<Instant>,
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
    bodies: Mutex<Bodies>,
    evicted: Notify,
    /// Whether its open requests get no time to finish when it is evicted.
    aborted: AtomicBool,
}

/// The open requests whose body has not arrived completely.
#[derive(Debug, Default)]
struct Bodies {
    number: u64,
    /// Since when there has been at least one: the number of that event, and the time.
    since: Option<(u64, Instant)>,
}

impl Activity {
    fn new(events: Arc<AtomicU64>) -> Self {
        Self {
            started: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            valid: AtomicBool::new(false),
            last_event: AtomicU64::new(events.fetch_add(1, Ordering::Relaxed)),
            events,
            bodies: Mutex::default(),
            evicted: Notify::new(),
            aborted: AtomicBool::new(false),
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

    /// Whether the connection must then close at once, because it waits for bodies only.
    pub(crate) fn is_aborted(&self) -> bool {
        self.aborted.load(Ordering::Relaxed)
    }

    /// Its place in the order, if it can be evicted: if it is idle, or never had a valid request and only waits
    /// for bodies.
    fn eviction(&self) -> Option<Eviction> {
        let had_valid_request = self.valid.load(Ordering::Relaxed);
        if self.is_idle() {
            return Some(Eviction {
                had_valid_request,
                last_event: self.last_event.load(Ordering::Relaxed),
                waits_for_bodies_since: None,
            });
        }
        let finished = self.finished.load(Ordering::Relaxed);
        let open = self.requests().saturating_sub(finished);
        let bodies = self.bodies();
        let (last_event, since) = bodies.since?;
        (bodies.number == open && !had_valid_request).then_some(Eviction {
            had_valid_request,
            last_event,
            waits_for_bodies_since: Some(since),
        })
    }

    fn bodies(&self) -> std::sync::MutexGuard<'_, Bodies> {
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An extension of a request: tells its connection while the body is awaited.
#[derive(Debug, Clone)]
pub(crate) struct AwaitedBody(pub(crate) Arc<Activity>);

impl AwaitedBody {
    /// The body is awaited until the returned value is dropped.
    pub(crate) fn start(&self) -> Awaiting {
        let mut bodies = self.0.bodies();
        bodies.number += 1;
        if bodies.since.is_none() {
            let event = self.0.events.fetch_add(1, Ordering::Relaxed);
            bodies.since = Some((event, Instant::now()));
        }
        drop(bodies);
        Awaiting(Arc::clone(&self.0))
    }
}

/// A body that is awaited until this is dropped.
#[derive(Debug)]
pub(crate) struct Awaiting(Arc<Activity>);

impl Drop for Awaiting {
    fn drop(&mut self) {
        let mut bodies = self.0.bodies();
        bodies.number -= 1;
        if bodies.number == 0 {
            bodies.since = None;
        }
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
