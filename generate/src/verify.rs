//! Whether stored values are what their annotations say.
//!
//! This checks the form of a value and not its quality. Values that the original kees stored pass
//! (Bouncy Castle's GPG keys, RSA keys of any size), and no number is tested for being prime, because
//! an init container has milliseconds for all of its values.

mod curve;
mod form;
mod gpg;
mod rsa;

use form::{Algorithm, Form};
use kees_common::{Field, SecretType, SecretValue};

use crate::{VerifyError, uuid};

/// Whether values read from a store are what their annotations say: each has the right form, and
/// those of one generation belong together (if the pod names more than one of them).
///
/// No value may be empty. RSA, EC and ED25519: DER `SubjectPublicKeyInfo` and PKCS#8 of one key. GPG:
/// armored OpenPGP keys with one fingerprint, the private one protected by the passphrase. RANDOM:
/// any bytes that are not a key, and one value for both fields of an `api-key`. A PASSWORD and GPG's
/// passphrase: any text that is not a key, because people store some by hand.
///
/// Returns the size of the key in bits, if there is one. Another size than that of the annotation is
/// not an error, because the original also reads what is stored.
///
/// # Errors
/// [`VerifyError`], which names the field and never a value.
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
        SecretType::Ec => curve::verify(Algorithm::Ec, find(Field::Public), find(Field::Private)),
        SecretType::Ed25519 => curve::verify(
            Algorithm::Ed25519,
            find(Field::Public),
            find(Field::Private),
        ),
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
        SecretType::Uuid => {
            for (field, value) in values {
                text(*field, "a UUID", value.expose())?;
                if !uuid::is_uuid(value.expose()) {
                    let message = "expected a UUID, found another text";
                    return Err(VerifyError::new(*field, message));
                }
            }
            Ok(None)
        }
        SecretType::Password => {
            for (field, value) in values {
                text(*field, "a password", value.expose())?;
            }
            Ok(None)
        }
    }
}

/// An error if the value is not text, or if it is a key.
fn text(field: Field, expected: &str, value: &[u8]) -> Result<(), VerifyError> {
    no_key(field, expected, value)?;
    if std::str::from_utf8(value).is_err() {
        let message = format!("expected {expected}, found bytes that are not text");
        return Err(VerifyError::new(field, message));
    }
    Ok(())
}

/// An error if the value is a key.
fn no_key(field: Field, expected: &str, value: &[u8]) -> Result<(), VerifyError> {
    match Form::of(value) {
        Form::Other => Ok(()),
        found => Err(VerifyError::new(
            field,
            format!("expected {expected}, found {found}"),
        )),
    }
}

#[cfg(test)]
mod tests;
