//! Who may have a connection: as many as there are slots. Where all are taken, the connection that
//! has been idle longest gives way to a new one, since idle ones cost a stranger nothing.

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

/// Between two looks for an idle connection, where none is.
const LOOK: Duration = Duration::from_millis(50);

/// The slots of one listener.
#[derive(Debug)]
pub(crate) struct Slots {
    free: Arc<Semaphore>,
    taken: Vec<Weak<Activity>>,
    /// Counts what connections do, to tell whose last deed is longest ago without a clock.
    deeds: Arc<AtomicU64>,
    evicted: Counter,
}

/// A connection's place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) activity: Arc<Activity>,
    _permit: OwnedSemaphorePermit,
}

impl Slots {
    /// One slot for each permit of `free`. Connections that give way are counted in `evicted`.
    pub(crate) fn new(free: Arc<Semaphore>, evicted: Counter) -> Self {
        Self {
            free,
            taken: Vec::new(),
            deeds: Arc::default(),
            evicted,
        }
    }

    /// A slot for a new connection, if need be that of an idle one. Waits while there is none;
    /// `None` where there will never be one again.
    pub(crate) async fn take(&mut self) -> Option<Slot> {
        let permit = loop {
            if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
                break permit;
            }
            self.evict();
            let free = Arc::clone(&self.free).acquire_owned();
            if let Ok(permit) = timeout(LOOK, free).await {
                break permit.ok()?;
            }
        };
        let activity = Arc::new(Activity::new(Arc::clone(&self.deeds)));
        self.taken.retain(|activity| activity.strong_count() > 0);
        self.taken.push(Arc::downgrade(&activity));
        Some(Slot {
            activity,
            _permit: permit,
        })
    }

    /// Asks the connection that is idle longest to end. Those that were never of use come first: a
    /// stranger who opens connections, and asks for what is not served, drives out no other than
    /// his own.
    fn evict(&mut self) {
        let idle = self.taken.iter().enumerate().filter_map(|(index, taken)| {
            let activity = taken.upgrade().filter(|activity| activity.is_idle())?;
            Some((index, activity))
        });
        let longest = idle.min_by_key(|(_, activity)| {
            let last = activity.last.load(Ordering::Relaxed);
            (activity.was_of_use(), last)
        });
        if let Some((index, activity)) = longest {
            self.taken.swap_remove(index);
            activity.unwanted.notify_one();
            self.evicted.inc();
        }
    }
}

/// What a connection has done so far.
#[derive(Debug)]
pub(crate) struct Activity {
    started: AtomicU64,
    finished: AtomicU64,
    of_use: AtomicBool,
    /// The number of its last deed: to be opened, or to finish a request.
    last: AtomicU64,
    deeds: Arc<AtomicU64>,
    unwanted: Notify,
}

impl Activity {
    fn new(deeds: Arc<AtomicU64>) -> Self {
        Self {
            started: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            of_use: AtomicBool::new(false),
            last: AtomicU64::new(deeds.fetch_add(1, Ordering::Relaxed)),
            deeds,
            unwanted: Notify::new(),
        }
    }

    /// A request has come.
    pub(crate) fn start(self: &Arc<Self>) -> UnderWay {
        self.started.fetch_add(1, Ordering::Relaxed);
        UnderWay(Arc::clone(self))
    }

    /// How many requests have come.
    pub(crate) fn requests(&self) -> u64 {
        self.started.load(Ordering::Relaxed)
    }

    /// Whether no request is under way.
    pub(crate) fn is_idle(&self) -> bool {
        let finished = self.finished.load(Ordering::Relaxed);
        self.requests() == finished
    }

    /// Resolves when the connection shall give way to another.
    pub(crate) async fn unwanted(&self) {
        self.unwanted.notified().await;
    }

    /// Whether any request was what the listener is there for.
    pub(crate) fn was_of_use(&self) -> bool {
        self.of_use.load(Ordering::Relaxed)
    }
}

/// A request that is under way, until it is dropped.
pub(crate) struct UnderWay(Arc<Activity>);

impl UnderWay {
    /// It was what the listener is there for.
    pub(crate) fn of_use(&self) {
        self.0.of_use.store(true, Ordering::Relaxed);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let deed = self.0.deeds.fetch_add(1, Ordering::Relaxed);
        self.0.last.store(deed, Ordering::Relaxed);
        self.0.finished.fetch_add(1, Ordering::Relaxed);
    }
}
