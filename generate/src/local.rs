//! Derives the values of local mode from names: the same in each run and on each machine. They are
//! public, and only for development and tests.
//!
//! PASSWORD, RANDOM and passphrases are those of the original kees ([`kees_common::local`]). The
//! two primes of an RSA key are chosen by the name from a table in the program; see
//! `docs/adr/0005-local-mode-primes.md`. All other values are made of hashes of the name.

mod primes;
mod start;

use aws_lc_rs::digest;
use kees_common::{Field, Generated, PasswordRules, Spec, local};
use rsa::{BigUint, RsaPrivateKey, pkcs8::EncodePrivateKey as _};
use sequoia_openpgp::types::Timestamp;

use crate::{
    GenerateError, curve_key, key_pair, openpgp, openpgp::KeyParameters, random, rsa_key::RsaKey,
    uuid,
};

/// The creation time of every key of local mode: the beginning of 2020.
const CREATED: u32 = 1_577_836_800;

/// Derives a generation of `spec` for `name`, the entry's name without its field
/// ([`kees_common::EntryName::base`]).
///
/// # Errors
/// [`GenerateError::Key`] if the cryptographic library fails. Spec and name cause no errors.
pub fn derive(spec: &Spec, name: &str) -> Result<Generated, GenerateError> {
    match spec {
        Spec::Rsa { bits } => key_pair(&rsa_key("RSA", *bits, name)?),
        Spec::Ec { bits } => ec_key(*bits, name),
        Spec::Ed25519 => curve_key::ed25519_from_seed(&hash("ED25519", name)),
        Spec::Gpg { user_id, .. } => openpgp::wrap(
            &rsa_key("GPG", created_bits(spec), name)?,
            user_id,
            local::passphrase(name),
            &key_parameters(name),
        ),
        Spec::Password { bits } => Ok(Generated::new(vec![(
            Field::Whole,
            local::password(name, *bits),
        )])),
        Spec::RuledPassword { bits, rules } => ruled_password(*bits, rules, name),
        Spec::Random { bits } => Ok(Generated::new(vec![(
            Field::Whole,
            local::random(name, *bits),
        )])),
        Spec::Uuid => Ok(Generated::new(vec![(
            Field::Whole,
            uuid::version_4(hash("UUID", name)),
        )])),
        Spec::ApiKey { bits } => {
            let value = local::random(name, *bits);
            Ok(Generated::new(vec![
                (Field::Consumer, value.clone()),
                (Field::Provider, value),
            ]))
        }
    }
}

/// The size of `spec`. For a size that is only read, it is a size of the type that is created: the
/// original's local mode ignores the size of a key.
fn created_bits(spec: &Spec) -> u16 {
    let secret_type = spec.secret_type();
    if secret_type.creates_size(spec.bits()) {
        spec.bits()
    } else {
        secret_type.local_bits()
    }
}

/// The RSA key of `bits` for `name`. Keys with another `purpose` are different.
fn rsa_key(purpose: &str, bits: u16, name: &str) -> Result<RsaKey, GenerateError> {
    let (p, q) = primes::pair(bits / 2, u64::from_be_bytes(hash(purpose, name)))
        .ok_or_else(|| failed(format!("there are no primes for {bits} bits")))?;
    let key = RsaPrivateKey::from_p_q(p, q, BigUint::from(65_537_u32)).map_err(failed)?;
    RsaKey::from_pkcs8(key.to_pkcs8_der().map_err(failed)?.as_bytes())
}

/// The EC key of `bits` for `name`: the first hash that is a private number of the curve. Almost
/// every hash is one.
fn ec_key(bits: u16, name: &str) -> Result<Generated, GenerateError> {
    let key_from = |attempt: u8| {
        let halves = ["high", "low"].map(|half| format!("EC {bits} {attempt} {half}"));
        let [high, low]: [[u8; 32]; 2] = halves.map(|half| hash(&half, name));
        let scalar = [high, low].concat();
        curve_key::ec_from_scalar(bits, &scalar[..usize::from(bits / 8)])
    };
    (0..u8::MAX)
        .find_map(|attempt| key_from(attempt).ok())
        .ok_or_else(|| failed("no hash is a private number"))
}

/// The password by `rules` for `name`, from hashes of the name instead of random bytes. The original
/// has no such rules.
fn ruled_password(
    bits: u16,
    rules: &PasswordRules,
    name: &str,
) -> Result<Generated, GenerateError> {
    let mut block = 0_u64;
    let password = random::password_from(usize::from(bits / 8), rules, |buffer| {
        for chunk in buffer.chunks_mut(32) {
            let hash: [u8; 32] = hash(&format!("PASSWORD {block}"), name);
            chunk.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
            block += 1;
        }
        Ok(())
    })?;
    Ok(Generated::new(vec![(Field::Whole, password)]))
}

fn key_parameters(name: &str) -> KeyParameters {
    KeyParameters {
        created: Timestamp::from(CREATED),
        salt: hash("GPG salt", name),
        iv: hash("GPG vector", name),
    }
}

/// The first bytes of SHA-256 over the purpose and the name.
fn hash<const N: usize>(purpose: &str, name: &str) -> [u8; N] {
    let mut hash = digest::Context::new(&digest::SHA256);
    for part in ["kees local mode", purpose, name] {
        hash.update(part.as_bytes());
        hash.update(&[0]);
    }
    let digest = hash.finish();
    let mut first = [0; N];
    first
        .iter_mut()
        .zip(digest.as_ref())
        .for_each(|(to, from)| *to = *from);
    first
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the form of an error in `map_err`"
)]
fn failed(reason: impl ToString) -> GenerateError {
    GenerateError::Key {
        key: "a key of local mode",
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests;
