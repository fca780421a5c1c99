//! A rollout that this controller has begun, until it is complete or makes no progress.

use std::time::Duration;

use tokio::time::Instant;

use super::workload::{Place, Rollout};

/// A rollout that is not known to be complete.
#[derive(Debug, Clone)]
pub(super) struct UnderWay {
    pub(super) place: Place,
    /// What was seen last; `None` before the first look.
    last: Option<Rollout>,
    /// Since when this was seen.
    since: Instant,
}

/// What a look at a rollout shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    GoesOn,
    Complete,
    /// Nothing has changed for too long.
    Stalled,
}

impl UnderWay {
    pub(super) fn new(place: Place) -> Self {
        Self {
            place,
            last: None,
            since: Instant::now(),
        }
    }

    /// Notes how far the rollout is, or that it cannot be seen. It stalls when nothing changes for
    /// `longest`.
    pub(super) fn look(&mut self, rollout: Option<Rollout>, longest: Duration) -> Progress {
        if rollout.is_some_and(Rollout::is_complete) {
            return Progress::Complete;
        }
        if rollout.is_some() && self.last != rollout {
            self.last = rollout;
            self.since = Instant::now();
        }
        if self.since.elapsed() >= longest {
            Progress::Stalled
        } else {
            Progress::GoesOn
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restarts::workload::Kind;

    const LONGEST: Duration = Duration::from_mins(10);

    fn rollout(updated: i32, available: i32) -> Rollout {
        Rollout {
            is_observed: true,
            pods: 3,
            to_update: 3,
            updated,
            old: 3 - updated,
            available,
        }
    }

    fn under_way() -> UnderWay {
        UnderWay::new(Place {
            kind: Kind::StatefulSet,
            namespace: "team-a".to_owned(),
            name: "db".to_owned(),
            uid: "1".to_owned(),
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_rollout_goes_on_as_long_as_something_changes() {
        let mut db = under_way();
        for updated in 0..3 {
            assert_eq!(
                db.look(Some(rollout(updated, 3)), LONGEST),
                Progress::GoesOn
            );
            tokio::time::advance(LONGEST / 2).await;
        }
        let last = rollout(3, 2);
        assert_eq!(db.look(Some(last), LONGEST), Progress::GoesOn);
        assert_eq!(db.look(Some(rollout(3, 3)), LONGEST), Progress::Complete);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rollout_without_progress_stalls_also_if_it_cannot_be_seen() {
        let mut db = under_way();
        assert_eq!(db.look(Some(rollout(1, 2)), LONGEST), Progress::GoesOn);
        tokio::time::advance(LONGEST / 2).await;
        assert_eq!(db.look(None, LONGEST), Progress::GoesOn);
        tokio::time::advance(LONGEST / 2).await;
        assert_eq!(db.look(Some(rollout(1, 2)), LONGEST), Progress::Stalled);
        let mut unseen = under_way();
        tokio::time::advance(LONGEST).await;
        assert_eq!(unseen.look(None, LONGEST), Progress::Stalled);
    }
}
