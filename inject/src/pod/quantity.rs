//! Kubernetes quantities (`10m`, `64Mi`, `1.5`, `1e3`). They are compared by value and printed as
//! they were written.
//!
//! Source: the grammar in `k8s.io/apimachinery/pkg/api/resource`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, de};

/// A quantity that is not negative.
#[derive(Debug, Clone)]
pub struct Quantity {
    text: String,
    nanos: u128,
}

impl Quantity {
    /// `n` thousandths: `10m`.
    pub fn milli(n: u16) -> Self {
        Self {
            text: format!("{n}m"),
            nanos: u128::from(n) * 1_000_000,
        }
    }

    /// `n` times 2^20: `64Mi`.
    pub fn mebi(n: u16) -> Self {
        Self {
            text: format!("{n}Mi"),
            nanos: (u128::from(n) << 20) * 1_000_000_000,
        }
    }

    /// The sum of this quantity and `n` times 2^20.
    pub(crate) fn plus_mebi(&self, n: u16) -> Self {
        const UNITS: u128 = 1_000_000_000;
        let nanos = self.nanos.saturating_add(Self::mebi(n).nanos);
        let bytes = nanos.div_ceil(UNITS);
        let text = match bytes % (1 << 20) {
            0 => format!("{}Mi", bytes >> 20),
            _ => bytes.to_string(),
        };
        Self { text, nanos }
    }

    /// The quantity as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Quantity {
    type Err = ParseQuantityError;

    fn from_str(text: &str) -> Result<Self, ParseQuantityError> {
        let nanos =
            nanos(text).ok_or_else(|| ParseQuantityError(text.escape_debug().to_string()))?;
        Ok(Self {
            text: text.to_owned(),
            nanos,
        })
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl Serialize for Quantity {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// Text that is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a quantity; use a number with a unit, such as 10m, 64Mi or 1.5")]
pub struct ParseQuantityError(String);

/// The value in billionths, rounded up as in Kubernetes, and saturating. `None` for text that is not
/// a quantity or is negative.
pub(crate) fn nanos(text: &str) -> Option<u128> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let (factor, exponent) = unit(suffix)?;
    // The digits as one whole number, in units of `10^-fraction.len()`. A number beyond u128 counts
    // as the largest u128.
    let digits = whole
        .bytes()
        .chain(fraction.bytes())
        .fold(0u128, |sum, digit| {
            sum.saturating_mul(10)
                .saturating_add(u128::from(digit - b'0'))
        });
    let fraction = i32::try_from(fraction.len()).ok()?;
    Some(scale(
        digits.saturating_mul(factor),
        exponent.saturating_add(9).saturating_sub(fraction),
    ))
}

/// The factor and the power of ten of a suffix.
fn unit(suffix: &str) -> Option<(u128, i32)> {
    let exponent = match suffix {
        "n" => -9,
        "u" => -6,
        "m" => -3,
        "" => 0,
        "k" => 3,
        "M" => 6,
        "G" => 9,
        "T" => 12,
        "P" => 15,
        "E" => 18,
        "Ki" => return Some((1 << 10, 0)),
        "Mi" => return Some((1 << 20, 0)),
        "Gi" => return Some((1 << 30, 0)),
        "Ti" => return Some((1 << 40, 0)),
        "Pi" => return Some((1 << 50, 0)),
        "Ei" => return Some((1 << 60, 0)),
        other => other.strip_prefix(['e', 'E'])?.parse().ok()?,
    };
    Some((1, exponent))
}

/// `number * 10^exponent`, rounded up.
fn scale(number: u128, exponent: i32) -> u128 {
    let power = 10u128.checked_pow(exponent.unsigned_abs());
    if exponent >= 0 {
        power.map_or(if number == 0 { 0 } else { u128::MAX }, |power| {
            number.saturating_mul(power)
        })
    } else {
        power.map_or(u128::from(number > 0), |power| number.div_ceil(power))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("1", "1000m")]
    #[case("0.5", "500m")]
    #[case(".5", "500m")]
    #[case("1Ki", "1024")]
    #[case("64Mi", "67108864")]
    #[case("1e3", "1k")]
    #[case("1E-3", "1m")]
    #[case("+1G", "1000M")]
    #[case("0.1n", "1n")]
    #[case("0", "0Mi")]
    #[case("1.5Gi", "1536Mi")]
    fn quantities_are_equal_by_value(#[case] one: &str, #[case] other: &str) {
        assert_eq!(
            one.parse::<Quantity>().unwrap(),
            other.parse::<Quantity>().unwrap()
        );
    }

    #[rstest]
    #[case("")]
    #[case("-1")]
    #[case("Mi")]
    #[case("1 Mi")]
    #[case("1.2.3")]
    #[case("1mi")]
    #[case("1e")]
    #[case(".")]
    fn text_that_kubernetes_does_not_accept_is_invalid(#[case] text: &str) {
        assert!(text.parse::<Quantity>().is_err());
    }

    #[test]
    fn a_constructed_quantity_equals_a_parsed_one() {
        assert_eq!(Quantity::milli(10), "10m".parse().unwrap());
        assert_eq!(Quantity::mebi(64), "64Mi".parse().unwrap());
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_invalid(text in "[0-9.eE+numkKMGTPi-]{0,48}") {
            let _ = nanos(&text);
        }
    }
}
