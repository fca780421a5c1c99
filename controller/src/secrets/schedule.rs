//! When each job runs: at once when it changes or a Secret of it was changed by somebody else, and else after the period,
//! or after growing pauses if it failed.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use super::{candidate::Target, wanted::Job, watch::Change, write::State};

/// The pause after the first attempt that failed. Each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause after errors.
const LONGEST_PAUSE: Duration = Duration::from_mins(2);

/// The longest pause while a value does not exist, or something else has a Secret.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// All jobs.
pub(super) struct Schedule {
    period: Duration,
    /// By the Secrets that they write, which no two jobs share.
    jobs: HashMap<BTreeSet<Target>, Planned>,
    job_of: HashMap<Target, BTreeSet<Target>>,
}

struct Planned {
    job: Arc<Job>,
    next: Instant,
    is_running: bool,
    /// The attempts that failed in a row.
    failed: u32,
    /// What the job was like when it ran last.
    fingerprint: Option<u64>,
    /// The versions of the Secrets that are as they have to be.
    right: HashMap<Target, String>,
    is_failing: bool,
}

impl Schedule {
    pub(super) fn new(period: Duration) -> Self {
        Self {
            period,
            jobs: HashMap::new(),
            job_of: HashMap::new(),
        }
    }

    /// These are all jobs now. A job that is new or has changed is due.
    pub(super) fn set(&mut self, jobs: Vec<Arc<Job>>) {
        let mut before = std::mem::take(&mut self.jobs);
        self.job_of.clear();
        for job in jobs {
            let targets = job.targets.clone();
            for target in &targets {
                self.job_of.insert(target.clone(), targets.clone());
            }
            let mut planned = before.remove(&targets).unwrap_or_else(|| Planned {
                job: Arc::clone(&job),
                next: Instant::now(),
                is_running: false,
                failed: 0,
                fingerprint: None,
                right: HashMap::new(),
                is_failing: false,
            });
            if planned.fingerprint != Some(job.fingerprint)
                && planned.job.fingerprint != job.fingerprint
            {
                planned.next = Instant::now();
                planned.failed = 0;
            }
            planned.job = job;
            self.jobs.insert(targets, planned);
        }
    }

    /// A job that is due, if there is one. It runs from now on.
    pub(super) fn start_next(&mut self) -> Option<Arc<Job>> {
        let now = Instant::now();
        let open = self.jobs.values_mut().filter(|of| !of.is_running);
        let first = open.min_by_key(|of| of.next)?;
        if first.next > now {
            return None;
        }
        first.is_running = true;
        first.fingerprint = Some(first.job.fingerprint);
        Some(Arc::clone(&first.job))
    }

    /// When the next job is due.
    pub(super) fn next(&self) -> Option<Instant> {
        let open = self.jobs.values().filter(|of| !of.is_running);
        open.map(|of| of.next).min()
    }

    /// A job has run.
    pub(super) fn done(&mut self, job: &Job, states: Vec<(Target, State)>) {
        let period = self.period;
        let Some(planned) = self.jobs.get_mut(&job.targets) else {
            return;
        };
        planned.is_running = false;
        let of = |state: &State| states.iter().any(|(_, other)| other == state);
        let longest = if of(&State::Failed) {
            Some(LONGEST_PAUSE)
        } else if of(&State::Waits) || of(&State::Blocked) {
            Some(LONGEST_WAIT)
        } else {
            None
        };
        planned.is_failing = longest.is_some();
        planned.failed = longest.map_or(0, |_| planned.failed + 1);
        let pause = longest.map_or(period, |longest| {
            let doubled = 2_u32.saturating_pow(planned.failed.saturating_sub(1));
            FIRST_PAUSE.saturating_mul(doubled).min(longest)
        });
        planned.right = states
            .into_iter()
            .filter_map(|(target, state)| match state {
                State::Right(version) => Some((target, version)),
                State::Waits | State::Blocked | State::Failed => None,
            })
            .collect();
        let has_changed = planned.fingerprint != Some(planned.job.fingerprint);
        // Jobs that began together do not stay together.
        let pause = pause.mul_f64(1.0 - 0.1 * fastrand::f64());
        planned.next = Instant::now() + if has_changed { Duration::ZERO } else { pause };
    }

    /// Somebody wrote or deleted a Secret. Its job is due, unless it was this controller.
    pub(super) fn changed(&mut self, change: &Change) {
        match change {
            Change::Written(target, version) => {
                let Some(planned) = self.planned(target) else {
                    return;
                };
                if planned
                    .right
                    .get(target)
                    .is_some_and(|right| right != version)
                {
                    planned.next = Instant::now();
                }
            }
            Change::Deleted(target) => {
                if let Some(planned) = self.planned(target) {
                    planned.next = Instant::now();
                }
            }
            Change::Listed(targets) => {
                for planned in self.jobs.values_mut() {
                    if planned.right.keys().any(|right| !targets.contains(right)) {
                        planned.next = Instant::now();
                    }
                }
            }
        }
    }

    fn planned(&mut self, target: &Target) -> Option<&mut Planned> {
        let targets = self.job_of.get(target)?;
        self.jobs.get_mut(targets)
    }

    /// How many Secrets there are to write, and how many of them belong to jobs that failed.
    pub(super) fn counts(&self) -> (usize, usize) {
        let failing = self.jobs.values().filter(|of| of.is_failing);
        let failing = failing.map(|of| of.job.targets.len() - of.right.len());
        (self.job_of.len(), failing.sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(name: &str) -> Target {
        ("team-a".to_owned(), name.to_owned())
    }

    fn job(fingerprint: u64) -> Arc<Job> {
        Arc::new(Job {
            targets: [target("web")].into(),
            candidates: Vec::new(),
            fingerprint,
        })
    }

    fn right(version: &str) -> Vec<(Target, State)> {
        vec![(target("web"), State::Right(version.to_owned()))]
    }

    const PERIOD: Duration = Duration::from_mins(10);

    /// A schedule whose one job has run.
    fn ran(states: Vec<(Target, State)>) -> Schedule {
        let mut schedule = Schedule::new(PERIOD);
        schedule.set(vec![job(1)]);
        let job = schedule.start_next().unwrap();
        assert!(schedule.start_next().is_none(), "it runs");
        schedule.done(&job, states);
        schedule
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_runs_again_after_the_period_or_when_it_changes() {
        let mut schedule = ran(right("1"));
        schedule.set(vec![job(1)]);
        assert!(schedule.start_next().is_none());
        let next = schedule.next().unwrap() - Instant::now();
        assert!(PERIOD.mul_f64(0.9) <= next && next <= PERIOD, "{next:?}");
        schedule.set(vec![job(2)]);
        assert!(schedule.start_next().is_some());
        tokio::time::advance(PERIOD).await;
        let mut schedule = ran(right("1"));
        tokio::time::advance(PERIOD).await;
        assert!(schedule.start_next().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_that_changes_while_it_runs_runs_again() {
        let mut schedule = Schedule::new(PERIOD);
        schedule.set(vec![job(1)]);
        let running = schedule.start_next().unwrap();
        schedule.set(vec![job(2)]);
        assert!(schedule.start_next().is_none());
        schedule.done(&running, right("1"));
        assert_eq!(schedule.start_next().unwrap().fingerprint, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_after_errors_and_stay_short_while_it_waits() {
        for (state, longest) in [
            (State::Failed, LONGEST_PAUSE),
            (State::Waits, LONGEST_WAIT),
            (State::Blocked, LONGEST_WAIT),
        ] {
            let mut schedule = ran(vec![(target("web"), state.clone())]);
            assert_eq!(schedule.counts(), (1, 1));
            let mut expected = FIRST_PAUSE;
            for _ in 0..12 {
                let pause = schedule.next().unwrap() - Instant::now();
                assert!(
                    expected.mul_f64(0.9) <= pause && pause <= expected,
                    "{pause:?}"
                );
                tokio::time::advance(pause).await;
                let job = schedule.start_next().unwrap();
                schedule.done(&job, vec![(target("web"), state.clone())]);
                expected = (expected * 2).min(longest);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_somebody_else_does_to_a_secret_is_looked_at_at_once() {
        let mut schedule = ran(right("7"));
        schedule.changed(&Change::Written(target("web"), "7".to_owned()));
        schedule.changed(&Change::Written(target("other"), "9".to_owned()));
        schedule.changed(&Change::Listed([target("web")].into()));
        assert!(schedule.start_next().is_none());
        schedule.changed(&Change::Written(target("web"), "8".to_owned()));
        assert!(schedule.start_next().is_some());

        let mut schedule = ran(right("7"));
        schedule.changed(&Change::Deleted(target("web")));
        assert!(schedule.start_next().is_some());

        let mut schedule = ran(right("7"));
        schedule.changed(&Change::Listed(BTreeSet::new()));
        assert!(schedule.start_next().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_that_nobody_wants_any_more_is_forgotten() {
        let mut schedule = ran(right("7"));
        schedule.set(Vec::new());
        assert_eq!((schedule.next(), schedule.counts()), (None, (0, 0)));
    }
}
