//! What is generated: the type of a secret with its parameters.

use std::fmt;

use crate::{
    field::Field, names::keys, pairs::Printer, password_rules::PasswordRules,
    secret_type::SecretType, user_id::UserId,
};

/// What one generation consists of. Sizes are checked when an annotation is parsed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Spec {
    /// An RSA key pair with a modulus of `bits` (2048 or 4096).
    Rsa {
        /// Size of the modulus in bits.
        bits: u16,
    },
    /// An EC key pair on the curve P-256 or P-384.
    Ec {
        /// Size of the curve in bits.
        bits: u16,
    },
    /// An Ed25519 key pair.
    Ed25519,
    /// An OpenPGP key with an RSA modulus of `bits` (2048, 3072 or 4096).
    Gpg {
        /// Size of the modulus in bits.
        bits: u16,
        /// The one user id of the key.
        user_id: UserId,
    },
    /// Characters of base 62, as in the original.
    Password {
        /// `size=` of the annotation, which local mode needs as well. An eighth of it, rounded
        /// down, is the number of characters.
        bits: u16,
    },
    /// Characters by other rules than those of [`Spec::Password`].
    RuledPassword {
        /// As for [`Spec::Password`].
        bits: u16,
        /// The alphabet, and the classes of characters.
        rules: PasswordRules,
    },
    /// Random bytes.
    Random {
        /// `size=` of the annotation. An eighth of it, rounded down, is the number of bytes.
        bits: u16,
    },
    /// A UUID of version 4.
    Uuid,
    /// A RANDOM whose name begins with `api-key`: one value under two names.
    ApiKey {
        /// `size=` of the annotation. An eighth of it, rounded down, is the number of bytes.
        bits: u16,
    },
}

impl Spec {
    /// The fields of a RANDOM whose name begins with `api-key`.
    pub(crate) const API_KEY_FIELDS: &'static [Field] = &[Field::Consumer, Field::Provider];

    /// The type that the annotation names.
    pub fn secret_type(&self) -> SecretType {
        match self {
            Self::Rsa { .. } => SecretType::Rsa,
            Self::Ec { .. } => SecretType::Ec,
            Self::Ed25519 => SecretType::Ed25519,
            Self::Gpg { .. } => SecretType::Gpg,
            Self::Password { .. } | Self::RuledPassword { .. } => SecretType::Password,
            Self::Random { .. } | Self::ApiKey { .. } => SecretType::Random,
            Self::Uuid => SecretType::Uuid,
        }
    }

    /// The fields of a generation, in the order in which they are stored.
    pub fn fields(&self) -> &'static [Field] {
        match self {
            Self::ApiKey { .. } => Self::API_KEY_FIELDS,
            other => other.secret_type().fields(),
        }
    }

    /// `size=`: the size of the key in bits, or eight times the number of characters or bytes.
    pub fn bits(&self) -> u16 {
        match self {
            Self::Rsa { bits }
            | Self::Ec { bits }
            | Self::Gpg { bits, .. }
            | Self::Password { bits }
            | Self::RuledPassword { bits, .. }
            | Self::Random { bits }
            | Self::ApiKey { bits } => *bits,
            Self::Ed25519 => 256,
            Self::Uuid => 128,
        }
    }

    /// The size of the RSA modulus, for types that have one. Finding its primes takes seconds; all
    /// other types are generated in less than a millisecond.
    pub fn rsa_bits(&self) -> Option<u16> {
        match self {
            Self::Rsa { bits } | Self::Gpg { bits, .. } => Some(*bits),
            _ => None,
        }
    }

    /// The rules of a PASSWORD; `None` for other types.
    pub fn password_rules(&self) -> Option<PasswordRules> {
        match self {
            Self::Password { .. } => Some(PasswordRules::default()),
            Self::RuledPassword { rules, .. } => Some(rules.clone()),
            _ => None,
        }
    }

    pub(crate) fn print(&self, pairs: &mut Printer) {
        pairs.pair(keys::TYPE, self.secret_type().as_str());
        pairs.pair(keys::SIZE, &self.bits().to_string());
        match self {
            Self::Gpg { user_id, .. } => pairs.pair(keys::USER_ID, user_id.as_str()),
            Self::RuledPassword { rules, .. } => {
                pairs.pair(keys::ALPHABET, rules.alphabet.as_str());
                if !rules.classes.is_empty() {
                    pairs.pair(keys::CLASSES, &rules.classes.to_string());
                }
            }
            _ => {}
        }
    }
}

/// As in an annotation: `type=RSA,size=2048`.
impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pairs = Printer::default();
        self.print(&mut pairs);
        f.write_str(&pairs.finish())
    }
}
