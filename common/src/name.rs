//! The name of an entry and the field at its end: `signing.v1_public`.

use std::{fmt, str::FromStr};

/// The part of an annotation after the slash, as Kubernetes allows it: 1 to 63 letters, digits,
/// `-`, `_` and `.`, beginning and ending with a letter or digit. It is also the key of the
/// entry's line and, for resources and leases, the name of its file, so it can never be a path.
///
/// What matches `_[a-z]*` at its end is the field: `signing.v1_public` has the base `signing.v1`
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

/// A text that Kubernetes would not take as the name of an annotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the name after the slash must be 1 to 63 letters, digits, '-', '_' or '.', beginning and \
     ending with a letter or digit"
)]
pub struct ParseEntryNameError;

/// One value of a generation: the halves of a key pair, a GPG key's passphrase, the two ends of an
/// `api-key`, or the one value of a PASSWORD or RANDOM secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// The only value of its generation; the name has no field, or one that is just a part of it.
    Whole,
    /// `_public` of RSA and GPG.
    Public,
    /// `_private` of RSA and GPG.
    Private,
    /// `_password` of GPG: the passphrase of the private key.
    Password,
    /// `_consumer` of a RANDOM whose name begins with `api-key`.
    Consumer,
    /// `_provider` of a RANDOM whose name begins with `api-key`.
    Provider,
}

impl Field {
    /// The word after the underscore; empty for [`Field::Whole`].
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "",
            Self::Public => "public",
            Self::Private => "private",
            Self::Password => "password",
            Self::Consumer => "consumer",
            Self::Provider => "provider",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

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
    fn the_field_is_what_lower_case_letters_follow_the_last_underscore(
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
    fn a_name_that_kubernetes_refuses_is_refused(#[case] text: &str) {
        assert_eq!(text.parse::<EntryName>(), Err(ParseEntryNameError));
    }

    #[test]
    fn sixty_three_characters_are_the_most() {
        assert!("a".repeat(63).parse::<EntryName>().is_ok());
        assert!("a".repeat(64).parse::<EntryName>().is_err());
    }
}
