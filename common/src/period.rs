//! A length of time, as annotations have it: `90d`.

use std::{fmt, str::FromStr, time::Duration};

const MINUTE: u32 = 60;
const HOUR: u32 = 60 * MINUTE;
const DAY: u32 = 24 * HOUR;

/// Whole seconds, from one second to ten years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(u32);

impl Period {
    const LONGEST: u32 = 3650 * DAY;

    /// Its length.
    pub fn get(self) -> Duration {
        Duration::from_secs(self.0.into())
    }

    /// Its length in seconds.
    pub fn seconds(self) -> u64 {
        self.0.into()
    }
}

impl FromStr for Period {
    type Err = ParsePeriodError;

    fn from_str(text: &str) -> Result<Self, ParsePeriodError> {
        let seconds = || {
            let unit = text.chars().next_back()?;
            let number = text.strip_suffix(unit)?;
            let factor = match unit {
                's' => 1,
                'm' => MINUTE,
                'h' => HOUR,
                'd' => DAY,
                _ => return None,
            };
            let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
            let number: u32 = number.parse().ok().filter(|_| is_number)?;
            let seconds = number.checked_mul(factor)?;
            (1..=Self::LONGEST).contains(&seconds).then_some(seconds)
        };
        seconds().map(Self).ok_or(ParsePeriodError)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (factor, unit) in [(DAY, 'd'), (HOUR, 'h'), (MINUTE, 'm')] {
            if self.0.is_multiple_of(factor) {
                return write!(f, "{}{unit}", self.0 / factor);
            }
        }
        write!(f, "{}s", self.0)
    }
}

/// A text that is not a [`Period`]. The message says what to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("use a whole number with s, m, h or d, at most 3650d, such as 90d")]
pub struct ParsePeriodError;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("20s", Some(20))]
    #[case("5m", Some(300))]
    #[case("12h", Some(43_200))]
    #[case("90d", Some(7_776_000))]
    #[case("3650d", Some(315_360_000))]
    #[case("3651d", None)]
    #[case("0d", None)]
    #[case("90", None)]
    #[case("d", None)]
    #[case("", None)]
    #[case("+5m", None)]
    #[case("1d12h", None)]
    #[case("5 m", None)]
    #[case("5M", None)]
    #[case("5\u{fc}", None)]
    #[case("4294967295d", None)]
    fn a_period_is_a_number_with_a_unit(#[case] text: &str, #[case] seconds: Option<u64>) {
        assert_eq!(text.parse::<Period>().ok().map(Period::seconds), seconds);
    }

    proptest! {
        #[test]
        fn a_period_is_printed_as_it_is_parsed(seconds in 1..=Period::LONGEST) {
            let period = Period(seconds);
            prop_assert_eq!(period.to_string().parse(), Ok(period));
        }
    }
}
