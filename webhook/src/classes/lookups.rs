//! What one decision looks up: from the memory, and what is not there from the API server, before the next attempt.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures_util::future::join_all;
use kees_inject::{Classes, Lookup};
use kees_secret_provider_class::ClassSpec;
use tokio::time::timeout;

use super::{
    cache::{Class, Key, Role},
    source::ClassSource,
};
use crate::{
    metrics::{LookupResult, Metrics},
    watching::describe,
};

/// How long the API server may take. The whole review has `timeoutSeconds`, 3 s by default.
const DEADLINE: Duration = Duration::from_secs(1);

/// The most objects that are asked for, for one pod.
const REQUESTS: usize = 16;

/// An object that is looked up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Wanted {
    Class(Key),
    Role(Key),
}

/// What was not in memory, and what the API server says of it.
#[derive(Clone, Default)]
pub(crate) struct Fetched {
    classes: BTreeMap<Key, Lookup<Class>>,
    roles: BTreeMap<Key, Lookup<Role>>,
}

/// The lookups of one attempt to decide.
pub(crate) struct Lookups<'s> {
    source: &'s ClassSource,
    fetched: &'s Fetched,
    missed: RefCell<BTreeSet<Wanted>>,
}

/// What an attempt did not find.
pub(crate) struct Missed(BTreeSet<Wanted>);

impl<'s> Lookups<'s> {
    pub(crate) fn new(source: &'s ClassSource, fetched: &'s Fetched) -> Self {
        Self {
            source,
            fetched,
            missed: RefCell::default(),
        }
    }

    fn miss<T>(&self, wanted: Wanted) -> Lookup<T> {
        self.missed.borrow_mut().insert(wanted);
        Lookup::Missing
    }

    /// What was neither in memory nor asked for. If there is something, the decision does not count.
    pub(crate) fn missed(self) -> Option<Missed> {
        let missed = self.missed.into_inner();
        (!missed.is_empty()).then_some(Missed(missed))
    }
}

impl Classes for Lookups<'_> {
    fn class(&self, namespace: &str, name: &str) -> Lookup<Arc<ClassSpec>> {
        let key = (namespace.to_owned(), name.to_owned());
        let known = || self.source.cache().classes.get(&key).map(Lookup::Found);
        let found = self.fetched.classes.get(&key).cloned().or_else(known);
        match found.unwrap_or_else(|| self.miss(Wanted::Class(key))) {
            Lookup::Found(Ok(class)) => Lookup::Found(class),
            Lookup::Found(Err(reason)) | Lookup::Unknown(reason) => Lookup::Unknown(reason),
            Lookup::Missing => Lookup::Missing,
        }
    }

    fn role(&self, namespace: &str, service_account: &str) -> Lookup<Arc<str>> {
        let key = (namespace.to_owned(), service_account.to_owned());
        let known = || self.source.cache().roles.get(&key).map(Lookup::Found);
        let found = self.fetched.roles.get(&key).cloned().or_else(known);
        match found.unwrap_or_else(|| self.miss(Wanted::Role(key))) {
            Lookup::Found(Some(role)) => Lookup::Found(role),
            Lookup::Found(None) | Lookup::Missing => Lookup::Missing,
            Lookup::Unknown(reason) => Lookup::Unknown(reason),
        }
    }
}

impl Fetched {
    /// Asks for what was missed, all of it at the same time.
    pub(crate) async fn fetch(&mut self, missed: Missed, source: &ClassSource, metrics: &Metrics) {
        let Missed(missed) = missed;
        let asked = missed
            .iter()
            .take(REQUESTS)
            .map(|wanted| ask(wanted, source));
        let answers = join_all(asked).await;
        for answer in answers {
            match answer {
                Answer::Class(key, found) => {
                    metrics.class_looked_up(result(&found));
                    self.classes.insert(key, found);
                }
                Answer::Role(key, found) => {
                    metrics.class_looked_up(result(&found));
                    self.roles.insert(key, found);
                }
            }
        }
        let reason = || {
            format!("the pod names more than {REQUESTS} objects that the webhook does not know yet")
        };
        for wanted in missed.into_iter().skip(REQUESTS) {
            match wanted {
                Wanted::Class(key) => drop(self.classes.insert(key, Lookup::Unknown(reason()))),
                Wanted::Role(key) => drop(self.roles.insert(key, Lookup::Unknown(reason()))),
            }
        }
    }
}

enum Answer {
    Class(Key, Lookup<Class>),
    Role(Key, Lookup<Role>),
}

async fn ask(wanted: &Wanted, source: &ClassSource) -> Answer {
    match wanted {
        Wanted::Class(key) => {
            let found = match source.api() {
                Some(api) => in_time(api.class(key)).await,
                None => not_connected(),
            };
            Answer::Class(key.clone(), found)
        }
        Wanted::Role(key) => {
            let found = match source.api() {
                Some(api) => in_time(api.role(key)).await,
                None => not_connected(),
            };
            Answer::Role(key.clone(), found)
        }
    }
}

fn not_connected<T>() -> Lookup<T> {
    Lookup::Unknown("the webhook has no connection to the API server yet".to_owned())
}

async fn in_time<T>(request: impl Future<Output = kube::Result<Option<T>>>) -> Lookup<T> {
    match timeout(DEADLINE, request).await {
        Ok(Ok(Some(found))) => Lookup::Found(found),
        Ok(Ok(None)) => Lookup::Missing,
        // Without the CustomResourceDefinition, the response is no object of the API.
        Ok(Err(kube::Error::Api(status))) if status.code == 404 => Lookup::Missing,
        Ok(Err(error)) => Lookup::Unknown(describe(&error)),
        Err(_) => {
            let seconds = DEADLINE.as_secs();
            Lookup::Unknown(format!("the API server did not answer within {seconds} s"))
        }
    }
}

fn result<T>(found: &Lookup<T>) -> LookupResult {
    match found {
        Lookup::Found(_) => LookupResult::Found,
        Lookup::Missing => LookupResult::Missing,
        Lookup::Unknown(_) => LookupResult::Error,
    }
}
