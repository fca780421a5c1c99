//! Frees the number of a pod that is gone: an event in, an effect out, as for
//! [`Claim`](super::Claim).
//!
//! The record of the number and the record of the pod are deleted in one step, each on the condition
//! that it is still that pod's. So a release that comes late, when another pod has the number, changes
//! nothing.

use kees_common::{LeaseRange, StoragePath};

use super::{Change, LeaseError, Pod, Record};

/// One controller that frees a number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Release {
    range: LeaseRange,
    pod_path: StoragePath,
    /// The record of a number that the pod holds.
    holder: Record,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum State {
    ReadingPod,
    ReadingNumber { of_pod: Record, number: i32 },
    Swapping { number: Option<i32> },
    Ended,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReleaseEvent {
    /// The record of the pod.
    PodRecord(Option<Record>),
    /// The record of the number that was asked for.
    NumberRecord(Option<Record>),
    /// Whether the swap was made.
    Swapped(bool),
    /// The last effect failed, or its answer was lost. It may have been carried out.
    Failed,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReleaseEffect {
    /// Read the record of the pod.
    ReadPodRecord,
    /// Read the record of this number.
    ReadNumberRecord(i32),
    /// Make these changes in one step.
    Swap(Vec<Change>),
    /// Nothing: the release has ended. The number that was freed, if the pod held one.
    End(Option<i32>),
}

impl Release {
    /// A release of what `pod`, which is gone, holds in `range`, and its first effect.
    pub fn start(range: LeaseRange, pod: &Pod) -> (Self, ReleaseEffect) {
        let release = Self {
            pod_path: pod.path(&range),
            range,
            holder: pod.as_holder(),
            state: State::ReadingPod,
        };
        (release, ReleaseEffect::ReadPodRecord)
    }

    /// The path of the record of the pod.
    pub fn pod_path(&self) -> &StoragePath {
        &self.pod_path
    }

    /// Whether it has answered [`ReleaseEffect::End`].
    pub fn has_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// What to do next.
    ///
    /// # Errors
    /// A record that no kees wrote.
    pub fn on(&mut self, event: ReleaseEvent) -> Result<ReleaseEffect, LeaseError> {
        let state = std::mem::replace(&mut self.state, State::Ended);
        Ok(match (state, event) {
            (State::ReadingPod, ReleaseEvent::PodRecord(of_pod)) => {
                // A later pod of this name may have the record now.
                let Some(of_pod) = of_pod.filter(|record| record.pod == self.holder.pod) else {
                    return Ok(ReleaseEffect::End(None));
                };
                let number = of_pod.value.parse().ok();
                let number = number.filter(|number| self.range.contains(*number));
                let number = number.ok_or_else(|| LeaseError::NoNumber(self.pod_path.clone()))?;
                self.state = State::ReadingNumber { of_pod, number };
                ReleaseEffect::ReadNumberRecord(number)
            }
            (State::ReadingNumber { of_pod, number }, ReleaseEvent::NumberRecord(record)) => {
                let record = record.filter(|record| *record == self.holder);
                let freed = record.as_ref().map(|_| number);
                let mut changes = vec![deletion(self.pod_path.clone(), of_pod)];
                let path = self.range.number_path(number);
                changes.extend(record.map(|record| deletion(path, record)));
                self.state = State::Swapping { number: freed };
                ReleaseEffect::Swap(changes)
            }
            (State::Swapping { number }, ReleaseEvent::Swapped(true)) => ReleaseEffect::End(number),
            _ => {
                self.state = State::ReadingPod;
                ReleaseEffect::ReadPodRecord
            }
        })
    }
}

/// The deletion of `record`.
pub(super) fn deletion(path: StoragePath, record: Record) -> Change {
    Change {
        path,
        expected: Some(record),
        new: None,
    }
}
