//! The forms of stored keys, as far as they can be recognized.

use std::fmt;

use kees_common::Field;
use rsa::{
    pkcs1,
    pkcs8::{ObjectIdentifier, PrivateKeyInfo, spki::SubjectPublicKeyInfoRef},
};

use crate::VerifyError;

/// The form of a stored value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// DER `SubjectPublicKeyInfo`.
    Public(Algorithm),
    /// DER PKCS#8.
    Private(Algorithm),
    GpgPublic,
    GpgPrivate,
    Pem,
    Other,
}

/// The algorithm of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rsa,
    Ec,
    Ed25519,
    Other,
}

impl Form {
    pub(super) fn of(value: &[u8]) -> Self {
        let text = value.trim_ascii_start();
        if text.starts_with(b"-----BEGIN PGP PUBLIC KEY BLOCK-----") {
            Self::GpgPublic
        } else if text.starts_with(b"-----BEGIN PGP PRIVATE KEY BLOCK-----") {
            Self::GpgPrivate
        } else if text.starts_with(b"-----BEGIN ") {
            Self::Pem
        } else if let Ok(info) = SubjectPublicKeyInfoRef::try_from(value) {
            Self::Public(Algorithm::of(info.algorithm.oid))
        } else if let Ok(info) = PrivateKeyInfo::try_from(value) {
            Self::Private(Algorithm::of(info.algorithm.oid))
        } else {
            Self::Other
        }
    }
}

impl Algorithm {
    pub(super) fn of(oid: ObjectIdentifier) -> Self {
        const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
        const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

        match oid {
            pkcs1::ALGORITHM_OID => Self::Rsa,
            EC => Self::Ec,
            ED25519 => Self::Ed25519,
            _ => Self::Other,
        }
    }

    /// The kind of key, with its article.
    fn key(self) -> (&'static str, &'static str) {
        match self {
            Self::Rsa => ("an RSA", ""),
            Self::Ec => ("an EC", ""),
            Self::Ed25519 => ("an ED25519", ""),
            Self::Other => ("a", " of another algorithm"),
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public(algorithm) => {
                let (name, rest) = algorithm.key();
                write!(f, "{name} public key{rest} (DER SubjectPublicKeyInfo)")
            }
            Self::Private(algorithm) => {
                let (name, rest) = algorithm.key();
                write!(f, "{name} private key{rest} (DER PKCS#8)")
            }
            Self::GpgPublic => f.write_str("an armored GPG public key"),
            Self::GpgPrivate => f.write_str("an armored GPG private key"),
            Self::Pem => f.write_str("PEM text"),
            Self::Other => f.write_str("something else"),
        }
    }
}

/// The error of a value that is not of the `expected` form. `reason` is a parser's message, which
/// must not contain a part of the value.
pub(super) fn unexpected(
    field: Field,
    expected: Form,
    value: &[u8],
    reason: Option<&dyn fmt::Display>,
) -> VerifyError {
    let message = match (Form::of(value), reason) {
        (found, _) if found == expected => format!("expected {expected}, found a broken one"),
        (Form::Other, Some(reason)) => format!("expected {expected}: {reason}"),
        (found, _) => format!("expected {expected}, found {found}"),
    };
    VerifyError::new(field, message)
}
