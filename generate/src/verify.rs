//! Whether stored values are what their annotations say.
//!
//! A look at their form, not an audit: what the original kees stored (Bouncy Castle's GPG keys, RSA
//! keys of any size) passes, and no number is tested for being prime, since an init container has
//! milliseconds for all of its values.

mod gpg;
mod rsa;

use std::fmt;

use kees_common::{Field, SecretType, SecretValue};

use crate::Mismatch;

/// Whether values read from a store are what their annotations say: each of the right form, and
/// those of one generation belonging together (as far as the pod names enough of them to tell).
///
/// No value may be empty. RSA: DER `SubjectPublicKeyInfo` and PKCS#8, with one modulus. GPG:
/// armored OpenPGP keys with one fingerprint, the private one protected by the passphrase. RANDOM:
/// both ends of an `api-key` alike. A PASSWORD may be anything. Sizes are not compared: a stored
/// value stays right when an annotation's `size` changes.
///
/// # Errors
/// [`Mismatch`], which names the field at fault and never a value.
pub fn verify(secret_type: SecretType, values: &[(Field, &SecretValue)]) -> Result<(), Mismatch> {
    if let Some((field, _)) = values.iter().find(|(_, value)| value.is_empty()) {
        return Err(mismatch(*field, "the value is empty"));
    }
    let find = |field| {
        values
            .iter()
            .find(|(f, _)| *f == field)
            .map(|(_, value)| value.expose())
    };
    match secret_type {
        SecretType::Rsa => rsa::verify(find(Field::Public), find(Field::Private)),
        SecretType::Gpg => gpg::verify(
            find(Field::Public),
            find(Field::Private),
            find(Field::Password),
        ),
        SecretType::Random => match (find(Field::Consumer), find(Field::Provider)) {
            (Some(consumer), Some(provider)) if consumer != provider => Err(mismatch(
                Field::Consumer,
                "the value differs from that of provider",
            )),
            _ => Ok(()),
        },
        SecretType::Password => Ok(()),
    }
}

/// What a stored value can be seen to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    RsaPublic,
    RsaPrivate,
    GpgPublic,
    GpgPrivate,
    Pem,
    Other,
}

impl Form {
    fn of(value: &[u8]) -> Self {
        let text = value.trim_ascii_start();
        if text.starts_with(b"-----BEGIN PGP PUBLIC KEY BLOCK-----") {
            Self::GpgPublic
        } else if text.starts_with(b"-----BEGIN PGP PRIVATE KEY BLOCK-----") {
            Self::GpgPrivate
        } else if text.starts_with(b"-----BEGIN ") {
            Self::Pem
        } else if rsa::Public::parse(value).is_ok() {
            Self::RsaPublic
        } else if rsa::Public::parse_private(value).is_ok() {
            Self::RsaPrivate
        } else {
            Self::Other
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RsaPublic => "an RSA public key (DER SubjectPublicKeyInfo)",
            Self::RsaPrivate => "an RSA private key (DER PKCS#8)",
            Self::GpgPublic => "an armored GPG public key",
            Self::GpgPrivate => "an armored GPG private key",
            Self::Pem => "PEM text",
            Self::Other => "something else",
        })
    }
}

/// The mismatch of a value that is not of the `expected` form; `why` is a parser's word on it.
fn not(field: Field, expected: Form, value: &[u8], why: Option<&dyn fmt::Display>) -> Mismatch {
    let what = match (Form::of(value), why) {
        (found, _) if found == expected => format!("expected {expected}, found a broken one"),
        (Form::Other, Some(why)) => format!("expected {expected}: {why}"),
        (found, _) => format!("expected {expected}, found {found}"),
    };
    mismatch(field, &what)
}

fn mismatch(field: Field, what: &str) -> Mismatch {
    Mismatch {
        field,
        what: what.to_owned(),
    }
}

#[cfg(test)]
mod tests;
