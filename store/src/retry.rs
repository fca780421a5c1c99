//! How long a run waits for its stores, and how it spaces its attempts.

use std::{future::Future, time::Duration};

use tokio::time::{Instant, timeout};

/// The time that a run may still wait for its stores: `TIMEOUT` at the beginning. Only
/// [`RetryBudget::wait`] uses it up, so the time in which keys are generated does not count.
#[derive(Debug, PartialEq, Eq)]
pub struct RetryBudget {
    left: Duration,
}

impl RetryBudget {
    /// A budget of `left`.
    pub fn new(left: Duration) -> Self {
        Self { left }
    }

    /// How much is left.
    pub fn left(&self) -> Duration {
        self.left
    }

    /// Waits for `something`. `None` if the budget is spent first; `something` is dropped then.
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
}

/// The pauses between attempts: exponential backoff with full jitter. Each pause is drawn from a
/// window that starts at zero and is twice as long as the one before, so that pods that are
/// throttled together do not try again together.
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
    async fn a_budget_is_spent_only_while_something_is_waited_for() {
        let mut budget = RetryBudget::new(Duration::from_secs(3));
        let second = tokio::time::sleep(Duration::from_secs(1));
        assert_eq!(budget.wait(second).await, Some(()));
        tokio::time::advance(Duration::from_mins(1)).await;
        assert_eq!(budget.left(), Duration::from_secs(2));
        assert_eq!(budget.wait(pending::<()>()).await, None);
        assert_eq!(budget.left(), Duration::ZERO);
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
            // Of 200 pauses at least one is in each half, except with a probability of 2^-199.
            assert!(pauses.iter().any(|pause| *pause < window / 2), "{nth}");
            assert!(pauses.iter().any(|pause| *pause > window / 2), "{nth}");
        }
    }
}
