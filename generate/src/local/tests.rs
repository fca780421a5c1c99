//! The values of local mode never change. Large ones are compared by their hashes.

use std::{collections::HashSet, fmt::Write as _};

use kees_common::UserId;
use rstest::rstest;

use super::*;

fn user_id() -> UserId {
    "Jörg Müller <joerg@example.com>".parse().unwrap()
}

fn fingerprint(generated: &Generated) -> String {
    generated
        .iter()
        .fold(String::new(), |mut text, (field, value)| {
            let hash = digest::digest(&digest::SHA256, value.expose());
            write!(text, "{field} {} bytes ", value.len()).unwrap();
            hash.as_ref()[..8]
                .iter()
                .for_each(|byte| write!(text, "{byte:02x}").unwrap());
            text.push('\n');
            text
        })
}

#[test]
fn rsa_keys_are_the_same_bytes_for_ever() {
    let derived = |bits| fingerprint(&derive(&Spec::Rsa { bits }, "app.signing.v1").unwrap());
    insta::assert_snapshot!(derived(2048), @r"
    public 294 bytes 5d2daeb1cf0ab79e
    private 1218 bytes 4496f89d17fd9af2
    ");
    insta::assert_snapshot!(derived(4096), @r"
    public 550 bytes efdab25ac46003e7
    private 2375 bytes 71ad0c5bdc3cc8b9
    ");
}

#[rstest]
#[case(Spec::Ec { bits: 256 }, "public 91 bytes 171d11af38d92864\nprivate 138 bytes 51bce8f203aa42df\n")]
#[case(Spec::Ec { bits: 384 }, "public 120 bytes e6578989128a2024\nprivate 185 bytes d1670851b00621d0\n")]
#[case(
    Spec::Ed25519,
    "public 44 bytes b0b3417c4f646290\nprivate 48 bytes 2da398447e589424\n"
)]
fn keys_on_curves_are_the_same_bytes_for_ever(#[case] spec: Spec, #[case] expected: &str) {
    assert_eq!(
        fingerprint(&derive(&spec, "app.signing.v1").unwrap()),
        expected
    );
}

#[test]
fn a_uuid_is_the_same_for_ever() {
    let uuid = derive(&Spec::Uuid, "app.id").unwrap();
    let text = uuid.get(Field::Whole).unwrap().expose_text();
    assert_eq!(text, Some("d7604d75-f246-41ba-b640-ea4b76f1e7fe"));
}

#[rstest]
#[case("ascii", "lower+upper+digit+symbol", "`\"f4[E/xy70)%_W|")]
#[case("hex", "digit", "733dcba21599c7e4")]
#[case("base62", "lower+upper+digit", "tZpzSxgY1r9PydEa")]
fn passwords_by_rules_are_the_same_for_ever(
    #[case] alphabet: &str,
    #[case] classes: &str,
    #[case] expected: &str,
) {
    let rules = PasswordRules {
        alphabet: alphabet.parse().unwrap(),
        classes: classes.parse().unwrap(),
    };
    let spec = Spec::RuledPassword { bits: 128, rules };
    let derived = derive(&spec, "app.password").unwrap();
    let value = derived.get(Field::Whole).unwrap();
    assert_eq!(value.expose_text(), Some(expected));
}

#[test]
fn gpg_keys_are_the_same_bytes_for_ever() {
    let derived = |bits| {
        let spec = Spec::Gpg {
            bits,
            user_id: user_id(),
        };
        fingerprint(&derive(&spec, "common.gpg.v1").unwrap())
    };
    insta::assert_snapshot!(derived(2048), @r"
    public 937 bytes 3ee8729af3419f6a
    private 1885 bytes a9fd56bcfd96d1dc
    password 16 bytes 2045238e3403fd1e
    ");
    insta::assert_snapshot!(derived(3072), @r"
    public 1286 bytes f83970930c60b0f9
    private 2665 bytes 333eb1135b61130b
    password 16 bytes 2045238e3403fd1e
    ");
    insta::assert_snapshot!(derived(4096), @r"
    public 1631 bytes 0f0fa3abd869055e
    private 3441 bytes 2275daa04a3ccf0c
    password 16 bytes 2045238e3403fd1e
    ");
}

#[rstest]
#[case(Spec::Random { bits: 288 }, "app.service.blah", Field::Whole, "JuTNTwzlgOWVLXk6aG8LQiZ6JXuGlPpaXvEKJkk7jDjsrJpC")]
#[case(Spec::Password { bits: 128 }, "app.service.blah", Field::Whole, "OGVrRDY0ZVU5aERxQTVreg==")]
#[case(Spec::ApiKey { bits: 128 }, "api-key.test.v1", Field::Consumer, "+ghlgXxIrJgCYVjkb6Co3w==")]
#[case(Spec::ApiKey { bits: 128 }, "api-key.test.v1", Field::Provider, "+ghlgXxIrJgCYVjkb6Co3w==")]
#[case(Spec::Gpg { bits: 2048, user_id: user_id() }, "common.gpg.v1", Field::Password, "SmRGbU5tSUh0MjhZc3RXcQ==")]
fn values_are_those_of_the_original(
    #[case] spec: Spec,
    #[case] name: &str,
    #[case] field: Field,
    #[case] base64: &str,
) {
    let generated = derive(&spec, name).unwrap();
    assert_eq!(*generated.get(field).unwrap().to_base64(), base64);
}

#[test]
fn different_names_give_different_keys() {
    let keys: HashSet<_> = (0..20)
        .flat_map(|i| ["a", "signing.v", "x_"].map(|name| format!("{name}{i}")))
        .map(|name| fingerprint(&derive(&Spec::Rsa { bits: 2048 }, &name).unwrap()))
        .collect();
    assert_eq!(keys.len(), 60);
}

#[rstest]
#[case(Spec::Rsa { bits: 2048 })]
#[case(Spec::Rsa { bits: 4096 })]
#[case(Spec::Gpg { bits: 3072, user_id: user_id() })]
#[case(Spec::Gpg { bits: 1024, user_id: user_id() })]
#[case(Spec::Ec { bits: 256 })]
#[case(Spec::Ec { bits: 384 })]
#[case(Spec::Ed25519)]
#[case(Spec::Uuid)]
#[case(Spec::Password { bits: 8 })]
#[case(Spec::Random { bits: 8192 })]
#[case(Spec::ApiKey { bits: 12 })]
fn a_derived_generation_has_the_fields_of_its_spec_and_is_valid(#[case] spec: Spec) {
    let derived = derive(&spec, "a").unwrap();
    let values: Vec<_> = derived.iter().collect();
    let fields: Vec<_> = values.iter().map(|(field, _)| *field).collect();
    assert_eq!(fields, spec.fields());
    assert!(crate::verify(spec.secret_type(), &values).is_ok());
}
