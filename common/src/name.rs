//! The name of an entry, with the field at its end: `signing.v1_public`.

use std::{fmt, str::FromStr};

/// The part of an annotation's key after the slash, as Kubernetes allows it: 1 to 63 letters,
/// digits, `-`, `_` and `.`, beginning and ending with a letter or digit. It is also the key of the
/// entry's line and, for resources and leases, the name of its file. It never contains a slash.
///
/// What matches `_[a-z]*` at the end is the field: `signing.v1_public` has the base `signing.v1`
/// and the field `public`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryName {
    whole: String,
    base_len: usize,
}

impl EntryName {
    /// The whole name, field included: what output files use.
    pub fn as_str(&self) -> &str {
        &self.whole
    }

    /// The name without its field.
    pub fn base(&self) -> &str {
        &self.whole[..self.base_len]
    }

    /// The field, if the name ends in one.
    pub fn field(&self) -> Option<&str> {
        self.whole.get(self.base_len + 1..)
    }

    /// The name of the same value in the generation before the current one: `signing.v1_public.previous`,
    /// which has no field.
    pub(crate) fn previous(&self) -> Self {
        let whole = format!("{}.previous", self.whole);
        let base_len = whole.len();
        Self { whole, base_len }
    }

    /// Whether a RANDOM of this name is an `api-key`, which is stored under two names.
    pub(crate) fn is_api_key(&self) -> bool {
        self.whole.starts_with("api-key")
    }
}

impl FromStr for EntryName {
    type Err = ParseEntryNameError;

    fn from_str(text: &str) -> Result<Self, ParseEntryNameError> {
        let bytes = text.as_bytes();
        let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
        let inner = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if bytes.len() > 63
            || !edge(bytes.first())
            || !edge(bytes.last())
            || !bytes.iter().all(inner)
        {
            return Err(ParseEntryNameError);
        }
        Ok(Self {
            whole: text.to_owned(),
            base_len: base(text).len(),
        })
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.whole)
    }
}

/// `name` without what matches `_[a-z]*` at its end.
pub(crate) fn base(name: &str) -> &str {
    match name.rsplit_once('_') {
        Some((base, field)) if field.bytes().all(|b| b.is_ascii_lowercase()) => base,
        _ => name,
    }
}

/// A text that Kubernetes does not accept as the name of an annotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the name after the slash must be 1 to 63 letters, digits, '-', '_' or '.', beginning and \
     ending with a letter or digit"
)]
pub struct ParseEntryNameError;

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("signingKey.v1_public", "signingKey.v1", Some("public"))]
    #[case("x_y_z", "x_y", Some("z"))]
    #[case("db-url", "db-url", None)]
    #[case("a_B", "a_B", None)]
    #[case("a_b1", "a_b1", None)]
    fn the_field_is_the_lower_case_letters_after_the_last_underscore(
        #[case] text: &str,
        #[case] base: &str,
        #[case] field: Option<&str>,
    ) {
        let name: EntryName = text.parse().unwrap();
        assert_eq!(
            (name.base(), name.field(), name.as_str()),
            (base, field, text)
        );
    }

    #[rstest]
    #[case("")]
    #[case("..")]
    #[case("a/b")]
    #[case("-a")]
    #[case("a_")]
    #[case("ä")]
    #[case("a b")]
    fn a_name_that_kubernetes_does_not_accept_is_invalid(#[case] text: &str) {
        assert_eq!(text.parse::<EntryName>(), Err(ParseEntryNameError));
    }

    #[test]
    fn sixty_three_characters_are_the_most() {
        assert!("a".repeat(63).parse::<EntryName>().is_ok());
        assert!("a".repeat(64).parse::<EntryName>().is_err());
    }
}
