//! Tests of the encodings of keys and the rules of passwords.

use rstest::rstest;

use super::*;
use crate::{Alphabet, PasswordRules, Secret, SecretValue, Source, Spec};

#[rstest]
#[case("secret.d/a_public", "kind=DYNAMIC,type=RSA,size=2048", None)]
#[case(
    "secret.d/a_public",
    "kind=DYNAMIC,type=EC,size=256,encoding=der",
    None
)]
#[case(
    "secret.d/a_private",
    "kind=DYNAMIC,type=EC,size=256,encoding=pem",
    Some("PRIVATE")
)]
#[case(
    "secret.d/a_public",
    "kind=DYNAMIC,type=ED25519,encoding=pem",
    Some("PUBLIC")
)]
#[case(
    "secret.d/a_public",
    "kind=REFERENCE,type=RSA,encoding=pem",
    Some("PUBLIC")
)]
fn a_key_has_an_encoding(#[case] key: &str, #[case] value: &str, #[case] label: Option<&str>) {
    let stored = SecretValue::new(vec![0; 48]);
    let encoded = valid(key, value).encode(stored.clone());
    let expected = label.map_or(stored, |label| {
        let base64 = "A".repeat(64);
        let pem = format!("-----BEGIN {label} KEY-----\n{base64}\n-----END {label} KEY-----\n");
        SecretValue::new(pem.into_bytes())
    });
    assert_eq!(encoded, expected);
}

#[rstest]
#[case(
    "secret.d/a_public",
    "kind=DYNAMIC,type=GPG,size=2048,userId=a<b>,encoding=pem"
)]
#[case("secret.d/a_public", "kind=DYNAMIC,type=PASSWORD,size=64,encoding=pem")]
#[case("secret.d/a_public", "kind=REFERENCE,encoding=pem")]
#[case("secret.d/a", "kind=REFERENCE,type=RSA,encoding=pem")]
fn what_is_not_a_key_has_no_encodings(#[case] key: &str, #[case] value: &str) {
    assert_eq!(
        error(key, value),
        "encoding= works with type=RSA, EC or ED25519 and a name that ends in _public or _private; \
         remove it"
    );
}

#[test]
fn an_unknown_encoding_is_an_error() {
    assert_eq!(
        error("secret.d/a_public", "kind=REFERENCE,type=RSA,encoding=PEM"),
        "encoding=PEM is wrong; use der or pem"
    );
}

#[rstest]
#[case("alphabet=base62", Spec::Password { bits: 64 })]
#[case("alphabet=hex", ruled(Alphabet::Hex, None))]
#[case(
    "classes=digit+lower+digit",
    ruled(Alphabet::Base62, Some("lower+digit"))
)]
#[case(
    "alphabet=ascii,classes=symbol",
    ruled(Alphabet::Ascii, Some("symbol"))
)]
fn a_password_has_rules(#[case] rules: &str, #[case] expected: Spec) {
    let kinds = [("DYNAMIC", "secret.d/a"), ("REFERENCE", "secret.d/a")];
    for (kind, key) in kinds {
        let entry = valid(key, &format!("kind={kind},type=PASSWORD,size=64,{rules}"));
        let Source::Secret(
            Secret::Dynamic { spec, .. }
            | Secret::Reference {
                local_spec: Some(spec),
                ..
            },
        ) = &entry.source
        else {
            panic!("{entry:?}");
        };
        assert_eq!(*spec, expected);
        assert_eq!(valid(key, &entry.annotation_value()), entry);
    }
}

fn ruled(alphabet: Alphabet, classes: Option<&str>) -> Spec {
    let classes = classes.map(|classes| classes.parse().unwrap());
    Spec::RuledPassword {
        bits: 64,
        rules: PasswordRules {
            alphabet,
            classes: classes.unwrap_or_default(),
        },
    }
}

#[rstest]
#[case(
    "alphabet=base64",
    "alphabet=base64 is wrong; use base62, ascii or hex"
)]
#[case(
    "classes=letters",
    "classes=letters is wrong; use lower, upper, digit or symbol, or several of them such as \
     lower+digit"
)]
#[case(
    "classes=lower+symbol",
    "classes=lower+symbol is wrong; alphabet=base62 has no character of the class symbol"
)]
#[case(
    "alphabet=hex,classes=upper",
    "classes=upper is wrong; alphabet=hex has no character of the class upper"
)]
#[case(
    "classes=lower+upper+digit",
    "classes=lower+upper+digit is wrong; a PASSWORD has a size of at least 8 bits for each class"
)]
fn rules_that_no_password_can_follow_are_an_error(#[case] rules: &str, #[case] message: &str) {
    let value = format!("kind=DYNAMIC,type=PASSWORD,size=16,{rules}");
    assert_eq!(error("secret.d/a", &value), message);
}
