//! Waiting for a condition, with a deadline.

use std::time::Duration;

use anyhow::Context as _;
use backon::{BlockingRetryable as _, ConstantBuilder};

const INTERVAL: Duration = Duration::from_millis(100);

/// Calls `probe` until it succeeds. After `deadline`, returns its last error. The deadline counts the pauses between the
/// calls and not the calls, so that a busy machine has more time.
pub fn eventually<T>(
    what: &str,
    deadline: Duration,
    probe: impl FnMut() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let attempts = deadline.as_millis().div_ceil(INTERVAL.as_millis());
    probe
        .retry(
            ConstantBuilder::new()
                .with_delay(INTERVAL)
                .with_max_times(usize::try_from(attempts)?),
        )
        .call()
        .with_context(|| format!("no {what} within {} s", deadline.as_secs()))
}
