//! The provider's keys (RFC 7517), and signatures (RFC 7515, 7518).

use std::collections::HashMap;

use aws_lc_rs::signature::{ECDSA_P521_SHA512_FIXED, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::error::TokenError;

/// The keys by their ids.
#[derive(Default)]
pub struct KeySet(HashMap<String, Vec<Key>>);

/// One key, and what it may be used for.
struct Key {
    family: Family,
    /// The only algorithm that the provider uses it with, if it says so.
    algorithm: Option<String>,
    material: Material,
}

/// Which algorithms a key fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Rsa,
    P256,
    P384,
    P521,
}

enum Material {
    /// For all but P-521, which the JWT library does not have.
    Library(DecodingKey),
    /// The uncompressed point.
    Point(Vec<u8>),
}

/// The accepted algorithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Accepted {
    Library(Algorithm),
    Es512,
}

/// A key set as the provider publishes it.
#[derive(Deserialize)]
struct Published {
    keys: Vec<Value>,
}

/// A key as the provider publishes it. Other members do not matter.
#[derive(Deserialize)]
struct PublishedKey {
    kty: String,
    kid: String,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// What is used of a token's header.
pub(super) struct Header {
    pub(super) key_id: String,
    name: String,
    algorithm: Accepted,
}

impl Header {
    pub(super) fn parse(header: &Map<String, Value>) -> Result<Self, TokenError> {
        let text = |name| header.get(name).and_then(Value::as_str);
        let name = text("alg").ok_or(TokenError::Algorithm)?;
        let algorithm = Accepted::parse(name).ok_or(TokenError::Algorithm)?;
        if header.contains_key("crit") {
            return Err(TokenError::Extension);
        }
        let key_id = text("kid").filter(|id| !id.is_empty());
        Ok(Self {
            key_id: key_id.ok_or(TokenError::NoKeyId)?.to_owned(),
            name: name.to_owned(),
            algorithm,
        })
    }
}

impl Accepted {
    fn parse(name: &str) -> Option<Self> {
        Some(Self::Library(match name {
            "ES256" => Algorithm::ES256,
            "ES384" => Algorithm::ES384,
            "ES512" => return Some(Self::Es512),
            "RS256" => Algorithm::RS256,
            "RS384" => Algorithm::RS384,
            "RS512" => Algorithm::RS512,
            "PS256" => Algorithm::PS256,
            "PS384" => Algorithm::PS384,
            "PS512" => Algorithm::PS512,
            _ => return None,
        }))
    }

    fn family(self) -> Family {
        match self {
            Self::Es512 => Family::P521,
            Self::Library(Algorithm::ES256) => Family::P256,
            Self::Library(Algorithm::ES384) => Family::P384,
            Self::Library(_) => Family::Rsa,
        }
    }
}

impl KeySet {
    /// Reads a key set. Keys for encryption, and of types that are not accepted, are left out.
    ///
    /// # Errors
    /// It is no key set.
    pub fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        let Published { keys } = serde_json::from_slice(json)?;
        let mut set = HashMap::<_, Vec<_>>::new();
        for key in keys {
            if let Some((id, key)) = Key::parse(key) {
                set.entry(id).or_default().push(key);
            }
        }
        Ok(Self(set))
    }

    /// Whether it has a key of this id.
    pub fn contains(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }

    /// How many ids it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn verify(
        &self,
        header: &Header,
        signed: &[u8],
        signature: &str,
    ) -> Result<(), TokenError> {
        let Header {
            key_id,
            name,
            algorithm,
        } = header;
        let keys = self.0.get(key_id).ok_or(TokenError::UnknownKey)?;
        let mut fitting = keys.iter().filter(|key| {
            key.family == algorithm.family()
                && key.algorithm.as_ref().is_none_or(|only| only == name)
        });
        if fitting.any(|key| key.material.verify(*algorithm, signed, signature)) {
            Ok(())
        } else {
            Err(TokenError::Signature)
        }
    }
}

impl Key {
    fn parse(key: Value) -> Option<(String, Self)> {
        let key: PublishedKey = serde_json::from_value(key).ok()?;
        let is_for_signatures = key.purpose.is_none_or(|purpose| purpose == "sig")
            && key
                .key_ops
                .is_none_or(|uses| uses.iter().any(|each| each == "verify"));
        if !is_for_signatures {
            return None;
        }
        let (family, material) = match (key.kty.as_str(), key.crv.as_deref()) {
            ("RSA", _) => (
                Family::Rsa,
                Material::Library(DecodingKey::from_rsa_components(&key.n?, &key.e?).ok()?),
            ),
            ("EC", Some("P-256")) => (Family::P256, Material::curve(&key.x?, &key.y?)?),
            ("EC", Some("P-384")) => (Family::P384, Material::curve(&key.x?, &key.y?)?),
            ("EC", Some("P-521")) => (Family::P521, Material::point(&key.x?, &key.y?)?),
            _ => return None,
        };
        let algorithm = key.alg;
        let key_itself = Self {
            family,
            algorithm,
            material,
        };
        Some((key.kid, key_itself))
    }
}

impl Material {
    fn curve(x: &str, y: &str) -> Option<Self> {
        DecodingKey::from_ec_components(x, y)
            .ok()
            .map(Self::Library)
    }

    /// A point of P-521, whose coordinates have 66 bytes each.
    fn point(x: &str, y: &str) -> Option<Self> {
        let (x, y) = (decode(x)?, decode(y)?);
        let are_coordinates = x.len() == 66 && y.len() == 66;
        are_coordinates.then(|| Self::Point([&[4], &x[..], &y].concat()))
    }

    fn verify(&self, algorithm: Accepted, signed: &[u8], signature: &str) -> bool {
        match (self, algorithm) {
            (Self::Library(key), Accepted::Library(algorithm)) => {
                crypto::verify(signature, signed, key, algorithm).unwrap_or(false)
            }
            (Self::Point(point), Accepted::Es512) => decode(signature).is_some_and(|signature| {
                UnparsedPublicKey::new(&ECDSA_P521_SHA512_FIXED, point)
                    .verify(signed, &signature)
                    .is_ok()
            }),
            _ => false,
        }
    }
}

/// Decodes base64url without padding, the encoding of all parts of a token.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}
