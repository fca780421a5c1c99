//! Pods that want the same Kubernetes Secrets, and what they want.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hasher as _},
    sync::Arc,
};

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::OwnerReference, jiff::Timestamp};
use kees_common::{Parsed, Plan};
use kees_inject::CreatorPod;
use kees_secret_provider_class::{Mount, SecretObject};

use crate::pod::WatchedPod;

/// A Secret by its namespace and name.
pub(super) type Target = (String, String);

/// What a group of pods wants.
pub(super) enum Wish {
    /// By `init.DOMAIN/sync`: the Secret of that name.
    Annotations {
        name: String,
        parsed: Box<Parsed>,
        plan: Plan,
    },
    /// By `secretObjects` of a class.
    Class {
        mount: Mount,
        objects: Vec<SecretObject>,
    },
}

/// Pods that want the same, and what it is.
pub(super) struct Candidate {
    pub(super) namespace: String,
    /// What asks, such as `Deployment web` or `SecretProviderClass web`. At least one.
    pub(super) sources: Vec<String>,
    pub(super) wish: Wish,
    /// Oldest first, at least one.
    pub(super) pods: Vec<Arc<WatchedPod>>,
    /// Changes with what is wanted.
    pub(super) fingerprint: u64,
}

impl Candidate {
    /// The names of its Secrets.
    pub(super) fn names(&self) -> Vec<&str> {
        match &self.wish {
            Wish::Annotations { name, .. } => vec![name],
            Wish::Class { objects, .. } => {
                objects.iter().map(|object| object.name.as_str()).collect()
            }
        }
    }

    /// When its oldest pod was created.
    pub(super) fn since(&self) -> Option<Timestamp> {
        self.pods.first().and_then(|pod| created(pod))
    }

    /// The owners of its pods, each once.
    pub(super) fn owners(&self) -> Vec<OwnerReference> {
        let mut owners: BTreeMap<&str, &OwnerReference> = BTreeMap::new();
        for pod in &self.pods {
            let of_pod = pod.sharing().into_iter().flat_map(|of| &of.owners);
            owners.extend(of_pod.map(|owner| (owner.uid.as_str(), owner)));
        }
        owners.into_values().cloned().collect()
    }
}

/// Pods whose wish is wrong or denied.
pub(super) struct Problem {
    pub(super) pods: Vec<Arc<WatchedPod>>,
    /// What the Events are about: a Secret or a class.
    pub(super) subject: String,
    pub(super) lines: Vec<String>,
}

impl Problem {
    pub(super) fn of(subject: &str, line: String, pods: Vec<Arc<WatchedPod>>) -> Self {
        Self {
            pods,
            subject: subject.to_owned(),
            lines: vec![line],
        }
    }
}

pub(super) fn subject(pod: &WatchedPod) -> CreatorPod<'_> {
    CreatorPod {
        namespace: pod.namespace(),
        service_account: pod.service_account(),
    }
}

pub(super) fn created(pod: &WatchedPod) -> Option<Timestamp> {
    pod.sharing().and_then(|of| of.created)
}

pub(super) fn workload(pod: &WatchedPod) -> &str {
    pod.sharing().map_or("", |of| &of.workload)
}

/// For each workload, the candidate of its newest pod, by its place.
pub(super) fn newest<'c>(
    candidates: impl Iterator<Item = &'c Candidate>,
) -> BTreeMap<&'c str, usize> {
    let mut newest: BTreeMap<&str, (Option<Timestamp>, &str, usize)> = BTreeMap::new();
    for (index, candidate) in candidates.enumerate() {
        for pod in &candidate.pods {
            let age = (created(pod), pod.name(), index);
            let newest = newest.entry(workload(pod)).or_insert(age);
            *newest = age.max(*newest);
        }
    }
    let newest = newest.into_iter();
    newest
        .map(|(workload, (_, _, index))| (workload, index))
        .collect()
}

/// The pods, oldest first.
pub(super) fn sorted(mut pods: Vec<Arc<WatchedPod>>) -> Vec<Arc<WatchedPod>> {
    pods.sort_by(|a, b| (created(a), a.name()).cmp(&(created(b), b.name())));
    pods
}

pub(super) fn hash(of: impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}
