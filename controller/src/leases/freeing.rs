//! Frees the numbers of pods that are gone.

use std::{collections::HashSet, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream};
use kees_store::{
    Backoff, RetryBudget,
    leases::{self, LeaseError, LeaseStore, LivingPods as _, Pod},
    protocol::StoreSet,
};
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, MissedTickBehavior, interval_at, sleep},
};

use super::{Leases, Wanted, told};
use crate::pod::WatchedPod;

/// The time between two searches.
const SEARCH: Duration = Duration::from_mins(10);

/// How long one release, or one search of a range, may take.
const TIMEOUT: Duration = Duration::from_mins(1);

/// How many pods that are gone are handled at a time.
const CONCURRENT: usize = 64;

impl<S> Leases<S>
where
    S: StoreSet + Send + Sync + 'static,
    S::Store: LeaseStore + Sync,
{
    /// Frees the numbers of each pod that the watch calls gone. Ends with `gone`.
    pub(crate) async fn free_gone(self: Arc<Self>, gone: mpsc::UnboundedReceiver<WatchedPod>) {
        let pods = stream::unfold(gone, |mut gone| async { Some((gone.recv().await?, gone)) });
        let each = pods.for_each_concurrent(CONCURRENT, |pod| {
            let leases = Arc::clone(&self);
            async move { leases.free_of(&pod).await }
        });
        each.await;
    }

    /// Frees the numbers of `pod` if it is gone.
    pub(super) async fn free_of(&self, pod: &WatchedPod) {
        self.waiting.keep(pod.uid(), &[]);
        self.metrics.leases_waiting(self.waiting.len());
        // The leader frees; a replica that becomes the leader searches.
        let wanted = self.wanted(pod);
        if wanted.is_empty() || !*self.leads.borrow() {
            return;
        }
        let holder = pod.as_holder();
        match self.is_gone(&holder).await {
            Ok(true) => {}
            // It only lost its annotations.
            Ok(false) => return,
            Err(error) => {
                return wanted
                    .iter()
                    .for_each(|wanted| self.not_freed(wanted, &error));
            }
        }
        for wanted in wanted {
            match self.free_one(&holder, &wanted).await {
                Ok(freed) => {
                    self.freed(&wanted, usize::from(freed));
                    // Another replica may have freed the number, but the pods wait here.
                    self.wake(&wanted, 1);
                }
                Err(error) => self.not_freed(&wanted, &error),
            }
        }
    }

    /// Asks the API server again while it does not answer.
    async fn is_gone(&self, holder: &Pod) -> Result<bool, LeaseError> {
        let mut pauses = Backoff::default();
        let mut budget = RetryBudget::new(TIMEOUT);
        loop {
            let lives = self.api.lives(&holder.name, Some(&holder.identity));
            let error = match budget.wait(lives).await {
                Some(Ok(lives)) => return Ok(!lives),
                Some(Err(error)) => LeaseError::Kubernetes(error),
                None => return Err(LeaseError::TimedOut),
            };
            if budget.wait(sleep(pauses.pause())).await.is_none() {
                return Err(error);
            }
        }
    }

    async fn free_one(&self, holder: &Pod, wanted: &Wanted) -> Result<bool, LeaseError> {
        let Some(store) = self.stores.get(wanted.store) else {
            return Ok(false);
        };
        let mut budget = RetryBudget::new(TIMEOUT);
        let freed = leases::release(store, wanted.range.clone(), holder, &mut budget).await?;
        Ok(freed.is_some())
    }

    /// Searches for records of pods that are gone while this replica leads: when it begins to lead, when
    /// all pods were listed, and then from time to time. Never ends.
    pub(crate) async fn search(self: Arc<Self>, listed: Arc<Notify>) {
        let mut ticks = interval_at(Instant::now() + SEARCH, SEARCH);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut leads = self.leads.clone();
        // A search of a large range reads the whole table, so each one is searched once after a list.
        let mut searched = HashSet::new();
        loop {
            tokio::select! {
                () = listed.notified() => searched.clear(),
                Ok(()) = leads.changed() => searched.clear(),
                _ = ticks.tick() => {}
            }
            if !*leads.borrow_and_update() {
                self.waiting.clear();
                self.metrics.leases_waiting(0);
                continue;
            }
            let pods = self.api.reader.state();
            let wanted: HashSet<_> = pods.iter().flat_map(|pod| self.wanted(pod)).collect();
            for wanted in wanted {
                let is_large = wanted.range.is_large();
                if is_large && searched.contains(&wanted) {
                    continue;
                }
                if self.search_one(&wanted).await && is_large {
                    searched.insert(wanted);
                }
            }
        }
    }

    /// Whether the whole range was searched.
    async fn search_one(&self, wanted: &Wanted) -> bool {
        let Some(store) = self.stores.get(wanted.store) else {
            return false;
        };
        let mut budget = RetryBudget::new(TIMEOUT);
        let (freed, error) =
            leases::free_abandoned(store, &self.api, &wanted.range, &mut budget).await;
        self.freed(wanted, freed);
        self.wake(wanted, freed);
        if let Some(error) = &error {
            self.not_freed(wanted, error);
        }
        error.is_none()
    }

    fn freed(&self, wanted: &Wanted, count: usize) {
        if count > 0 {
            self.metrics.leases_freed(count);
            tracing::info!(
                count,
                leases = wanted.range.number_prefix(),
                "freed the numbers of pods that are gone"
            );
        }
    }

    /// The pods that have waited longest for `count` numbers look again now.
    fn wake(&self, wanted: &Wanted, count: usize) {
        for _ in 0..count {
            let lives = |pod: &super::waiting::WaitingPod| {
                let known = self.api.reader.get(&pod.reference);
                known.is_some_and(|known| known.uid() == pod.uid)
            };
            let Some(pod) = self.waiting.next(wanted, lives) else {
                break;
            };
            self.records.wake(&pod.uid);
            // It fails only when the controller stops.
            let _ = self.woken.send(pod.reference);
        }
        self.metrics.leases_waiting(self.waiting.len());
    }

    fn not_freed(&self, wanted: &Wanted, error: &LeaseError) {
        self.metrics.lease_errors.inc();
        tracing::warn!(
            leases = wanted.range.number_prefix(),
            "the numbers of pods that are gone are not freed now; it is tried again within {} minutes: {}",
            SEARCH.as_secs() / 60,
            told(error)
        );
    }
}
