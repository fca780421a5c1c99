//! What the pods of the cluster want as Kubernetes Secrets, as the policy allows it.
//!
//! Pods that want the same are one [`Candidate`], so that it is read once for all of them. Candidates that share a
//! Secret are one [`Job`], so that one decision is made about the Secret.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use super::{
    by_annotations::of_annotations,
    by_class::{Around, of_classes},
    candidate::{Candidate, Problem, Target, hash, newest},
    classes::Classes,
};
use crate::pod::WatchedPod;

/// Candidates that share Secrets, directly or by others.
pub(super) struct Job {
    pub(super) targets: BTreeSet<Target>,
    pub(super) candidates: Vec<Candidate>,
    /// Changes with what is wanted, with the owners, and with what the newest pod of a workload wants.
    pub(super) fingerprint: u64,
}

/// Everything that the pods want.
#[derive(Default)]
pub(super) struct Wanted {
    pub(super) jobs: Vec<Arc<Job>>,
    pub(super) problems: Vec<Problem>,
}

/// What `pods` want. Without `classes`, nothing that a class asks for.
pub(super) fn wanted(
    pods: &[Arc<WatchedPod>],
    classes: Option<&Classes>,
    around: Around<'_>,
) -> Wanted {
    let mut wanted = Wanted::default();
    let pods: Vec<_> = pods.iter().filter(|pod| !pod.is_ending()).collect();
    let mut candidates = of_annotations(&pods, around.current, &mut wanted.problems);
    if let Some(classes) = classes {
        candidates.extend(of_classes(&pods, classes, around, &mut wanted.problems));
    }
    let jobs = joined(candidates).into_iter();
    wanted.jobs = jobs.map(|candidates| Arc::new(job(candidates))).collect();
    wanted
}

/// Candidates that share Secrets, together.
fn joined(candidates: Vec<Candidate>) -> Vec<Vec<Candidate>> {
    let mut groups: Vec<Option<Vec<Candidate>>> = Vec::new();
    let mut group_of: HashMap<Target, usize> = HashMap::new();
    for candidate in candidates {
        let targets = targets(&candidate);
        let known: BTreeSet<usize> = targets
            .iter()
            .filter_map(|target| group_of.get(target).copied())
            .collect();
        let mut group: Vec<Candidate> = Vec::new();
        for index in known {
            group.extend(
                groups
                    .get_mut(index)
                    .and_then(Option::take)
                    .unwrap_or_default(),
            );
        }
        group.push(candidate);
        for target in group.iter().flat_map(self::targets) {
            group_of.insert(target, groups.len());
        }
        groups.push(Some(group));
    }
    groups.into_iter().flatten().collect()
}

fn targets(candidate: &Candidate) -> Vec<Target> {
    let names = candidate.names().into_iter();
    names
        .map(|name| (candidate.namespace.clone(), name.to_owned()))
        .collect()
}

fn job(mut candidates: Vec<Candidate>) -> Job {
    candidates.sort_by_cached_key(|candidate| {
        (
            candidate.since(),
            candidate.sources.clone(),
            candidate.fingerprint,
        )
    });
    let parts = candidates.iter().map(|candidate| {
        let owners: Vec<String> = candidate.owners().into_iter().map(|of| of.uid).collect();
        (candidate.fingerprint, &candidate.sources, owners)
    });
    let parts: Vec<_> = parts.collect();
    // A workload may go back to what it wanted before.
    let newest = newest(candidates.iter());
    Job {
        targets: candidates.iter().flat_map(targets).collect(),
        fingerprint: hash((parts, newest)),
        candidates,
    }
}
