//! Events on pods and workloads, which `kubectl describe` shows. No value is in them.

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client, Resource as _,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use tokio::time::timeout;

use crate::{metrics::Metrics, pod::WatchedPod, records::Records};

/// Kubernetes takes at most 1 KiB.
const NOTE_BYTES: usize = 1024;

/// How long a pod waits for its Event to be written.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What an Event tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Reason {
    /// Secrets were created, or numbers given.
    Created,
    /// No number of a lease is free.
    Waiting,
    /// The annotations are invalid, or the policy denies them.
    Denied,
    /// A store denied or failed to create secrets. It is tried again.
    Failed,
    /// A secret was replaced by a new generation.
    Rotated,
    /// A secret could not be replaced. It is tried again.
    RotationFailed,
    /// A workload was restarted.
    Restarted,
    /// A workload is restarted later.
    RestartWaiting,
    /// A workload is not restarted.
    NotRestarted,
    /// A workload could not be restarted. It is tried again.
    RestartFailed,
    /// The rollout of a restarted workload makes no progress.
    RestartStalled,
    /// A Kubernetes Secret was written.
    SecretWritten,
    /// A value of a Secret does not exist yet.
    SecretWaiting,
    /// The annotations or the class are invalid, or the policy denies what they ask for.
    SecretDenied,
    /// A Secret could not be written. It is tried again.
    SecretFailed,
    /// A Secret is not written, because something else has it.
    SecretConflict,
    /// No Secrets are written here.
    SecretOff,
}

impl Reason {
    fn as_str(self) -> &'static str {
        match self {
            Self::Created => "KeesCreated",
            Self::Waiting => "KeesWaiting",
            Self::Denied => "KeesDenied",
            Self::Failed => "KeesFailed",
            Self::Rotated => "KeesRotated",
            Self::RotationFailed => "KeesRotationFailed",
            Self::Restarted => "KeesRestarted",
            Self::RestartWaiting => "KeesRestartWaiting",
            Self::NotRestarted => "KeesNotRestarted",
            Self::RestartFailed => "KeesRestartFailed",
            Self::RestartStalled => "KeesRestartStalled",
            Self::SecretWritten => "KeesSecretWritten",
            Self::SecretWaiting => "KeesSecretWaiting",
            Self::SecretDenied => "KeesSecretDenied",
            Self::SecretFailed => "KeesSecretFailed",
            Self::SecretConflict => "KeesSecretConflict",
            Self::SecretOff => "KeesSecretOff",
        }
    }

    /// What the controller did, or tried to do.
    fn action(self) -> &'static str {
        match self {
            Self::Restarted
            | Self::RestartWaiting
            | Self::NotRestarted
            | Self::RestartFailed
            | Self::RestartStalled => "RestartWorkload",
            Self::SecretWritten
            | Self::SecretWaiting
            | Self::SecretDenied
            | Self::SecretFailed
            | Self::SecretConflict
            | Self::SecretOff => "WriteSecret",
            _ => "CreateSecrets",
        }
    }

    fn event_type(self) -> EventType {
        match self {
            Self::Created
            | Self::Rotated
            | Self::Restarted
            | Self::RestartWaiting
            | Self::SecretWritten => EventType::Normal,
            Self::Waiting
            | Self::Denied
            | Self::Failed
            | Self::RotationFailed
            | Self::NotRestarted
            | Self::RestartFailed
            | Self::RestartStalled
            | Self::SecretWaiting
            | Self::SecretDenied
            | Self::SecretFailed
            | Self::SecretConflict
            | Self::SecretOff => EventType::Warning,
        }
    }
}

/// Writes Events.
#[derive(Clone)]
pub(crate) struct Events {
    pub(crate) client: Client,
    /// The name of this process's pod.
    pub(crate) instance: Option<String>,
    pub(crate) records: Arc<Records>,
    pub(crate) metrics: Metrics,
}

impl Events {
    /// Writes an Event on `pod`, unless the same one was written before. An Event that cannot be
    /// written is logged and counted.
    pub(crate) async fn publish(&self, pod: &WatchedPod, reason: Reason, lines: &[String]) {
        self.publish_about(pod, "", reason, lines).await;
    }

    /// The same for an Event about `subject`, such as a Secret: each of them has a last Event. Returns whether the Event
    /// was not written before.
    pub(crate) async fn publish_about(
        &self,
        pod: &WatchedPod,
        subject: &str,
        reason: Reason,
        lines: &[String],
    ) -> bool {
        let note = note(lines);
        let is_news = self.records.is_news(pod, subject, (reason, &note));
        if is_news {
            self.write(&pod.object_ref(&()), reason, note).await;
        }
        is_news
    }

    /// Writes an Event on any object.
    pub(crate) async fn publish_on(&self, object: &ObjectReference, reason: Reason, line: String) {
        self.write(object, reason, note(&[line])).await;
    }

    async fn write(&self, object: &ObjectReference, reason: Reason, note: String) {
        let event = Event {
            type_: reason.event_type(),
            reason: reason.as_str().to_owned(),
            note: Some(note),
            action: reason.action().to_owned(),
            secondary: None,
        };
        // A recorder remembers each Event and repeats it with its first note. Here the notes change,
        // and `Records` remembers, so each Event has a recorder of its own.
        let reporter = Reporter {
            controller: "kees-controller".to_owned(),
            instance: self.instance.clone(),
        };
        let recorder = Recorder::new(self.client.clone(), reporter);
        let error = match timeout(TIMEOUT, recorder.publish(&event, object)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no response in {} s", TIMEOUT.as_secs()),
        };
        self.metrics.event_errors.inc();
        tracing::warn!(
            namespace = object.namespace.as_deref(),
            object = object.name.as_deref(),
            "an Event cannot be written: {error}"
        );
    }
}

/// The lines, cut at what Kubernetes takes.
pub(crate) fn note(lines: &[String]) -> String {
    let mut note = lines.join("\n");
    if note.len() > NOTE_BYTES {
        let end = (0..=NOTE_BYTES - '…'.len_utf8())
            .rev()
            .find(|at| note.is_char_boundary(*at));
        note.truncate(end.unwrap_or(0));
        note.push('…');
    }
    note
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_cut_between_characters() {
        assert_eq!(note(&["a".to_owned(), "b".to_owned()]), "a\nb");
        let long = note(&["ü".repeat(NOTE_BYTES)]);
        assert!(
            long.len() <= NOTE_BYTES && long.ends_with("ü…"),
            "{}",
            long.len()
        );
    }
}
