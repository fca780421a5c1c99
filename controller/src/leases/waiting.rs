//! The pods that wait for a number, in the order in which they began to wait.

use std::{
    collections::{HashMap, VecDeque},
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

#[derive(Debug, Default)]
pub(super) struct Waiting(Mutex<HashMap<Wanted, VecDeque<WaitingPod>>>);

impl Waiting {
    /// Adds `pod` at the end, unless it waits already.
    pub(super) fn add(&self, wanted: Wanted, pod: &WatchedPod) {
        let mut queues = self.queues();
        let queue = queues.entry(wanted).or_default();
        if queue.iter().all(|waiting| waiting.uid != pod.uid()) {
            queue.push_back(WaitingPod {
                uid: pod.uid().to_owned(),
                reference: ObjectRef::from_obj(pod),
            });
        }
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
        let next = std::iter::from_fn(|| queue.pop_front()).find(lives);
        if queue.is_empty() {
            queues.remove(wanted);
        }
        next
    }

    /// Removes a pod that waits no longer.
    pub(super) fn remove(&self, uid: &str) {
        self.queues().retain(|_, queue| {
            queue.retain(|waiting| waiting.uid != uid);
            !queue.is_empty()
        });
    }

    /// How many pods wait.
    pub(super) fn len(&self) -> usize {
        self.queues().values().map(VecDeque::len).sum()
    }

    fn queues(&self) -> MutexGuard<'_, HashMap<Wanted, VecDeque<WaitingPod>>> {
        // A panic cannot interrupt a change, so the queues behind a poisoned lock are complete.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
