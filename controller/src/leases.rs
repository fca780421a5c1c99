//! Leases: gives numbers to the pods that ask for them, and frees the numbers of pods that are gone.
//!
//! A number becomes free in three ways: the watch tells that its pod is gone; a search, after each
//! complete list and then every ten minutes, finds a record of a pod that is gone; a pod that finds no
//! free number asks the API server for each holder. Each freed number wakes the pod that has waited
//! for it longest.

mod api;
mod freeing;
mod waiting;
mod wanted;

use std::{sync::Arc, time::Duration};

use kees_common::PlannedLease;
use kees_inject::{Creation, CreatorPod, creation};
use kees_store::{
    RetryBudget,
    leases::{self, LeaseError, LeaseStore, claim::End},
    protocol::StoreSet,
};
use kube::{
    Client,
    runtime::reflector::{ObjectRef, Store},
};
use tokio::sync::{mpsc, watch};

use self::{api::ApiServer, waiting::Waiting, wanted::Wanted};
use crate::{metrics::Metrics, pod::WatchedPod, policy::Current, records::Records};

/// What the leases of all pods share.
pub(crate) struct Leases<S> {
    stores: Arc<S>,
    policy: watch::Receiver<Arc<Current>>,
    /// Whether this replica gives and frees numbers.
    leads: watch::Receiver<bool>,
    api: ApiServer,
    records: Arc<Records>,
    waiting: Waiting,
    /// Pods that are to be looked at now.
    woken: mpsc::UnboundedSender<ObjectRef<WatchedPod>>,
    metrics: Metrics,
    timeout: Duration,
}

/// What was done about the leases of one pod.
#[derive(Debug, Default)]
pub(crate) struct Given {
    /// The annotations with the numbers that they were given, for an Event.
    pub(crate) numbers: Vec<String>,
    /// What the pod waits for.
    pub(crate) exhausted: Vec<String>,
    /// Every error.
    pub(crate) errors: Vec<String>,
}

impl<S> Leases<S>
where
    S: StoreSet + Send + Sync + 'static,
    S::Store: LeaseStore + Sync,
{
    pub(crate) fn new(shared: Shared<S>, client: Client, reader: Store<WatchedPod>) -> Self {
        let Shared {
            stores,
            policy,
            leads,
            records,
            woken,
            metrics,
            timeout,
        } = shared;
        Self {
            stores,
            policy,
            leads,
            api: ApiServer { client, reader },
            records,
            waiting: Waiting::default(),
            woken,
            metrics,
            timeout,
        }
    }

    /// Gives `pod` a number for each of `leases`, which come with their annotations.
    pub(crate) async fn give(&self, pod: &WatchedPod, leases: &[(String, PlannedLease)]) -> Given {
        let mut result = Given::default();
        let all: Vec<_> = leases
            .iter()
            .map(|(_, lease)| Wanted::from(lease))
            .collect();
        self.waiting.keep(pod.uid(), &all);
        let mut budget = RetryBudget::new(self.timeout);
        for ((annotation, _), wanted) in leases.iter().zip(all) {
            let end = self.give_one(pod, &wanted, &mut budget).await;
            if matches!(end, Ok(End::Held { .. } | End::PodGone)) {
                self.waiting.remove(&wanted, pod.uid());
            }
            match end {
                Ok(End::Held {
                    number,
                    is_new: true,
                }) => {
                    self.metrics.leases_given.inc();
                    let given = format!("{annotation} the number {number}");
                    result.numbers.push(given);
                    self.free_if_gone(pod).await;
                }
                Ok(End::Held { is_new: false, .. } | End::PodGone) => {}
                Ok(End::Exhausted) => {
                    result.exhausted.push(exhausted(annotation, &wanted));
                    self.waiting.add(wanted, pod);
                }
                Err(error) => {
                    let error = format!("{annotation}: {}", told(&error));
                    result.errors.push(error);
                }
            }
        }
        self.metrics.leases_waiting(self.waiting.len());
        result
    }

    async fn give_one(
        &self,
        pod: &WatchedPod,
        wanted: &Wanted,
        budget: &mut RetryBudget,
    ) -> Result<End, LeaseError> {
        let Some(store) = self.stores.get(wanted.store) else {
            // The policy allows only stores that were opened.
            return Ok(End::PodGone);
        };
        if self.waiting.is_far_behind(wanted, pod.uid()) {
            return Ok(End::Exhausted);
        }
        let (range, holder) = (wanted.range.clone(), pod.as_holder());
        leases::claim(store, &self.api, range, holder, budget).await
    }

    /// Frees the number that `pod` was just given, if the watch told meanwhile that the pod is gone: the
    /// task that frees the numbers of such pods may have come before the number was stored.
    async fn free_if_gone(&self, pod: &WatchedPod) {
        let known = self.api.reader.get(&ObjectRef::from_obj(pod));
        if known.is_some_and(|known| known.uid() == pod.uid()) {
            return;
        }
        self.free_of(pod).await;
    }

    /// The leases that `pod` asks for, as the policy allows them.
    fn wanted(&self, pod: &WatchedPod) -> Vec<Wanted> {
        let current = Arc::clone(&self.policy.borrow());
        let subject = CreatorPod {
            namespace: pod.namespace(),
            service_account: pod.service_account(),
        };
        let annotations: Vec<_> = pod.annotations().collect();
        let Creation::Create { plan, .. } = creation(subject, &annotations, &current.settings)
        else {
            return Vec::new();
        };
        plan.leases.iter().map(Wanted::from).collect()
    }
}

/// What [`Leases`] shares with the rest of the controller.
pub(crate) struct Shared<S> {
    pub(crate) stores: Arc<S>,
    pub(crate) policy: watch::Receiver<Arc<Current>>,
    pub(crate) leads: watch::Receiver<bool>,
    pub(crate) records: Arc<Records>,
    pub(crate) woken: mpsc::UnboundedSender<ObjectRef<WatchedPod>>,
    pub(crate) metrics: Metrics,
    pub(crate) timeout: Duration,
}

fn exhausted(annotation: &str, wanted: &Wanted) -> String {
    let Wanted { store, range } = wanted;
    format!(
        "{annotation}: each number from {} to {} ({}* in {store}) is held by a pod that lives; this pod \
         gets the first number that becomes free",
        range.start(),
        range.end(),
        range.number_prefix(),
    )
}

/// An error with its remedy.
fn told(error: &LeaseError) -> String {
    match error {
        LeaseError::Store(error) => format!("{error}; {}", error.remedy),
        other => other.to_string(),
    }
}
