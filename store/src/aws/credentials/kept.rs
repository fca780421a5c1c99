//! The credentials that were found last, or why there were none.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use tokio::{sync::Mutex, time::Instant};

use crate::aws::error::AwsError;

/// How long before their expiry credentials are replaced.
const BEFORE_EXPIRY: Duration = Duration::from_mins(1);

type Found = Result<Credentials, AwsError>;

/// What was found last.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<Option<(Instant, Found)>>);

impl Kept {
    /// What is kept, if it can still be used, else what `find` returns. Who has waited for somebody else's call gets its
    /// error too, instead of making the same call once more.
    pub(super) async fn get_or(&self, find: impl Future<Output = Found>) -> Found {
        let begin = Instant::now();
        let mut kept = self.0.lock().await;
        if let Some((end, found)) = &*kept
            && (is_usable(found) || (found.is_err() && *end >= begin))
        {
            return found.clone();
        }
        let found = find.await;
        *kept = Some((Instant::now(), found.clone()));
        found
    }
}

fn is_usable(found: &Found) -> bool {
    let is_current = |end| end > SystemTime::now() + BEFORE_EXPIRY;
    let credentials = found.as_ref().ok();
    credentials.is_some_and(|credentials| credentials.expiry().is_none_or(is_current))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::time::sleep;

    use super::*;
    use crate::ErrorKind;

    /// The credentials expire after so many seconds.
    fn credentials(seconds: u64) -> Credentials {
        let expiry = SystemTime::now() + Duration::from_secs(seconds);
        Credentials::new("key", "secret", None, Some(expiry), "test")
    }

    async fn after_a_second(calls: &AtomicUsize, found: Found) -> Found {
        calls.fetch_add(1, Ordering::Relaxed);
        sleep(Duration::from_secs(1)).await;
        found
    }

    fn error() -> AwsError {
        AwsError::new(ErrorKind::Unreachable, "no", "wait")
    }

    #[tokio::test(start_paused = true)]
    async fn credentials_are_found_once_until_shortly_before_they_expire() {
        let (kept, calls) = (Kept::default(), AtomicUsize::new(0));
        let get = |seconds| kept.get_or(after_a_second(&calls, Ok(credentials(seconds))));
        let (first, second) = tokio::join!(get(3600), get(3600));
        assert!(first.is_ok() && second.is_ok() && get(3600).await.is_ok());
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        let (kept, calls) = (Kept::default(), AtomicUsize::new(0));
        let get = |seconds| kept.get_or(after_a_second(&calls, Ok(credentials(seconds))));
        assert!(get(59).await.is_ok() && get(3600).await.is_ok());
        assert_eq!(calls.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_is_for_all_who_waited_for_it_and_for_nobody_later() {
        let (kept, calls) = (Kept::default(), AtomicUsize::new(0));
        let get = || kept.get_or(after_a_second(&calls, Err(error())));
        let (first, second) = tokio::join!(get(), get());
        assert!(first.is_err() && second.is_err());
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        sleep(Duration::from_millis(1)).await;
        assert!(get().await.is_err());
        assert_eq!(calls.load(Ordering::Relaxed), 2);
    }
}
