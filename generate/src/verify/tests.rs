//! Values that pass, values that do not, and the field that the error names.

use std::sync::LazyLock;

use kees_common::{Generated, Spec};
use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::local;

fn rsa_pair(name: &str) -> Generated {
    local::derive(&Spec::Rsa { bits: 2048 }, name).unwrap()
}

fn gpg_key(name: &str) -> Generated {
    let user_id = "Jörg Müller <j@example.com>".parse().unwrap();
    local::derive(
        &Spec::Gpg {
            bits: 2048,
            user_id,
        },
        name,
    )
    .unwrap()
}

fn check(secret_type: SecretType, values: &[(Field, &[u8])]) -> Result<(), String> {
    let values: Vec<_> = values
        .iter()
        .map(|(field, value)| (*field, SecretValue::new(value.to_vec())))
        .collect();
    let borrowed: Vec<_> = values
        .iter()
        .map(|(field, value)| (*field, value))
        .collect();
    let checked = verify(secret_type, &borrowed).map(drop);
    checked.map_err(|e| format!("{}: {}", e.field, e.message))
}

/// The values of `generated` for those fields.
fn take(generated: &Generated, fields: &[Field]) -> Vec<(Field, Vec<u8>)> {
    fields
        .iter()
        .map(|field| (*field, generated.get(*field).unwrap().expose().to_vec()))
        .collect()
}

fn check_owned(secret_type: SecretType, values: &[(Field, Vec<u8>)]) -> Result<(), String> {
    let values: Vec<_> = values
        .iter()
        .map(|(field, value)| (*field, &value[..]))
        .collect();
    check(secret_type, &values)
}

#[rstest]
#[case(&[Field::Public])]
#[case(&[Field::Private])]
#[case(&[Field::Public, Field::Private])]
#[case(&[Field::Private, Field::Public])]
#[case(&[])]
fn any_fields_of_a_key_pair_pass(#[case] fields: &[Field]) {
    assert_eq!(
        check_owned(SecretType::Rsa, &take(&rsa_pair("a"), fields)),
        Ok(())
    );
    assert_eq!(
        check_owned(SecretType::Gpg, &take(&gpg_key("a"), fields)),
        Ok(())
    );
}

#[rstest]
#[case(&[Field::Password])]
#[case(&[Field::Public, Field::Password])]
#[case(&[Field::Private, Field::Password])]
#[case(&[Field::Public, Field::Private, Field::Password])]
fn a_gpg_key_with_its_passphrase_passes(#[case] fields: &[Field]) {
    assert_eq!(
        check_owned(SecretType::Gpg, &take(&gpg_key("a"), fields)),
        Ok(())
    );
}

#[rstest]
#[case(SecretType::Rsa, Field::Public)]
#[case(SecretType::Rsa, Field::Private)]
#[case(SecretType::Gpg, Field::Public)]
#[case(SecretType::Gpg, Field::Private)]
#[case(SecretType::Gpg, Field::Password)]
#[case(SecretType::Password, Field::Whole)]
#[case(SecretType::Random, Field::Whole)]
#[case(SecretType::Random, Field::Consumer)]
fn an_empty_value_is_an_error(#[case] secret_type: SecretType, #[case] field: Field) {
    assert_eq!(
        check(secret_type, &[(field, b"")]),
        Err(format!("{field}: the value is empty"))
    );
}

#[rstest]
#[case(SecretType::Password, Field::Whole, "an operator's own, with an ü".as_bytes())]
#[case(SecretType::Random, Field::Whole, b"\0\xff")]
#[case(SecretType::Random, Field::Provider, b"\0\xff")]
#[case(SecretType::Gpg, Field::Password, "an operator's own, with an ü".as_bytes())]
fn what_has_no_form_may_be_anything(
    #[case] secret_type: SecretType,
    #[case] field: Field,
    #[case] value: &[u8],
) {
    assert_eq!(check(secret_type, &[(field, value)]), Ok(()));
}

#[rstest]
#[case(b"01234567-89ab-4def-8123-456789abcdef", None)]
#[case(b"a password", Some("whole: expected a UUID, found another text"))]
#[case(b"\xff", Some("whole: expected a UUID, found bytes that are not text"))]
fn a_uuid_has_its_form(#[case] value: &[u8], #[case] error: Option<&str>) {
    let checked = check(SecretType::Uuid, &[(Field::Whole, value)]);
    let error = error.map(|error| error.trim_start_matches("whole").to_owned());
    assert_eq!(checked.err(), error);
}

#[rstest]
#[case(SecretType::Password, Field::Whole, "expected a password")]
#[case(SecretType::Gpg, Field::Password, "expected a passphrase")]
#[case(SecretType::Random, Field::Whole, "expected random bytes")]
#[case(SecretType::Random, Field::Consumer, "expected random bytes")]
fn a_key_as_the_value_of_another_type_is_an_error(
    #[case] secret_type: SecretType,
    #[case] field: Field,
    #[case] expected: &str,
) {
    let (rsa, gpg) = (rsa_pair("a"), gpg_key("a"));
    let keys = [
        (&rsa, Field::Public, "an RSA public key"),
        (&rsa, Field::Private, "an RSA private key"),
        (&gpg, Field::Public, "an armored GPG public key"),
        (&gpg, Field::Private, "an armored GPG private key"),
    ];
    for (generated, key_field, found) in keys {
        let value = generated.get(key_field).unwrap().expose();
        let error = check(secret_type, &[(field, value)]).unwrap_err();
        let start = format!("{field}: {expected}, found {found}");
        assert!(error.starts_with(&start), "{error}");
    }
    let pem = check(secret_type, &[(field, b"-----BEGIN PRIVATE KEY-----\n")]);
    assert_eq!(pem, Err(format!("{field}: {expected}, found PEM text")));
}

#[rstest]
#[case(SecretType::Password, Field::Whole, "a password")]
#[case(SecretType::Gpg, Field::Password, "a passphrase")]
fn a_password_is_text(
    #[case] secret_type: SecretType,
    #[case] field: Field,
    #[case] expected: &str,
) {
    assert_eq!(
        check(secret_type, &[(field, b"\xff\xfe")]),
        Err(format!(
            "{field}: expected {expected}, found bytes that are not text"
        ))
    );
}

#[test]
fn an_error_names_the_algorithm_of_the_key() {
    // Keys of `openssl ecparam -name prime256v1 -genkey`, in DER.
    let public = &include_bytes!("../../tests/fixtures/ec-public.der")[..];
    let private = &include_bytes!("../../tests/fixtures/ec-private.der")[..];
    for (field, value, found) in [
        (
            Field::Public,
            public,
            "an EC public key (DER SubjectPublicKeyInfo)",
        ),
        (Field::Private, private, "an EC private key (DER PKCS#8)"),
    ] {
        let error = check(SecretType::Rsa, &[(field, value)]).unwrap_err();
        assert!(error.ends_with(&format!(", found {found}")), "{error}");
    }
}

#[test]
fn a_curve_key_of_openssl_passes() {
    let public = &include_bytes!("../../tests/fixtures/ec-public.der")[..];
    let private = &include_bytes!("../../tests/fixtures/ec-private.der")[..];
    let pair = [(Field::Public, public), (Field::Private, private)];
    assert_eq!(check(SecretType::Ec, &pair), Ok(()));
}

#[rstest]
#[case(Spec::Ec { bits: 256 })]
#[case(Spec::Ec { bits: 384 })]
#[case(Spec::Ed25519)]
fn keys_of_two_pairs_on_one_curve_are_an_error(#[case] spec: Spec) {
    let [one, other] = ["a", "b"].map(|name| local::derive(&spec, name).unwrap());
    let private = one.get(Field::Private).unwrap();
    let public = other.get(Field::Public).unwrap();
    let pair = [
        (Field::Public, public.expose()),
        (Field::Private, private.expose()),
    ];
    assert_eq!(
        check(spec.secret_type(), &pair),
        Err("public: the public key does not belong to the private key".to_owned())
    );
}

#[rstest]
#[case(Spec::Ec { bits: 256 }, SecretType::Ed25519, "expected an ED25519 private key (DER PKCS#8), found an EC private key (DER PKCS#8)")]
#[case(
    Spec::Ed25519,
    SecretType::Ec,
    "expected an EC private key (DER PKCS#8), found an ED25519 private key (DER PKCS#8)"
)]
#[case(Spec::Rsa { bits: 2048 }, SecretType::Ec, "expected an EC private key (DER PKCS#8), found an RSA private key (DER PKCS#8)")]
fn a_key_of_another_curve_is_an_error(
    #[case] spec: Spec,
    #[case] secret_type: SecretType,
    #[case] message: &str,
) {
    let pair = local::derive(&spec, "a").unwrap();
    let private = pair.get(Field::Private).unwrap().expose();
    let error = check(secret_type, &[(Field::Private, private)]).unwrap_err();
    assert_eq!(error, format!("private: {message}"));
}

#[rstest]
#[case(Spec::Ec { bits: 384 })]
#[case(Spec::Ed25519)]
fn a_damaged_key_on_a_curve_is_an_error(#[case] spec: Spec) {
    let pair = local::derive(&spec, "a").unwrap();
    for (field, value) in pair.iter() {
        let value = value.expose();
        let cut = check(spec.secret_type(), &[(field, &value[..value.len() - 1])]);
        assert!(cut.is_err(), "{field}");
    }
}

#[rstest]
#[case(SecretType::Rsa, Field::Public, &rsa_pair("a"))]
#[case(SecretType::Rsa, Field::Private, &rsa_pair("a"))]
#[case(SecretType::Gpg, Field::Public, &gpg_key("a"))]
#[case(SecretType::Gpg, Field::Private, &gpg_key("a"))]
fn the_size_of_a_key_is_read_off(
    #[case] secret_type: SecretType,
    #[case] field: Field,
    #[case] generated: &Generated,
) {
    let value = generated.get(field).unwrap();
    assert_eq!(verify(secret_type, &[(field, value)]), Ok(Some(2048)));
}

#[test]
fn both_fields_of_an_api_key_must_be_equal() {
    let (consumer, provider) = (Field::Consumer, Field::Provider);
    assert_eq!(
        check(SecretType::Random, &[(consumer, b"a"), (provider, b"a")]),
        Ok(())
    );
    assert_eq!(
        check(SecretType::Random, &[(consumer, b"a"), (provider, b"b")]),
        Err("consumer: the value differs from that of provider".to_owned())
    );
}

#[rstest]
#[case(
    Field::Public,
    Field::Private,
    "public: expected an RSA public key (DER SubjectPublicKeyInfo), found an RSA private key (DER PKCS#8)"
)]
#[case(
    Field::Private,
    Field::Public,
    "private: expected an RSA private key (DER PKCS#8), found an RSA public key (DER SubjectPublicKeyInfo)"
)]
fn one_rsa_key_under_the_name_of_the_other_is_an_error(
    #[case] name: Field,
    #[case] holds: Field,
    #[case] message: &str,
) {
    let value = take(&rsa_pair("a"), &[holds]).remove(0).1;
    assert_eq!(
        check(SecretType::Rsa, &[(name, &value)]),
        Err(message.to_owned())
    );
}

#[rstest]
#[case(
    Field::Public,
    Field::Private,
    "public: expected an armored GPG public key, found an armored GPG private key"
)]
#[case(
    Field::Private,
    Field::Public,
    "private: expected an armored GPG private key, found an armored GPG public key"
)]
fn one_gpg_key_under_the_name_of_the_other_is_an_error(
    #[case] name: Field,
    #[case] holds: Field,
    #[case] message: &str,
) {
    let value = take(&gpg_key("a"), &[holds]).remove(0).1;
    assert_eq!(
        check(SecretType::Gpg, &[(name, &value)]),
        Err(message.to_owned())
    );
}

#[test]
fn a_gpg_private_key_in_the_armor_of_a_public_one_is_an_error() {
    let private = gpg_key("a").get(Field::Private).unwrap().clone();
    let disguised = private.expose_text().unwrap().replace("PRIVATE", "PUBLIC");
    assert_eq!(
        check(SecretType::Gpg, &[(Field::Public, disguised.as_bytes())]),
        Err(
            "public: expected an armored GPG public key, found the other key of the pair"
                .to_owned()
        )
    );
}

#[rstest]
#[case(SecretType::Rsa, b"-----BEGIN PUBLIC KEY-----\n", "found PEM text")]
#[case(SecretType::Rsa, b"MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A", "ASN.1")]
#[case(SecretType::Gpg, b"hello", "found something else")]
#[case(
    SecretType::Gpg,
    b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n",
    "found a broken one"
)]
fn a_value_that_is_not_a_key_is_an_error(
    #[case] secret_type: SecretType,
    #[case] value: &[u8],
    #[case] message: &str,
) {
    let error = check(secret_type, &[(Field::Public, value)]).unwrap_err();
    assert!(
        error.starts_with("public: expected a") && error.contains(message),
        "{error}"
    );
}

#[test]
fn an_rsa_public_key_of_another_pair_is_an_error() {
    let mut values = take(&rsa_pair("a"), &[Field::Public]);
    values.extend(take(&rsa_pair("b"), &[Field::Private]));
    assert_eq!(
        check_owned(SecretType::Rsa, &values),
        Err("public: the public key does not belong to the private key".to_owned())
    );
}

#[test]
fn a_gpg_public_key_of_another_key_is_an_error() {
    let mut values = take(&gpg_key("a"), &[Field::Public]);
    values.extend(take(&gpg_key("b"), &[Field::Private]));
    let error = check_owned(SecretType::Gpg, &values).unwrap_err();
    assert!(error.starts_with("public: the public key ("), "{error}");
    assert!(
        error.contains("does not belong to the private key ("),
        "{error}"
    );
}

#[test]
fn a_passphrase_that_does_not_open_the_private_key_is_an_error() {
    let mut values = take(&gpg_key("a"), &[Field::Private]);
    values.extend(take(&gpg_key("b"), &[Field::Password]));
    assert_eq!(
        check_owned(SecretType::Gpg, &values),
        Err("password: the passphrase does not open the private key".to_owned())
    );
}

#[test]
fn a_private_key_without_protection_and_a_passphrase_are_an_error() {
    use sequoia_openpgp::{
        Cert, crypto::Password, parse::Parse as _, serialize::SerializeInto as _,
    };

    let values = take(&gpg_key("a"), &[Field::Private, Field::Password]);
    let cert = Cert::from_bytes(&values[0].1).unwrap();
    let key = cert
        .primary_key()
        .key()
        .clone()
        .parts_into_secret()
        .unwrap();
    let open = key
        .decrypt_secret(&Password::from(&values[1].1[..]))
        .unwrap();
    let (cert, _) = cert
        .insert_packets([sequoia_openpgp::Packet::from(open)])
        .unwrap();
    let open = cert.as_tsk().armored().to_vec().unwrap();
    assert_eq!(
        check(
            SecretType::Gpg,
            &[(Field::Private, &open), (Field::Password, &values[1].1)]
        ),
        Err(
            "private: the private key is not protected, expected it to be by the passphrase"
                .to_owned()
        )
    );
}

#[test]
fn a_private_key_that_needs_terabytes_of_memory_is_an_error() {
    use sequoia_openpgp::{
        Cert, Packet,
        packet::key::Encrypted,
        parse::Parse as _,
        serialize::SerializeInto as _,
        types::{AEADAlgorithm, SymmetricAlgorithm},
    };

    let values = take(&gpg_key("a"), &[Field::Private, Field::Password]);
    let cert = Cert::from_bytes(&values[0].1).unwrap();
    let s2k = sequoia_openpgp::crypto::S2K::Argon2 {
        salt: [0; 16],
        t: 1,
        p: 1,
        m: 31,
    };
    let (cipher, mode) = (SymmetricAlgorithm::AES256, AEADAlgorithm::OCB);
    let hostile = Encrypted::new_aead(s2k, cipher, mode, Box::from([0; 15]), Box::from([0; 64]));
    let key = cert.primary_key().key().clone().take_secret().0;
    let key = key.add_secret(hostile.into()).0;
    let (cert, _) = cert.insert_packets([Packet::from(key)]).unwrap();
    let hostile = cert.as_tsk().armored().to_vec().unwrap();
    let error = check(
        SecretType::Gpg,
        &[(Field::Private, &hostile), (Field::Password, &values[1].1)],
    );
    assert!(
        error
            .unwrap_err()
            .starts_with("private: the private key is protected by Argon2")
    );
}

#[rstest]
#[case(SecretType::Rsa, &rsa_pair("a"))]
#[case(SecretType::Gpg, &gpg_key("a"))]
fn a_value_that_was_cut_off_is_an_error(
    #[case] secret_type: SecretType,
    #[case] generated: &Generated,
) {
    for field in [Field::Public, Field::Private] {
        let value = generated.get(field).unwrap().expose();
        for length in [1, 27, 100, value.len() / 2, value.len() - 100] {
            let cut = check(secret_type, &[(field, &value[..length])]);
            assert!(cut.is_err(), "{field} of {length} bytes");
        }
    }
}

/// Keys of Java and Bouncy Castle, as the original kees stores them.
mod of_the_original {
    use super::*;

    macro_rules! fixture {
        ($name:literal) => {
            &include_bytes!(concat!("../../tests/fixtures/", $name))[..]
        };
    }

    const PASSPHRASE: &[u8] = b"8ekD64eU9hDqA5kz";

    #[test]
    fn rsa_keys_pass() {
        let public = (Field::Public, fixture!("java-rsa-public.der"));
        let private = (Field::Private, fixture!("java-rsa-private.der"));
        assert_eq!(check(SecretType::Rsa, &[public, private]), Ok(()));
    }

    #[rstest]
    #[case(fixture!("bouncycastle-cast5-public.asc"), fixture!("bouncycastle-cast5-private.asc"))]
    #[case(fixture!("bouncycastle-aes256-public.asc"), fixture!("bouncycastle-aes256-private.asc"))]
    fn gpg_keys_pass(#[case] public: &[u8], #[case] private: &[u8]) {
        let (public, private) = ((Field::Public, public), (Field::Private, private));
        let passphrase = (Field::Password, PASSPHRASE);
        assert_eq!(
            check(SecretType::Gpg, &[public, private, passphrase]),
            Ok(())
        );
        let wrong = (Field::Password, &PASSPHRASE[1..]);
        assert_eq!(
            check(SecretType::Gpg, &[public, private, wrong]),
            Err("password: the passphrase does not open the private key".to_owned())
        );
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(value in proptest::collection::vec(any::<u8>(), 1..300)) {
        for secret_type in [SecretType::Rsa, SecretType::Gpg] {
            for field in [Field::Public, Field::Private] {
                prop_assert!(check(secret_type, &[(field, &value)]).is_err());
            }
        }
    }

    #[test]
    fn no_change_of_a_key_makes_it_panic(at in any::<proptest::sample::Index>(), byte: u8) {
        for (secret_type, generated) in &*KEYS {
            let fields: Vec<_> = generated.iter().map(|(field, _)| field).collect();
            let sound = take(generated, &fields);
            for changed in 0..sound.len() {
                let mut values = sound.clone();
                let value = &mut values[changed].1;
                let at = at.index(value.len());
                value[at] = byte;
                let result = check_owned(*secret_type, &values);
                prop_assert!(values != sound || result.is_ok());
            }
        }
    }
}

static KEYS: LazyLock<[(SecretType, Generated); 2]> = LazyLock::new(|| {
    [
        (SecretType::Rsa, rsa_pair("a")),
        (SecretType::Gpg, gpg_key("a")),
    ]
});
