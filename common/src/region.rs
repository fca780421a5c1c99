//! The name of an AWS Region, checked before it becomes part of a host name.

use std::{fmt, str::FromStr};

/// The Region that the original uses if none is configured.
const ORIGINAL_REGION: &str = "ap-southeast-2";

/// The name of a Region, `eu-west-1`. It becomes a label of host names (RFC 1123).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region(String);

impl Region {
    /// The Region that the original uses if none is configured.
    pub fn of_the_original() -> Self {
        Self(ORIGINAL_REGION.to_owned())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Region {
    type Err = ParseRegionError;

    fn from_str(text: &str) -> Result<Self, ParseRegionError> {
        let is_label = (1..=63).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-');
        is_label
            .then(|| Self(text.to_owned()))
            .ok_or(ParseRegionError)
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is not the name of a [`Region`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is not the name of a Region; use letters, digits and '-', such as eu-west-1")]
pub struct ParseRegionError;

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("eu-west-1", true)]
    #[case("eusc-de-east-1", true)]
    #[case("local", true)]
    #[case("", false)]
    #[case("eu west", false)]
    #[case("eu-west-1 ", false)]
    #[case("a.b", false)]
    #[case("a/../b", false)]
    #[case("-a", false)]
    #[case("a-", false)]
    #[case(&"a".repeat(64), false)]
    fn a_region_is_a_label_of_a_host(#[case] text: &str, #[case] is_valid: bool) {
        assert_eq!(text.parse::<Region>().is_ok(), is_valid);
    }
}
