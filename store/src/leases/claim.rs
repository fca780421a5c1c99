//! Gives one pod one number: an event in, an effect out.
//!
//! A [`Claim`] has no connection, clock or randomness of its own. The driver executes its effects
//! against a store and the API server; the model checker executes them against every order of events
//! that two of them, a network and other controllers can produce.
//!
//! | what is read | what follows |
//! | --- | --- |
//! | the record of the pod, and of its number: both the pod's own | end: held |
//! | the record of an earlier pod of this name | if this pod lives: both records become this pod's |
//! | the record of the pod, but its number is held by another pod | the record of the pod is deleted; start again |
//! | no record of the pod, and the original's record of a number with the pod's name | if this pod lives: it gets that number |
//! | no record of the pod, and a free number | both records are written |
//! | no record of the pod, and no free number | if a holder is gone: its number, in one step; if not: end, exhausted |
//!
//! Each write is a [`swap`](super::LeaseStore::swap) of what was read before. If it is refused, the
//! claim starts again. Whether the pod lives is asked after its records were read: a record of a later
//! pod of the same name then makes the swap fail, or was read and shows that this pod is gone.

use kees_common::LeaseRange;

use super::{Change, LeaseError, Pod, Record};

/// One controller that wants a number for a pod.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Claim {
    range: LeaseRange,
    pod: Pod,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum State {
    ReadingPod,
    ReadingNumber {
        of_pod: Record,
        number: i32,
    },
    ReadingNumbers,
    /// Whether the pod lives decides about these changes.
    Asking {
        changes: Vec<Change>,
        number: i32,
    },
    /// Which of these is gone.
    FindingGone,
    Swapping {
        number: Option<i32>,
    },
    Ended,
}

/// A number that is held.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Held {
    /// The number.
    pub number: i32,
    /// Its record.
    pub record: Record,
}

/// A number whose holder is gone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Abandoned {
    /// The number and its record.
    pub held: Held,
    /// The record of the pod that held it, if there is one.
    pub of_pod: Option<Record>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The record of the pod.
    PodRecord(Option<Record>),
    /// The record of the number that was asked for.
    NumberRecord(Option<Record>),
    /// The records of the range. If it is large, only some of them.
    Numbers {
        /// Numbers that are held.
        held: Vec<Held>,
        /// A number without a record, chosen at random.
        free: Option<i32>,
    },
    /// Whether the pod lives.
    Lives(bool),
    /// A number whose holder is gone, chosen at random; `None` if each holder lives.
    Gone(Option<Abandoned>),
    /// Whether the swap was made.
    Swapped(bool),
    /// The last effect failed, or its answer was lost. It may have been carried out.
    Failed,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Read the record of the pod.
    ReadPodRecord,
    /// Read the record of this number.
    ReadNumberRecord(i32),
    /// Read the records of the range.
    ReadNumbers,
    /// Ask the API server whether the pod lives.
    AskWhetherPodLives,
    /// Ask the API server which of these holders is gone, and read the record of that pod.
    FindGone(Vec<Held>),
    /// Make these changes in one step.
    Swap(Vec<Change>),
    /// Nothing: the claim has ended.
    End(End),
}

/// How a claim ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// The pod holds this number.
    Held {
        /// The number.
        number: i32,
        /// Whether this claim gave it to the pod.
        is_new: bool,
    },
    /// Each number of the range is held by another pod that lives.
    Exhausted,
    /// The pod does not live any more.
    PodGone,
}

impl Claim {
    /// A claim, and its first effect.
    pub fn start(range: LeaseRange, pod: Pod) -> (Self, Effect) {
        let state = State::ReadingPod;
        (Self { range, pod, state }, Effect::ReadPodRecord)
    }

    /// The numbers of which the pod gets one.
    pub fn range(&self) -> &LeaseRange {
        &self.range
    }

    /// The pod.
    pub fn pod(&self) -> &Pod {
        &self.pod
    }

    /// Whether it has answered [`Effect::End`].
    pub fn has_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// What to do next.
    ///
    /// # Errors
    /// A record that no kees wrote.
    pub fn on(&mut self, event: Event) -> Result<Effect, LeaseError> {
        let state = std::mem::replace(&mut self.state, State::Ended);
        Ok(match (state, event) {
            (State::ReadingPod, Event::PodRecord(None)) => {
                self.state = State::ReadingNumbers;
                Effect::ReadNumbers
            }
            (State::ReadingPod, Event::PodRecord(Some(of_pod))) => {
                let number = self.number_in(&of_pod)?;
                self.state = State::ReadingNumber { of_pod, number };
                Effect::ReadNumberRecord(number)
            }
            (State::ReadingNumber { of_pod, number }, Event::NumberRecord(record)) => {
                self.on_number(of_pod, number, record)
            }
            (State::ReadingNumbers, Event::Numbers { held, free }) => self.on_numbers(held, free),
            (State::Asking { changes, number }, Event::Lives(true)) => {
                self.swap(changes, Some(number))
            }
            (State::Asking { .. }, Event::Lives(false)) => Effect::End(End::PodGone),
            (State::FindingGone, Event::Gone(None)) => Effect::End(End::Exhausted),
            (State::FindingGone, Event::Gone(Some(gone))) => self.take_over(gone),
            (
                State::Swapping {
                    number: Some(number),
                },
                Event::Swapped(true),
            ) => Effect::End(End::Held {
                number,
                is_new: true,
            }),
            // Another step came first, only the way was cleared, or nothing is known.
            _ => {
                self.state = State::ReadingPod;
                Effect::ReadPodRecord
            }
        })
    }

    /// The pod has a record, or an earlier pod of its name has.
    fn on_number(&mut self, of_pod: Record, number: i32, record: Option<Record>) -> Effect {
        let own = self.pod.holding(number);
        let is_own = of_pod == own;
        if is_own && record.as_ref() == Some(&self.pod.as_holder()) {
            return Effect::End(End::Held {
                number,
                is_new: false,
            });
        }
        let is_of_this_name = record.as_ref().is_none_or(|record| {
            record.value == self.pod.name && (record.pod.is_none() || record.pod == of_pod.pod)
        });
        let of_pod = |new| Change {
            path: self.pod.path(&self.range),
            expected: Some(of_pod),
            new,
        };
        if !is_of_this_name {
            let changes = vec![of_pod(None)];
            return self.swap(changes, None);
        }
        let changes = vec![self.number_becomes_own(number, record), of_pod(Some(own))];
        self.ask(changes, number)
    }

    fn on_numbers(&mut self, held: Vec<Held>, free: Option<i32>) -> Effect {
        let own = self.pod.as_holder();
        let known = held.iter().find(|held| {
            let Record { value, pod } = &held.record;
            *value == own.value && (pod.is_none() || *pod == own.pod)
        });
        if let Some(Held { number, record }) = known {
            let (number, record) = (*number, record.clone());
            let changes = vec![
                self.number_becomes_own(number, Some(record)),
                self.pod_gets(number),
            ];
            return self.ask(changes, number);
        }
        if let Some(number) = free {
            let changes = vec![self.number_becomes_own(number, None), self.pod_gets(number)];
            return self.swap(changes, Some(number));
        }
        self.state = State::FindingGone;
        Effect::FindGone(held)
    }

    fn take_over(&mut self, gone: Abandoned) -> Effect {
        let Abandoned { held, of_pod } = gone;
        let mut changes = vec![
            self.number_becomes_own(held.number, Some(held.record.clone())),
            self.pod_gets(held.number),
        ];
        changes.extend(held.record.path_of_pod(&self.range).and_then(|path| {
            let expected = of_pod?;
            let is_its =
                expected.pod == held.record.pod && expected.value == held.number.to_string();
            is_its.then_some(Change {
                path,
                expected: Some(expected),
                new: None,
            })
        }));
        self.swap(changes, Some(held.number))
    }

    fn number_in(&self, of_pod: &Record) -> Result<i32, LeaseError> {
        let number = of_pod.value.parse().ok();
        let number = number.filter(|number| self.range.contains(*number));
        number.ok_or_else(|| LeaseError::NoNumber(self.pod.path(&self.range)))
    }

    fn number_becomes_own(&self, number: i32, expected: Option<Record>) -> Change {
        Change {
            path: self.range.number_path(number),
            expected,
            new: Some(self.pod.as_holder()),
        }
    }

    fn pod_gets(&self, number: i32) -> Change {
        Change {
            path: self.pod.path(&self.range),
            expected: None,
            new: Some(self.pod.holding(number)),
        }
    }

    fn ask(&mut self, changes: Vec<Change>, number: i32) -> Effect {
        self.state = State::Asking { changes, number };
        Effect::AskWhetherPodLives
    }

    fn swap(&mut self, changes: Vec<Change>, number: Option<i32>) -> Effect {
        self.state = State::Swapping { number };
        Effect::Swap(changes)
    }
}
