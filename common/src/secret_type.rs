//! The types of secrets: one table with what the grammar, the stores and the documentation know of
//! each. `kees-generate` creates and verifies them.

use std::{fmt, str::FromStr};

use crate::field::Field;

/// `type=` of a secret, in upper case as in the original.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SecretType {
    /// An RSA key pair.
    Rsa,
    /// A GPG key with its passphrase.
    Gpg,
    /// Characters of base 62.
    Password,
    /// Random bytes.
    Random,
}

/// One row of the table.
struct Row {
    /// The word in an annotation.
    name: &'static str,
    /// The fields of one generation, in the order in which they are stored.
    fields: &'static [Field],
    /// The sizes that are generated.
    sizes: Sizes,
    /// The sizes as an error message describes them.
    right_size: &'static str,
    /// Whether each value is UTF-8 text.
    is_text: bool,
    /// The values, for the reference in `docs/annotations.md`.
    values: &'static str,
}

/// The sizes of a type, in bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sizes {
    OneOf(&'static [u16]),
    /// At least one byte or character; `size=` of the original ends at 8192.
    From8To8192,
}

const KEY_PAIR: &[Field] = &[Field::Public, Field::Private];

const RSA: Row = Row {
    name: "RSA",
    fields: KEY_PAIR,
    sizes: Sizes::OneOf(&[2048, 4096]),
    right_size: "an RSA key has size=2048 or size=4096",
    is_text: false,
    values: "DER: `SubjectPublicKeyInfo`, PKCS#8",
};

const GPG: Row = Row {
    name: "GPG",
    fields: &[Field::Public, Field::Private, Field::Password],
    sizes: Sizes::OneOf(&[2048, 3072, 4096]),
    right_size: "a GPG key has size=2048, size=3072 or size=4096",
    is_text: true,
    values: "armored OpenPGP keys, RSA, AES-256, one user id, no expiry; the passphrase of the \
             private key is 16 characters of base 62",
};

const PASSWORD: Row = Row {
    name: "PASSWORD",
    fields: &[Field::Whole],
    sizes: Sizes::From8To8192,
    right_size: "a PASSWORD has a size of 8 to 8192 bits, a character for each 8",
    is_text: true,
    values: "an eighth of the size in characters of base 62 (`0-9A-Za-z`)",
};

const RANDOM: Row = Row {
    name: "RANDOM",
    fields: &[Field::Whole],
    sizes: Sizes::From8To8192,
    right_size: "a RANDOM has a size of 8 to 8192 bits, a byte for each 8",
    is_text: false,
    values: "an eighth of the size in bytes",
};

impl SecretType {
    /// Every type, in the order in which messages list them.
    pub const ALL: [Self; 4] = [Self::Rsa, Self::Gpg, Self::Password, Self::Random];

    const fn row(self) -> &'static Row {
        match self {
            Self::Rsa => &RSA,
            Self::Gpg => &GPG,
            Self::Password => &PASSWORD,
            Self::Random => &RANDOM,
        }
    }

    /// The word in an annotation.
    pub fn as_str(self) -> &'static str {
        self.row().name
    }

    /// The fields of one generation, in the order in which they are stored. A RANDOM whose name
    /// begins with `api-key` has [`crate::Spec::fields`] of its own.
    pub fn fields(self) -> &'static [Field] {
        self.row().fields
    }

    /// Whether each value of this type is UTF-8 text.
    pub fn is_text(self) -> bool {
        self.row().is_text
    }

    /// Whether values of this size are generated.
    pub(crate) fn has_size(self, bits: u16) -> bool {
        match self.row().sizes {
            Sizes::OneOf(sizes) => sizes.contains(&bits),
            Sizes::From8To8192 => (8..=8192).contains(&bits),
        }
    }

    /// The sizes that are right, as an error message describes them.
    pub(crate) fn right_size(self) -> &'static str {
        self.row().right_size
    }

    /// The sizes, for the documentation: `2048, 4096`.
    pub fn sizes(self) -> String {
        match self.row().sizes {
            Sizes::OneOf(sizes) => {
                let sizes: Vec<_> = sizes.iter().map(ToString::to_string).collect();
                sizes.join(", ")
            }
            Sizes::From8To8192 => "8 to 8192".to_owned(),
        }
    }

    /// The values, for the documentation, in Markdown.
    pub fn values(self) -> &'static str {
        self.row().values
    }

    /// The names of all types, as an error message lists them: `RSA, GPG, PASSWORD or RANDOM`.
    pub(crate) fn list() -> String {
        let names = Self::ALL.map(Self::as_str);
        match names.split_last() {
            Some((last, [])) => (*last).to_owned(),
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => String::new(),
        }
    }
}

impl FromStr for SecretType {
    type Err = ParseSecretTypeError;

    fn from_str(text: &str) -> Result<Self, ParseSecretTypeError> {
        Self::ALL
            .into_iter()
            .find(|t| t.as_str() == text)
            .ok_or(ParseSecretTypeError)
    }
}

impl fmt::Display for SecretType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is not the name of a [`SecretType`]. The message says what to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("use {}, in upper case", SecretType::list())]
pub struct ParseSecretTypeError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_prints_as_it_was_written() {
        for secret_type in SecretType::ALL {
            assert_eq!(secret_type.to_string().parse(), Ok(secret_type));
        }
        assert_eq!("rsa".parse::<SecretType>(), Err(ParseSecretTypeError));
    }

    #[test]
    fn an_error_lists_every_type() {
        assert_eq!(
            ParseSecretTypeError.to_string(),
            "use RSA, GPG, PASSWORD or RANDOM, in upper case"
        );
    }
}
