//! A number of seconds within a range.

use std::{fmt, str::FromStr, time::Duration};

/// The milliseconds of a day: the longest duration that any flag takes.
pub const DAY: u64 = 86_400_000;

/// A duration of at least `MIN` and at most `MAX` milliseconds, written as a number of seconds (`10`,
/// `0.5`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seconds<const MIN: u64, const MAX: u64>(Duration);

impl<const MIN: u64, const MAX: u64> Seconds<MIN, MAX> {
    const MIN: Duration = Duration::from_millis(MIN);
    const MAX: Duration = Duration::from_millis(MAX);

    /// The value of the range that is nearest to `duration`.
    pub fn nearest(duration: Duration) -> Self {
        const { assert!(MIN <= MAX, "the range is empty") };
        Self(duration.clamp(Self::MIN, Self::MAX))
    }

    /// The duration.
    pub fn get(self) -> Duration {
        self.0
    }

    fn error() -> ParseSecondsError {
        ParseSecondsError {
            min: Self::MIN,
            max: Self::MAX,
        }
    }
}

impl<const MIN: u64, const MAX: u64> TryFrom<Duration> for Seconds<MIN, MAX> {
    type Error = ParseSecondsError;

    fn try_from(duration: Duration) -> Result<Self, ParseSecondsError> {
        if (Self::MIN..=Self::MAX).contains(&duration) {
            Ok(Self(duration))
        } else {
            Err(Self::error())
        }
    }
}

impl<const MIN: u64, const MAX: u64> FromStr for Seconds<MIN, MAX> {
    type Err = ParseSecondsError;

    fn from_str(text: &str) -> Result<Self, ParseSecondsError> {
        let seconds: f64 = text.trim().parse().map_err(|_| Self::error())?;
        let duration = Duration::try_from_secs_f64(seconds).map_err(|_| Self::error())?;
        Self::try_from(duration)
    }
}

impl<const MIN: u64, const MAX: u64> fmt::Display for Seconds<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_secs_f64().fmt(f)
    }
}

/// A text that is not a number of seconds within the range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("use a number of seconds from {} to {}", min.as_secs_f64(), max.as_secs_f64())]
pub struct ParseSecondsError {
    min: Duration,
    max: Duration,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("0.5", Duration::from_millis(500))]
    #[case("10", Duration::from_secs(10))]
    #[case(" 2.0 ", Duration::from_secs(2))]
    fn seconds_within_the_range_are_taken(#[case] text: &str, #[case] expected: Duration) {
        assert_eq!(
            text.parse::<Seconds<500, 10_000>>().unwrap().get(),
            expected
        );
    }

    #[rstest]
    fn anything_else_is_refused_with_the_range(
        #[values("", "soon", "0.4", "10.1", "-1", "inf", "nan", "1e300", "10s")] text: &str,
    ) {
        let error = text.parse::<Seconds<500, 10_000>>().unwrap_err();
        assert_eq!(error.to_string(), "use a number of seconds from 0.5 to 10");
    }

    proptest! {
        #[test]
        fn what_is_printed_is_parsed_to_the_same_duration(nanoseconds in 0..=DAY * 1_000_000) {
            let seconds = Seconds::<0, DAY>::try_from(Duration::from_nanos(nanoseconds)).unwrap();
            prop_assert_eq!(seconds.to_string().parse(), Ok(seconds));
        }
    }
}
