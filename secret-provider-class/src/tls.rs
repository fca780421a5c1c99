//! Certificates and private keys, cut out of PEM or PKCS#12 as the driver does it.

use der::{
    Decode, Encode, Sequence,
    asn1::{BitStringRef, ObjectIdentifier, OctetStringRef, UintRef},
};
use kees_common::SecretValue;
use p12_keystore::Pkcs12Archive;
use pem::{EncodeConfig, LineEnding, Pem};
use pkcs8::PrivateKeyInfoRef;
use zeroize::Zeroizing;

const CERTIFICATE: &str = "CERTIFICATE";
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// What a file lacks. The value is in no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// Neither PEM nor PKCS#12.
    #[error("it is neither PEM nor PKCS#12 with an empty password")]
    Format,
    /// No certificate.
    #[error("it has no certificate")]
    NoCertificate,
    /// No private key.
    #[error("it has no private key")]
    NoKey,
    /// A key that is encrypted, or of another type.
    #[error("its private key is not one of RSA, EC and Ed25519 without a password")]
    Key,
}

/// All certificates, in their order, as PEM.
pub(crate) fn certificates(value: &SecretValue) -> Result<SecretValue, TlsError> {
    let is_certificate = |block: &Pem| block.tag() == CERTIFICATE;
    let mut blocks = pem_blocks(value);
    blocks.retain(is_certificate);
    if blocks.is_empty() {
        blocks = keystore(value)?
            .certificates
            .into_iter()
            .map(|der| Pem::new(CERTIFICATE, der))
            .collect();
    }
    if blocks.is_empty() {
        return Err(TlsError::NoCertificate);
    }
    let text = blocks.iter().map(print).collect::<Vec<_>>().concat();
    Ok(SecretValue::new(text.into_bytes()))
}

/// The last private key, as PEM in the form of its type: PKCS#1, SEC 1, and PKCS#8 for Ed25519.
pub(crate) fn private_key(value: &SecretValue) -> Result<SecretValue, TlsError> {
    let blocks = pem_blocks(value);
    let mut keys = blocks
        .into_iter()
        .filter(|block| block.tag() != CERTIFICATE);
    let der = match keys.next_back() {
        Some(block) => Zeroizing::new(block.into_contents()),
        None => keystore(value)?.key.ok_or(TlsError::NoKey)?,
    };
    let key = encode(&der).ok_or(TlsError::Key)?;
    let text = Zeroizing::new(print(&key));
    Ok(SecretValue::new(text.as_bytes().to_vec()))
}

/// The blocks that can be read. What is around them is passed over.
fn pem_blocks(value: &SecretValue) -> Vec<Pem> {
    let blocks = pem::parse_many(value.expose());
    blocks.unwrap_or_default()
}

fn print(block: &Pem) -> String {
    pem::encode_config(block, EncodeConfig::new().set_line_ending(LineEnding::LF))
}

/// The key that PEM has, in the form of its type.
fn encode(der: &[u8]) -> Option<Pem> {
    if RsaKey::from_der(der).is_ok() {
        return Some(Pem::new("RSA PRIVATE KEY", der));
    }
    if let Ok(key) = EcKey::from_der(der) {
        return key.print(None);
    }
    let key = PrivateKeyInfoRef::from_der(der).ok()?;
    match key.algorithm.oid {
        RSA => Some(Pem::new("RSA PRIVATE KEY", key.private_key.as_bytes())),
        EC => {
            let curve = key.algorithm.parameters?.decode_as().ok()?;
            EcKey::from_der(key.private_key.as_bytes())
                .ok()?
                .print(Some(curve))
        }
        ED25519 => Some(Pem::new("PRIVATE KEY", der)),
        _ => None,
    }
}

/// A private key in PKCS#1.
#[derive(Sequence)]
struct RsaKey<'a> {
    version: u8,
    modulus: UintRef<'a>,
    public_exponent: UintRef<'a>,
    private_exponent: UintRef<'a>,
    prime1: UintRef<'a>,
    prime2: UintRef<'a>,
    exponent1: UintRef<'a>,
    exponent2: UintRef<'a>,
    coefficient: UintRef<'a>,
}

/// A private key in SEC 1.
#[derive(Sequence)]
struct EcKey<'a> {
    version: u8,
    key: &'a OctetStringRef,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    curve: Option<ObjectIdentifier>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    public: Option<BitStringRef<'a>>,
}

impl EcKey<'_> {
    /// The key with its curve, which may be outside in PKCS#8.
    fn print(mut self, curve: Option<ObjectIdentifier>) -> Option<Pem> {
        self.curve = self.curve.or(curve);
        self.curve?;
        let der = self.to_der().ok()?;
        Some(Pem::new("EC PRIVATE KEY", der))
    }
}

/// What a PKCS#12 keystore has.
struct Keystore {
    certificates: Vec<Vec<u8>>,
    key: Option<Zeroizing<Vec<u8>>>,
}

/// Reads a keystore without a password, also with the ciphers of old programs.
fn keystore(value: &SecretValue) -> Result<Keystore, TlsError> {
    let archive = Pkcs12Archive::from_pkcs12(value.expose(), "").map_err(|_| TlsError::Format)?;
    let certificates = archive.certs.iter();
    let certificates = certificates.map(|bag| bag.cert.as_der().to_vec());
    let key = archive.keys.last();
    Ok(Keystore {
        certificates: certificates.collect(),
        key: key.map(|bag| Zeroizing::new(bag.key.as_der().to_vec())),
    })
}
