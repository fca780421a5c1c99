//! What is to be generated, and what a generation holds.

use std::{fmt, str::FromStr};

use crate::{Field, SecretValue, names::keys, pairs::Printer};

/// `type=` of a secret, upper case as the original has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SecretType {
    /// A key pair: `_public` DER `SubjectPublicKeyInfo`, `_private` DER PKCS#8.
    Rsa,
    /// A GPG key: `_public` and `_private` armored, `_password` the passphrase.
    Gpg,
    /// Characters of base 62.
    Password,
    /// Random bytes.
    Random,
}

impl SecretType {
    /// Every type, in the order in which messages list them.
    pub const ALL: [Self; 4] = [Self::Rsa, Self::Gpg, Self::Password, Self::Random];

    /// The word that an annotation uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rsa => "RSA",
            Self::Gpg => "GPG",
            Self::Password => "PASSWORD",
            Self::Random => "RANDOM",
        }
    }
}

impl FromStr for SecretType {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|t| t.as_str() == text).ok_or(())
    }
}

impl fmt::Display for SecretType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A GPG user id, `Name <address>`: what matches `.+<.+>`, without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UserId(String);

impl UserId {
    /// The user id as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        // `.+<.+>`: a '<' with something before it and something between it and the last '>'.
        let sound = text
            .strip_suffix('>')
            .and_then(|head| {
                head.char_indices()
                    .skip(1)
                    .find(|(_, c)| *c == '<')
                    .map(|(i, _)| head.len() > i + 1)
            })
            .unwrap_or(false)
            && !text.chars().any(char::is_control);
        if sound {
            Ok(Self(text.to_owned()))
        } else {
            Err(())
        }
    }
}

/// What one generation is made of. Sizes are checked when an annotation is parsed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Spec {
    /// An RSA key pair with a modulus of `bits` (2048 or 4096).
    Rsa {
        /// Size of the modulus in bits.
        bits: u16,
    },
    /// An OpenPGP key with an RSA modulus of `bits` (2048, 3072 or 4096).
    Gpg {
        /// Size of the modulus in bits.
        bits: u16,
        /// The one user id of the key.
        user_id: UserId,
    },
    /// `chars` characters of base 62. `bits` is what the annotation said, 8 to 8192, which local
    /// mode's derivation needs.
    Password {
        /// `size=` of the annotation; an eighth of it, rounded down, is the number of characters.
        bits: u16,
    },
    /// Random bytes.
    Random {
        /// `size=` of the annotation; an eighth of it, rounded down, is the number of bytes.
        bits: u16,
    },
    /// A RANDOM whose name begins with `api-key`: one value under two names.
    ApiKey {
        /// `size=` of the annotation; an eighth of it, rounded down, is the number of bytes.
        bits: u16,
    },
}

impl Spec {
    /// The fields of a generation, in the order in which they are stored.
    pub fn fields(&self) -> &'static [Field] {
        match self {
            Self::Rsa { .. } => &[Field::Public, Field::Private],
            Self::Gpg { .. } => &[Field::Public, Field::Private, Field::Password],
            Self::Password { .. } | Self::Random { .. } => &[Field::Whole],
            Self::ApiKey { .. } => &[Field::Consumer, Field::Provider],
        }
    }

    /// The type that an annotation names.
    pub fn secret_type(&self) -> SecretType {
        match self {
            Self::Rsa { .. } => SecretType::Rsa,
            Self::Gpg { .. } => SecretType::Gpg,
            Self::Password { .. } => SecretType::Password,
            Self::Random { .. } | Self::ApiKey { .. } => SecretType::Random,
        }
    }
}

impl Spec {
    /// Size of the modulus, or of what an eighth of is the number of characters or bytes.
    pub fn bits(&self) -> u16 {
        match self {
            Self::Rsa { bits }
            | Self::Gpg { bits, .. }
            | Self::Password { bits }
            | Self::Random { bits }
            | Self::ApiKey { bits } => *bits,
        }
    }

    pub(crate) fn print(&self, pairs: &mut Printer) {
        pairs.pair(keys::TYPE, self.secret_type().as_str());
        pairs.pair(keys::SIZE, &self.bits().to_string());
        if let Self::Gpg { user_id, .. } = self {
            pairs.pair(keys::USER_ID, user_id.as_str());
        }
    }
}

/// As an annotation has it: `type=RSA,size=2048`.
impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pairs = Printer::default();
        self.print(&mut pairs);
        f.write_str(&pairs.finish())
    }
}

/// All values of one generation, each with its field, in the order of [`Spec::fields`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated(Vec<(Field, SecretValue)>);

impl Generated {
    /// Wraps values that belong together.
    pub fn new(values: Vec<(Field, SecretValue)>) -> Self {
        Self(values)
    }

    /// The value of `field`, if the generation has it.
    pub fn get(&self, field: Field) -> Option<&SecretValue> {
        self.0
            .iter()
            .find(|(f, _)| *f == field)
            .map(|(_, value)| value)
    }

    /// Fields and values in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Field, &SecretValue)> {
        self.0.iter().map(|(field, value)| (*field, value))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("user<user@example.com>", true)]
    #[case("Jörg Müller <j@example.com>", true)]
    #[case("a<b<c>", true)]
    #[case("<user@example.com>", false)]
    #[case("user<>", false)]
    #[case("user", false)]
    #[case("user<a>b", false)]
    #[case("us\ner<a>", false)]
    #[case("<<b>", true)]
    fn a_user_id_is_something_then_something_in_angle_brackets(
        #[case] text: &str,
        #[case] ok: bool,
    ) {
        assert_eq!(text.parse::<UserId>().is_ok(), ok);
    }
}
