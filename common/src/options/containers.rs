//! `init.DOMAIN/containers` and `init.DOMAIN/order`: names of containers.

use std::{fmt, str::FromStr};

/// Names of containers, separated by commas; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerNames(Vec<String>);

impl ContainerNames {
    /// The names in the order given.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether `name` is among them.
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|n| n == name)
    }
}

impl FromStr for ContainerNames {
    type Err = ParseContainerNamesError;

    fn from_str(text: &str) -> Result<Self, ParseContainerNamesError> {
        let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
        if names.iter().all(|name| is_label(name)) {
            Ok(Self(names))
        } else {
            Err(ParseContainerNamesError)
        }
    }
}

/// A text that is not a list of containers. The message says what to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("use the names of containers of this pod, separated by commas")]
pub struct ParseContainerNamesError;

/// `order`: the place of kees's init container among the pod's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Order {
    /// Before all others.
    #[default]
    First,
    /// After all others.
    Last,
    /// Directly before the init container of that name.
    Before(String),
    /// Directly after the init container of that name.
    After(String),
}

impl FromStr for Order {
    type Err = ParseOrderError;

    fn from_str(text: &str) -> Result<Self, ParseOrderError> {
        let named = |variant: fn(String) -> Self, name: &str| {
            let name = name.trim();
            is_label(name).then(|| variant(name.to_owned()))
        };
        match text.split_once('=') {
            None if text == "first" => Some(Self::First),
            None if text == "last" => Some(Self::Last),
            Some((word, name)) if word.trim() == "before" => named(Self::Before, name),
            Some((word, name)) if word.trim() == "after" => named(Self::After, name),
            _ => None,
        }
        .ok_or(ParseOrderError)
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First => f.write_str("first"),
            Self::Last => f.write_str("last"),
            Self::Before(name) => write!(f, "before={name}"),
            Self::After(name) => write!(f, "after={name}"),
        }
    }
}

/// A text that is not an [`Order`]. The message says what to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("use first, last, before=NAME or after=NAME with the name of an init container")]
pub struct ParseOrderError;

/// Whether Kubernetes accepts `name` for a container (RFC 1123 label).
fn is_label(name: &str) -> bool {
    let bytes = name.as_bytes();
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    bytes.len() <= 63
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes
            .iter()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("first")]
    #[case("last")]
    #[case("before=istio-init")]
    #[case("after=istio-init")]
    fn an_order_prints_as_it_was_written(#[case] text: &str) {
        assert_eq!(text.parse::<Order>().unwrap().to_string(), text);
    }

    #[rstest]
    #[case("First")]
    #[case("before=")]
    #[case("after=A B")]
    #[case("")]
    fn a_text_that_is_not_an_order_is_invalid(#[case] text: &str) {
        assert_eq!(text.parse::<Order>(), Err(ParseOrderError));
    }
}
