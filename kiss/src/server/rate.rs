//! How many calls a user may make.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use tokio::time::Instant;

/// The most users that are remembered. Then those are forgotten who may make all their calls again.
const MOST_USERS: usize = 10_000;

/// A bucket for each user: it holds `burst` calls, and is filled with `rate` calls a second.
#[derive(Debug)]
pub struct UserRate {
    rate: f64,
    burst: f64,
    buckets: Mutex<HashMap<String, Bucket>>,
}

#[derive(Debug)]
struct Bucket {
    calls: f64,
    at: Instant,
}

impl UserRate {
    /// At most `rate` calls a second, and `burst` at once.
    pub fn new(rate: u32, burst: u32) -> Self {
        Self {
            rate: f64::from(rate),
            burst: f64::from(burst),
            buckets: Mutex::default(),
        }
    }

    /// Whether `user` may make a call now, which then counts.
    pub fn allows(&self, user: &str) -> bool {
        let now = Instant::now();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST_USERS && !buckets.contains_key(user) {
            buckets.retain(|_, bucket| self.filled(bucket, now) < self.burst);
            // All of them call just now. The provider knows them, so there is a reason.
            if buckets.len() >= MOST_USERS {
                return true;
            }
        }
        let bucket = buckets.entry(user.to_owned()).or_insert(Bucket {
            calls: self.burst,
            at: now,
        });
        bucket.calls = self.filled(bucket, now);
        bucket.at = now;
        if bucket.calls < 1.0 {
            return false;
        }
        bucket.calls -= 1.0;
        true
    }

    fn filled(&self, bucket: &Bucket, now: Instant) -> f64 {
        let seconds = now.duration_since(bucket.at).as_secs_f64();
        self.rate.mul_add(seconds, bucket.calls).min(self.burst)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_user_has_calls_of_their_own() {
        let rate = UserRate::new(2, 3);
        let calls = |user: &str| (0..10).filter(|_| rate.allows(user)).count();
        assert_eq!(calls("ada"), 3);
        assert_eq!(calls("eve"), 3);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(calls("ada"), 2);
        tokio::time::advance(Duration::from_hours(1)).await;
        assert_eq!(calls("ada"), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn users_without_calls_are_forgotten() {
        let rate = UserRate::new(1, 1);
        for user in 0..MOST_USERS {
            assert!(rate.allows(&user.to_string()));
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(rate.allows("one more"));
        assert_eq!(rate.buckets.lock().unwrap().len(), 1);
    }
}
