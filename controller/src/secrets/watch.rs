//! The watch on the Secrets that the controller has written. It sees their metadata, not their values.

use std::{collections::BTreeSet, pin::pin, sync::Arc};

use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client, ResourceExt as _,
    core::PartialObjectMeta,
    runtime::{
        WatchStreamExt as _,
        watcher::{Config, Event, watcher},
    },
};
use tokio::sync::mpsc;

use super::{candidate::Target, stored::MANAGED_BY};
use crate::health::Health;

/// What happened to Secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// One was written, and has this version.
    Written(Target, String),
    /// One was deleted, or is not the controller's any more.
    Deleted(Target),
    /// All were listed.
    Listed(BTreeSet<Target>),
}

/// Sends changes, forever.
pub(super) async fn watch(
    client: Client,
    changes: mpsc::UnboundedSender<Change>,
    health: Arc<Health>,
) {
    let (name, value) = MANAGED_BY;
    let config = Config::default().labels(&format!("{name}={value}"));
    let secrets: Api<PartialObjectMeta<Secret>> = Api::all(client);
    let mut events = pin!(watcher(secrets, config).default_backoff());
    let mut listed = BTreeSet::new();
    let mut is_told = false;
    while let Some(event) = events.next().await {
        let change = match event {
            Ok(Event::Init) => {
                listed.clear();
                continue;
            }
            Ok(Event::InitApply(secret)) => {
                listed.insert(target(&secret));
                Change::Written(
                    target(&secret),
                    secret.resource_version().unwrap_or_default(),
                )
            }
            Ok(Event::InitDone) => {
                health.secrets_listed();
                is_told = false;
                Change::Listed(std::mem::take(&mut listed))
            }
            Ok(Event::Apply(secret)) => Change::Written(
                target(&secret),
                secret.resource_version().unwrap_or_default(),
            ),
            Ok(Event::Delete(secret)) => Change::Deleted(target(&secret)),
            Err(error) => {
                if !std::mem::replace(&mut is_told, true) {
                    tracing::warn!("the watch on Secrets is opened again: {error}");
                }
                continue;
            }
        };
        // The receiver ends with the process.
        let _ = changes.send(change);
    }
}

fn target(secret: &PartialObjectMeta<Secret>) -> Target {
    (secret.namespace().unwrap_or_default(), secret.name_any())
}
