//! Tells pods about their Secrets, not all pods of a large workload at once.

use std::sync::Arc;

use super::candidate::Target;
use crate::{
    events::{Events, Reason},
    metrics::{Metrics, SecretResult},
    pod::WatchedPod,
};

/// The most Events about one Secret at once. The other pods get theirs the next time.
const MOST: usize = 16;

/// Writes Events, and counts.
pub(super) struct Teller {
    pub(super) events: Events,
    pub(super) metrics: Metrics,
}

impl Teller {
    pub(super) fn count(&self, result: SecretResult) {
        self.metrics.secret(result);
    }

    /// Writes an Event about a Secret on the pods.
    pub(super) async fn tell(
        &self,
        pods: &[Arc<WatchedPod>],
        (_, name): &Target,
        reason: Reason,
        lines: &[String],
    ) {
        match reason {
            Reason::SecretFailed => self.count(SecretResult::Error),
            Reason::SecretWaiting => self.count(SecretResult::Waiting),
            _ => {}
        }
        self.tell_about(pods, name, reason, lines).await;
    }

    /// Writes an Event about `subject` on the pods.
    pub(super) async fn tell_about(
        &self,
        pods: &[Arc<WatchedPod>],
        subject: &str,
        reason: Reason,
        lines: &[String],
    ) {
        let mut written = 0;
        for pod in pods {
            if written == MOST {
                return;
            }
            self.events.records.know(pod);
            let is_new = self.events.publish_about(pod, subject, reason, lines).await;
            written += usize::from(is_new);
        }
    }
}
