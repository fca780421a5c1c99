//! What pods want by `init.DOMAIN/sync`.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use k8s_openapi::jiff::Timestamp;
use kees_common::names::init;
use kees_inject::{SecretSync, secret_sync};

use super::candidate::{Candidate, Problem, Wish, created, hash, sorted, subject, workload};
use crate::{pod::WatchedPod, policy::Current};

/// What pods have in common if they want the same by annotations.
type AnnotationsKey<'p> = (&'p str, &'p str, Vec<(&'p str, &'p str)>);

/// The candidates by `init.DOMAIN/sync`.
pub(super) fn of_annotations(
    pods: &[&Arc<WatchedPod>],
    current: &Current,
    problems: &mut Vec<Problem>,
) -> Vec<Candidate> {
    let settings = &current.settings;
    let of_sync = settings.domain.init(init::SYNC);
    let mut groups: HashMap<AnnotationsKey<'_>, Vec<Arc<WatchedPod>>> = HashMap::new();
    for pod in pods {
        if pod.sharing().is_some() && pod.annotation(&of_sync).is_some() {
            let key = (
                pod.namespace(),
                pod.service_account(),
                pod.annotations().collect(),
            );
            groups.entry(key).or_default().push(Arc::clone(pod));
        }
    }
    let mut candidates = Vec::new();
    for (key, pods) in groups {
        let Some(first) = pods.first() else { continue };
        let (parsed, plan) = match secret_sync(subject(first), &key.2, settings) {
            SecretSync::Nothing => continue,
            SecretSync::Denied(errors) => {
                problems.push(Problem {
                    subject: of_sync.clone(),
                    lines: errors.iter().map(ToString::to_string).collect(),
                    pods,
                });
                continue;
            }
            SecretSync::Read { parsed, plan } => (parsed, plan),
        };
        let Some(name) = parsed.options.sync.name.as_ref().map(ToString::to_string) else {
            continue;
        };
        candidates.push(Candidate {
            namespace: key.0.to_owned(),
            sources: Vec::new(),
            wish: Wish::Annotations { name, parsed, plan },
            fingerprint: hash((&key, current.number)),
            pods: sorted(pods),
        });
    }
    without_superseded(candidates)
}

/// The candidates that are what a workload wants now. While a workload is rolled out, its newest pod says what it wants,
/// and its older pods get the same.
fn without_superseded(mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    type Of = (String, String, String);
    let mut newest: BTreeMap<Of, (Option<Timestamp>, String, usize)> = BTreeMap::new();
    let key = |candidate: &Candidate, pod: &WatchedPod| {
        let name = candidate.names().concat();
        (candidate.namespace.clone(), name, workload(pod).to_owned())
    };
    for (index, candidate) in candidates.iter().enumerate() {
        for pod in &candidate.pods {
            let age = (created(pod), pod.name().to_owned(), index);
            let newest = newest.entry(key(candidate, pod)).or_insert(age.clone());
            if *newest < age {
                *newest = age;
            }
        }
    }
    let mut moved = Vec::new();
    for (index, candidate) in candidates.iter_mut().enumerate() {
        let mut sources: Vec<String> = Vec::new();
        let mut other = None;
        for pod in &candidate.pods {
            let Some((_, _, at)) = newest.get(&key(candidate, pod)) else {
                continue;
            };
            if *at != index {
                other = other.or(Some(*at));
            } else if !sources.iter().any(|source| source == workload(pod)) {
                sources.push(workload(pod).to_owned());
            }
        }
        if sources.is_empty() {
            moved.push((other, std::mem::take(&mut candidate.pods)));
        }
        candidate.sources = sources;
    }
    for (to, pods) in moved {
        if let Some(candidate) = to.and_then(|to| candidates.get_mut(to)) {
            candidate.pods = sorted([std::mem::take(&mut candidate.pods), pods].concat());
        }
    }
    candidates.retain(|candidate| !candidate.sources.is_empty());
    candidates
}
