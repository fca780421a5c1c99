//! Whether stored values are what their annotations say.
//!
//! A look at their form, not an audit: what the original kees stored (Bouncy Castle's GPG keys, RSA
//! keys of any size) passes, and no number is tested for being prime, since an init container has
//! milliseconds for all of its values.

mod gpg;
mod rsa;

use std::fmt;

use ::rsa::pkcs8::{PrivateKeyInfo, spki::SubjectPublicKeyInfoRef};
use kees_common::{Field, SecretType, SecretValue};

use crate::VerifyError;

/// Whether values read from a store are what their annotations say: each of the right form, and
/// those of one generation belonging together (as far as the pod names enough of them to tell).
///
/// No value may be empty. RSA: DER `SubjectPublicKeyInfo` and PKCS#8, with one modulus. GPG:
/// armored OpenPGP keys with one fingerprint, the private one protected by the passphrase. RANDOM:
/// any bytes that are no key, both ends of an `api-key` alike. A PASSWORD and GPG's passphrase: any
/// text that is no key, since people store some by hand.
///
/// Returns the size of a key in bits, where there is one. It is no reason to refuse a value: the
/// original hands out what is stored, whatever the annotation's `size` says by now.
///
/// # Errors
/// [`VerifyError`], which names the field at fault and never a value.
pub fn verify(
    secret_type: SecretType,
    values: &[(Field, &SecretValue)],
) -> Result<Option<usize>, VerifyError> {
    if let Some((field, _)) = values.iter().find(|(_, value)| value.is_empty()) {
        return Err(VerifyError::new(*field, "the value is empty"));
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
        SecretType::Random => {
            for (field, value) in values {
                no_key(*field, "random bytes", value.expose())?;
            }
            match (find(Field::Consumer), find(Field::Provider)) {
                (Some(consumer), Some(provider)) if consumer != provider => Err(VerifyError::new(
                    Field::Consumer,
                    "the value differs from that of provider",
                )),
                _ => Ok(None),
            }
        }
        SecretType::Password => {
            for (field, value) in values {
                text(*field, "a password", value.expose())?;
            }
            Ok(None)
        }
    }
}

/// Fails a value that is no text, or a key.
fn text(field: Field, expected: &str, value: &[u8]) -> Result<(), VerifyError> {
    no_key(field, expected, value)?;
    if std::str::from_utf8(value).is_err() {
        let what = format!("expected {expected}, found bytes that are no text");
        return Err(VerifyError::new(field, what));
    }
    Ok(())
}

/// Fails a value that is a key.
fn no_key(field: Field, expected: &str, value: &[u8]) -> Result<(), VerifyError> {
    match Form::of(value) {
        Form::Other => Ok(()),
        found => Err(VerifyError::new(
            field,
            format!("expected {expected}, found {found}"),
        )),
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
    ForeignPublic,
    ForeignPrivate,
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
        } else if SubjectPublicKeyInfoRef::try_from(value).is_ok() {
            Self::ForeignPublic
        } else if PrivateKeyInfo::try_from(value).is_ok() {
            Self::ForeignPrivate
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
            Self::ForeignPublic => "a public key that is not RSA (DER SubjectPublicKeyInfo)",
            Self::ForeignPrivate => "a private key that is not RSA (DER PKCS#8)",
            Self::Other => "something else",
        })
    }
}

/// The mismatch of a value that is not of the `expected` form; `why` is a parser's word on it.
fn not(field: Field, expected: Form, value: &[u8], why: Option<&dyn fmt::Display>) -> VerifyError {
    let what = match (Form::of(value), why) {
        (found, _) if found == expected => format!("expected {expected}, found a broken one"),
        (Form::Other, Some(why)) => format!("expected {expected}: {why}"),
        (found, _) => format!("expected {expected}, found {found}"),
    };
    VerifyError::new(field, what)
}

#[cfg(test)]
mod tests;
