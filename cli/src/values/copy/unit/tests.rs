//! Tests of what is recognised as a generation.

use rstest::rstest;

use super::*;

const RSA: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
const X: &[u8] = b"x";
const ED25519: &[u8] = b"\x30\x05\x06\x03\x2b\x65\x70";
const PGP_PUBLIC: &[u8] = b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n";
const PGP_PRIVATE: &[u8] = b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n";

fn path(text: &str) -> StoragePath {
    text.parse().unwrap()
}

fn value(bytes: &[u8]) -> SecretValue {
    SecretValue::new(bytes.to_vec())
}

fn grouped(paths: &[&str]) -> Vec<Vec<String>> {
    let groups = group_flat(paths.iter().map(|text| path(text)).collect());
    let names = |group: &Group| {
        let locators = group.locators();
        let names = locators.iter().map(|at| at.path.to_string());
        names.collect::<Vec<_>>()
    };
    groups.iter().map(names).collect()
}

#[test]
fn names_that_can_be_fields_of_one_generation_are_grouped() {
    assert_eq!(
        grouped(&[
            "/a/key_public",
            "/a/key_private",
            "/a/gpg_public",
            "/a/gpg_private",
            "/a/gpg_password",
            "/a/api-key_consumer",
            "/a/api-key_provider",
            "/a/db",
            "/a/lone_public",
            "/a/user_password",
            "/a/some_thing",
        ]),
        [
            &["/a/db"][..],
            &["/a/some_thing"],
            &["/a/api-key_consumer", "/a/api-key_provider"],
            &["/a/gpg_public", "/a/gpg_private", "/a/gpg_password"],
            &["/a/key_public", "/a/key_private"],
            &["/a/lone_public"],
            &["/a/user_password"],
        ]
    );
}

/// The units of the fields of `set` with these contents.
fn of_flat(base: &str, set: usize, contents: &[&[u8]]) -> Vec<Unit> {
    let fields: Vec<_> = FIELD_SETS[set].iter().zip(contents).collect();
    let named = fields
        .iter()
        .map(|(field, _)| (**field, path(&format!("{base}_{field}"))));
    let group = Group::Fields(path(base), named.collect());
    units(
        &group,
        fields.iter().map(|(_, bytes)| value(bytes)).collect(),
    )
}

#[rstest]
#[case::rsa("/a/key", 1, &[RSA, RSA])]
#[case::ed25519("/a/key", 1, &[ED25519, ED25519])]
#[case::gpg("/a/key", 0, &[PGP_PUBLIC, PGP_PRIVATE, X])]
#[case::api_key("/a/api-key.v1", 2, &[X, X])]
fn the_fields_of_a_generation_are_one_unit_in_every_store(
    #[case] base: &str,
    #[case] set: usize,
    #[case] contents: &[&[u8]],
) {
    let units = of_flat(base, set, contents);
    let [Unit::Generation(of, spec, values)] = &units[..] else {
        panic!("{units:?}");
    };
    assert_eq!(of.as_str(), base);
    // What a store with members holds for it is the same unit again.
    let is_text = spec.secret_type().is_text();
    let members = values.iter().map(|(field, value)| {
        let text = if is_text {
            value.expose_text().unwrap().to_owned()
        } else {
            value.to_base64().to_string()
        };
        (field.to_string(), text)
    });
    let json = serde_json::to_vec(&members.collect::<BTreeMap<_, _>>()).unwrap();
    assert_eq!(from_members(path(base), value(&json), false), units[0]);
}

#[rstest]
#[case::no_keys("/a/key", 1, &[X, X])]
#[case::two_algorithms("/a/key", 1, &[RSA, ED25519])]
#[case::no_armor("/a/key", 0, &[X, X, X])]
#[case::unequal("/a/api-key", 2, &[X, RSA])]
#[case::another_name("/a/token", 2, &[X, X])]
fn values_that_only_look_like_fields_stay_values(
    #[case] base: &str,
    #[case] set: usize,
    #[case] contents: &[&[u8]],
) {
    let units = of_flat(base, set, contents);
    assert_eq!(units.len(), contents.len());
    assert!(units.iter().all(|unit| matches!(unit, Unit::Value(..))));
    assert_eq!(
        units[0].path().as_str(),
        format!("{base}_{}", FIELD_SETS[set][0])
    );
}

#[rstest]
#[case(r#"{"public": "a", "private": "b"}"#)]
#[case(r#"{"user": "a", "password": "b"}"#)]
#[case(r#"{"public": 1, "private": 2}"#)]
#[case("text")]
#[case("[]")]
fn other_content_of_a_store_with_members_is_one_value(#[case] text: &str) {
    let unit = from_members(path("/a/x"), value(text.as_bytes()), false);
    assert_eq!(unit, Unit::Value(path("/a/x"), value(text.as_bytes())));
}

#[test]
fn the_base64_of_a_random_is_decoded_and_bytes_are_encoded_where_only_text_is_held() {
    let unit = from_members(path("/a/x"), value(b"AP8="), true);
    assert_eq!(unit, Unit::Value(path("/a/x"), value(&[0, 255])));
    let (generation, _) = unit.generation_in(StoreName::Ssm).unwrap();
    assert!(generation.locator(Field::Whole).member.is_some());
    assert_eq!(unit.generation_in(StoreName::SecretsManager), None);
    assert_eq!(unit.generation_in(StoreName::DynamoDb), None);
}
