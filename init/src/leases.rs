//! The numbers of a pod's leases. kees-controller gives them; a run reads them, and waits until they
//! are there.

mod local;
mod lookup;
mod number;

use std::{future::Future, pin::pin, time::Duration};

use futures_util::future::{Either, select};
use kees_common::{LocalMode, PlannedLease};
use kees_store::{Backoff, RetryBudget, leases::LeaseStore};
use tokio::time::Instant;

pub(crate) use self::number::{Number, place};
use self::{
    lookup::{Looked, Lookup},
    number::{failed, silent},
};
use crate::{EntryError, InitError, Progress, Request};

/// The least time for a read. With less time it could not end before the deadline.
const LAST_READ: Duration = Duration::from_millis(200);

/// The secrets may end this long before the deadline, when no time is left for another read of them.
/// Then the numbers have been waited for long enough too.
const NEARLY: Duration = Duration::from_secs(1);

/// The number of each lease of `request`, in the order of its plan. All of them are in `store`.
///
/// It waits at most for `timeout`, and not beyond the end of `stop`, which ends if the run fails
/// anyway. It reads at least once.
pub(crate) async fn numbers(
    request: &Request,
    store: &impl LeaseStore,
    progress: &dyn Progress,
    timeout: Duration,
    mut stop: impl Future + Unpin,
) -> Vec<Number> {
    let begun = Instant::now();
    let mut budget = RetryBudget::new(timeout);
    if gives_numbers(request) {
        return local::numbers(request, store, &mut budget).await;
    }
    let mut waiting = Waiting::new(request, progress);
    let lookup = Lookup::new(request, store);
    loop {
        let Some(looked) = budget.wait(lookup.all(&waiting.leases())).await else {
            break;
        };
        waiting.looked(looked);
        if waiting.is_over() {
            break;
        }
        let Some(pause) = waiting.pause(budget.left()) else {
            break;
        };
        let slept = pin!(budget.wait(tokio::time::sleep(pause)));
        if let Either::Right(_) = select(slept, &mut stop).await {
            if begun.elapsed() + NEARLY < timeout {
                return waiting.stopped();
            }
            break;
        }
    }
    waiting.finish(begun.elapsed())
}

/// Whether the run gives numbers itself: in a store that no kees-controller shares.
fn gives_numbers(request: &Request) -> bool {
    let mut leases = request.plan.leases.iter();
    request.local_mode == LocalMode::Off && leases.all(|lease| !lease.store.is_in_aws())
}

/// What is known of each lease while a run waits.
struct Waiting<'a> {
    request: &'a Request,
    progress: &'a dyn Progress,
    /// In the order of the plan.
    known: Vec<Looked>,
    backoff: Backoff,
    is_reported: bool,
}

impl<'a> Waiting<'a> {
    fn new(request: &'a Request, progress: &'a dyn Progress) -> Self {
        Self {
            request,
            progress,
            known: request.plan.leases.iter().map(|_| Looked::Unread).collect(),
            backoff: Backoff::default(),
            is_reported: false,
        }
    }

    fn all(&self) -> impl Iterator<Item = (&'a PlannedLease, &Looked)> {
        self.request.plan.leases.iter().zip(&self.known)
    }

    /// The leases without a number yet.
    fn leases(&self) -> Vec<&'a PlannedLease> {
        let open = self.all().filter(|(_, known)| !is_held(known));
        open.map(|(lease, _)| lease).collect()
    }

    /// Keeps what was read for [`Waiting::leases`].
    fn looked(&mut self, looked: Vec<Looked>) {
        let open = self.known.iter_mut().filter(|known| !is_held(known));
        for (known, looked) in open.zip(looked) {
            *known = looked;
        }
    }

    /// Whether each lease has a number, or one of them will have none.
    fn is_over(&self) -> bool {
        let is_settled = |known: &Looked| match known {
            Looked::Held(_) => true,
            Looked::Absent | Looked::OfEarlierPod => self.is_local(),
            _ => false,
        };
        let is_failed =
            |known: &Looked| matches!(known, Looked::Failed(error) if !error.is_transient());
        self.known.iter().all(is_settled) || self.known.iter().any(is_failed)
    }

    /// Whether local mode derives the numbers that the store has not.
    fn is_local(&self) -> bool {
        self.request.local_mode == LocalMode::RemoteThenLocal
    }

    /// Reports what is waited for. Returns the length of the pause before the next read, or `None` if
    /// no time would be left after it.
    fn pause(&mut self, left: Duration) -> Option<Duration> {
        let is_absent = |known: &Looked| matches!(known, Looked::Absent | Looked::OfEarlierPod);
        let absent: Vec<_> = self
            .all()
            .filter(|(_, known)| is_absent(known) && !self.is_local())
            .map(|(lease, _)| self.request.annotation_of(lease))
            .collect();
        let failed = self.known.iter().find_map(|known| match known {
            Looked::Failed(error) => Some(error),
            _ => None,
        });
        if let Some(error) = failed
            && !self.is_reported
        {
            self.progress.store_unavailable(error);
            self.is_reported = true;
        }
        let backoff = self.backoff.pause();
        if absent.is_empty() {
            return (backoff < left).then_some(backoff);
        }
        self.progress.waiting(&absent);
        // If the operator sets no delay, the last read is close to the deadline.
        let pause = self.request.retry_delay.unwrap_or(backoff.min(left / 2));
        (left >= LAST_READ && pause < left).then_some(pause)
    }

    /// The numbers, if the run fails because of something else.
    fn stopped(self) -> Vec<Number> {
        self.known.iter().map(|_| Number::Open).collect()
    }

    /// The numbers, after the run has waited so long.
    fn finish(self, waited: Duration) -> Vec<Number> {
        let (is_local, is_over) = (self.is_local(), self.is_over());
        let leases = &self.request.plan.leases;
        let number = |(lease, known): (&PlannedLease, Looked)| {
            let error = match known {
                Looked::Held(number) => {
                    let is_new = false;
                    return Number::Held { number, is_new };
                }
                Looked::Absent | Looked::OfEarlierPod if is_local => return Number::Local,
                Looked::Failed(error) => EntryError::Store(error),
                // Not waited for, because another lease failed.
                _ if is_over => return Number::Open,
                Looked::Unread => EntryError::Store(silent(lease.store)),
                known => absent(self.request, lease, &known, waited),
            };
            Number::Failed(InitError::entry(failed(self.request, lease), error))
        };
        leases.iter().zip(self.known).map(number).collect()
    }
}

fn is_held(known: &Looked) -> bool {
    matches!(known, Looked::Held(_))
}

fn absent(request: &Request, lease: &PlannedLease, known: &Looked, waited: Duration) -> EntryError {
    let found = match known {
        Looked::OfEarlierPod => {
            "the record there belongs to an earlier pod of this name, and kees-controller has to \
             replace it"
        }
        _ => "kees-controller has to give the pod a number",
    };
    let pod = request.pod_name.as_deref().unwrap_or_default();
    let size = lease.range.size();
    let numbers = if size == 1 {
        "the only number of the range may be held by another pod".to_owned()
    } else {
        format!("all {size} numbers of the range may be held by other pods")
    };
    EntryError::Absent {
        waited,
        remedy: format!("{found}: look at the Events of the pod {pod}; {numbers}"),
    }
}
