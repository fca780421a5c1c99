//! Keeps the memory up to date: a list, and then a watch, of the pods with the label that the webhook adds.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt as _, pin_mut};
use kees_common::{
    Domain,
    names::init::{SECRET_SYNC_LABEL, SECRET_SYNC_ON},
};
use kees_inject::LivePods;
use kube::{
    Api, Client,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event, watcher},
    },
};
use tokio::time::sleep;

use super::{pod::WatchedPod, source::PodSource};
use crate::{
    health::Health,
    kube_client::connect,
    metrics::Metrics,
    watching::{endless, is_denied, is_watch_denied, message_of, status},
};

/// The most pods in one response of a list, which is decoded as a whole. The annotations of each can have 256 KiB, and the
/// webhook has 64 MiB.
const PAGE: u32 = 16;

/// Pods that have ended need no Secret.
const LIVE: &str = "status.phase!=Succeeded,status.phase!=Failed";

/// How long the webhook is not ready because the pods are not known. Then it works without them.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// What is watched, as messages and `/readyz` name it.
const PODS: &str = "pods with Kubernetes Secrets";

/// Says that the process waits for the list.
pub(crate) fn wait(health: &Health) {
    health.wait_for(PODS, format!("the {PODS} are not listed yet"));
}

/// Keeps the pods until it is dropped.
pub(crate) async fn keep(source: PodSource, domain: Domain, health: Arc<Health>, metrics: Metrics) {
    let give_up = async {
        sleep(LONGEST_WAIT).await;
        health.arrived(PODS);
    };
    let watch = async {
        let client = connect(|| source.given(), "--secret-sync").await;
        let keeper = Keeper {
            source: &source,
            domain: &domain,
            health: &health,
            metrics: &metrics,
        };
        keeper.keep(client).await;
    };
    tokio::join!(watch, give_up);
}

struct Keeper<'k> {
    source: &'k PodSource,
    domain: &'k Domain,
    health: &'k Health,
    metrics: &'k Metrics,
}

impl Keeper<'_> {
    async fn keep(self, client: Client) {
        let api: Api<WatchedPod> = Api::all(client);
        let label = format!("{}={SECRET_SYNC_ON}", self.domain.init(SECRET_SYNC_LABEL));
        let config = watcher::Config::default()
            .labels(&label)
            .fields(LIVE)
            .page_size(PAGE);
        let events = endless(
            move || watcher(api.clone(), config.clone()),
            is_watch_denied,
        );
        let events = events.default_backoff();
        pin_mut!(events);
        let mut listed = LivePods::default();
        let (mut logged, mut is_full) = (None, false);
        while let Some(event) = events.next().await {
            let has_room = match event {
                Ok(Event::Init) => {
                    listed = LivePods::default();
                    true
                }
                Ok(Event::InitApply(pod)) => pod.put_into(&mut listed, self.domain),
                Ok(Event::InitDone) => {
                    let listed = std::mem::take(&mut listed);
                    self.source.change(|pods| *pods = listed);
                    self.health.arrived(PODS);
                    (logged, is_full) = (None, false);
                    true
                }
                Ok(Event::Apply(pod)) => self.source.change(|pods| pod.put_into(pods, self.domain)),
                Ok(Event::Delete(pod)) => {
                    self.source.change(|pods| pod.remove_from(pods));
                    true
                }
                Err(error) => {
                    self.failed(&error, &mut logged);
                    true
                }
            };
            if !has_room && !std::mem::replace(&mut is_full, true) {
                tracing::warn!(
                    "there are more {PODS} than the webhook holds, so some pods are not compared; kees-controller tells \
                     pods that want different contents in one Secret"
                );
            }
            self.metrics
                .live_pods(self.source.change(|pods| pods.len()));
        }
    }

    /// Logs and counts an error. The same one is logged once. The webhook works without the pods.
    fn failed(&self, error: &watcher::Error, logged: &mut Option<String>) {
        self.metrics.pod_watch_failed();
        self.health.arrived(PODS);
        if is_denied(error) {
            // Nothing tells when the pods that are known end.
            self.source.change(|pods| *pods = LivePods::default());
        }
        let message = match status(error) {
            Some(403) => format!(
                "the ServiceAccount may not list and watch pods; apply manifests/webhook-sync ({})",
                message_of(error)
            ),
            _ => message_of(error),
        };
        if logged.as_ref() != Some(&message) {
            tracing::warn!(
                "the {PODS} cannot be watched, trying again; until then, pods that want different contents in one \
                 Secret may be admitted: {message}"
            );
            *logged = Some(message);
        }
    }
}
