//! Tests of how a JSON secret with several members is read and written.

use kees_common::{Field, SecretType, StoreName};
use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::ErrorKind;

fn locator() -> Locator {
    Locator {
        path: "/dev/db".parse().unwrap(),
        member: None,
        property: None,
        version_stage: None,
        version_id: None,
        is_previous: false,
    }
}

fn property(name: &str) -> Locator {
    Locator {
        property: Some(name.to_owned()),
        ..locator()
    }
}

fn member(field: Field, secret_type: SecretType) -> Locator {
    let secret = "/dev/key".parse().unwrap();
    Locator {
        member: Some(Member {
            secret,
            field,
            secret_type,
        }),
        ..locator()
    }
}

const SECRET: Holder = Holder {
    store: StoreName::SecretsManager,
    noun: "secret",
};

fn text(text: &str) -> Content {
    Content::Text(text.to_owned().into())
}

fn binary(bytes: &[u8]) -> Content {
    Content::Binary(bytes.to_vec().into())
}

fn value(content: &Content, locator: &Locator) -> Vec<u8> {
    let found = content.value_at(locator, SECRET);
    found.unwrap().unwrap().expose().to_vec()
}

const DATABASE: &str = r#"{"user": "kees", "port": 5432, "tls": true, "none": null, "deep": {"a/b": ["x", {"m~n": "y"}], "": "empty"}, "esc": "a\"\n\u00e9"}"#;

#[rstest]
#[case("user", "kees")]
#[case("port", "5432")]
#[case("tls", "true")]
#[case("none", "null")]
#[case("esc", "a\"\n\u{e9}")]
#[case("deep", r#"{"a/b": ["x", {"m~n": "y"}], "": "empty"}"#)]
#[case("/user", "kees")]
#[case("/deep/a~1b/0", "x")]
#[case("/deep/a~1b/1/m~0n", "y")]
#[case("/deep/a~1b", r#"["x", {"m~n": "y"}]"#)]
#[case("/deep/", "empty")]
fn a_property_is_a_strings_text_or_the_json_itself(#[case] name: &str, #[case] expected: &str) {
    assert_eq!(value(&text(DATABASE), &property(name)), expected.as_bytes());
}

/// The examples of RFC 6901, section 5.
#[rstest]
#[case("/foo/0", "bar")]
#[case("/", "0")]
#[case("/a~1b", "1")]
#[case("/c%d", "2")]
#[case("/e^f", "3")]
#[case("/g|h", "4")]
#[case("/i\\j", "5")]
#[case("/k\"l", "6")]
#[case("/ ", "7")]
#[case("/m~0n", "8")]
fn the_examples_of_json_pointer_hold(#[case] pointer: &str, #[case] expected: &str) {
    let document = r#"{"foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, "k\"l": 6, " ": 7, "m~n": 8}"#;
    assert_eq!(
        value(&text(document), &property(pointer)),
        expected.as_bytes()
    );
}

#[test]
fn the_root_may_be_an_array() {
    assert_eq!(value(&text(r#"["a", "b"]"#), &property("/1")), b"b");
}

#[rstest]
#[case(
    "absent",
    "the secret /dev/db has no member 'absent'; it has deep, esc, none, port, tls, user"
)]
#[case(
    "/deep/absent",
    "the secret /dev/db has no member 'absent'; it has , a/b"
)]
#[case(
    "/deep/a~1b/2",
    "the secret /dev/db has no element '2' in an array of 2"
)]
#[case(
    "/deep/a~1b/00",
    "the secret /dev/db has no element '00' in an array of 2"
)]
#[case(
    "/deep/a~1b/-",
    "the secret /dev/db has no element '-' in an array of 2"
)]
#[case(
    "/deep/a~1b/+1",
    "the secret /dev/db has no element '+1' in an array of 2"
)]
#[case("/user/deeper", "the secret /dev/db has nothing at 'deeper'")]
fn a_property_that_is_not_there_is_told_with_those_that_are(
    #[case] name: &str,
    #[case] message: &str,
) {
    let error = text(DATABASE)
        .value_at(&property(name), SECRET)
        .unwrap_err();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (ErrorKind::Malformed, message)
    );
}

#[rstest]
#[case(
    text("canary"),
    property("a"),
    "the secret /dev/db holds a text that is not a JSON object"
)]
#[case(
    text(r#""canary""#),
    property("a"),
    "the secret /dev/db holds a text that is not a JSON object"
)]
#[case(
    text("canary"),
    property("/a"),
    "the secret /dev/db holds a text that is not JSON"
)]
#[case(
    binary(b"canary"),
    property("a"),
    "the secret /dev/db holds binary data, and not text with JSON"
)]
#[case(
    text("canary"),
    member(Field::Public, SecretType::Rsa),
    "the secret /dev/key holds a text that is not a JSON object"
)]
#[case(
    text(r#"{"public": "Y2FuYXJ5"}"#),
    member(Field::Private, SecretType::Rsa),
    "the secret /dev/key has no member 'private'; it has public"
)]
#[case(
    text(r#"{"public": "canary!"}"#),
    member(Field::Public, SecretType::Rsa),
    "the secret /dev/key has a member 'public' that is not canonical base64"
)]
#[case::without_padding(
    text(r#"{"public": "canary"}"#),
    member(Field::Public, SecretType::Rsa),
    "the secret /dev/key has a member 'public' that is not canonical base64"
)]
#[case(
    text(r#"{"public": ["canary"]}"#),
    member(Field::Public, SecretType::Gpg),
    "the secret /dev/key has a member 'public' that is not a JSON string"
)]
fn a_secret_of_another_shape_is_malformed_and_not_shown(
    #[case] held: Content,
    #[case] locator: Locator,
    #[case] message: &str,
) {
    let error = held.value_at(&locator, SECRET).unwrap_err();
    assert_eq!(
        (&error.kind, error.message.as_str()),
        (&ErrorKind::Malformed, message)
    );
    assert!(!format!("{error:?}").contains("canary"));
}

#[rstest]
#[case(text("as it is"), b"as it is")]
#[case(binary(&[0, 255]), &[0, 255])]
fn without_a_member_the_secret_is_the_value(#[case] held: Content, #[case] expected: &[u8]) {
    assert_eq!(value(&held, &locator()), expected);
}

#[rstest]
#[case(SecretType::Rsa, b"canary")]
#[case(SecretType::Random, b"canary")]
#[case(SecretType::Gpg, b"Y2FuYXJ5")]
fn a_members_text_is_base64_unless_it_is_gpgs(
    #[case] secret_type: SecretType,
    #[case] expected: &[u8],
) {
    let held = text(r#"{"public": "Y2FuYXJ5"}"#);
    assert_eq!(value(&held, &member(Field::Public, secret_type)), expected);
}

proptest! {
    #[test]
    fn whatever_a_secret_holds_nothing_panics(content: String, name: String) {
        let held = text(&content);
        let _ = held.value_at(&property(&name), SECRET);
        let _ = held.value_at(&property(&format!("/{name}")), SECRET);
        let _ = held.value_at(&member(Field::Public, SecretType::Rsa), SECRET);
    }

    #[test]
    fn every_text_is_found_again(content: String) {
        let json = serde_json::json!({"a": {"b": content}}).to_string();
        prop_assert_eq!(value(&text(&json), &property("/a/b")), content.as_bytes());
    }
}
