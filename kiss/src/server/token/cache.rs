//! The provider's keys, as they were when they were read last.
//!
//! They are read at the start, then at an interval, and for a token with an unknown key id. Nobody needs
//! a valid token for the last, so it happens at most once in an interval of its own.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kees_common::error_chain;
use tokio::{
    sync::Mutex as AsyncMutex,
    time::{Instant, MissedTickBehavior, interval_at},
};

use super::{
    error::KeysError,
    fetch::{FetchError, KeySource},
    keys::KeySet,
};

/// How often keys are read, and how old they may become.
#[derive(Debug, Clone, Copy)]
pub struct KeyLimits {
    /// The time between two regular reads.
    pub refresh: Duration,
    /// The shortest time between two reads for unknown key ids.
    pub unknown: Duration,
    /// How long keys are used after they were read last.
    pub oldest: Duration,
}

/// The keys of a source.
pub struct KeyCache<S> {
    source: S,
    limits: KeyLimits,
    state: Mutex<State>,
    /// Held by the one that reads for an unknown key id: when the last such read began.
    unknown: AsyncMutex<Option<Instant>>,
}

struct State {
    keys: Arc<KeySet>,
    read: Instant,
}

impl<S: KeySource> KeyCache<S> {
    /// Reads the keys for the first time.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn start(source: S, limits: KeyLimits) -> Result<Self, FetchError> {
        let keys = Arc::new(source.fetch().await?);
        let state = State {
            keys,
            read: Instant::now(),
        };
        Ok(Self {
            source,
            limits,
            state: Mutex::new(state),
            unknown: AsyncMutex::new(None),
        })
    }

    /// The keys, read again if none has the id `key_id` and the last such read is long enough ago.
    ///
    /// # Errors
    /// The last read is too long ago.
    pub async fn keys(&self, key_id: &str) -> Result<Arc<KeySet>, KeysError> {
        let keys = self.fresh();
        if keys.as_ref().is_ok_and(|keys| keys.contains(key_id)) {
            return keys;
        }
        // Others with an unknown id wait for the same read.
        let mut last = self.unknown.lock().await;
        let keys = self.fresh();
        let is_known = keys.as_ref().is_ok_and(|keys| keys.contains(key_id));
        let is_too_soon = last.is_some_and(|last| last.elapsed() < self.limits.unknown);
        if is_known || is_too_soon {
            return keys;
        }
        *last = Some(Instant::now());
        self.read().await;
        self.fresh()
    }

    /// Reads the keys at an interval, forever.
    pub async fn refresh(&self) {
        let period = self.limits.refresh;
        let mut ticks = interval_at(Instant::now() + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.read().await;
        }
    }

    /// Seconds since the keys were read last.
    pub fn age(&self) -> Duration {
        self.state().read.elapsed()
    }

    /// Replaces the keys. If they cannot be read, the previous ones stay in use.
    async fn read(&self) {
        match self.source.fetch().await {
            Ok(keys) => {
                *self.state() = State {
                    keys: Arc::new(keys),
                    read: Instant::now(),
                };
            }
            Err(error) => {
                let error = error_chain::describe(&error);
                tracing::warn!(error, "the provider's keys are not read");
            }
        }
    }

    fn fresh(&self) -> Result<Arc<KeySet>, KeysError> {
        let state = self.state();
        if state.read.elapsed() > self.limits.oldest {
            return Err(KeysError);
        }
        Ok(Arc::clone(&state.keys))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::json;

    use super::*;

    /// Publishes the ids of the given numbers, one number for each read; `None` fails.
    struct Numbers {
        reads: AtomicUsize,
        published: Vec<Option<u32>>,
    }

    impl KeySource for Arc<Numbers> {
        async fn fetch(&self) -> Result<KeySet, FetchError> {
            let read = self.reads.fetch_add(1, Ordering::SeqCst);
            let last = self.published.len() - 1;
            match self.published[read.min(last)] {
                None => Err(FetchError::Status(503)),
                Some(number) => {
                    let key =
                        json!({"kty": "RSA", "kid": number.to_string(), "n": "AQAB", "e": "AQAB"});
                    Ok(KeySet::parse(json!({"keys": [key]}).to_string().as_bytes()).unwrap())
                }
            }
        }
    }

    const LIMITS: KeyLimits = KeyLimits {
        refresh: Duration::from_mins(5),
        unknown: Duration::from_mins(1),
        oldest: Duration::from_hours(1),
    };

    async fn cache(published: &[Option<u32>]) -> (Arc<Numbers>, KeyCache<Arc<Numbers>>) {
        let source = Arc::new(Numbers {
            reads: AtomicUsize::new(0),
            published: published.to_vec(),
        });
        let cache = KeyCache::start(Arc::clone(&source), LIMITS).await.unwrap();
        (source, cache)
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_unknown_ids_reads_the_keys_once_a_minute() {
        let (source, cache) = cache(&[Some(1), Some(2)]).await;
        let ids: Vec<_> = (10..1000).map(|id: u32| id.to_string()).collect();
        for _ in 0..2 {
            let reads = source.reads.load(Ordering::SeqCst);
            let flood = ids.iter().map(|id| cache.keys(id));
            for keys in futures_util::future::join_all(flood).await {
                assert!(keys.unwrap().contains("2"));
            }
            assert_eq!(source.reads.load(Ordering::SeqCst), reads + 1);
            tokio::time::advance(LIMITS.unknown).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_key_is_found_by_its_id() {
        let (source, cache) = cache(&[Some(1), Some(2)]).await;
        assert!(cache.keys("1").await.unwrap().contains("1"));
        assert_eq!(source.reads.load(Ordering::SeqCst), 1);
        assert!(cache.keys("2").await.unwrap().contains("2"));
        assert_eq!(source.reads.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_is_withdrawn_is_forgotten_at_the_next_read() {
        let (_, cache) = cache(&[Some(1), Some(2)]).await;
        let refresh = cache.refresh();
        tokio::select! {
            () = refresh => unreachable!(),
            () = tokio::time::sleep(LIMITS.refresh + Duration::from_secs(1)) => {}
        }
        assert!(!cache.keys("2").await.unwrap().contains("1"));
    }

    #[tokio::test(start_paused = true)]
    async fn keys_that_cannot_be_read_for_too_long_are_not_used() {
        let (source, cache) = cache(&[Some(1), None, None, Some(1)]).await;
        tokio::time::advance(LIMITS.oldest).await;
        cache.keys("1").await.unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(cache.keys("1").await.err(), Some(KeysError));
        assert_eq!(source.reads.load(Ordering::SeqCst), 2);
        // It recovers by the next call that is allowed to read.
        tokio::time::advance(LIMITS.unknown).await;
        assert_eq!(cache.keys("1").await.err(), Some(KeysError));
        tokio::time::advance(LIMITS.unknown).await;
        cache.keys("1").await.unwrap();
    }

    #[tokio::test]
    async fn without_keys_there_is_no_start() {
        let source = Arc::new(Numbers {
            reads: AtomicUsize::new(0),
            published: vec![None],
        });
        let error = KeyCache::start(source, LIMITS).await.err().unwrap();
        assert_eq!(error.to_string(), "the answer has the status 503");
    }
}
