//! The live pods that ask for Kubernetes Secrets: an input of the decision about another pod. Pods of one template share most
//! of what is held, and there is a limit for all of it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use kees_common::Domain;
use kees_secret_provider_class::ClassSpec;

use crate::sharing::asks::Asks;

/// The most bytes that are held, about. The memory of the webhook has room for it.
const MAX_BYTES: usize = 8 << 20;

/// What a pod takes besides its texts, about: its places in the maps.
const OF_POD: usize = 160;

/// What asks take besides their texts, about.
const OF_ASKS: usize = 400;

/// A namespace and the name of a pod.
type Key = (Arc<str>, Arc<str>);

/// Finds the pods with which a pod may share a Secret. The decision calls it, so an implementation answers at once, from
/// a cache.
pub trait OtherPods {
    /// The live pods of a namespace that ask for Secrets. `None` if there are none, or if they are not known.
    fn of_namespace(&self, namespace: &str) -> Option<Arc<NamespacePods>>;

    /// The `spec` of a class, if it is known.
    fn class(&self, namespace: &str, name: &str) -> Option<Arc<ClassSpec>>;
}

/// What is taken from a live pod.
#[derive(Clone, Copy)]
pub struct LivePod<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its ServiceAccount.
    pub service_account: &'a str,
    /// What created it, as [`workload`](crate::workload) says.
    pub workload: &'a str,
    /// Its annotations.
    pub annotations: &'a BTreeMap<String, String>,
}

/// The live pods of a cluster that ask for Secrets.
#[derive(Default)]
pub struct LivePods {
    namespaces: HashMap<Arc<str>, Arc<NamespacePods>>,
    /// Where each pod is.
    places: HashMap<Key, Place>,
    bytes: usize,
}

struct Place {
    asks: Arc<Asks>,
    workload: Arc<str>,
}

/// The live pods of one namespace that ask for Secrets. It has no `Debug`: annotations must not be logged.
#[derive(Clone, Default)]
pub struct NamespacePods(BTreeMap<Arc<Asks>, Workloads>);

/// The names of the pods, by workload.
pub(crate) type Workloads = BTreeMap<Arc<str>, BTreeSet<Arc<str>>>;

impl LivePods {
    /// Adds a pod, or replaces it. A pod that asks for no Secret is not held. Returns `false` if there is no room for it:
    /// then it counts as a pod that is not there.
    pub fn insert(&mut self, pod: LivePod<'_>, domain: &Domain) -> bool {
        let LivePod {
            namespace,
            name,
            service_account,
            workload,
            annotations,
        } = pod;
        self.remove(namespace, name);
        let annotations = annotations.iter();
        let annotations = annotations.map(|(key, value)| (key.as_str(), value.as_str()));
        let asks = Asks::new(service_account, annotations, domain);
        if asks.is_empty() {
            return true;
        }
        let known = self.namespaces.get_key_value(namespace);
        let known_asks = known.and_then(|(_, pods)| pods.0.get_key_value(&asks));
        let bytes = OF_POD + name.len() + known_asks.map_or(OF_ASKS + asks.bytes(), |_| 0);
        if self.bytes + bytes > MAX_BYTES {
            return false;
        }
        self.bytes += bytes;
        let in_workload = known_asks.and_then(|(_, workloads)| workloads.get_key_value(workload));
        let workload = in_workload.map_or_else(|| workload.into(), |(known, _)| Arc::clone(known));
        let asks = known_asks.map_or_else(|| Arc::new(asks), |(known, _)| Arc::clone(known));
        let namespace = known.map_or_else(|| namespace.into(), |(known, _)| Arc::clone(known));
        let name: Arc<str> = name.into();
        let pods = self.namespaces.entry(Arc::clone(&namespace)).or_default();
        let workloads = Arc::make_mut(pods).0.entry(Arc::clone(&asks)).or_default();
        let pods = workloads.entry(Arc::clone(&workload)).or_default();
        pods.insert(Arc::clone(&name));
        let place = Place { asks, workload };
        self.places.insert((namespace, name), place);
        true
    }

    /// Removes a pod, if it is there.
    pub fn remove(&mut self, namespace: &str, name: &str) {
        let key: Key = (namespace.into(), name.into());
        let Some(Place { asks, workload }) = self.places.remove(&key) else {
            return;
        };
        self.bytes = self.bytes.saturating_sub(OF_POD + name.len());
        let Some(pods) = self.namespaces.get_mut(namespace) else {
            return;
        };
        let groups = &mut Arc::make_mut(pods).0;
        let Some(workloads) = groups.get_mut(&asks) else {
            return;
        };
        if let Some(pods) = workloads.get_mut(&workload) {
            pods.remove(name);
            if pods.is_empty() {
                workloads.remove(&workload);
            }
        }
        if workloads.is_empty() {
            groups.remove(&asks);
            self.bytes = self.bytes.saturating_sub(OF_ASKS + asks.bytes());
        }
        if groups.is_empty() {
            self.namespaces.remove(namespace);
        }
    }

    /// How many pods are held.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether no pod is held.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The pods of a namespace.
    pub fn of_namespace(&self, namespace: &str) -> Option<Arc<NamespacePods>> {
        self.namespaces.get(namespace).map(Arc::clone)
    }
}

impl NamespacePods {
    /// What pods ask for, with their names by workload.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (&Asks, &Workloads)> {
        self.0.iter().map(|(asks, workloads)| (&**asks, workloads))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain() -> Domain {
        Domain::default()
    }

    fn annotations(secret: &str) -> BTreeMap<String, String> {
        BTreeMap::from([
            ("init.bsycorp.com/sync".to_owned(), secret.to_owned()),
            (
                "secret.bsycorp.com/a".to_owned(),
                "kind=REFERENCE".to_owned(),
            ),
            ("other.example.com/a".to_owned(), "x".repeat(1000)),
        ])
    }

    fn pod<'a>(name: &'a str, annotations: &'a BTreeMap<String, String>) -> LivePod<'a> {
        LivePod {
            namespace: "team-a",
            name,
            service_account: "default",
            workload: "Deployment web",
            annotations,
        }
    }

    #[test]
    fn nothing_is_left_of_pods_that_were_removed() {
        let (one, other) = (annotations("one"), annotations("other"));
        let mut pods = LivePods::default();
        assert!(pods.insert(pod("web-1", &one), &domain()));
        assert!(pods.insert(pod("web-1", &other), &domain()));
        assert!(pods.insert(pod("web-2", &other), &domain()));
        assert_eq!(pods.len(), 2);
        let of_namespace = pods.of_namespace("team-a").unwrap();
        assert_eq!(of_namespace.groups().count(), 1, "the same for both");
        pods.remove("team-a", "web-1");
        pods.remove("team-a", "web-2");
        pods.remove("team-a", "web-2");
        assert_eq!((pods.len(), pods.bytes), (0, 0));
        assert!(pods.namespaces.is_empty());
        // What a decision has begun with stays as it was.
        assert_eq!(of_namespace.groups().count(), 1);
    }

    #[test]
    fn a_pod_that_asks_for_no_secret_is_not_held() {
        let mut pods = LivePods::default();
        let mut none = annotations("web");
        none.remove("init.bsycorp.com/sync");
        assert!(pods.insert(pod("web-1", &none), &domain()));
        assert_eq!(pods.len(), 0);
    }

    #[test]
    fn there_is_a_limit_for_all_pods() {
        let mut pods = LivePods::default();
        let mut held = 0;
        for number in 0..200 {
            let mut annotations = annotations("web");
            let long = format!("{number} {}", "x".repeat(100_000));
            annotations.insert("init.bsycorp.com/sync-key.k".to_owned(), long);
            held +=
                usize::from(pods.insert(pod(&format!("web-{number}"), &annotations), &domain()));
        }
        assert_eq!(held, 83);
        assert_eq!(pods.len(), held);
        // When one is gone, there is room for another one.
        pods.remove("team-a", "web-0");
        assert!(pods.insert(pod("web-200", &annotations("web")), &domain()));
    }
}
