//! RSA: DER of the right form, and one modulus in both keys.

use kees_common::Field;
use rsa::{
    pkcs1,
    pkcs8::{self, PrivateKeyInfo, spki::SubjectPublicKeyInfoRef},
};

use super::form::{Algorithm, Form, unexpected};
use crate::VerifyError;

/// Checks the keys that are given, and returns their size in bits.
pub(super) fn verify(
    public: Option<&[u8]>,
    private: Option<&[u8]>,
) -> Result<Option<usize>, VerifyError> {
    let public = public
        .map(|value| {
            Public::parse(value).map_err(|e| {
                let expected = Form::Public(Algorithm::Rsa);
                unexpected(Field::Public, expected, value, Some(&e))
            })
        })
        .transpose()?;
    let private = private
        .map(|value| {
            Public::parse_private(value).map_err(|e| {
                let expected = Form::Private(Algorithm::Rsa);
                unexpected(Field::Private, expected, value, Some(&e))
            })
        })
        .transpose()?;
    match (public, private) {
        (Some(public), Some(private)) if public != private => Err(VerifyError::new(
            Field::Public,
            "the public key does not belong to the private key",
        )),
        (public, private) => Ok(public.or(private).map(|key| key.bits())),
    }
}

/// The numbers of a public key, big-endian, without leading zeros.
#[derive(PartialEq, Eq)]
pub(super) struct Public<'a> {
    modulus: &'a [u8],
    exponent: &'a [u8],
}

impl<'a> Public<'a> {
    /// The size of the modulus.
    fn bits(&self) -> usize {
        let unused = self.modulus.first().map_or(0, |byte| byte.leading_zeros());
        self.modulus.len() * 8 - unused as usize
    }

    /// Reads DER `SubjectPublicKeyInfo`.
    pub(super) fn parse(der: &'a [u8]) -> Result<Self, pkcs8::spki::Error> {
        let info = SubjectPublicKeyInfoRef::try_from(der)?;
        info.algorithm.assert_algorithm_oid(pkcs1::ALGORITHM_OID)?;
        let key = pkcs1::RsaPublicKey::try_from(info.subject_public_key.raw_bytes())?;
        Ok(Self {
            modulus: key.modulus.as_bytes(),
            exponent: key.public_exponent.as_bytes(),
        })
    }

    /// Reads the public numbers in DER PKCS#8. Nothing is copied.
    pub(super) fn parse_private(der: &'a [u8]) -> Result<Self, pkcs8::Error> {
        let info = PrivateKeyInfo::try_from(der)?;
        info.algorithm.assert_algorithm_oid(pkcs1::ALGORITHM_OID)?;
        let key = pkcs1::RsaPrivateKey::try_from(info.private_key)?;
        Ok(Self {
            modulus: key.modulus.as_bytes(),
            exponent: key.public_exponent.as_bytes(),
        })
    }
}
