//! `init.DOMAIN/refresh`: how often the values of a running pod are read again.

use std::{fmt, str::FromStr, time::Duration};

/// The time between two reads of a running pod's values: whole seconds, from one second to one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefreshPeriod(u32);

impl RefreshPeriod {
    /// The shortest period of a pod, unless the operator sets another.
    pub const DEFAULT_MINIMUM: Self = Self(30);

    const LONGEST: u32 = 24 * 3600;

    /// The period.
    pub fn get(self) -> Duration {
        Duration::from_secs(self.0.into())
    }
}

impl FromStr for RefreshPeriod {
    type Err = ParseRefreshPeriodError;

    fn from_str(text: &str) -> Result<Self, ParseRefreshPeriodError> {
        let seconds = || {
            let unit = text.chars().next_back()?;
            let number = text.strip_suffix(unit)?;
            let factor = match unit {
                's' => 1,
                'm' => 60,
                'h' => 3600,
                _ => return None,
            };
            let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
            let number: u32 = number.parse().ok().filter(|_| is_number)?;
            let seconds = number.checked_mul(factor)?;
            (1..=Self::LONGEST).contains(&seconds).then_some(seconds)
        };
        seconds().map(Self).ok_or(ParseRefreshPeriodError)
    }
}

impl fmt::Display for RefreshPeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            seconds if seconds.is_multiple_of(3600) => write!(f, "{}h", seconds / 3600),
            seconds if seconds.is_multiple_of(60) => write!(f, "{}m", seconds / 60),
            seconds => write!(f, "{seconds}s"),
        }
    }
}

/// A text that is not a [`RefreshPeriod`]. The message says what to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("use a number with s, m or h, from 1s to 24h, such as 5m")]
pub struct ParseRefreshPeriodError;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("30s", Some(30))]
    #[case("5m", Some(300))]
    #[case("1h", Some(3600))]
    #[case("24h", Some(86_400))]
    #[case("25h", None)]
    #[case("0s", None)]
    #[case("5", None)]
    #[case("m", None)]
    #[case("", None)]
    #[case("+5m", None)]
    #[case("1h30m", None)]
    #[case("5M", None)]
    #[case("5 m", None)]
    #[case("5ü", None)]
    #[case("99999999999s", None)]
    #[case("4294967295h", None)]
    fn a_period_is_a_number_with_a_unit(#[case] text: &str, #[case] seconds: Option<u64>) {
        let period = text.parse::<RefreshPeriod>().ok();
        assert_eq!(
            period.map(RefreshPeriod::get),
            seconds.map(Duration::from_secs)
        );
    }

    proptest! {
        #[test]
        fn a_period_is_printed_as_it_is_parsed(seconds in 1..=86_400_u32) {
            let period = RefreshPeriod(seconds);
            prop_assert_eq!(period.to_string().parse(), Ok(period));
        }
    }
}
