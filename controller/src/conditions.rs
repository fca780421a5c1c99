//! The condition of a pod: whether its secrets are stored, and if not, why. `kubectl describe pod` shows
//! it, and `kubectl wait` waits for it. No value is in it.
//!
//! Conditions are written by tasks of their own, so that no pod waits for those of other pods. Each pod
//! has one of these tasks, so that the last condition of a pod is the one that stays.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use k8s_openapi::jiff::Timestamp;
use kees_common::Domain;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    events::{Reason, note},
    metrics::Metrics,
    pod::{WatchedPod, condition_type},
    records::{ConditionHash, Records},
};

/// How many conditions are written at the same time.
const WRITERS: usize = 8;

/// The attempts to write one condition, until those of other pods have their turn.
const ATTEMPTS: u32 = 3;

/// How long one attempt may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What is to be written to a pod.
struct Write {
    namespace: String,
    name: String,
    uid: String,
    condition: Value,
    /// What [`Records`] remember of it.
    content: ConditionHash,
}

/// Writes conditions of pods, unless this is switched off.
#[derive(Clone)]
pub(crate) struct Conditions(Option<Queues>);

#[derive(Clone)]
struct Queues {
    /// One for each writer.
    senders: Arc<[mpsc::UnboundedSender<Write>]>,
    condition_type: Arc<str>,
    records: Arc<Records>,
}

/// What the writers share.
struct Writer {
    client: Client,
    metrics: Metrics,
    records: Arc<Records>,
    is_denial_logged: AtomicBool,
}

/// How the attempts to write a condition ended.
enum Outcome {
    /// It is written, or nobody can write it.
    Done,
    /// All attempts failed.
    Failed,
}

impl Conditions {
    /// No conditions.
    pub(crate) fn off() -> Self {
        Self(None)
    }

    /// Conditions that tasks of `tasks` write.
    pub(crate) fn new(
        domain: &Domain,
        client: Client,
        records: &Arc<Records>,
        metrics: &Metrics,
        tasks: &mut JoinSet<()>,
    ) -> Self {
        let writer = Arc::new(Writer {
            client,
            metrics: metrics.clone(),
            records: Arc::clone(records),
            is_denial_logged: AtomicBool::new(false),
        });
        let senders = (0..WRITERS).map(|_| {
            let (sender, mut queue) = mpsc::unbounded_channel::<Write>();
            let writer = Arc::clone(&writer);
            let again = sender.downgrade();
            tasks.spawn(async move {
                while let Some(write) = queue.recv().await {
                    if let Outcome::Failed = writer.write(&write).await
                        && writer.records.is_last_condition(&write.uid, write.content)
                        && let Some(again) = again.upgrade()
                    {
                        let _ = again.send(write);
                    }
                }
            });
            sender
        });
        Self(Some(Queues {
            senders: senders.collect(),
            condition_type: condition_type(domain).into(),
            records: Arc::clone(records),
        }))
    }

    /// Writes the condition of `pod`, if it changes.
    pub(crate) fn report(&self, pod: &WatchedPod, reason: Reason, lines: &[String]) {
        let Some(Queues {
            senders,
            condition_type,
            records,
        }) = &self.0
        else {
            return;
        };
        let (status, reason, message) = match reason {
            // The same text whether this process created or found them.
            Reason::Created => ("True", "Stored", "all secrets are stored".to_owned()),
            Reason::Waiting => ("False", "Waiting", note(lines)),
            Reason::Denied => ("False", "Denied", note(lines)),
            Reason::Failed => ("False", "Failed", note(lines)),
            // A rotation leaves every secret stored, and so do a restart and a Kubernetes Secret.
            Reason::Rotated
            | Reason::RotationFailed
            | Reason::Restarted
            | Reason::RestartWaiting
            | Reason::NotRestarted
            | Reason::RestartFailed
            | Reason::RestartStalled
            | Reason::SecretWritten
            | Reason::SecretWaiting
            | Reason::SecretDenied
            | Reason::SecretFailed
            | Reason::SecretConflict
            | Reason::SecretOff => return,
        };
        let Some(change) = records.condition_change(pod, status, (reason, &message)) else {
            return;
        };
        let mut condition = json!({
            "type": &**condition_type,
            "status": status,
            "reason": reason,
            "message": message,
        });
        if change.is_transition {
            condition["lastTransitionTime"] =
                json!(Timestamp::now().strftime("%FT%TZ").to_string());
        }
        let mut hasher = DefaultHasher::new();
        pod.uid().hash(&mut hasher);
        let number = usize::try_from(hasher.finish() % WRITERS as u64).unwrap_or_default();
        if let Some(sender) = senders.get(number) {
            // The writers end with the process.
            let _ = sender.send(Write {
                namespace: pod.namespace().to_owned(),
                name: pod.name().to_owned(),
                uid: pod.uid().to_owned(),
                condition,
                content: change.content,
            });
        }
    }
}

impl Writer {
    async fn write(&self, write: &Write) -> Outcome {
        for attempt in 1..=ATTEMPTS {
            let error = match timeout(TIMEOUT, self.patch(write)).await {
                Ok(Ok(())) => return Outcome::Done,
                // Another pod has the name now (its uid makes the patch invalid), or none.
                Ok(Err(kube::Error::Api(status)))
                    if status.is_not_found() || status.is_conflict() || status.is_invalid() =>
                {
                    return Outcome::Done;
                }
                Ok(Err(kube::Error::Api(status))) if status.is_forbidden() => {
                    self.metrics.condition_errors.inc();
                    if !self.is_denial_logged.swap(true, Relaxed) {
                        tracing::warn!(
                            "conditions of pods cannot be written, allow patch of pods/status or set \
                             --pod-condition false; this is logged once: {}",
                            status.message
                        );
                    }
                    return Outcome::Done;
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no response in {} s", TIMEOUT.as_secs()),
            };
            self.metrics.condition_errors.inc();
            tracing::debug!(
                namespace = write.namespace,
                pod = write.name,
                attempt,
                "a condition cannot be written: {error}"
            );
            if attempt < ATTEMPTS {
                sleep(Duration::from_secs(1 << attempt)).await;
            } else {
                tracing::warn!(
                    namespace = write.namespace,
                    pod = write.name,
                    "a condition cannot be written, it is tried again later: {error}"
                );
            }
        }
        Outcome::Failed
    }

    async fn patch(&self, write: &Write) -> kube::Result<()> {
        let pods: Api<WatchedPod> = Api::namespaced(self.client.clone(), &write.namespace);
        // Other conditions stay, and a pod with another uid gets nothing.
        let patch = Patch::Strategic(json!({
            "metadata": {"uid": write.uid},
            "status": {"conditions": [write.condition]},
        }));
        let params = PatchParams::default();
        pods.patch_status(&write.name, &params, &patch).await?;
        Ok(())
    }
}
