//! When a repeated event is logged again: at once, then after growing pauses.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// The pause after the first log line about a name. Each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(2);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// When each name is logged next.
#[derive(Debug, Default)]
pub(crate) struct Cadence(HashMap<String, Next>);

#[derive(Debug)]
struct Next {
    at: Instant,
    pause: Duration,
}

impl Cadence {
    /// Those of `names` that are to be logged at `now`.
    pub(crate) fn due<'a>(&mut self, names: &[&'a str], now: Instant) -> Vec<&'a str> {
        let mut due = Vec::new();
        for name in names {
            let pause = match self.0.get(*name) {
                Some(next) if now < next.at => continue,
                Some(next) => (next.pause * 2).min(LONGEST_PAUSE),
                None => FIRST_PAUSE,
            };
            let at = now + pause;
            self.0.insert((*name).to_owned(), Next { at, pause });
            due.push(*name);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_logged_at_once_and_then_after_growing_pauses() {
        let (mut cadence, begun) = (Cadence::default(), Instant::now());
        let logged: Vec<u64> = (0..200)
            .filter(|second| {
                let now = begun + Duration::from_secs(*second);
                !cadence.due(&["a"], now).is_empty()
            })
            .collect();
        assert_eq!(logged, [0, 2, 6, 14, 30, 62, 122, 182]);
    }

    #[test]
    fn each_name_has_its_own_pauses() {
        let (mut cadence, begun) = (Cadence::default(), Instant::now());
        assert_eq!(cadence.due(&["a"], begun), ["a"]);
        let later = begun + Duration::from_secs(1);
        assert_eq!(cadence.due(&["a", "b"], later), ["b"]);
    }
}
