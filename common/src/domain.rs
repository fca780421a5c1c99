//! The domain of kees's annotations.

use std::{fmt, str::FromStr};

/// The domain of the annotations: a DNS name, lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Domain(String);

impl Domain {
    /// The domain as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key of an `init.` annotation of this domain.
    pub fn init(&self, name: &str) -> String {
        format!("init.{}/{name}", self.0)
    }

    /// Splits a key of this domain into its word (`secret`, `resource`, `lease` or `init`) and its name.
    pub fn split<'k>(&self, key: &'k str) -> Option<(Word, &'k str)> {
        // Most keys of a pod begin with another word, so this comparison is first.
        let (word, rest) = Word::ALL
            .into_iter()
            .find_map(|word| Some((word, key.strip_prefix(word.as_str())?)))?;
        let rest = rest.strip_prefix('.')?.strip_prefix(&self.0)?;
        Some((word, rest.strip_prefix('/')?))
    }
}

impl Default for Domain {
    fn default() -> Self {
        Self("bsycorp.com".to_owned())
    }
}

impl FromStr for Domain {
    type Err = ParseDomainError;

    fn from_str(text: &str) -> Result<Self, ParseDomainError> {
        let label = |label: &str| {
            let edge =
                |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
            edge(label.bytes().next())
                && edge(label.bytes().last())
                && label
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        // `resource.` and the domain must fit into the 253 characters of an annotation's prefix.
        if text.len() > 253 - "resource.".len() || !text.split('.').all(label) {
            return Err(ParseDomainError(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that cannot be part of an annotation's key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a domain; use lower-case letters, digits, '-' and '.', such as example.com")]
pub struct ParseDomainError(String);

/// The word that an annotation of kees begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// `secret.DOMAIN/`
    Secret,
    /// `resource.DOMAIN/`
    Resource,
    /// `lease.DOMAIN/`
    Lease,
    /// `init.DOMAIN/`
    Init,
}

impl Word {
    /// Every word.
    pub const ALL: [Self; 4] = [Self::Secret, Self::Resource, Self::Lease, Self::Init];

    /// The word as it stands in a key.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Resource => "resource",
            Self::Lease => "lease",
            Self::Init => "init",
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("bsycorp.com")]
    #[case("localhost")]
    #[case("a-1.b2.example")]
    fn a_domain_prints_as_it_was_written(#[case] text: &str) {
        assert_eq!(text.parse::<Domain>().unwrap().to_string(), text);
    }

    #[rstest]
    #[case("")]
    #[case(".")]
    #[case("a..b")]
    #[case("a.")]
    #[case("Example.com")]
    #[case("-a.com")]
    #[case("a-.com")]
    #[case("a/b")]
    #[case("a_b")]
    #[case("ä.com")]
    fn what_no_annotation_can_contain_is_not_a_domain(#[case] text: &str) {
        assert_eq!(
            text.parse::<Domain>(),
            Err(ParseDomainError(text.to_owned()))
        );
    }

    #[test]
    fn the_longest_word_and_the_domain_fit_into_a_key() {
        let domain = |length: usize| format!("{}a", "a.".repeat(length / 2)).parse::<Domain>();
        assert!(domain(243).is_ok());
        assert!(domain(245).is_err());
    }

    #[rstest]
    #[case("secret.example.com/a", Some((Word::Secret, "a")))]
    #[case("resource.example.com/a/b", Some((Word::Resource, "a/b")))]
    #[case("lease.example.com/", Some((Word::Lease, "")))]
    #[case("init.example.com/store", Some((Word::Init, "store")))]
    #[case("other.example.com/a", None)]
    #[case("secret.example.org/a", None)]
    #[case("secret.sub.example.com/a", None)]
    #[case("secret.example.com", None)]
    #[case("secret/example.com", None)]
    #[case("example.com/a", None)]
    fn a_key_has_a_word_and_the_domain(#[case] key: &str, #[case] split: Option<(Word, &str)>) {
        assert_eq!("example.com".parse::<Domain>().unwrap().split(key), split);
    }

    #[test]
    fn an_init_key_has_the_domain() {
        assert_eq!(Domain::default().init("store"), "init.bsycorp.com/store");
    }
}
