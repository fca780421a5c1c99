//! Wraps an RSA key as an OpenPGP key with one user id and without subkeys. The key certifies, signs
//! and encrypts.
//!
//! The packets are built one by one (RFC 4880) and signed by AWS-LC. Sequoia's own builder signs with
//! the `rsa` crate, and adds random bytes, which local mode cannot repeat.

use std::time::{Duration, SystemTime};

use aws_lc_rs::cipher::{self, EncryptingKey, EncryptionContext, UnboundCipherKey};
use kees_common::{Field, Generated, SecretValue, UserId};
use rsa::pkcs1::RsaPrivateKey;
use sequoia_openpgp::{
    Packet, armor,
    crypto::{S2K, mpi},
    packet::{
        self, Signature,
        key::{Encrypted, Key4, PrimaryRole, SecretParts},
        signature::{
            Signature4,
            subpacket::{Subpacket, SubpacketArea, SubpacketValue},
        },
    },
    serialize::Marshal,
    types::{
        Features, HashAlgorithm, KeyFlags, PublicKeyAlgorithm, SignatureType, SymmetricAlgorithm,
        Timestamp,
    },
};
use zeroize::Zeroizing;

use crate::{GenerateError, random, rsa_key::RsaKey};

/// How many bytes are hashed to derive a key from a passphrase: Bouncy Castle's default. The
/// passphrases have 95 bits of entropy, so more bytes would only cost each reader time.
const S2K_BYTES: u32 = 65_536;

/// How far the creation time of a new key is in the past. GnuPG rejects a key from the future, and
/// its machine's clock may be behind.
const BACKDATED: Duration = Duration::from_mins(5);

/// The parameters of a key besides its numbers and its user id.
pub(crate) struct KeyParameters {
    /// The creation time, in seconds since 1970.
    pub(crate) created: Timestamp,
    /// The salt of the passphrase.
    pub(crate) salt: [u8; 8],
    /// The initialisation vector of the private key.
    pub(crate) iv: [u8; 16],
}

impl KeyParameters {
    /// The present time, and random bytes.
    pub(crate) fn fresh() -> Result<Self, GenerateError> {
        let created = (SystemTime::now() - BACKDATED)
            .try_into()
            .map_err(|_| failed("the clock is outside 1970 to 2106"))?;
        let mut fresh = Self {
            created,
            salt: [0; 8],
            iv: [0; 16],
        };
        random::fill(&mut fresh.salt)?;
        random::fill(&mut fresh.iv)?;
        Ok(fresh)
    }
}

/// The public and the private key, ASCII-armored, and the passphrase that protects the private key
/// (AES-256, iterated and salted SHA-256, SHA-1 checksum).
pub(crate) fn wrap(
    rsa: &RsaKey,
    user_id: &UserId,
    passphrase: SecretValue,
    parameters: &KeyParameters,
) -> Result<Generated, GenerateError> {
    let key = rsa.with_numbers(|numbers| secret_key(numbers, &passphrase, parameters))?;
    let user_id = packet::UserID::from(user_id.as_str());
    let signature = self_signature(rsa, &key, &user_id, parameters.created)?;

    let public = packet::Key::from(key.clone().take_secret().0).into();
    let rest = [Packet::from(user_id), Packet::from(signature)];
    let private = packet::Key::from(key).into();
    Ok(Generated::new(vec![
        (
            Field::Public,
            armored(armor::Kind::PublicKey, &public, &rest)?,
        ),
        (
            Field::Private,
            armored(armor::Kind::SecretKey, &private, &rest)?,
        ),
        (Field::Password, passphrase),
    ]))
}

/// The Secret-Key packet (RFC 4880, 5.5.3).
fn secret_key(
    numbers: &RsaPrivateKey<'_>,
    passphrase: &SecretValue,
    parameters: &KeyParameters,
) -> Result<Key4<SecretParts, PrimaryRole>, GenerateError> {
    let public = mpi::PublicKey::RSA {
        e: numbers.public_exponent.as_bytes().to_vec().into(),
        n: numbers.modulus.as_bytes().to_vec().into(),
    };
    let protected = protect(&secret_numbers(numbers)?, passphrase, parameters)?;
    Key4::with_secret(
        SystemTime::from(parameters.created),
        PublicKeyAlgorithm::RSAEncryptSign,
        public,
        protected.into(),
    )
    .map_err(failed)
}

/// The private numbers in OpenPGP's order. OpenPGP has the inverse of `p` modulo `q`, PKCS#1 that of
/// the second prime modulo the first, so the primes are exchanged.
fn secret_numbers(numbers: &RsaPrivateKey<'_>) -> Result<Zeroizing<Vec<u8>>, GenerateError> {
    // The texts have the same length, because both primes have their highest bit set.
    if numbers.prime1.as_bytes() <= numbers.prime2.as_bytes() {
        return Err(failed("the first prime is not the greater one"));
    }
    let secret = mpi::SecretKeyMaterial::RSA {
        d: numbers.private_exponent.as_bytes().into(),
        p: numbers.prime2.as_bytes().into(),
        q: numbers.prime1.as_bytes().into(),
        u: numbers.coefficient.as_bytes().into(),
    };
    // The buffer has its final size from the start, because growing leaves copies behind: four
    // numbers of at most the modulus's length, two bytes of length each, and a checksum of 20 bytes.
    let mut bytes = Zeroizing::new(Vec::with_capacity(
        4 * numbers.modulus.as_bytes().len() + 28,
    ));
    secret
        .serialize_with_checksum(&mut *bytes, mpi::SecretKeyChecksum::SHA1)
        .map_err(failed)?;
    Ok(bytes)
}

/// Encrypts the private numbers with the passphrase, by AES-256 in CFB mode.
fn protect(
    secret: &[u8],
    passphrase: &SecretValue,
    parameters: &KeyParameters,
) -> Result<Encrypted, GenerateError> {
    let s2k = S2K::Iterated {
        hash: HashAlgorithm::SHA256,
        salt: parameters.salt,
        hash_bytes: S2K_BYTES,
    };
    let key = s2k
        .derive_key(&passphrase.expose().into(), 32)
        .map_err(failed)?;
    let key = UnboundCipherKey::new(&cipher::AES_256, &key).map_err(failed)?;
    let mut ciphertext = Zeroizing::new(secret.to_vec());
    EncryptingKey::cfb128(key)
        .and_then(|key| {
            let iv = EncryptionContext::Iv128((&parameters.iv).into());
            key.less_safe_encrypt(&mut ciphertext, iv)
        })
        .map_err(failed)?;
    let body = [&parameters.iv[..], &ciphertext]
        .concat()
        .into_boxed_slice();
    let checksum = Some(mpi::SecretKeyChecksum::SHA1);
    Ok(Encrypted::new(
        s2k,
        SymmetricAlgorithm::AES256,
        checksum,
        body,
    ))
}

/// The key's certification of its user id (RFC 4880, 5.2.3), with the purposes of the key.
fn self_signature(
    rsa: &RsaKey,
    key: &Key4<SecretParts, PrimaryRole>,
    user_id: &packet::UserID,
    created: Timestamp,
) -> Result<Signature4, GenerateError> {
    let signature = |prefix, value: Vec<u8>| {
        let issuer = SubpacketValue::Issuer(key.keyid());
        Ok(Signature4::new(
            SignatureType::PositiveCertification,
            PublicKeyAlgorithm::RSAEncryptSign,
            HashAlgorithm::SHA256,
            area(
                [(SubpacketValue::SignatureCreationTime(created), true)]
                    .into_iter()
                    .chain(properties())
                    .chain([(SubpacketValue::IssuerFingerprint(key.fingerprint()), false)]),
            )?,
            area([(issuer, false)])?,
            prefix,
            mpi::Signature::RSA { s: value.into() },
        ))
    };
    // The hash is over the signature packet without prefix and value.
    let unsigned = Signature::from(signature([0; 2], Vec::new())?);
    let mut hash = HashAlgorithm::SHA256
        .context()
        .map_err(failed)?
        .for_signature(4);
    unsigned
        .hash_userid_binding(&mut hash, &packet::Key::from(key.clone()), user_id)
        .map_err(failed)?;
    let digest = hash.into_digest().map_err(failed)?;
    let prefix = digest
        .first_chunk()
        .copied()
        .ok_or_else(|| failed("a digest is too short"))?;
    signature(prefix, rsa.sign_sha256(&digest)?)
}

/// The purposes of the key, and the algorithms that its owner's software supports. The key does not
/// expire.
fn properties() -> [(SubpacketValue, bool); 4] {
    let flags = KeyFlags::empty()
        .set_certification()
        .set_signing()
        .set_transport_encryption()
        .set_storage_encryption();
    let ciphers = vec![
        SymmetricAlgorithm::AES256,
        SymmetricAlgorithm::AES192,
        SymmetricAlgorithm::AES128,
    ];
    let hashes = vec![
        HashAlgorithm::SHA512,
        HashAlgorithm::SHA384,
        HashAlgorithm::SHA256,
    ];
    [
        (SubpacketValue::KeyFlags(flags), true),
        (SubpacketValue::PreferredSymmetricAlgorithms(ciphers), false),
        (SubpacketValue::PreferredHashAlgorithms(hashes), false),
        (
            SubpacketValue::Features(Features::empty().set_seipdv1()),
            false,
        ),
    ]
}

fn area(
    values: impl IntoIterator<Item = (SubpacketValue, bool)>,
) -> Result<SubpacketArea, GenerateError> {
    let subpackets = values
        .into_iter()
        .map(|(value, critical)| Subpacket::new(value, critical).map_err(failed))
        .collect::<Result<_, _>>()?;
    SubpacketArea::new(subpackets).map_err(failed)
}

fn armored(kind: armor::Kind, key: &Packet, rest: &[Packet]) -> Result<SecretValue, GenerateError> {
    let mut writer = armor::Writer::new(Vec::new(), kind).map_err(failed)?;
    for packet in std::iter::once(key).chain(rest) {
        packet.serialize(&mut writer).map_err(failed)?;
    }
    writer.finalize().map(SecretValue::new).map_err(failed)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the form of an error in `map_err`"
)]
fn failed(reason: impl ToString) -> GenerateError {
    GenerateError::Key {
        key: "a GPG key",
        reason: reason.to_string(),
    }
}
