//! An RSA key pair: made by AWS-LC, encoded as kees stores it.

use aws_lc_rs::{
    digest::{Digest, SHA256},
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    error::{KeyRejected, Unspecified},
    rsa::{KeyPair, KeySize},
    signature::{self, KeyPair as _},
};
use kees_common::SecretValue;
use rsa::{pkcs1, pkcs8::PrivateKeyInfo};

use crate::GenerateError;

/// An RSA key pair with the public exponent 65537.
///
/// AWS-LC holds it and overwrites it when it frees it (`OPENSSL_free`).
pub(crate) struct RsaKey(KeyPair);

impl RsaKey {
    /// Makes a key pair with a modulus of `bits` (2048, 3072 or 4096).
    pub(crate) fn generate(bits: u16) -> Result<Self, GenerateError> {
        let size = match bits {
            2048 => KeySize::Rsa2048,
            3072 => KeySize::Rsa3072,
            4096 => KeySize::Rsa4096,
            _ => {
                return Err(failed(format!(
                    "{bits} bits are none of 2048, 3072 and 4096"
                )));
            }
        };
        KeyPair::generate(size).map(Self).map_err(unspecified)
    }

    /// Takes a key pair in DER PKCS#8, if its parts fit together.
    pub(crate) fn from_pkcs8(der: &[u8]) -> Result<Self, GenerateError> {
        KeyPair::from_pkcs8(der)
            .map(Self)
            .map_err(|e: KeyRejected| failed(e.to_string()))
    }

    /// DER `SubjectPublicKeyInfo` (RFC 5280) with the algorithm `rsaEncryption`.
    pub(crate) fn public_der(&self) -> Result<SecretValue, GenerateError> {
        let der: PublicKeyX509Der<'_> = self.0.public_key().as_der().map_err(unspecified)?;
        Ok(SecretValue::new(der.as_ref().to_vec()))
    }

    /// DER `PrivateKeyInfo` (PKCS#8, RFC 5208) with the algorithm `rsaEncryption`.
    pub(crate) fn private_der(&self) -> Result<SecretValue, GenerateError> {
        let der: Pkcs8V1Der<'_> = self.0.as_der().map_err(unspecified)?;
        Ok(SecretValue::new(der.as_ref().to_vec()))
    }

    /// Shows the numbers of the key to `look`; they are wiped afterwards.
    pub(crate) fn with_numbers<T>(
        &self,
        look: impl FnOnce(&pkcs1::RsaPrivateKey<'_>) -> Result<T, GenerateError>,
    ) -> Result<T, GenerateError> {
        let der: Pkcs8V1Der<'_> = self.0.as_der().map_err(unspecified)?;
        let info = PrivateKeyInfo::try_from(der.as_ref()).map_err(|e| failed(e.to_string()))?;
        let numbers =
            pkcs1::RsaPrivateKey::try_from(info.private_key).map_err(|e| failed(e.to_string()))?;
        look(&numbers)
    }

    /// Signs a SHA-256 digest with PKCS#1 v1.5, in constant time and blinded by AWS-LC.
    pub(crate) fn sign_sha256(&self, digest: &[u8]) -> Result<Vec<u8>, GenerateError> {
        let digest = Digest::import_less_safe(digest, &SHA256).map_err(unspecified)?;
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0
            .sign_digest(&signature::RSA_PKCS1_SHA256, &digest, &mut signature)
            .map_err(unspecified)?;
        Ok(signature)
    }
}

fn unspecified(error: Unspecified) -> GenerateError {
    failed(error.to_string())
}

fn failed(reason: String) -> GenerateError {
    GenerateError::Key {
        key: "an RSA key",
        reason,
    }
}
