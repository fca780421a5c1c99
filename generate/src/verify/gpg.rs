//! GPG: armored OpenPGP keys with one fingerprint, and a passphrase that opens the private one.

use kees_common::Field;
use sequoia_openpgp::{
    Cert,
    crypto::{Password, S2K},
    packet::key::SecretKeyMaterial,
    parse::Parse as _,
};

use super::{Form, not, text};
use crate::VerifyError;

/// Checks what is given of a key; its size in bits.
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

/// One OpenPGP key, of the half that `field` names.
///
/// Sequoia's own words on a broken key are left out: they may repeat a part of it.
fn cert(field: Field, value: &[u8]) -> Result<Cert, VerifyError> {
    let expected = if field == Field::Private {
        Form::GpgPrivate
    } else {
        Form::GpgPublic
    };
    let wrong = || not(field, expected, value, None);
    if Form::of(value) != expected {
        return Err(wrong());
    }
    let cert = Cert::from_bytes(value).map_err(|_| wrong())?;
    // The packets decide, whatever the armor says.
    if cert.primary_key().key().has_secret() == (expected == Form::GpgPrivate) {
        Ok(cert)
    } else {
        Err(VerifyError::new(
            field,
            format!("expected {expected}, found the other half under its name"),
        ))
    }
}

/// Whether the private key is protected, and by this passphrase.
fn open(private: &Cert, passphrase: &[u8]) -> Result<(), VerifyError> {
    let key = private.primary_key().key();
    match key.optional_secret() {
        Some(SecretKeyMaterial::Encrypted(secret)) => {
            // A hostile value could ask for gigabytes; GnuPG 2.2 and Bouncy Castle write none.
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
