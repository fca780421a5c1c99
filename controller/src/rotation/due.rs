//! When a generation is replaced, and when the one before it is removed.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use kees_common::{Period, Rotation, StoragePath, StoreName};
use kees_store::rotation::Current;

/// The times of one secret, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    /// When the current generation is replaced.
    pub(super) rotate: u64,
    /// When the previous generation is removed, if there is one and the pod says how long it is kept.
    pub(super) retire: Option<u64>,
}

impl Times {
    /// The times of what `current` shows. `None` if it is not known since when it is the current
    /// generation.
    ///
    /// The secrets that were created together are not rotated together: each is rotated somewhere in the
    /// last tenth of its period, at a time that follows from its path, so that each replica finds the
    /// same one.
    pub(super) fn of(
        current: &Current,
        rotation: Rotation,
        minimum: Period,
        place: (StoreName, &StoragePath),
    ) -> Option<Self> {
        let since = current.since?;
        let every = rotation.every.max(minimum).seconds();
        let mut hasher = DefaultHasher::new();
        (place.0.as_str(), place.1, since).hash(&mut hasher);
        let early = hasher.finish() % (every / 10).max(1);
        let retain = rotation.retain.filter(|_| current.previous.is_some());
        Some(Self {
            rotate: since + every - early,
            retire: retain.map(|retain| since + retain.seconds()),
        })
    }

    /// The first of both.
    pub(super) fn next(self) -> u64 {
        self.retire
            .map_or(self.rotate, |retire| retire.min(self.rotate))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const SINCE: u64 = 1_700_000_000;

    fn times(path: &str, since: Option<u64>, has_previous: bool, every: &str) -> Option<Times> {
        let current = Current {
            id: None,
            values: Vec::new(),
            since,
            previous: has_previous.then(String::new),
        };
        let rotation = Rotation {
            every: every.parse().unwrap(),
            retain: Some("20s".parse().unwrap()),
        };
        let path: StoragePath = path.parse().unwrap();
        let place = (StoreName::DynamoDb, &path);
        Times::of(&current, rotation, "1m".parse().unwrap(), place)
    }

    #[test]
    fn a_generation_of_unknown_age_has_no_times() {
        assert_eq!(times("/dev/a", None, true, "90d"), None);
    }

    #[rstest]
    #[case("90d", 90 * 86_400)]
    #[case::shorter_than_the_minimum("20s", 60)]
    fn secrets_are_rotated_in_the_last_tenth_of_the_period(#[case] every: &str, #[case] most: u64) {
        let mut ages = Vec::new();
        for nth in 0..200 {
            let path = format!("/dev/{nth}");
            let rotate = times(&path, Some(SINCE), false, every).unwrap().rotate;
            assert_eq!(
                rotate,
                times(&path, Some(SINCE), true, every).unwrap().rotate
            );
            ages.push(rotate - SINCE);
        }
        assert!(
            ages.iter()
                .all(|age| *age <= most && *age > most - most / 10)
        );
        ages.sort_unstable();
        ages.dedup();
        assert!(ages.len() >= 5, "{ages:?}");
    }

    #[test]
    fn only_a_generation_that_is_stored_is_removed() {
        let none = times("/dev/a", Some(SINCE), false, "90d").unwrap();
        assert_eq!((none.retire, none.next()), (None, none.rotate));
        let times = times("/dev/a", Some(SINCE), true, "90d").unwrap();
        assert_eq!((times.retire, times.next()), (Some(SINCE + 20), SINCE + 20));
    }
}
