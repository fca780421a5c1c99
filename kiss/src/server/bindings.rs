//! The RoleBindings that decide, read through the Kubernetes API.
//!
//! A watch keeps them up to date. Each watch ends after half of the bound, which proves that everything
//! until then was received. If there was no such sign of life within the bound, the RoleBinding is read
//! for each call, so an answer is never older than the bound. A server that may only `get` works so too.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt as _, pin_mut};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::{
    Api, Client,
    api::{ListParams, WatchEvent, WatchParams},
};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{authorization::Binding, names::check_namespace};

/// The most RoleBindings in one response of a list.
const PAGE: u32 = 500;
/// How much later than asked a watch may end.
const GRACE: Duration = Duration::from_secs(5);
/// The shortest time from the begin of a watch to that of the next one.
const SHORTEST: Duration = Duration::from_secs(1);
/// The pause after an error of the watch.
const PAUSE: Duration = Duration::from_secs(5);

/// Where RoleBindings are read.
pub trait Bindings: Send + Sync + 'static {
    /// The RoleBinding `name` in `namespace`, or `None` if there is none.
    fn find(
        &self,
        namespace: &str,
        name: &str,
    ) -> impl Future<Output = Result<Option<Binding>, BindingsError>> + Send;
}

/// A RoleBinding cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the RoleBinding cannot be read")]
pub struct BindingsError(#[from] kube::Error);

/// The RoleBindings of a cluster.
pub struct WatchedBindings {
    client: Client,
    /// What the names of the RoleBindings that decide begin with.
    prefix: String,
    /// The oldest that an answer may be.
    bound: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By namespace.
    bindings: HashMap<String, Binding>,
    /// Until when everything was received.
    seen: Option<Instant>,
    /// The error that was logged last.
    logged: Option<String>,
}

impl WatchedBindings {
    /// The RoleBindings whose names are `prefix` and their namespace. Nothing is read before
    /// [`WatchedBindings::watch`] runs.
    pub fn new(client: Client, prefix: String, bound: Duration) -> Self {
        Self {
            client,
            prefix,
            bound,
            state: Mutex::default(),
        }
    }

    /// Keeps the RoleBindings up to date, forever.
    pub async fn watch(&self) {
        loop {
            let Err(error) = self.list_and_watch().await;
            self.log(&error);
            sleep(PAUSE).await;
        }
    }

    /// Whether the watch is up to date.
    pub fn is_fresh(&self) -> bool {
        self.state().is_fresh(self.bound)
    }

    async fn list_and_watch(&self) -> Result<std::convert::Infallible, kube::Error> {
        let api: Api<RoleBinding> = Api::all(self.client.clone());
        let mut version = self.list(&api).await?;
        self.state().logged = None;
        let period = (self.bound / 2).max(Duration::from_secs(1));
        let seconds = u32::try_from(period.as_secs()).unwrap_or(u32::MAX).min(290);
        let parameters = WatchParams::default().timeout(seconds);
        let mut earliest = Instant::now();
        loop {
            // A server that stops, or a proxy, may end each watch at once.
            sleep_until(earliest).await;
            let begun = Instant::now();
            earliest = begun + SHORTEST;
            let events = api.watch(&parameters, &version).await?;
            pin_mut!(events);
            let end = period + GRACE;
            loop {
                // A connection that is dead sends nothing, not even the end.
                let next = timeout(end.saturating_sub(begun.elapsed()), events.next()).await;
                match next {
                    Err(_) => break,
                    Ok(None) => {
                        self.state().seen = Some(Instant::now());
                        break;
                    }
                    Ok(Some(event)) => self.apply(event?, &mut version)?,
                }
            }
        }
    }

    /// Lists all pages, and returns the version to watch from.
    async fn list(&self, api: &Api<RoleBinding>) -> Result<String, kube::Error> {
        let begun = Instant::now();
        let mut bindings = HashMap::new();
        let mut parameters = ListParams::default().limit(PAGE);
        loop {
            let page = api.list(&parameters).await?;
            let deciding = page
                .items
                .into_iter()
                .filter_map(|each| self.deciding(each));
            bindings.extend(deciding.map(|binding| (binding.namespace.clone(), binding)));
            let next = page.metadata.continue_.filter(|token| !token.is_empty());
            let Some(next) = next else {
                let mut state = self.state();
                state.bindings = bindings;
                state.seen = Some(begun);
                return Ok(page.metadata.resource_version.unwrap_or_default());
            };
            parameters = parameters.continue_token(&next);
        }
    }

    fn apply(
        &self,
        event: WatchEvent<RoleBinding>,
        version: &mut String,
    ) -> Result<(), kube::Error> {
        let mut state = self.state();
        let (binding, is_there) = match event {
            WatchEvent::Added(binding) | WatchEvent::Modified(binding) => (binding, true),
            WatchEvent::Deleted(binding) => (binding, false),
            WatchEvent::Bookmark(bookmark) => {
                *version = bookmark.metadata.resource_version;
                state.seen = Some(Instant::now());
                return Ok(());
            }
            // The version is too old, for example. A list begins again.
            WatchEvent::Error(status) => return Err(kube::Error::Api(status)),
        };
        if let Some(of_event) = &binding.metadata.resource_version {
            version.clone_from(of_event);
        }
        state.seen = Some(Instant::now());
        if let Some(binding) = self.deciding(binding) {
            if is_there {
                state.bindings.insert(binding.namespace.clone(), binding);
            } else {
                state.bindings.remove(&binding.namespace);
            }
        }
        Ok(())
    }

    /// What is used of a RoleBinding, if it is one that decides.
    fn deciding(&self, binding: RoleBinding) -> Option<Binding> {
        let namespace = binding.metadata.namespace?;
        let name = binding.metadata.name?;
        if name.strip_prefix(self.prefix.as_str()) != Some(&namespace) {
            return None;
        }
        let subjects = binding.subjects.unwrap_or_default().into_iter();
        Some(Binding {
            namespace,
            name,
            subjects: subjects.map(|subject| subject.name).collect(),
        })
    }

    /// Logs an error once, however often it repeats.
    fn log(&self, error: &kube::Error) {
        let message = kees_common::error_chain::describe(error);
        let mut state = self.state();
        if state.logged.as_ref() != Some(&message) {
            tracing::warn!(
                "RoleBindings are not watched, so each call reads one: {message}; allow list and watch of \
                 rolebindings in all namespaces"
            );
            state.logged = Some(message);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_fresh(&self, bound: Duration) -> bool {
        self.seen.is_some_and(|seen| seen.elapsed() <= bound)
    }
}

impl Bindings for WatchedBindings {
    async fn find(&self, namespace: &str, name: &str) -> Result<Option<Binding>, BindingsError> {
        // The name becomes a part of a URL.
        if check_namespace(namespace).is_err() {
            return Ok(None);
        }
        {
            let state = self.state();
            if state.is_fresh(self.bound) {
                let found = state.bindings.get(namespace);
                return Ok(found.filter(|binding| binding.name == name).cloned());
            }
        }
        let api: Api<RoleBinding> = Api::namespaced(self.client.clone(), namespace);
        let found = api.get_opt(name).await?;
        Ok(found.and_then(|binding| self.deciding(binding)))
    }
}

#[cfg(test)]
mod tests;
