//! How long a run waits for its stores, and how it spaces its attempts.

use std::{future::Future, time::Duration};

use tokio::time::{Instant, sleep, timeout};

/// How much longer a run waits for its stores: `TIMEOUT` at first. It runs out only while
/// something is waited for through [`RetryBudget::wait`], so that time spent generating keys does not
/// count. A copy runs out on its own: give one to each of several things that wait side by side,
/// and go on with the smallest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RetryBudget {
    left: Duration,
}

impl RetryBudget {
    /// RetryBudget for `left` of waiting in all.
    pub fn new(left: Duration) -> Self {
        Self { left }
    }

    /// What is left.
    pub fn left(&self) -> Duration {
        self.left
    }

    /// Waits for `something`; `None` if budget ran out first, and `something` is dropped.
    pub async fn wait<T>(&mut self, something: impl Future<Output = T>) -> Option<T> {
        let begun = Instant::now();
        let outcome = timeout(self.left, something).await.ok();
        self.left = if outcome.is_some() {
            self.left.saturating_sub(begun.elapsed())
        } else {
            Duration::ZERO
        };
        outcome
    }

    /// Sleeps for `length` before another attempt. `false` at once, and without sleeping, where
    /// nothing would be left for that attempt.
    #[must_use = "without budget there is no other attempt"]
    pub async fn pause(&mut self, length: Duration) -> bool {
        length < self.left && self.wait(sleep(length)).await.is_some()
    }
}

/// The pauses between attempts: exponential with full jitter, each between nothing and twice what
/// the one before could be at most, so that a thousand pods that start together, or are throttled
/// together, spread out. Never ends; [`RetryBudget`] does.
#[derive(Debug, Clone)]
pub struct Backoff {
    longest: Duration,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(5);

    /// The next pause.
    pub fn pause(&mut self) -> Duration {
        let pause = self.longest.mul_f64(fastrand::f64());
        self.longest = (self.longest * 2).min(Self::LONGEST);
        pause
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            longest: Self::FIRST,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn patience_runs_out_only_while_something_is_waited_for() {
        let mut budget = RetryBudget::new(Duration::from_secs(3));
        assert!(budget.pause(Duration::from_secs(1)).await);
        tokio::time::advance(Duration::from_mins(1)).await;
        assert_eq!(budget.left(), Duration::from_secs(2));
        assert_eq!(budget.wait(pending::<()>()).await, None);
        assert_eq!(budget.left(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_that_leaves_no_time_for_an_attempt_is_not_slept() {
        let begun = Instant::now();
        let mut budget = RetryBudget::new(Duration::from_secs(1));
        assert!(!budget.pause(Duration::from_secs(1)).await);
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[test]
    fn pauses_are_spread_over_windows_that_double_up_to_five_seconds() {
        for (nth, window) in [
            (0, 100),
            (1, 200),
            (2, 400),
            (5, 3200),
            (6, 5000),
            (60, 5000),
        ] {
            let window = Duration::from_millis(window);
            let pauses: Vec<_> = (0..200)
                .map(|_| {
                    let mut backoff = Backoff::default();
                    (0..nth).for_each(|_| {
                        backoff.pause();
                    });
                    backoff.pause()
                })
                .collect();
            assert!(pauses.iter().all(|pause| *pause <= window), "{nth}");
            // Of 200, one lies in each half but for a chance of 2^-199.
            assert!(pauses.iter().any(|pause| *pause < window / 2), "{nth}");
            assert!(pauses.iter().any(|pause| *pause > window / 2), "{nth}");
        }
    }
}
