//! Generates keys, passwords and random bytes: all fields of one generation of a spec.
//!
//! [`generate`] uses the operating system's random source. [`local`] derives the values of local mode
//! from names. [`verify`] checks whether values of a store are what their annotations say.
//!
//! AWS-LC generates the keys. Sequoia encodes GPG keys, and the `rsa` crate reads and writes DER; see `docs/adr/0004-aws-lc-makes-the-keys.md`. Memory with a private
//! number is overwritten after use, with the exception that the ADR names.

mod curve_key;
mod error;
pub mod local;
mod openpgp;
mod random;
mod rsa_key;
mod uuid;
mod verify;

pub use error::{GenerateError, VerifyError};
pub use verify::verify;

use kees_common::{Field, Generated, PasswordRules, Spec};

use openpgp::KeyParameters;
use rsa_key::RsaKey;
use zeroize::Zeroizing;

/// The length of a GPG key's passphrase in characters: 95 bits of entropy.
const PASSPHRASE_LENGTH: usize = 16;

/// Generates all values of `spec`.
///
/// # Errors
/// [`GenerateError::Size`] for a size that is only read, and another [`GenerateError`] if the
/// operating system's random source or the cryptographic library fails.
pub fn generate(spec: &Spec) -> Result<Generated, GenerateError> {
    let (secret_type, bits) = (spec.secret_type(), spec.bits());
    if !secret_type.creates_size(bits) {
        return Err(GenerateError::Size { secret_type, bits });
    }
    match spec {
        Spec::Rsa { bits } => key_pair(&RsaKey::generate(*bits)?),
        Spec::Ec { bits } => curve_key::generate_ec(*bits),
        Spec::Ed25519 => curve_key::generate_ed25519(),
        Spec::Gpg { bits, user_id } => openpgp::wrap(
            &RsaKey::generate(*bits)?,
            user_id,
            random::password(PASSPHRASE_LENGTH, &PasswordRules::default())?,
            &KeyParameters::fresh()?,
        ),
        Spec::Password { bits } => password(*bits, &PasswordRules::default()),
        Spec::RuledPassword { bits, rules } => password(*bits, rules),
        Spec::Random { bits } => Ok(Generated::new(vec![(
            Field::Whole,
            random::bytes(usize::from(bits / 8))?,
        )])),
        Spec::Uuid => {
            let mut bytes = Zeroizing::new([0; 16]);
            random::fill(&mut *bytes)?;
            Ok(Generated::new(vec![(
                Field::Whole,
                uuid::version_4(*bytes),
            )]))
        }
        Spec::ApiKey { bits } => {
            let value = random::bytes(usize::from(bits / 8))?;
            Ok(Generated::new(vec![
                (Field::Consumer, value.clone()),
                (Field::Provider, value),
            ]))
        }
    }
}

fn password(bits: u16, rules: &PasswordRules) -> Result<Generated, GenerateError> {
    let password = random::password(usize::from(bits / 8), rules)?;
    Ok(Generated::new(vec![(Field::Whole, password)]))
}

/// Both keys of `rsa` as kees stores them.
fn key_pair(rsa: &RsaKey) -> Result<Generated, GenerateError> {
    Ok(Generated::new(vec![
        (Field::Public, rsa.public_der()?),
        (Field::Private, rsa.private_der()?),
    ]))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Spec::Rsa { bits: 2048 })]
    #[case(Spec::Gpg { bits: 2048, user_id: "a<b>".parse().unwrap() })]
    #[case(Spec::Ec { bits: 256 })]
    #[case(Spec::Ec { bits: 384 })]
    #[case(Spec::Ed25519)]
    #[case(Spec::Password { bits: 256 })]
    #[case(Spec::RuledPassword { bits: 256, rules: PasswordRules { alphabet: kees_common::Alphabet::Hex, ..PasswordRules::default() } })]
    #[case(Spec::Uuid)]
    #[case(Spec::Random { bits: 256 })]
    #[case(Spec::ApiKey { bits: 256 })]
    fn a_generation_has_the_fields_of_its_spec_is_valid_and_differs_from_the_next(
        #[case] spec: Spec,
    ) {
        let (one, next) = (generate(&spec).unwrap(), generate(&spec).unwrap());
        let values: Vec<_> = one.iter().collect();
        let fields: Vec<_> = values.iter().map(|(field, _)| *field).collect();
        assert_eq!(fields, spec.fields());
        let is_key = spec.fields().contains(&Field::Private);
        assert_eq!(
            verify(spec.secret_type(), &values),
            Ok(is_key.then_some(usize::from(spec.bits())))
        );
        for (field, value) in values {
            assert_ne!(Some(value), next.get(field), "{field}");
        }
    }

    #[rstest]
    #[case(Spec::Password { bits: 8 }, 1)]
    #[case(Spec::Password { bits: 12 }, 1)]
    #[case(Spec::Password { bits: 8192 }, 1024)]
    #[case(Spec::Random { bits: 8 }, 1)]
    #[case(Spec::Random { bits: 15 }, 1)]
    #[case(Spec::Random { bits: 8192 }, 1024)]
    fn an_eighth_of_the_size_rounded_down_is_the_length(#[case] spec: Spec, #[case] length: usize) {
        assert_eq!(
            generate(&spec).unwrap().get(Field::Whole).unwrap().len(),
            length
        );
    }

    #[test]
    fn a_size_that_is_only_read_is_not_created() {
        let user_id = "a<b>".parse().unwrap();
        let error = generate(&Spec::Gpg {
            bits: 1024,
            user_id,
        })
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "a GPG key of 1024 bits is not created; a GPG key has size=2048, size=3072 or size=4096"
        );
    }

    #[test]
    fn both_fields_of_an_api_key_have_one_value() {
        let generated = generate(&Spec::ApiKey { bits: 128 }).unwrap();
        assert_eq!(
            generated.get(Field::Consumer),
            generated.get(Field::Provider)
        );
        assert_eq!(generated.get(Field::Consumer).unwrap().len(), 16);
    }
}
