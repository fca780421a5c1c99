//! What is remembered of the pods that ask for a restart, while this replica leads.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use super::{under_way::UnderWay, workload::Place};
use crate::pod::{Restart, WatchedPod};

/// The most time between two looks, while a pod asks.
pub(super) const SWEEP: Duration = Duration::from_secs(5);

/// The longest pause after which a pod that waits is looked at again.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// How long pods are left alone for which nothing is to be done.
const NOTHING_TO_DO: Duration = Duration::from_mins(5);

/// Pods that were created from one template of one owner: what holds for one of them holds for all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Group {
    namespace: String,
    /// The uid of the owner, or of the pod without one.
    uid: String,
    restarted_at: Option<String>,
}

/// What is remembered of a group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// Groups that asked earlier have their turn earlier.
    pub(super) number: u64,
    pub(super) is_waiting: bool,
    pub(super) next: Instant,
    pause: Duration,
}

/// What is remembered while this replica leads.
#[derive(Default)]
pub(super) struct State {
    pub(super) known: HashMap<Group, Known>,
    numbers: u64,
    pub(super) under_way: Vec<UnderWay>,
}

/// What a look at a group has shown.
pub(super) enum Seen {
    NothingToDo,
    Waits,
    /// The workload was changed by somebody else at the same time.
    Changed,
}

impl Group {
    pub(super) fn of(pod: &WatchedPod, restart: &Restart) -> Self {
        let owner = restart.owner.as_ref();
        Self {
            namespace: pod.namespace().to_owned(),
            uid: owner.map_or(pod.uid(), |owner| &owner.uid).to_owned(),
            restarted_at: restart.restarted_at.clone(),
        }
    }
}

impl State {
    pub(super) fn is_under_way(&self, place: &Place) -> bool {
        self.under_way.iter().any(|other| other.place == *place)
    }

    pub(super) fn note(&mut self, group: Group, seen: Seen) {
        let before = self.known.get(&group).copied();
        let pause = match (seen, before) {
            (Seen::NothingToDo, _) => NOTHING_TO_DO,
            (Seen::Changed, _) => Duration::ZERO,
            (Seen::Waits, Some(before)) if before.is_waiting => {
                (before.pause * 2).min(LONGEST_PAUSE)
            }
            (Seen::Waits, _) => SWEEP,
        };
        let number = before.map_or(self.numbers, |before| before.number);
        self.numbers += 1;
        let known = Known {
            number,
            is_waiting: pause != NOTHING_TO_DO,
            next: Instant::now() + pause,
            pause,
        };
        self.known.insert(group, known);
    }
}
