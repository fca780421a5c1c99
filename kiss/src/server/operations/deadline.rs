//! When a call must end.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::error::OperationError;

/// When a call must end. Afterwards nothing is begun. What is begun is finished.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Instant);

impl Deadline {
    /// A deadline in `time` from now.
    pub fn after(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    /// Waits for something that changes nothing.
    ///
    /// # Errors
    /// The deadline comes first.
    pub async fn limit<T>(self, reading: impl Future<Output = T>) -> Result<T, OperationError> {
        timeout_at(self.0, reading)
            .await
            .map_err(|_| OperationError::Deadline)
    }

    /// Is called before something is changed.
    ///
    /// # Errors
    /// The deadline has come.
    pub(super) fn check(self) -> Result<(), OperationError> {
        if Instant::now() >= self.0 {
            return Err(OperationError::Deadline);
        }
        Ok(())
    }
}
