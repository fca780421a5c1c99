//! The creator: decides for one pod what to create, and creates it.

use std::{sync::Arc, time::Duration};

use kees_common::{Parsed, Plan, PlannedLease};
use kees_init::{CreatedEntries, Generator, Request, RunError};
use kees_inject::{Creation, CreatorPod, DenialReason, creation};
use kees_store::{leases::LeaseStore, protocol::StoreSet};
use kube::runtime::controller::Action;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use crate::{
    conditions::Conditions,
    events::{Events, Reason},
    leases::Leases,
    metrics::{Metrics, Outcome},
    pod::WatchedPod,
    policy::Current,
    progress::Steps,
    records::{Records, Turn},
};

/// What the runs for all pods share.
pub(crate) struct Creator<S> {
    pub(crate) stores: Arc<S>,
    pub(crate) leases: Arc<Leases<S>>,
    /// Is told when the secrets of a pod that wants a rotation are stored.
    pub(crate) rotations: Arc<Notify>,
    pub(crate) generator: Generator,
    pub(crate) policy: watch::Receiver<Arc<Current>>,
    /// Whether this replica creates.
    pub(crate) leads: watch::Receiver<bool>,
    pub(crate) records: Arc<Records>,
    pub(crate) events: Events,
    pub(crate) conditions: Conditions,
    pub(crate) metrics: Metrics,
    /// How long one attempt may wait for the stores.
    pub(crate) timeout: Duration,
}

/// An attempt that failed and is made again after a pause. The Event and the log have the reasons.
#[derive(Debug, thiserror::Error)]
#[error("not everything was created")]
pub(crate) struct Unfinished {
    pub(crate) pause: Duration,
}

impl<S> Creator<S>
where
    S: StoreSet + Send + Sync + 'static,
    S::Store: LeaseStore + Sync,
{
    /// Creates what `pod` asks for, if it is its turn.
    pub(crate) async fn reconcile(&self, pod: &WatchedPod) -> Result<Action, Unfinished> {
        let current = Arc::clone(&self.policy.borrow());
        // All pods get a turn when this replica becomes the leader.
        if pod.is_ending() || !*self.leads.borrow() {
            return Ok(Action::await_change());
        }
        match self.records.turn(pod, current.number) {
            Turn::Now => {}
            Turn::Later(pause) => return Ok(Action::requeue(pause)),
            Turn::Never => return Ok(Action::await_change()),
        }
        let subject = CreatorPod {
            namespace: pod.namespace(),
            service_account: pod.service_account(),
        };
        let annotations: Vec<_> = pod.annotations().collect();
        let outcome = match creation(subject, &annotations, &current.settings) {
            Creation::Nothing(reason) => Outcome::Skipped(reason),
            Creation::Denied(errors) => {
                let reason = DenialReason::of(&errors);
                self.deny(
                    pod,
                    reason,
                    errors.iter().map(ToString::to_string).collect(),
                )
                .await;
                Outcome::Denied
            }
            Creation::Create { parsed, plan } => {
                let is_rotated = parsed.entries.iter().any(|entry| entry.rotation.is_some());
                let outcome = self.serve(pod, *parsed, plan).await?;
                if is_rotated {
                    self.rotations.notify_one();
                }
                outcome
            }
        };
        if matches!(outcome, Outcome::Created | Outcome::Found) {
            self.conditions.report(pod, Reason::Created, &[]);
        }
        self.metrics.finished(outcome);
        self.records.done(pod, current.number);
        self.metrics.failing(self.records.failing());
        Ok(Action::await_change())
    }

    async fn deny(&self, pod: &WatchedPod, reason: Option<DenialReason>, lines: Vec<String>) {
        tracing::warn!(
            namespace = pod.namespace(),
            pod = pod.name(),
            reason = reason.map(DenialReason::as_str),
            errors = lines.len(),
            "nothing is created for this pod; its Event has the errors"
        );
        self.tell(pod, Reason::Denied, &lines).await;
    }

    /// Creates secrets and gives numbers, both at the same time.
    async fn serve(
        &self,
        pod: &WatchedPod,
        parsed: Parsed,
        plan: Plan,
    ) -> Result<Outcome, Unfinished> {
        let begun = Instant::now();
        let leases = plan.leases.clone();
        let annotations = |lease: &PlannedLease| {
            let entry = parsed.entries.get(lease.entry);
            entry.map_or_else(String::new, |entry| entry.annotation.clone())
        };
        let leases = leases.into_iter().map(|lease| (annotations(&lease), lease));
        let leases: Vec<_> = leases.collect();
        let namespace = pod.namespace().to_owned();
        let request = Request::creating(parsed, plan, namespace, self.timeout);
        let (created, given) =
            tokio::join!(self.create(pod, &request), self.leases.give(pod, &leases));
        let errors = created.error.iter().flat_map(RunError::errors);
        let errors = errors.map(kees_init::InitError::line).chain(given.errors);
        let errors: Vec<_> = errors.collect();
        if !errors.is_empty() {
            return Err(self.failed(pod, &errors).await);
        }
        if !given.exhausted.is_empty() {
            return Err(self.waits(pod, &given.exhausted).await);
        }
        self.metrics.duration.observe(begun.elapsed().as_secs_f64());
        let mut done = Vec::new();
        if !created.created.is_empty() {
            done.push(format!("created {}", created.created.join(", ")));
        }
        done.extend(given.numbers.iter().map(|lease| format!("gave {lease}")));
        if done.is_empty() {
            return Ok(Outcome::Found);
        }
        self.events.publish(pod, Reason::Created, &done).await;
        Ok(Outcome::Created)
    }

    async fn create(&self, pod: &WatchedPod, request: &Request) -> CreatedEntries {
        if request.plan().items.is_empty() {
            return CreatedEntries::default();
        }
        let steps = Steps {
            metrics: &self.metrics,
        };
        let done = kees_init::create(request, &*self.stores, &self.generator, &steps).await;
        if !done.created.is_empty() {
            self.metrics.created(done.created.len());
            tracing::info!(
                namespace = pod.namespace(),
                pod = pod.name(),
                created = done.created.len(),
                found = done.found,
                "created"
            );
        }
        done
    }

    async fn failed(&self, pod: &WatchedPod, errors: &[String]) -> Unfinished {
        let pause = self.records.failed(pod);
        self.metrics.finished(Outcome::Failed);
        self.metrics.failing(self.records.failing());
        tracing::warn!(
            namespace = pod.namespace(),
            pod = pod.name(),
            seconds = pause.as_secs_f64(),
            "not everything was created, trying again: {}",
            errors.join("; ")
        );
        self.tell(pod, Reason::Failed, errors).await;
        Unfinished { pause }
    }

    async fn waits(&self, pod: &WatchedPod, leases: &[String]) -> Unfinished {
        let pause = self.records.waits(pod);
        self.metrics.finished(Outcome::Waiting);
        self.metrics.failing(self.records.failing());
        tracing::info!(
            namespace = pod.namespace(),
            pod = pod.name(),
            "waits for a number: {}",
            leases.join("; ")
        );
        self.tell(pod, Reason::Waiting, leases).await;
        Unfinished { pause }
    }

    /// Tells why not everything is stored.
    async fn tell(&self, pod: &WatchedPod, reason: Reason, lines: &[String]) {
        self.conditions.report(pod, reason, lines);
        self.events.publish(pod, reason, lines).await;
    }
}
