//! The store, the pods and the controllers, as they are at one moment of a run.

use std::collections::BTreeMap;

use kees_common::{Lease, LeaseRange, StoragePath};
use kees_store::leases::{
    Change, Claim, Pod, PodIdentity, Record, Release, ReleaseEffect, ReleaseEvent,
    claim::{Abandoned, Effect, Event, Held},
};

use super::{Leases, Mutation};

/// The name of each pod. The second one replaces the first, as a StatefulSet does.
pub(super) const POD_NAMES: [&str; 3] = ["a", "a", "b"];

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) records: BTreeMap<StoragePath, Record>,
    pub(super) pods: [Life; 3],
    pub(super) controllers: [Controller; 2],
    /// Swaps on their way. The network delivers each at any time, or never.
    pub(super) requests: Vec<Request>,
    pub(super) begins_left: u8,
    pub(super) kills_left: u8,
    pub(super) faults_left: u8,
    pub(super) has_number_changed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Life {
    NotYet,
    Lives {
        /// What its init container read.
        number: Option<i32>,
    },
    Gone,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::large_enum_variant, reason = "a state has two of them")]
pub(super) enum Controller {
    Idle,
    Busy { work: Work, waiting: Waiting },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Work {
    Claim(Claim),
    Release(Release),
}

/// What a controller waits for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Waiting {
    /// The record at this path.
    Record(StoragePath),
    /// The records of all numbers, which are read one after the other; what was read so far.
    Numbers(Vec<Option<Record>>),
    Lives,
    Gone(Vec<Held>),
    /// The answer of a swap.
    Swap(Vec<Change>),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Request {
    pub(super) sender: usize,
    pub(super) changes: Vec<Change>,
}

impl Life {
    pub(super) fn lives(self) -> bool {
        matches!(self, Self::Lives { .. })
    }
}

pub(super) fn range(leases: &Leases) -> LeaseRange {
    let lease = Lease {
        key_prefix: "k".to_owned(),
        start: 0,
        end: leases.numbers - 1,
    };
    LeaseRange::new(&"/".parse().unwrap(), &lease).unwrap()
}

fn pod(index: usize) -> Pod {
    Pod {
        name: POD_NAMES[index].to_owned(),
        identity: PodIdentity {
            namespace: "n".to_owned(),
            uid: index.to_string(),
        },
    }
}

impl State {
    pub(super) fn new(leases: &Leases) -> Self {
        Self {
            records: BTreeMap::new(),
            pods: [Life::NotYet; 3],
            controllers: [Controller::Idle, Controller::Idle],
            requests: Vec::new(),
            begins_left: leases.begins,
            kills_left: leases.kills,
            faults_left: leases.faults,
            has_number_changed: false,
        }
    }

    pub(super) fn is_held_twice(&self) -> bool {
        let numbers = self.pods.iter().filter_map(|life| match life {
            Life::Lives { number } => *number,
            _ => None,
        });
        let numbers: Vec<_> = numbers.collect();
        let mut unique = numbers.clone();
        unique.sort_unstable();
        unique.dedup();
        unique.len() < numbers.len()
    }

    /// Whether each record of a pod that lives names a number whose record names the pod.
    pub(super) fn records_agree(&self, leases: &Leases) -> bool {
        let range = range(leases);
        let living = (0..self.pods.len()).filter(|index| self.pods[*index].lives());
        living.into_iter().all(|index| {
            let pod = pod(index);
            let of_pod = self.records.get(&pod.path(&range));
            let of_pod = of_pod.filter(|record| record.pod.as_ref() == Some(&pod.identity));
            of_pod.is_none_or(|record| {
                let number = range.number_path(record.value.parse().unwrap());
                self.records.get(&number) == Some(&pod.as_holder())
            })
        })
    }

    /// Whether the pod of this record lives. The uid of a pod is its index.
    pub(super) fn holder_lives(&self, record: &Record) -> bool {
        let uid = record.pod.as_ref().map(|pod| pod.uid.parse().unwrap());
        uid.is_none_or(|uid: usize| self.pods[uid].lives())
    }

    pub(super) fn read_in_init(&mut self, leases: &Leases, index: usize) {
        let pod = pod(index);
        let Some(record) = self.records.get(&pod.path(&range(leases))) else {
            return;
        };
        if record.pod.as_ref() != Some(&pod.identity)
            && leases.mutation != Some(Mutation::InitIgnoresUid)
        {
            return;
        }
        let read = record.value.parse().unwrap();
        if let Life::Lives { number } = &mut self.pods[index] {
            self.has_number_changed |= number.is_some_and(|before| before != read);
            *number = Some(read);
        }
    }

    pub(super) fn begin_claim(&mut self, leases: &Leases, at: usize, index: usize) {
        self.begins_left -= 1;
        let (claim, effect) = Claim::start(range(leases), pod(index));
        self.wait_for_claim(at, claim, effect);
    }

    pub(super) fn begin_release(&mut self, leases: &Leases, at: usize, index: usize) {
        self.begins_left -= 1;
        let pod = pod(index);
        let path = pod.path(&range(leases));
        let (release, _) = Release::start(range(leases), &pod);
        self.controllers[at] = Controller::Busy {
            work: Work::Release(release),
            waiting: Waiting::Record(path),
        };
    }

    fn wait_for_claim(&mut self, at: usize, claim: Claim, effect: Effect) {
        let waiting = match effect {
            Effect::ReadPodRecord => Waiting::Record(claim.pod().path(claim.range())),
            Effect::ReadNumberRecord(number) => Waiting::Record(claim.range().number_path(number)),
            Effect::ReadNumbers => Waiting::Numbers(Vec::new()),
            Effect::AskWhetherPodLives => Waiting::Lives,
            Effect::FindGone(held) => Waiting::Gone(held),
            Effect::Swap(changes) => self.send(at, changes),
            Effect::End(_) => {
                self.controllers[at] = Controller::Idle;
                return;
            }
        };
        let work = Work::Claim(claim);
        self.controllers[at] = Controller::Busy { work, waiting };
    }

    fn send(&mut self, sender: usize, changes: Vec<Change>) -> Waiting {
        self.requests.push(Request {
            sender,
            changes: changes.clone(),
        });
        Waiting::Swap(changes)
    }

    fn tell_claim(&mut self, at: usize, mut claim: Claim, event: Event) {
        let effect = claim.on(event).expect("every record is valid");
        self.wait_for_claim(at, claim, effect);
    }

    fn tell_release(
        &mut self,
        leases: &Leases,
        at: usize,
        mut release: Release,
        event: ReleaseEvent,
    ) {
        let waiting = match release.on(event).expect("every record is valid") {
            // Only a release that begins again asks for it, and every pod of one name has one path.
            ReleaseEffect::ReadPodRecord => Waiting::Record(release.pod_path().clone()),
            ReleaseEffect::ReadNumberRecord(number) => {
                Waiting::Record(range(leases).number_path(number))
            }
            ReleaseEffect::Swap(changes) => self.send(at, changes),
            ReleaseEffect::End(_) => {
                self.controllers[at] = Controller::Idle;
                return;
            }
        };
        let work = Work::Release(release);
        self.controllers[at] = Controller::Busy { work, waiting };
    }

    /// The work of a controller and what it waits for.
    fn take(&mut self, at: usize) -> (Work, Waiting) {
        match std::mem::replace(&mut self.controllers[at], Controller::Idle) {
            Controller::Busy { work, waiting } => (work, waiting),
            Controller::Idle => panic!("an idle controller is told something"),
        }
    }

    pub(super) fn read(&mut self, leases: &Leases, at: usize) {
        let (work, waiting) = self.take(at);
        match (work, waiting) {
            (Work::Claim(claim), Waiting::Record(path)) => {
                let record = self.records.get(&path).cloned();
                let event = if path == claim.pod().path(claim.range()) {
                    Event::PodRecord(record)
                } else {
                    Event::NumberRecord(record)
                };
                self.tell_claim(at, claim, event);
            }
            (Work::Release(release), Waiting::Record(path)) => {
                let record = self.records.get(&path).cloned();
                let event = if path == *release.pod_path() {
                    ReleaseEvent::PodRecord(record)
                } else {
                    ReleaseEvent::NumberRecord(record)
                };
                self.tell_release(leases, at, release, event);
            }
            (Work::Claim(claim), Waiting::Numbers(mut read)) => {
                let next = i32::try_from(read.len()).unwrap();
                let path = claim.range().number_path(next);
                read.push(self.records.get(&path).cloned());
                if read.len() == usize::try_from(leases.numbers).unwrap() {
                    self.tell_claim(at, claim, numbers(read));
                } else {
                    let (work, waiting) = (Work::Claim(claim), Waiting::Numbers(read));
                    self.controllers[at] = Controller::Busy { work, waiting };
                }
            }
            other => panic!("{other:?} waits for no read"),
        }
    }

    pub(super) fn answer_lives(&mut self, leases: &Leases, at: usize) {
        let (Work::Claim(claim), _) = self.take(at) else {
            panic!("a release asks nothing");
        };
        let uid: usize = claim.pod().identity.uid.parse().unwrap();
        let lives = self.pods[uid].lives() || leases.mutation == Some(Mutation::NotAsked);
        self.tell_claim(at, claim, Event::Lives(lives));
    }

    pub(super) fn answer_gone(&mut self, leases: &Leases, at: usize, index: Option<usize>) {
        let (Work::Claim(claim), Waiting::Gone(mut held)) = self.take(at) else {
            panic!("a release asks nothing");
        };
        let gone = index.map(|index| held.swap_remove(index));
        let gone = gone.map(|held| {
            let of_pod = held
                .record
                .pod
                .as_ref()
                .map(|pod| range(leases).pod_path(&pod.namespace, &held.record.value));
            let of_pod = of_pod.and_then(|path| self.records.get(&path).cloned());
            Abandoned { held, of_pod }
        });
        self.tell_claim(at, claim, Event::Gone(gone));
    }

    /// A read failed, or a swap is not waited for any longer.
    pub(super) fn fail(&mut self, leases: &Leases, at: usize) {
        match self.take(at) {
            (Work::Claim(claim), _) => self.tell_claim(at, claim, Event::Failed),
            (Work::Release(release), _) => {
                self.tell_release(leases, at, release, ReleaseEvent::Failed);
            }
        }
    }

    /// A swap arrives at the store. Whether it was made.
    pub(super) fn carry_out(&mut self, leases: &Leases, changes: &[Change]) -> bool {
        let is_expected = |change: &Change| {
            let stored = self.records.get(&change.path);
            match leases.mutation {
                Some(Mutation::NoCondition) => true,
                Some(Mutation::NameOnly) => {
                    let expected = change.expected.as_ref();
                    stored.map(|record| &record.value) == expected.map(|record| &record.value)
                }
                _ => stored == change.expected.as_ref(),
            }
        };
        if !changes.iter().all(is_expected) {
            return false;
        }
        for change in changes {
            match &change.new {
                Some(new) => {
                    self.records.insert(change.path.clone(), new.clone());
                }
                None => {
                    self.records.remove(&change.path);
                }
            }
        }
        true
    }

    /// The answer of a swap arrives, if its sender still waits for it.
    pub(super) fn answer(&mut self, leases: &Leases, request: &Request, is_made: Option<bool>) {
        let at = request.sender;
        let waits = matches!(&self.controllers[at], Controller::Busy { waiting: Waiting::Swap(changes), .. }
            if *changes == request.changes);
        if !waits {
            return;
        }
        let Some(is_made) = is_made else {
            return self.fail(leases, at);
        };
        match self.take(at) {
            (Work::Claim(claim), _) => self.tell_claim(at, claim, Event::Swapped(is_made)),
            (Work::Release(release), _) => {
                self.tell_release(leases, at, release, ReleaseEvent::Swapped(is_made));
            }
        }
    }
}

fn numbers(read: Vec<Option<Record>>) -> Event {
    let number = |at: usize| i32::try_from(at).unwrap();
    // The first free number: the numbers are alike, so another choice adds no behaviour.
    let free = read.iter().position(Option::is_none).map(number);
    let held = read.into_iter().enumerate();
    let held = held.filter_map(|(at, record)| {
        let number = number(at);
        record.map(|record| Held { number, record })
    });
    Event::Numbers {
        held: held.collect(),
        free,
    }
}
