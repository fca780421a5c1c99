//! GPG: armored OpenPGP keys with one fingerprint, and the passphrase of the private one.

use kees_common::Field;
use sequoia_openpgp::{
    Cert,
    crypto::{Password, S2K},
    packet::key::SecretKeyMaterial,
    parse::Parse as _,
};

use super::{
    form::{Form, unexpected},
    text,
};
use crate::VerifyError;

/// Checks the fields that are given, and returns the size of the key in bits.
pub(super) fn verify(
    public: Option<&[u8]>,
    private: Option<&[u8]>,
    passphrase: Option<&[u8]>,
) -> Result<Option<usize>, VerifyError> {
    let public = public.map(|value| cert(Field::Public, value)).transpose()?;
    let private = private
        .map(|value| cert(Field::Private, value))
        .transpose()?;
    if let (Some(public), Some(private)) = (&public, &private)
        && public.fingerprint() != private.fingerprint()
    {
        let (public, private) = (public.fingerprint(), private.fingerprint());
        return Err(VerifyError::new(
            Field::Public,
            format!("the public key ({public}) does not belong to the private key ({private})"),
        ));
    }
    if let Some(passphrase) = passphrase {
        text(Field::Password, "a passphrase", passphrase)?;
    }
    if let (Some(private), Some(passphrase)) = (&private, passphrase) {
        open(private, passphrase)?;
    }
    let key = public.or(private);
    Ok(key.and_then(|cert| cert.primary_key().key().mpis().bits()))
}

/// One OpenPGP key, public or private as `field` says.
///
/// Sequoia's error message is left out, because it may contain a part of the key.
fn cert(field: Field, value: &[u8]) -> Result<Cert, VerifyError> {
    let expected = if field == Field::Private {
        Form::GpgPrivate
    } else {
        Form::GpgPublic
    };
    let wrong = || unexpected(field, expected, value, None);
    if Form::of(value) != expected {
        return Err(wrong());
    }
    let cert = Cert::from_bytes(value).map_err(|_| wrong())?;
    // The armor may say something else than the packets.
    if cert.primary_key().key().has_secret() == (expected == Form::GpgPrivate) {
        Ok(cert)
    } else {
        Err(VerifyError::new(
            field,
            format!("expected {expected}, found the other key of the pair"),
        ))
    }
}

/// Checks that the private key is protected by this passphrase.
fn open(private: &Cert, passphrase: &[u8]) -> Result<(), VerifyError> {
    let key = private.primary_key().key();
    match key.optional_secret() {
        Some(SecretKeyMaterial::Encrypted(secret)) => {
            // A hostile value could require gigabytes of memory. GnuPG 2.2 and Bouncy Castle do not
            // write Argon2.
            if matches!(secret.s2k(), S2K::Argon2 { .. }) {
                return Err(VerifyError::new(
                    Field::Private,
                    "the private key is protected by Argon2, expected an iterated and salted hash",
                ));
            }
            match secret.decrypt(key, &Password::from(passphrase)) {
                Ok(_) => Ok(()),
                Err(_) => Err(VerifyError::new(
                    Field::Password,
                    "the passphrase does not open the private key",
                )),
            }
        }
        _ => Err(VerifyError::new(
            Field::Private,
            "the private key is not protected, expected it to be by the passphrase",
        )),
    }
}
