//! EC and Ed25519: DER of the right form, and one point of the curve in both keys.

use aws_lc_rs::{
    agreement::{self, ECDH_P256, ECDH_P384},
    signature::{Ed25519KeyPair, KeyPair as _},
};
use kees_common::Field;
use rsa::pkcs8::{
    AlgorithmIdentifierRef, ObjectIdentifier, PrivateKeyInfo, spki::SubjectPublicKeyInfoRef,
};

use super::form::{Algorithm, Form, unexpected};
use crate::VerifyError;

/// Checks the keys that are given, and returns their size in bits.
pub(super) fn verify(
    algorithm: Algorithm,
    public: Option<&[u8]>,
    private: Option<&[u8]>,
) -> Result<Option<usize>, VerifyError> {
    let public = public.map(|der| parse(Field::Public, algorithm, der));
    let private = private.map(|der| parse(Field::Private, algorithm, der));
    match (public.transpose()?, private.transpose()?) {
        (Some(public), Some(private)) if public != private => Err(VerifyError::new(
            Field::Public,
            "the public key does not belong to the private key",
        )),
        (public, private) => Ok(public.or(private).map(|key| key.curve.bits())),
    }
}

/// A public key.
#[derive(PartialEq, Eq)]
struct Public {
    curve: Curve,
    /// The point, uncompressed (EC), or the encoded point of RFC 8032 (Ed25519).
    point: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Curve {
    P256,
    P384,
    Ed25519,
}

impl Curve {
    fn of(algorithm: &AlgorithmIdentifierRef<'_>) -> Option<Self> {
        const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
        const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");

        match Algorithm::of(algorithm.oid) {
            Algorithm::Ed25519 => Some(Self::Ed25519),
            Algorithm::Ec => match algorithm.parameters_oid().ok()? {
                P256 => Some(Self::P256),
                P384 => Some(Self::P384),
                _ => None,
            },
            Algorithm::Rsa | Algorithm::Other => None,
        }
    }

    fn bits(self) -> usize {
        match self {
            Self::P256 | Self::Ed25519 => 256,
            Self::P384 => 384,
        }
    }

    /// The length of a point in bytes.
    fn point_len(self) -> usize {
        match self {
            Self::Ed25519 => 32,
            // A byte for the form, and two coordinates.
            Self::P256 | Self::P384 => 1 + 2 * self.bits() / 8,
        }
    }
}

/// The public key in `der`, which is of the form of `field`.
fn parse(field: Field, algorithm: Algorithm, der: &[u8]) -> Result<Public, VerifyError> {
    let expected = if field == Field::Private {
        Form::Private(algorithm)
    } else {
        Form::Public(algorithm)
    };
    let unexpected = || unexpected(field, expected, der, None);
    if Form::of(der) != expected {
        return Err(unexpected());
    }
    let curve = curve_of(der).ok_or_else(|| {
        VerifyError::new(
            field,
            format!("expected {expected} on the curve P-256 or P-384, found another curve"),
        )
    })?;
    let point = if field == Field::Private {
        point_of_private(curve, der)
    } else {
        point_of_public(curve, der)
    };
    let point = point.ok_or_else(unexpected)?;
    Ok(Public { curve, point })
}

fn curve_of(der: &[u8]) -> Option<Curve> {
    if let Ok(info) = SubjectPublicKeyInfoRef::try_from(der) {
        return Curve::of(&info.algorithm);
    }
    Curve::of(&PrivateKeyInfo::try_from(der).ok()?.algorithm)
}

fn point_of_public(curve: Curve, der: &[u8]) -> Option<Vec<u8>> {
    let info = SubjectPublicKeyInfoRef::try_from(der).ok()?;
    let point = info.subject_public_key.as_bytes()?;
    (point.len() == curve.point_len()).then(|| point.to_vec())
}

/// The point that belongs to the private number.
fn point_of_private(curve: Curve, der: &[u8]) -> Option<Vec<u8>> {
    let ecdh = match curve {
        Curve::P256 => &ECDH_P256,
        Curve::P384 => &ECDH_P384,
        Curve::Ed25519 => {
            let key = Ed25519KeyPair::from_pkcs8(der).ok()?;
            return Some(key.public_key().as_ref().to_vec());
        }
    };
    let key = agreement::PrivateKey::from_private_key_der(ecdh, der).ok()?;
    let public = key.compute_public_key().ok()?;
    Some(public.as_ref().to_vec())
}
