//! Warns about stored values whose size or type differs from that of their annotations.
//!
//! Like the original, kees uses the stored value. Only a rotation replaces it.

use kees_common::{Generation, SecretType, SecretValue, Spec};

/// Warns if the stored `value` of `generation`, or the stored key of `key_bits` bits, is not what
/// this run would have created.
pub(crate) fn warn_of_difference(
    generation: &Generation,
    key_bits: Option<usize>,
    value: &SecretValue,
) {
    if let Some(difference) = difference(&generation.spec, key_bits, value) {
        tracing::warn!(
            path = %generation.path,
            "the stored value is not what its annotation asks for: {difference}; a stored value stays \
             as it is: replace it with `kees rotate --as`, or give the entry another name"
        );
    }
}

fn difference(spec: &Spec, key_bits: Option<usize>, value: &SecretValue) -> Option<String> {
    let asked = usize::from(spec.bits());
    if let Some(stored) = key_bits {
        return (stored != asked).then(|| format!("the key has {stored} bits, not {asked}"));
    }
    let unit = match spec.secret_type() {
        SecretType::Password => "characters",
        SecretType::Random => "bytes",
        // The pod names no field that shows the size of the key.
        _ => return None,
    };
    let (stored, asked) = (value.len(), asked / 8);
    if stored != asked {
        return Some(format!("it has {stored} {unit}, not {asked}"));
    }
    spec.password_rules()?.difference(value.expose())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Spec::Rsa { bits: 2048 }, Some(2048), "key", None)]
    #[case(
        Spec::Rsa { bits: 4096 },
        Some(2048),
        "key",
        Some("the key has 2048 bits, not 4096")
    )]
    #[case(Spec::Gpg { bits: 2048, user_id: "a<b>".parse().unwrap() }, None, "passphrase", None)]
    #[case(Spec::Password { bits: 64 }, None, "8letters", None)]
    // An eighth of the size, rounded down.
    #[case(Spec::Password { bits: 70 }, None, "8letters", None)]
    #[case(
        Spec::Password { bits: 128 },
        None,
        "8letters",
        Some("it has 8 characters, not 16")
    )]
    #[case(
        Spec::Password { bits: 64 },
        None,
        "8 letter",
        Some("it has characters other than 0-9, A-Z and a-z")
    )]
    #[case(Spec::Random { bits: 64 }, None, "8 bytes!", None)]
    #[case(
        Spec::Random { bits: 32 },
        None,
        "8 bytes!",
        Some("it has 8 bytes, not 4")
    )]
    fn a_difference_of_size_or_type_is_named(
        #[case] spec: Spec,
        #[case] key_bits: Option<usize>,
        #[case] value: &str,
        #[case] expected: Option<&str>,
    ) {
        let value = SecretValue::new(value.as_bytes().to_vec());
        let found = difference(&spec, key_bits, &value);
        assert_eq!(found.as_deref(), expected);
    }
}
