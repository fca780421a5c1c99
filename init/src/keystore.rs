//! Keystores in PKCS#12, from a private key, its certificate and a password.

use kees_common::{Field, SecretType, SecretValue};
use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, PrivateKey, PrivateKeyChain};
use x509_parser::{certificate::X509Certificate, prelude::FromDer};
use zeroize::Zeroizing;

/// The types of keys that a certificate may have.
const KEY_TYPES: [SecretType; 3] = [SecretType::Rsa, SecretType::Ec, SecretType::Ed25519];

/// What a keystore is made from.
pub(crate) struct Parts<'a> {
    /// The name of the key within the keystore.
    pub(crate) alias: &'a str,
    pub(crate) key: &'a SecretValue,
    pub(crate) certificate: &'a SecretValue,
    pub(crate) password: &'a SecretValue,
}

/// The keystore, encrypted as Java and OpenSSL do it today: PBES2 with AES-256, and an HMAC with SHA-256. Each
/// call gives another salt.
///
/// # Errors
/// [`KeystoreError`], which has nothing of a value.
pub(crate) fn pkcs12(parts: &Parts<'_>) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
    let password = text(parts.password).filter(|password| is_password(password));
    let password = password.ok_or(KeystoreError::Password)?;
    let key = key(parts.key)?;
    let certificates = certificates(parts.certificate)?;
    let leaf = certificates.first().ok_or(KeystoreError::Certificate)?;
    check_pair(&key, leaf)?;
    let chain = certificates.iter().map(|der| Certificate::from_der(der));
    let chain: Vec<_> = chain
        .collect::<Result<_, _>>()
        .map_err(|_| KeystoreError::Certificate)?;
    let key = PrivateKey::from_der(key.expose()).map_err(|_| KeystoreError::Key)?;
    let mut keystore = KeyStore::new();
    let chain = PrivateKeyChain::new(parts.alias, key, chain);
    keystore.add_entry(parts.alias, KeyStoreEntry::PrivateKeyChain(chain));
    let written = keystore.writer(password).write();
    written
        .map(Zeroizing::new)
        .map_err(|_| KeystoreError::Write)
}

/// The text of a value, unless it is a stored text that is not base64.
fn text(value: &SecretValue) -> Option<&str> {
    value.expose_text().filter(|_| !value.is_verbatim())
}

/// Whether Java and OpenSSL encode the password alike. For other characters they differ.
fn is_password(password: &str) -> bool {
    let is_allowed = |b: u8| b == b' ' || b.is_ascii_graphic();
    !password.is_empty() && password.bytes().all(is_allowed)
}

/// A private key in PKCS#8, in DER.
fn key(value: &SecretValue) -> Result<SecretValue, KeystoreError> {
    let Some(text) = text(value).filter(|text| text.contains("-----BEGIN")) else {
        return Ok(value.clone());
    };
    let pem = pem::parse(text).map_err(|_| KeystoreError::Key)?;
    if pem.tag() != "PRIVATE KEY" {
        return Err(KeystoreError::Key);
    }
    Ok(SecretValue::new(pem.into_contents()))
}

/// The certificates in DER, that of the key first.
fn certificates(value: &SecretValue) -> Result<Vec<Vec<u8>>, KeystoreError> {
    let Some(text) = text(value) else {
        return Ok(vec![value.expose().to_vec()]);
    };
    let blocks = pem::parse_many(text).map_err(|_| KeystoreError::Certificate)?;
    if blocks.iter().any(|pem| pem.tag() != "CERTIFICATE") {
        return Err(KeystoreError::Certificate);
    }
    Ok(blocks.into_iter().map(pem::Pem::into_contents).collect())
}

/// Fails if the certificate is that of another key.
fn check_pair(key: &SecretValue, certificate: &[u8]) -> Result<(), KeystoreError> {
    let parsed = X509Certificate::from_der(certificate);
    let (_, parsed) = parsed.map_err(|_| KeystoreError::Certificate)?;
    let public = SecretValue::new(parsed.tbs_certificate.subject_pki.raw.to_vec());
    let is_of = |secret_type, values: &[_]| kees_generate::verify(secret_type, values).is_ok();
    let private = [(Field::Private, key)];
    let pair = [(Field::Private, key), (Field::Public, &public)];
    let mut types = KEY_TYPES.into_iter();
    match types.find(|secret_type| is_of(*secret_type, &private)) {
        None => Err(KeystoreError::Key),
        Some(secret_type) if is_of(secret_type, &pair) => Ok(()),
        Some(_) => Err(KeystoreError::OtherKey),
    }
}

/// Why there is no keystore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeystoreError {
    /// The key cannot be read.
    #[error(
        "the value of key= is not an RSA, EC or ED25519 private key in PKCS#8; convert it with \
         `openssl pkcs8 -topk8 -nocrypt`"
    )]
    Key,
    /// The certificate cannot be read.
    #[error("the value of certificate= is neither certificates in PEM nor one certificate in DER")]
    Certificate,
    /// The certificate is that of another key.
    #[error("the first certificate of certificate= is not that of the key of key=")]
    OtherKey,
    /// The password is not one that every reader understands.
    #[error("the value of password= is empty or has other characters than those of ASCII")]
    Password,
    /// The keystore cannot be encoded.
    #[error("the keystore cannot be encoded")]
    Write,
}
