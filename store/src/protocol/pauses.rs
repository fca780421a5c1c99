//! How long a driver pauses, and when there is no time for another attempt.

use std::{collections::HashMap, time::Duration};

use super::machine::{Pause, WhenAbsent};
use crate::Backoff;

/// How long an incomplete generation is read again before it is an error. The original kees stores
/// a pair with one call after the other.
const INCOMPLETE: Duration = Duration::from_secs(10);

/// The least time for a read. With less time it could not end before the deadline.
const LAST_READ: Duration = Duration::from_millis(200);

/// The pauses of the members of a group.
#[derive(Debug)]
pub(super) struct Pauses {
    retry_delay: Option<Duration>,
    backoffs: HashMap<(usize, Pause), Backoff>,
    /// The budget that is left when an incomplete generation becomes an error.
    incomplete_until: HashMap<usize, Duration>,
}

impl Pauses {
    /// `retry_delay`: the pause between two reads of an absent value, instead of a backoff.
    pub(super) fn new(retry_delay: Option<Duration>) -> Self {
        Self {
            retry_delay,
            backoffs: HashMap::new(),
            incomplete_until: HashMap::new(),
        }
    }

    /// A read of this member succeeded, so the next error starts again with the shortest pause.
    pub(super) fn read_succeeded(&mut self, member: usize) {
        self.backoffs.remove(&(member, Pause::RetryRead));
    }

    /// The length of the next pause of these members. `None` if no time would be left after it.
    pub(super) fn next(
        &mut self,
        pause: Pause,
        members: &[usize],
        when_absent: WhenAbsent,
        left: Duration,
    ) -> Option<Duration> {
        let backoff = self.backoff(pause, members);
        match (pause, members) {
            (Pause::Absent, _) => {
                // If the operator sets no delay, the last read is close to the deadline.
                let length = self.retry_delay.unwrap_or(backoff.min(left / 2));
                (left >= LAST_READ && length < left).then_some(length)
            }
            (Pause::Incomplete, [member]) => {
                let until = self.incomplete_until(*member, when_absent, left);
                let remaining = left.saturating_sub(until);
                if until.is_zero() {
                    (left >= LAST_READ).then_some(backoff.min(left / 2))
                } else {
                    // The last read is at the deadline.
                    (!remaining.is_zero()).then_some(backoff.min(remaining))
                }
            }
            _ => (backoff < left).then_some(backoff),
        }
    }

    /// Members that pause together also back off together.
    fn backoff(&mut self, pause: Pause, members: &[usize]) -> Duration {
        let mut drawn = None;
        for member in members {
            let length = self.backoffs.entry((*member, pause)).or_default().pause();
            drawn.get_or_insert(length);
        }
        drawn.unwrap_or_default()
    }

    fn incomplete_until(
        &mut self,
        member: usize,
        when_absent: WhenAbsent,
        left: Duration,
    ) -> Duration {
        *self.incomplete_until.entry(member).or_insert_with(|| {
            if when_absent == WhenAbsent::Wait {
                // It is created by another writer, which has the whole time of this run.
                Duration::ZERO
            } else {
                left.saturating_sub(INCOMPLETE)
            }
        })
    }
}
