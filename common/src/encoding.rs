//! `encoding=` of an entry: the form in which the application gets a key.

use std::{fmt, str::FromStr};

use zeroize::Zeroizing;

use crate::{field::Field, secret::SecretValue};

/// The characters of base64 in a line of PEM (RFC 7468).
const LINE_LENGTH: usize = 64;

/// How an RSA, EC or ED25519 key is written. The stored value is DER in each case, so that one
/// stored key serves entries with different encodings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Encoding {
    /// The stored value itself.
    #[default]
    Der,
    /// PEM with the label `PUBLIC KEY` or `PRIVATE KEY`.
    Pem,
}

impl Encoding {
    /// Every encoding, in the order in which messages list them.
    pub const ALL: [Self; 2] = [Self::Der, Self::Pem];

    /// The word in an annotation.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Der => "der",
            Self::Pem => "pem",
        }
    }

    /// The DER key in `value`, which is `field` of a key pair, in this encoding.
    pub fn encode(self, field: Field, value: SecretValue) -> SecretValue {
        match self {
            Self::Der => value,
            Self::Pem => pem(field, &value),
        }
    }
}

fn pem(field: Field, der: &SecretValue) -> SecretValue {
    let label = match field {
        Field::Private => "PRIVATE KEY",
        _ => "PUBLIC KEY",
    };
    let (begin, end) = (
        format!("-----BEGIN {label}-----\n"),
        format!("-----END {label}-----\n"),
    );
    let base64 = der.to_base64();
    let lines = base64.len().div_ceil(LINE_LENGTH);
    // The buffer has its final size from the start, because growing leaves copies behind.
    let size = begin.len() + base64.len() + lines + end.len();
    let mut pem = Zeroizing::new(Vec::with_capacity(size));
    pem.extend_from_slice(begin.as_bytes());
    for line in base64.as_bytes().chunks(LINE_LENGTH) {
        pem.extend_from_slice(line);
        pem.push(b'\n');
    }
    pem.extend_from_slice(end.as_bytes());
    pem.into()
}

impl FromStr for Encoding {
    type Err = ParseEncodingError;

    fn from_str(text: &str) -> Result<Self, ParseEncodingError> {
        Self::ALL
            .into_iter()
            .find(|encoding| encoding.as_str() == text)
            .ok_or(ParseEncodingError)
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is not an [`Encoding`]. The message says what to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("use der or pem")]
pub struct ParseEncodingError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pem_has_a_label_and_lines_of_64_characters() {
        let der = SecretValue::new(vec![0xff; 49]);
        let pem = Encoding::Pem.encode(Field::Private, der.clone());
        let expected = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n/w==\n-----END PRIVATE KEY-----\n",
            "/".repeat(64)
        );
        assert_eq!(pem.expose_text(), Some(&*expected));
        assert_eq!(Encoding::Der.encode(Field::Private, der.clone()), der);
    }

    #[test]
    fn a_full_last_line_has_no_empty_line_after_it() {
        let pem = Encoding::Pem.encode(Field::Public, SecretValue::new(vec![0; 48]));
        let expected = format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            "A".repeat(64)
        );
        assert_eq!(pem.expose_text(), Some(&*expected));
    }

    #[test]
    fn an_encoding_prints_as_it_was_written() {
        for encoding in Encoding::ALL {
            assert_eq!(encoding.to_string().parse(), Ok(encoding));
        }
        assert_eq!("PEM".parse::<Encoding>(), Err(ParseEncodingError));
    }
}
