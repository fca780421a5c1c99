//! When a call must end, and whether it has begun to change something until then.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{Arc, OnceLock},
    task::Poll,
    time::Duration,
};

use tokio::time::{Instant, sleep_until, timeout_at};

use super::error::OperationError;

/// When a call must end. Afterwards nothing is begun. What is begun is finished. Clones are the same deadline.
#[derive(Debug, Clone)]
pub struct Deadline {
    at: Instant,
    first: Arc<OnceLock<First>>,
}

/// What came first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    Change,
    End,
}

impl Deadline {
    /// A deadline in `time` from now.
    pub fn after(time: Duration) -> Self {
        Self {
            at: Instant::now() + time,
            first: Arc::default(),
        }
    }

    /// Waits for something that changes nothing.
    ///
    /// # Errors
    /// The deadline comes first.
    pub async fn limit<T>(&self, reading: impl Future<Output = T>) -> Result<T, OperationError> {
        timeout_at(self.at, reading)
            .await
            .map_err(|_| OperationError::Deadline)
    }

    /// Is called before something is changed.
    ///
    /// # Errors
    /// The deadline has come, and the change must not be made.
    pub(super) fn begin_change(&self) -> Result<(), OperationError> {
        if Instant::now() >= self.at || self.first(First::Change) == First::End {
            return Err(OperationError::Deadline);
        }
        Ok(())
    }

    /// Whether a change has begun.
    pub fn has_begun_change(&self) -> bool {
        self.first.get() == Some(&First::Change)
    }

    /// Waits for the deadline, and returns the error of the call. Afterwards no change begins any more, so the
    /// error can say whether there was one.
    pub async fn passed(&self) -> OperationError {
        let mut sleep = pin!(sleep_until(self.at));
        // tonic waits for a time that is a little later, and polls this future before its own timer. The clock
        // decides here, because tonic would answer if this timer was late.
        poll_fn(|context| {
            if Instant::now() >= self.at {
                return Poll::Ready(());
            }
            sleep.as_mut().poll(context)
        })
        .await;
        match self.first(First::End) {
            First::End => OperationError::Deadline,
            First::Change => OperationError::OutcomeOpen,
        }
    }

    fn first(&self, now: First) -> First {
        *self.first.get_or_init(|| now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nothing_begins_after_the_deadline() {
        let deadline = Deadline::after(Duration::from_secs(1));
        deadline.begin_change().unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        let error = deadline.begin_change().unwrap_err();
        assert!(matches!(error, OperationError::Deadline));
        assert!(matches!(
            deadline.passed().await,
            OperationError::OutcomeOpen
        ));
    }

    /// The answer says that nothing was changed, so nothing may begin, even if the clock of the task is late.
    #[tokio::test(start_paused = true)]
    async fn nothing_begins_after_the_caller_was_told_so() {
        let deadline = Deadline::after(Duration::from_secs(1));
        assert!(matches!(deadline.passed().await, OperationError::Deadline));
        let late = Deadline {
            at: Instant::now() + Duration::from_secs(1),
            first: deadline.first,
        };
        late.begin_change().unwrap_err();
    }
}
