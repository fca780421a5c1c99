//! The creator: decides for one pod what to create, and creates it.

use std::{sync::Arc, time::Duration};

use kees_init::{CreatedEntries, Generator, Request, RunError};
use kees_inject::{Creation, CreatorPod, DenialReason, creation};
use kees_store::protocol::StoreSet;
use kube::runtime::controller::Action;
use tokio::{sync::watch, time::Instant};

use crate::{
    events::{Events, Reason},
    metrics::{Metrics, Outcome},
    pod::WatchedPod,
    policy::Current,
    progress::Steps,
    records::{Records, Turn},
};

/// What the runs for all pods share.
pub(crate) struct Creator<S> {
    pub(crate) stores: S,
    pub(crate) generator: Generator,
    pub(crate) policy: watch::Receiver<Arc<Current>>,
    pub(crate) records: Arc<Records>,
    pub(crate) events: Events,
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

impl<S: StoreSet> Creator<S> {
    /// Creates what `pod` asks for, if it is its turn.
    pub(crate) async fn reconcile(&self, pod: &WatchedPod) -> Result<Action, Unfinished> {
        let current = Arc::clone(&self.policy.borrow());
        if pod.is_ending() {
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
                let namespace = pod.namespace().to_owned();
                let request = Request::creating(*parsed, plan, namespace, self.timeout);
                self.create(pod, &request).await?
            }
        };
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
        self.events.publish(pod, Reason::Denied, &lines).await;
    }

    async fn create(&self, pod: &WatchedPod, request: &Request) -> Result<Outcome, Unfinished> {
        let begun = Instant::now();
        let steps = Steps {
            metrics: &self.metrics,
        };
        let done = kees_init::create(request, &self.stores, &self.generator, &steps).await;
        let CreatedEntries {
            created,
            found,
            error,
        } = done;
        if !created.is_empty() {
            self.metrics.created(created.len());
            tracing::info!(
                namespace = pod.namespace(),
                pod = pod.name(),
                created = created.len(),
                found,
                "created"
            );
        }
        let Some(error) = error else {
            self.metrics.duration.observe(begun.elapsed().as_secs_f64());
            if created.is_empty() {
                return Ok(Outcome::Found);
            }
            let line = format!("created {}", created.join(", "));
            self.events.publish(pod, Reason::Created, &[line]).await;
            return Ok(Outcome::Created);
        };
        Err(self.failed(pod, &error).await)
    }

    async fn failed(&self, pod: &WatchedPod, error: &RunError) -> Unfinished {
        let pause = self.records.failed(pod);
        self.metrics.finished(Outcome::Failed);
        self.metrics.failing(self.records.failing());
        let lines: Vec<_> = error
            .errors()
            .iter()
            .map(kees_init::InitError::line)
            .collect();
        tracing::warn!(
            namespace = pod.namespace(),
            pod = pod.name(),
            seconds = pause.as_secs_f64(),
            "not everything was created, trying again: {}",
            lines.join("; ")
        );
        self.events.publish(pod, Reason::Failed, &lines).await;
        Unfinished { pause }
    }
}
