//! Keeps the memory up to date: a list, and then a watch, of the classes and of the ServiceAccounts.

use std::sync::Arc;

use futures_util::{Stream, StreamExt as _, pin_mut};
use kube::runtime::{
    WatchStreamExt as _,
    watcher::{self, Event, watcher},
};

use super::{
    api::{ClusterApi, class, key, role},
    cache::{Key, Table, Texts},
    source::ClassSource,
};
use crate::{
    health::Health,
    kube_client::connect,
    metrics::Metrics,
    watching::{endless, is_start_gone, message_of, status},
};

/// The most classes in one response of a list, which is decoded as a whole and takes about four times its length. A class
/// can have more than a megabyte, and the webhook has 64 MiB.
const CLASS_PAGE: u32 = 4;

/// The most ServiceAccounts in one response of a list. The annotations of each can have 256 KiB.
const ACCOUNT_PAGE: u32 = 16;

/// What is watched, as messages and `/readyz` name it.
const CLASSES: &str = "SecretProviderClass objects";
const ACCOUNTS: &str = "ServiceAccounts";

/// Keeps the classes and the roles until it is dropped.
pub(crate) async fn keep(source: ClassSource, health: Arc<Health>, metrics: Metrics) {
    let client = connect(|| source.given(), "--secret-provider-classes").await;
    let api = source.connected(client);
    let classes = Watch {
        what: CLASSES,
        health: &health,
        metrics: &metrics,
    };
    let accounts = Watch {
        what: ACCOUNTS,
        ..classes
    };
    let cache = source.cache();
    let count = || metrics.secret_provider_classes(cache.classes.len());
    let of_classes = classes.keep(class_events(api), &cache.classes, count);
    let of_accounts = accounts.keep(account_events(api), &cache.roles, || ());
    tokio::join!(of_classes, of_accounts);
}

/// Says that the process waits for both lists.
pub(crate) fn wait(health: &Health) {
    for what in [CLASSES, ACCOUNTS] {
        health.wait_for(what, format!("the {what} are not listed yet"));
    }
}

fn class_events(
    api: &ClusterApi,
) -> impl Stream<Item = Result<Event<(Key, super::cache::Class)>, watcher::Error>> {
    let api = api.classes();
    let config = watcher::Config::default().page_size(CLASS_PAGE);
    endless(move || watcher(api.clone(), config.clone()), is_start_gone)
        .map(|event| event.map(|event| map(event, |object| (key(&object.metadata), class(object)))))
}

fn account_events(
    api: &ClusterApi,
) -> impl Stream<Item = Result<Event<(Key, super::cache::Role)>, watcher::Error>> {
    let api = api.service_accounts();
    let config = watcher::Config::default().page_size(ACCOUNT_PAGE);
    endless(move || watcher(api.clone(), config.clone()), is_start_gone).map(|event| {
        event.map(|event| map(event, |account| (key(&account.metadata), role(&account))))
    })
}

fn map<K, T>(event: Event<K>, convert: impl FnOnce(K) -> T) -> Event<T> {
    match event {
        Event::Init => Event::Init,
        Event::InitDone => Event::InitDone,
        Event::InitApply(object) => Event::InitApply(convert(object)),
        Event::Apply(object) => Event::Apply(convert(object)),
        Event::Delete(object) => Event::Delete(convert(object)),
    }
}

#[derive(Clone, Copy)]
struct Watch<'w> {
    what: &'static str,
    health: &'w Health,
    metrics: &'w Metrics,
}

impl Watch<'_> {
    /// Keeps a table. `changed` is called after each change.
    async fn keep<T: Texts>(
        self,
        events: impl Stream<Item = Result<Event<(Key, T)>, watcher::Error>>,
        table: &Table<T>,
        changed: impl Fn(),
    ) {
        let events = events.default_backoff();
        pin_mut!(events);
        let (mut logged, mut is_full) = (None, false);
        while let Some(event) = events.next().await {
            let mut has_room = true;
            match event {
                Ok(Event::Init) => table.list_begins(),
                Ok(Event::InitApply((key, object))) => has_room = table.listed(key, object),
                Ok(Event::InitDone) => {
                    table.list_ends();
                    self.health.arrived(self.what);
                    logged = None;
                    tracing::info!(count = table.len(), "the {} are listed", self.what);
                }
                Ok(Event::Apply((key, object))) => has_room = table.put(key, object),
                Ok(Event::Delete((key, _))) => table.remove(&key),
                Err(error) => self.failed(&error, &mut logged),
            }
            if !has_room && !std::mem::replace(&mut is_full, true) {
                tracing::warn!(
                    "there are more {} than the webhook holds in memory; the API server is asked for the others, one by one",
                    self.what
                );
            }
            changed();
        }
    }

    /// Logs and counts an error. The same one is logged once.
    fn failed(self, error: &watcher::Error, logged: &mut Option<String>) {
        self.metrics.class_watch_failed();
        let what = self.what;
        let message = match status(error) {
            // Pods with annotations alone do not depend on it, so they are served.
            Some(404) => {
                self.health.arrived(what);
                format!(
                    "the cluster has no {what}; apply manifests/secret-provider-class-crd (secretProviderClasses.crd of the \
                     chart), install the driver's CustomResourceDefinition, or remove --secret-provider-classes"
                )
            }
            Some(403) => format!(
                "the ServiceAccount may not list and watch {what}; apply manifests/secret-provider-class ({})",
                message_of(error)
            ),
            _ => message_of(error),
        };
        if status(error) != Some(404) {
            self.health.still_waiting(what, &message);
        }
        if logged.as_ref() != Some(&message) {
            tracing::warn!("the {what} cannot be watched, trying again: {message}");
            *logged = Some(message);
        }
    }
}
