//! The types of secrets: one table with what the grammar, the stores and the documentation know of
//! each. `kees-generate` creates and verifies them.

use std::{fmt, str::FromStr};

use crate::field::Field;

/// `type=` of a secret, in upper case as in the original.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SecretType {
    /// An RSA key pair.
    Rsa,
    /// An EC key pair.
    Ec,
    /// An Ed25519 key pair.
    Ed25519,
    /// A GPG key with its passphrase.
    Gpg,
    /// Characters of base 62.
    Password,
    /// Random bytes.
    Random,
    /// A UUID of version 4.
    Uuid,
}

/// One row of the table.
struct Row {
    /// The word in an annotation.
    name: &'static str,
    /// The fields of one generation, in the order in which they are stored.
    fields: &'static [Field],
    /// The sizes that are generated.
    sizes: Sizes,
    /// Whether stored values of other sizes are read as well.
    reads_other_sizes: bool,
    /// The sizes as an error message describes them.
    right_size: &'static str,
    /// The size in local mode of a REFERENCE that has none.
    local_bits: u16,
    /// Whether `local_bits` is also the size of a DYNAMIC secret that has none.
    is_size_optional: bool,
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
    reads_other_sizes: false,
    right_size: "an RSA key has size=2048 or size=4096",
    local_bits: 2048,
    is_size_optional: false,
    is_text: false,
    values: "in DER: the public key as `SubjectPublicKeyInfo`, the private key as PKCS#8",
};

const EC: Row = Row {
    name: "EC",
    fields: KEY_PAIR,
    sizes: Sizes::OneOf(&[256, 384]),
    reads_other_sizes: false,
    right_size: "an EC key has size=256 or size=384",
    local_bits: 256,
    is_size_optional: false,
    is_text: false,
    values: "as RSA, with a key on the curve P-256 or P-384",
};

const ED25519: Row = Row {
    name: "ED25519",
    fields: KEY_PAIR,
    sizes: Sizes::OneOf(&[256]),
    reads_other_sizes: false,
    right_size: "an ED25519 key has size=256, which can be left out",
    local_bits: 256,
    is_size_optional: true,
    is_text: false,
    values: "as RSA, with an Ed25519 key (RFC 8410)",
};

const GPG: Row = Row {
    name: "GPG",
    fields: &[Field::Public, Field::Private, Field::Password],
    sizes: Sizes::OneOf(&[2048, 3072, 4096]),
    // The original creates GPG keys of any size.
    reads_other_sizes: true,
    right_size: "a GPG key has size=2048, size=3072 or size=4096",
    local_bits: 2048,
    is_size_optional: false,
    is_text: true,
    values: "armored OpenPGP keys with RSA and AES-256, one user id, and no expiry; the passphrase \
             of the private key has 16 characters of base 62",
};

const PASSWORD: Row = Row {
    name: "PASSWORD",
    fields: &[Field::Whole],
    sizes: Sizes::From8To8192,
    reads_other_sizes: false,
    right_size: "a PASSWORD has a size of 8 to 8192 bits, a character for each 8",
    local_bits: 256,
    is_size_optional: false,
    is_text: true,
    values: "one character of base 62 (`0-9A-Za-z`) for each 8 bits",
};

const RANDOM: Row = Row {
    name: "RANDOM",
    fields: &[Field::Whole],
    sizes: Sizes::From8To8192,
    reads_other_sizes: false,
    right_size: "a RANDOM has a size of 8 to 8192 bits, a byte for each 8",
    local_bits: 256,
    is_size_optional: false,
    is_text: false,
    values: "one random byte for each 8 bits",
};

const UUID: Row = Row {
    name: "UUID",
    fields: &[Field::Whole],
    sizes: Sizes::OneOf(&[128]),
    reads_other_sizes: false,
    right_size: "a UUID has size=128, which can be left out",
    local_bits: 128,
    is_size_optional: true,
    is_text: true,
    values: "a random UUID (RFC 9562, version 4) in 36 characters of text",
};

impl SecretType {
    /// Every type, in the order in which messages list them.
    pub const ALL: [Self; 7] = [
        Self::Rsa,
        Self::Ec,
        Self::Ed25519,
        Self::Gpg,
        Self::Password,
        Self::Random,
        Self::Uuid,
    ];

    const fn row(self) -> &'static Row {
        match self {
            Self::Rsa => &RSA,
            Self::Ec => &EC,
            Self::Ed25519 => &ED25519,
            Self::Gpg => &GPG,
            Self::Password => &PASSWORD,
            Self::Random => &RANDOM,
            Self::Uuid => &UUID,
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

    /// Whether an annotation may ask for this size. A type may read more sizes than it creates.
    pub(crate) fn accepts_size(self, bits: u16) -> bool {
        self.creates_size(bits) || self.row().reads_other_sizes && (1..=8192).contains(&bits)
    }

    /// Whether `encoding=` applies to this type: its values are keys in DER.
    pub(crate) fn has_encodings(self) -> bool {
        self.fields() == KEY_PAIR && !self.is_text()
    }

    /// Whether values of this size are generated.
    pub fn creates_size(self, bits: u16) -> bool {
        match self.row().sizes {
            Sizes::OneOf(sizes) => sizes.contains(&bits),
            Sizes::From8To8192 => (8..=8192).contains(&bits),
        }
    }

    /// The sizes that are right, as an error message describes them.
    pub fn right_size(self) -> &'static str {
        self.row().right_size
    }

    /// The size in local mode, where the annotation has none, or one that is not created.
    pub fn local_bits(self) -> u16 {
        self.row().local_bits
    }

    /// The size of a DYNAMIC secret that has none; `None` if the size is required.
    pub(crate) fn default_bits(self) -> Option<u16> {
        let row = self.row();
        row.is_size_optional.then_some(row.local_bits)
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

    /// The names of `types`, as an error message lists them: `PASSWORD or RANDOM`.
    pub(crate) fn list(types: impl IntoIterator<Item = Self>) -> String {
        let names: Vec<_> = types.into_iter().map(Self::as_str).collect();
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
#[error("use {}, in upper case", SecretType::list(SecretType::ALL))]
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
    fn the_size_in_local_mode_is_created() {
        for secret_type in SecretType::ALL {
            assert!(secret_type.creates_size(secret_type.local_bits()));
        }
    }

    #[test]
    fn an_error_lists_every_type() {
        assert_eq!(
            ParseSecretTypeError.to_string(),
            "use RSA, EC, ED25519, GPG, PASSWORD, RANDOM or UUID, in upper case"
        );
    }
}
