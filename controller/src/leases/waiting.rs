//! The pods that wait for a number, in the order in which they began to wait.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use kube::runtime::reflector::ObjectRef;

use super::wanted::Wanted;
use crate::pod::WatchedPod;

/// A pod that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WaitingPod {
    pub(super) uid: String,
    pub(super) reference: ObjectRef<WatchedPod>,
}

/// How many pods of a queue look for themselves whether a number is free. The others behind them wait,
/// because each look reads the whole range.
const LOOKING: usize = 4;

#[derive(Debug, Default)]
pub(super) struct Waiting(Mutex<HashMap<Wanted, Queue>>);

/// The pods that wait for a number of one range.
#[derive(Debug, Default)]
struct Queue {
    pods: VecDeque<WaitingPod>,
    /// The uids of pods that were first and look now. If they find nothing, they are first again.
    woken: HashSet<String>,
}

impl Queue {
    fn position(&self, uid: &str) -> Option<usize> {
        self.pods.iter().position(|waiting| waiting.uid == uid)
    }

    fn remove(&mut self, uid: &str) {
        self.pods.retain(|waiting| waiting.uid != uid);
        self.woken.remove(uid);
    }

    fn is_empty(&self) -> bool {
        self.pods.is_empty() && self.woken.is_empty()
    }
}

impl Waiting {
    /// Adds `pod` at the end, unless it waits already. A pod that was woken keeps its place.
    pub(super) fn add(&self, wanted: Wanted, pod: &WatchedPod) {
        let mut queues = self.queues();
        let queue = queues.entry(wanted).or_default();
        if queue.position(pod.uid()).is_some() {
            return;
        }
        let waiting = WaitingPod {
            uid: pod.uid().to_owned(),
            reference: ObjectRef::from_obj(pod),
        };
        if queue.woken.remove(pod.uid()) {
            queue.pods.push_front(waiting);
        } else {
            queue.pods.push_back(waiting);
        }
    }

    /// Whether so many pods wait longer for `wanted` that this one need not look.
    pub(super) fn is_far_behind(&self, wanted: &Wanted, uid: &str) -> bool {
        let queues = self.queues();
        let position = queues.get(wanted).and_then(|queue| queue.position(uid));
        position.is_some_and(|position| position >= LOOKING)
    }

    /// Removes and returns the pod that has waited longest for `wanted` and satisfies `lives`. Those
    /// before it are removed too.
    pub(super) fn next(
        &self,
        wanted: &Wanted,
        lives: impl Fn(&WaitingPod) -> bool,
    ) -> Option<WaitingPod> {
        let mut queues = self.queues();
        let queue = queues.get_mut(wanted)?;
        let next = std::iter::from_fn(|| queue.pods.pop_front()).find(lives)?;
        queue.woken.insert(next.uid.clone());
        Some(next)
    }

    /// The pod waits for `wanted` only.
    pub(super) fn keep(&self, uid: &str, wanted: &[Wanted]) {
        self.queues().retain(|of, queue| {
            if !wanted.contains(of) {
                queue.remove(uid);
            }
            !queue.is_empty()
        });
    }

    /// The pod waits for `wanted` no longer.
    pub(super) fn remove(&self, wanted: &Wanted, uid: &str) {
        if let Some(queue) = self.queues().get_mut(wanted) {
            queue.remove(uid);
        }
    }

    /// Forgets all pods.
    pub(super) fn clear(&self) {
        self.queues().clear();
    }

    /// How many pods wait.
    pub(super) fn len(&self) -> usize {
        self.queues().values().map(|queue| queue.pods.len()).sum()
    }

    fn queues(&self) -> MutexGuard<'_, HashMap<Wanted, Queue>> {
        // A panic cannot interrupt a change, so the queues behind a poisoned lock are complete.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use kees_common::{Lease, LeaseRange, StoreName};

    use super::*;

    fn wanted() -> Wanted {
        let lease = Lease {
            key_prefix: "worker".to_owned(),
            start: 0,
            end: 9,
        };
        Wanted {
            store: StoreName::Memory,
            range: LeaseRange::new(&"/dev".parse().unwrap(), &lease).unwrap(),
        }
    }

    fn pod(uid: &str) -> WatchedPod {
        let json = serde_json::json!({"metadata": {"name": uid, "namespace": "shop", "uid": uid}});
        serde_json::from_value(json).unwrap()
    }

    fn next(waiting: &Waiting) -> Option<String> {
        waiting.next(&wanted(), |_| true).map(|pod| pod.uid)
    }

    #[test]
    fn a_woken_pod_that_finds_no_number_is_first_again() {
        let waiting = Waiting::default();
        for uid in ["a", "b", "a"] {
            waiting.add(wanted(), &pod(uid));
        }
        assert_eq!(next(&waiting).as_deref(), Some("a"));
        waiting.add(wanted(), &pod("c"));
        waiting.add(wanted(), &pod("a"));
        assert_eq!(next(&waiting).as_deref(), Some("a"));
        assert_eq!(next(&waiting).as_deref(), Some("b"));
    }

    #[test]
    fn a_pod_that_holds_a_number_or_wants_another_one_is_not_woken() {
        let waiting = Waiting::default();
        for uid in ["a", "b", "c", "d"] {
            waiting.add(wanted(), &pod(uid));
        }
        waiting.remove(&wanted(), "a");
        waiting.keep("b", &[]);
        waiting.keep("c", &[wanted()]);
        let woken = waiting.next(&wanted(), |pod| pod.uid != "c");
        assert_eq!(woken.unwrap().uid, "d", "c is gone");
        assert_eq!(waiting.len(), 0);
    }

    #[test]
    fn only_the_first_pods_look_for_themselves() {
        let waiting = Waiting::default();
        let uids: Vec<_> = (0..=LOOKING).map(|number| number.to_string()).collect();
        for uid in &uids {
            waiting.add(wanted(), &pod(uid));
        }
        assert!(!waiting.is_far_behind(&wanted(), "unknown"));
        assert!(!waiting.is_far_behind(&wanted(), &uids[LOOKING - 1]));
        assert!(waiting.is_far_behind(&wanted(), &uids[LOOKING]));
        waiting.remove(&wanted(), &uids[0]);
        assert!(!waiting.is_far_behind(&wanted(), &uids[LOOKING]));
    }
}
