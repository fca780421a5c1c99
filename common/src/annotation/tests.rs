//! Tests of the grammar of annotations: what is accepted, what is an error, and what is a warning.

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::{
    Alphabet, Field, FileMode, Lease, LocalMode, Lookup, Order, PasswordRules, Resource, Secret,
    SecretType, SecretValue, Source, Spec, StoreName, names::keys, output::Format, pairs,
};

fn parse(key: &str, value: &str) -> Parsed {
    Parsed::from_annotations(&"d".parse().unwrap(), [(key, value)])
}

/// The one entry of a valid annotation.
fn valid(key: &str, value: &str) -> Entry {
    let mut parsed = parse(key, value);
    assert_eq!(parsed.errors, [], "{key}: {value}");
    parsed.entries.pop().unwrap()
}

/// The one error of an annotation, as a message has it.
fn error(key: &str, value: &str) -> String {
    let parsed = parse(key, value);
    assert_eq!(parsed.entries, [], "{key}: {value}");
    let errors: Vec<_> = parsed
        .errors
        .iter()
        .map(|error| error.kind.to_string())
        .collect();
    assert_eq!(errors.len(), 1, "{key}: {value}: {errors:?}");
    errors.into_iter().next().unwrap()
}

fn warnings(key: &str, value: &str) -> Vec<String> {
    parse(key, value)
        .warnings
        .into_iter()
        .map(|warning| warning.message)
        .collect()
}

fn gpg(bits: u16, user_id: &str) -> Spec {
    Spec::Gpg {
        bits,
        user_id: user_id.parse().unwrap(),
    }
}

#[rstest]
#[case("signing.v1_public", "type=RSA,size=2048", Spec::Rsa { bits: 2048 }, Field::Public)]
#[case("signing.v1_private", "type=RSA,size=4096", Spec::Rsa { bits: 4096 }, Field::Private)]
#[case(
    "k_public",
    "type=GPG,size=2048,userId=a<b>",
    gpg(2048, "a<b>"),
    Field::Public
)]
#[case(
    "k_private",
    "type=GPG,size=3072,userId=a<b>",
    gpg(3072, "a<b>"),
    Field::Private
)]
#[case(
    "k_password",
    "type=GPG,size=4096,userId=Jö <ü@b>",
    gpg(4096, "Jö <ü@b>"),
    Field::Password
)]
#[case("a_public", "type=EC,size=256", Spec::Ec { bits: 256 }, Field::Public)]
#[case("a_private", "type=EC,size=384", Spec::Ec { bits: 384 }, Field::Private)]
#[case("a_public", "type=ED25519", Spec::Ed25519, Field::Public)]
#[case("a_private", "type=ED25519,size=256", Spec::Ed25519, Field::Private)]
#[case("pw", "type=PASSWORD,size=8", Spec::Password { bits: 8 }, Field::Whole)]
#[case("pw_public", "type=PASSWORD,size=12", Spec::Password { bits: 12 }, Field::Whole)]
#[case("id", "type=UUID", Spec::Uuid, Field::Whole)]
#[case("id_public", "type=UUID,size=128", Spec::Uuid, Field::Whole)]
#[case("r_anything", "type=RANDOM,size=8192", Spec::Random { bits: 8192 }, Field::Whole)]
#[case("api-key.v1_consumer", "type=RANDOM,size=128", Spec::ApiKey { bits: 128 }, Field::Consumer)]
#[case("api-key_provider", "type=RANDOM,size=128", Spec::ApiKey { bits: 128 }, Field::Provider)]
#[case("my-api-key", "type=RANDOM,size=128", Spec::Random { bits: 128 }, Field::Whole)]
#[case("api-key.v1", "type=PASSWORD,size=128", Spec::Password { bits: 128 }, Field::Whole)]
#[case("api-key.v1", "type=RANDOM,size=128", Spec::Random { bits: 128 }, Field::Whole)]
#[case("api-key.v1_public", "type=RANDOM,size=128", Spec::Random { bits: 128 }, Field::Whole)]
fn a_dynamic_secret_is_a_spec_and_a_field(
    #[case] name: &str,
    #[case] value: &str,
    #[case] spec: Spec,
    #[case] field: Field,
) {
    let entry = valid(
        &format!("secret.d/{name}"),
        &format!("kind=DYNAMIC,{value}"),
    );
    assert_eq!(entry.name.as_str(), name);
    assert_eq!(
        entry.source,
        Source::Secret(Secret::Dynamic {
            spec,
            field,
            storage_key: None
        })
    );
}

#[rstest]
#[case("kind=DYNAMIC,type=PASSWORD,size=64")]
#[case(" kind = DYNAMIC , type : PASSWORD ,size\t64 ")]
#[case("size=64,foo=bar,type=PASSWORD,kind=DYNAMIC,")]
#[case("kind=REFERENCE,kind=DYNAMIC,type=PASSWORD,size=8,size=64")]
#[case("kind=DYN\\u0041MIC,type=PASS\\WORD,size=64")]
#[case("# a comment,kind=DYNAMIC\ntype=PASSWORD\r\nsize=64")]
fn the_rules_of_java_properties_hold_inside_a_value(#[case] value: &str) {
    let canonical = valid("secret.d/a", value).annotation_value();
    assert_eq!(canonical, "kind=DYNAMIC,type=PASSWORD,size=64");
}

#[rstest]
#[case("kind=REFERENCE", None, None)]
#[case("kind=REFERENCE,type=PASSWORD", None, Some(Spec::Password { bits: 256 }))]
#[case("kind=REFERENCE,type=RANDOM", None, Some(Spec::Random { bits: 256 }))]
#[case("kind=REFERENCE,type=PASSWORD,size=64", None, Some(Spec::Password { bits: 64 }))]
#[case("kind=REFERENCE,type=PASSWORD,size=7", None, Some(Spec::Password { bits: 256 }))]
#[case(
    "kind=REFERENCE,type=RSA",
    Some((SecretType::Rsa, Field::Public)),
    Some(Spec::Rsa { bits: 2048 })
)]
#[case(
    "kind=REFERENCE,type=GPG,userId=a<b>",
    Some((SecretType::Gpg, Field::Public)),
    Some(gpg(2048, "a<b>"))
)]
#[case(
    "kind=REFERENCE,type=RSA,size=2048",
    Some((SecretType::Rsa, Field::Public)),
    Some(Spec::Rsa { bits: 2048 })
)]
#[case(
    "kind=REFERENCE,type=GPG,size=2048,userId=a<b>",
    Some((SecretType::Gpg, Field::Public)),
    Some(gpg(2048, "a<b>"))
)]
#[case("kind=REFERENCE,type=GPG,size=2048", Some((SecretType::Gpg, Field::Public)), None)]
fn a_reference_uses_a_type_and_needs_none(
    #[case] value: &str,
    #[case] member: Option<(SecretType, Field)>,
    #[case] local_spec: Option<Spec>,
) {
    let entry = valid("secret.d/a_public", value);
    let lookup = Lookup::default();
    assert_eq!(
        entry.source,
        Source::Secret(Secret::Reference {
            lookup,
            member,
            local_spec
        })
    );
}

#[test]
fn a_reference_whose_name_has_no_field_of_its_type_is_a_whole_value() {
    for (name, value, local) in [
        ("a", "kind=REFERENCE,type=RSA,size=2048", None),
        (
            "api-key.v1",
            "kind=REFERENCE,type=RANDOM,size=64",
            Some(Spec::Random { bits: 64 }),
        ),
    ] {
        let entry = valid(&format!("secret.d/{name}"), value);
        let Source::Secret(Secret::Reference {
            member, local_spec, ..
        }) = entry.source
        else {
            panic!("{name} is no reference");
        };
        assert_eq!((member, local_spec), (None, local));
    }
}

#[test]
fn a_value_that_is_only_read_has_a_lookup() {
    let value = "storageKey=other/key,property=/a~1b,versionStage=AWSPREVIOUS,versionId=7,\
                 store=secretsmanager,localModeValue=dGV4dA==";
    let lookup = Lookup {
        storage_key: Some("other/key".to_owned().into()),
        property: Some("/a~1b".to_owned()),
        version_stage: Some("AWSPREVIOUS".to_owned()),
        version_id: Some("7".to_owned()),
    };
    for key in ["resource.d/a", "secret.d/a"] {
        let entry = valid(key, &format!("kind=REFERENCE,{value}"));
        let (Source::Resource(Resource { lookup: read })
        | Source::Secret(Secret::Reference { lookup: read, .. })) = entry.source
        else {
            panic!("{key} is not read");
        };
        assert_eq!(read, lookup);
        assert_eq!(entry.store, Some(StoreName::SecretsManager));
        assert_eq!(entry.local_value, Some(SecretValue::new(b"text".to_vec())));
    }
}

#[test]
fn a_resource_needs_nothing() {
    let entry = valid("resource.d/db_url", "");
    assert_eq!((entry.name.base(), entry.word()), ("db", "resource"));
    assert_eq!(
        warnings("resource.d/db_url", "kind=REFERENCE,type=RANDOM"),
        [""; 0]
    );
}

#[rstest]
#[case("kind=INDEX,rangeStart=0,rangeEnd=0", "node", 0, 0)]
#[case("kind=INDEX,rangeStart=-5,rangeEnd=+5", "node", -5, 5)]
#[case("kind=INDEX,storageKeyPrefix=a/b,rangeStart=1,rangeEnd=9", "a/b", 1, 9)]
fn a_lease_is_a_range(
    #[case] value: &str,
    #[case] key_prefix: &str,
    #[case] start: i32,
    #[case] end: i32,
) {
    let entry = valid("lease.d/node_id", value);
    let key_prefix = key_prefix.to_owned();
    assert_eq!(
        entry.source,
        Source::Lease(Lease {
            key_prefix,
            start,
            end
        })
    );
}

#[rstest]
#[case("", "kind= is missing; use kind=DYNAMIC or kind=REFERENCE")]
#[case(
    "kind=dynamic",
    "kind=dynamic is wrong; use DYNAMIC or REFERENCE, in upper case"
)]
#[case(
    "kind=INDEX",
    "kind=INDEX is wrong; use DYNAMIC or REFERENCE, in upper case"
)]
#[case(
    "kind=DYNAMIC",
    "type= is missing; use RSA, EC, ED25519, GPG, PASSWORD, RANDOM or UUID"
)]
#[case(
    "kind=DYNAMIC,type=rsa,size=2048",
    "type=rsa is wrong; use RSA, EC, ED25519, GPG, PASSWORD, RANDOM or UUID, in upper case"
)]
#[case(
    "kind=REFERENCE,type=rsa",
    "type=rsa is wrong; use RSA, EC, ED25519, GPG, PASSWORD, RANDOM or UUID, in upper case"
)]
#[case(
    "kind=DYNAMIC,type=PASSWORD",
    "size= is missing; a PASSWORD has a size of 8 to 8192 bits, a character for each 8"
)]
#[case(
    "kind=DYNAMIC,type=PASSWORD,size=7",
    "size=7 is wrong; a PASSWORD has a size of 8 to 8192 bits, a character for each 8"
)]
#[case(
    "kind=DYNAMIC,type=RANDOM,size=8193",
    "size=8193 is wrong; a RANDOM has a size of 8 to 8192 bits, a byte for each 8"
)]
#[case(
    "kind=DYNAMIC,type=RANDOM,size=99999",
    "size=99999 is wrong; a RANDOM has a size of 8 to 8192 bits, a byte for each 8"
)]
#[case(
    "kind=DYNAMIC,type=RANDOM,size=big",
    "size=big is wrong; a RANDOM has a size of 8 to 8192 bits, a byte for each 8"
)]
#[case(
    "kind=DYNAMIC,type=RSA,size=3072",
    "size=3072 is wrong; an RSA key has size=2048 or size=4096"
)]
#[case(
    "kind=DYNAMIC,type=UUID,size=256",
    "size=256 is wrong; a UUID has size=128, which can be left out"
)]
#[case(
    "kind=DYNAMIC,type=EC,size=521",
    "size=521 is wrong; an EC key has size=256 or size=384"
)]
#[case(
    "kind=DYNAMIC,type=EC",
    "size= is missing; an EC key has size=256 or size=384"
)]
#[case(
    "kind=DYNAMIC,type=ED25519,size=255",
    "size=255 is wrong; an ED25519 key has size=256, which can be left out"
)]
#[case(
    "kind=DYNAMIC,type=GPG,size=8193,userId=a<b>",
    "size=8193 is wrong; a GPG key has size=2048, size=3072 or size=4096"
)]
#[case(
    "kind=DYNAMIC,type=GPG,size=2048",
    "userId= is missing; GPG needs a user id such as userId=Team A <team-a@example.com>"
)]
#[case(
    "kind=DYNAMIC,type=GPG,size=2048,userId=nobody",
    "userId=nobody is wrong; use a name and an address in angle brackets, such as Team A \
     <team-a@example.com>"
)]
#[case(
    "kind=DYNAMIC,type=RSA,size=2048,storageKey=x",
    "storageKey= cannot be used with a DYNAMIC RSA, whose fields need a path each; remove it"
)]
#[case(
    "kind=DYNAMIC,type=PASSWORD,size=64,storageKey=",
    "storageKey= is wrong; give the path below the prefix, or remove it"
)]
#[case(
    "kind=REFERENCE,localModeValue=cGxhaW4!",
    "localModeValue is not standard base64; encode the value, for example with `base64 -w0`"
)]
#[case(
    "kind=REFERENCE,store=vault",
    "'vault' is not a store; use dynamodb, secretsmanager, ssm or embedded"
)]
#[case(
    "kind=REFERENCE,storageKey=a\\",
    "a backslash is before a comma or at the end; a value cannot contain a comma, and a \
     backslash is written '\\\\'"
)]
fn an_invalid_secret_has_an_error_that_says_what_is_right(
    #[case] value: &str,
    #[case] message: &str,
) {
    assert_eq!(error("secret.d/a_public", value), message);
}

#[rstest]
#[case("a", "RSA", "RSA has the fields _public and _private")]
#[case("a_password", "RSA", "RSA has the fields _public and _private")]
#[case(
    "a_consumer",
    "GPG",
    "GPG has the fields _public, _private and _password"
)]
fn a_name_without_a_field_of_its_type_is_invalid(
    #[case] name: &str,
    #[case] secret_type: &str,
    #[case] message: &str,
) {
    let value = format!("kind=DYNAMIC,type={secret_type},size=2048,userId=a<b>");
    assert_eq!(
        error(&format!("secret.d/{name}"), &value),
        format!("{message}; name one of them at the end of the annotation's name")
    );
}

#[rstest]
#[case("a_private", "RSA")]
#[case("a_private", "GPG")]
fn one_storage_key_cannot_hold_several_fields(#[case] name: &str, #[case] secret_type: &str) {
    let value = format!("kind=DYNAMIC,type={secret_type},size=2048,userId=a<b>,storageKey=x");
    let parsed = parse(&format!("secret.d/{name}"), &value);
    let message = parsed.errors[0].kind.to_string();
    let expected = format!("a DYNAMIC {secret_type},");
    assert!(message.contains(&expected), "{message}");
}

/// The original stores both fields of an api-key, which have one value, under the one key.
#[rstest]
#[case("api-key.v1_consumer")]
#[case("api-key.v1_provider")]
#[case("api-key.v1")]
fn an_api_key_with_a_storage_key_is_one_value(#[case] name: &str) {
    let value = "kind=DYNAMIC,type=RANDOM,size=128,storageKey=x";
    let entry = valid(&format!("secret.d/{name}"), value);
    assert_eq!(
        entry.source,
        Source::Secret(Secret::Dynamic {
            spec: Spec::Random { bits: 128 },
            field: Field::Whole,
            storage_key: Some("x".to_owned().into())
        })
    );
}

#[test]
fn a_gpg_size_that_is_only_read_is_a_warning() {
    let value = "kind=DYNAMIC,type=GPG,size=1024,userId=a<b>";
    valid("secret.d/a_public", value);
    assert_eq!(
        warnings("secret.d/a_public", value),
        [
            "a stored GPG key of size=1024 is read, but none is created; a GPG key has size=2048, \
             size=3072 or size=4096"
        ]
    );
}

#[rstest]
#[case(
    "secret.d/a",
    "kind=DYNAMIC,type=PASSWORD,size=64,storageKey=x ",
    "storageKey"
)]
#[case(
    "secret.d/a",
    "storageKey=x\t,kind=DYNAMIC,type=PASSWORD,size=64",
    "storageKey"
)]
#[case("secret.d/a", "kind=REFERENCE,storageKey=x\\ ", "storageKey")]
#[case("secret.d/a", "kind=REFERENCE,storageKey=x\\u00a0", "storageKey")]
#[case("resource.d/a", "storageKey=x ,store=dynamodb", "storageKey")]
#[case(
    "lease.d/a",
    "kind=INDEX,rangeStart=0,rangeEnd=1,storageKeyPrefix=x ",
    "storageKeyPrefix"
)]
fn a_blank_at_the_end_of_a_path_is_an_error(
    #[case] key: &str,
    #[case] value: &str,
    #[case] path_key: &str,
) {
    let message = error(key, value);
    let expected = format!("{path_key}= ends in a blank; remove the blank:");
    assert!(message.starts_with(&expected), "{message}");
}

#[rstest]
#[case(
    "secret.d/a_public",
    "kind=dynamic,type=rsa,size=1,storageKey=x ",
    &["kind", "storageKey= ends in a blank", "type", "storageKey= cannot", "size"]
)]
#[case("secret.d/a", "kind=REFERENCE,type=rsa,store=s3,localModeValue=!", &["type", "localModeValue", "'s3'"])]
#[case("secret.d/a", "type=nothing,size=1", &["kind", "type"])]
#[case("secret.d/a", "kind=DYNAMIC,type=PASSWORD,size=\\u12,store=s3", &["'\\u'", "'s3'"])]
#[case("secret.d/-", "kind=DYNAMIC,type=PASSWORD,size=1", &["the name", "size"])]
#[case("lease.d/-", "kind=x,rangeStart=y,rangeEnd=z", &["the name", "kind", "rangeStart", "rangeEnd"])]
fn no_error_of_a_value_hides_another(
    #[case] key: &str,
    #[case] value: &str,
    #[case] expected: &[&str],
) {
    let messages: Vec<_> = parse(key, value)
        .errors
        .iter()
        .map(|error| error.kind.to_string())
        .collect();
    assert_eq!(messages.len(), expected.len(), "{messages:#?}");
    for (message, start) in messages.iter().zip(expected) {
        assert!(message.starts_with(start), "{messages:#?}");
    }
}

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

#[rstest]
#[case("rangeStart=0,rangeEnd=1", "kind= is missing; a lease has kind=INDEX")]
#[case(
    "kind=DYNAMIC,rangeStart=0,rangeEnd=1",
    "kind=DYNAMIC is wrong; a lease has kind=INDEX"
)]
#[case(
    "kind=INDEX,rangeEnd=1",
    "rangeStart= is missing; a lease has rangeStart= and rangeEnd=, whole numbers"
)]
#[case(
    "kind=INDEX,rangeStart=0,rangeEnd=1.5",
    "rangeEnd=1.5 is wrong; use a whole number of 32 bits"
)]
#[case(
    "kind=INDEX,rangeStart=0,rangeEnd=2147483648",
    "rangeEnd=2147483648 is wrong; use a whole number of 32 bits"
)]
#[case(
    "kind=INDEX,rangeStart=5,rangeEnd=4",
    "rangeEnd=4 is wrong; it must not be below rangeStart=5"
)]
fn an_invalid_lease_has_an_error_that_says_what_is_right(
    #[case] value: &str,
    #[case] message: &str,
) {
    assert_eq!(error("lease.d/a", value), message);
}

#[test]
fn every_error_of_every_annotation_is_found() {
    let parsed = Parsed::from_annotations(
        &"d".parse().unwrap(),
        [
            ("secret.d/-", "kind=DYNAMIC,\\u"),
            (
                "secret.d/b",
                "kind=DYNAMIC,type=GPG,size=0,userId=x,storageKey=y,localModeValue=!",
            ),
            ("secret.d/c", "kind=DYNAMIC,type=PASSWORD,size=64"),
            ("lease.d/d", ""),
            ("init.d/order", "middle"),
            ("secret.other/e", "garbage"),
        ],
    );
    let at: Vec<_> = parsed
        .errors
        .iter()
        .map(|error| error.annotation.as_str())
        .collect();
    let expected = [
        vec!["init.d/order"],
        vec!["lease.d/d"; 3],
        vec!["secret.d/-"; 3],
        vec!["secret.d/b"; 5],
    ]
    .concat();
    assert_eq!(at, expected);
    assert_eq!(parsed.entries.len(), 1);
    assert_eq!(parsed.warnings, []);
}

#[rstest]
#[case("secret.d/a", "kind=REFERENCE,foo=bar", &["the key 'foo' is unknown, ignored"])]
#[case("secret.d/a", "kind=reference,foo=bar,size=8", &["the key 'foo' is unknown, ignored"])]
#[case("secret.d/a", "kind=REFERENCE,rangeEnd=1", &["the key 'rangeEnd' has no effect here, ignored"])]
#[case(
    "secret.d/a",
    "kind=DYNAMIC,type=PASSWORD,size=64,userId=a<b>,property=x",
    &["the key 'userId' has no effect here, ignored", "the key 'property' has no effect here, ignored"]
)]
#[case(
    "lease.d/a",
    "kind=INDEX,rangeStart=0,rangeEnd=1,store=memory,localModeValue=YQ==",
    &["the key 'store' has no effect here, ignored", "the key 'localModeValue' has no effect here, ignored"]
)]
#[case(
    "secret.d/a",
    "kind=REFERENCE,type=PASSWORD,size=7",
    &["size= is ignored, local mode uses size=256; a PASSWORD has a size of 8 to 8192 bits, a character for each 8"]
)]
#[case("resource.d/a", "\\u001b\\n=x", &["the key '\\u{1b}\\n' is unknown, ignored"])]
#[case("init.d/colour", "x", &["unknown, ignored"])]
fn what_has_no_effect_is_a_warning(
    #[case] key: &str,
    #[case] value: &str,
    #[case] expected: &[&str],
) {
    assert_eq!(warnings(key, value), expected);
}

#[rstest]
#[case("secret.d/a", "kind=DYNAMIC,type=PASSWORD,Size=64", &["the key 'Size' is unknown; did you mean size="])]
#[case(
    "secret.d/a",
    "Kind=DYNAMIC,type=PASSWORD,size=64,storagekey=x,foo=bar",
    &["the key 'Kind' is unknown; did you mean kind=", "the key 'storagekey' is unknown; did you mean storageKey="]
)]
#[case(
    "secret.d/a",
    "kind=REFERENCE,stores=s3",
    &["the key 'stores' is unknown; did you mean store=", "'s3' is not a store; use dynamodb, secretsmanager, ssm or embedded"]
)]
#[case("resource.d/a", "storageky=x", &["the key 'storageky' is unknown; did you mean storageKey="])]
#[case("init.d/storage-prefx", "x", &["unknown; did you mean init.d/storage-prefix"])]
#[case("init.d/Format", "json", &["unknown; did you mean init.d/format"])]
fn a_misspelled_key_or_option_is_an_error(
    #[case] key: &str,
    #[case] value: &str,
    #[case] expected: &[&str],
) {
    let parsed = parse(key, value);
    let messages: Vec<_> = parsed.errors.iter().map(|e| e.kind.to_string()).collect();
    assert_eq!(messages, expected);
    assert_eq!(parsed.entries, []);
}

#[test]
fn a_limited_number_of_unknown_keys_is_compared_with_the_known_ones() {
    let parsed = parse("resource.d/a", &"sizex=1,".repeat(1000));
    assert_eq!(parsed.errors.len(), 64);
}

#[test]
fn denied_warnings_are_errors() {
    let annotations = [
        ("secret.d/b", "kind=REFERENCE,foo=bar"),
        ("secret.d/a", "kind=nothing"),
        ("secrets.d/c", ""),
    ];
    let mut parsed = Parsed::from_annotations(&"d".parse().unwrap(), annotations);
    assert_eq!((parsed.errors.len(), parsed.warnings.len()), (1, 2));
    parsed.deny_warnings();
    let messages: Vec<_> = parsed.errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        messages[1..],
        [
            "secret.d/b: the key 'foo' is unknown, ignored; in strict mode, this warning is an error",
            "secrets.d/c: ignored; did you mean secret.d/c; in strict mode, this warning is an error",
        ]
    );
    assert_eq!(parsed.warnings, []);
}

#[test]
fn options_are_read() {
    let options = [
        ("init.d/inject", "false"),
        ("init.d/storage-prefix", "/dev/team-a"),
        ("init.d/local-mode", " remote-then-local"),
        ("init.d/mount-path", "/secrets/"),
        ("init.d/containers", "app, sidecar"),
        ("init.d/order", "after=istio-init"),
        ("init.d/file-mode", "0440"),
        ("init.d/store", "secretsmanager"),
        ("init.d/format", "json"),
        ("init.d/injected", "0.1.0"),
    ];
    let parsed = Parsed::from_annotations(&"d".parse().unwrap(), options);
    assert_eq!(
        (&parsed.errors[..], &parsed.warnings[..]),
        (&[][..], &[][..])
    );
    let Options {
        opted_out,
        storage_prefix,
        local_mode,
        mount_path,
        containers,
        order,
        file_mode,
        store,
        format,
    } = parsed.options;
    assert!(opted_out);
    assert_eq!(storage_prefix.unwrap().as_str(), "/dev/team-a");
    assert_eq!(local_mode, LocalMode::RemoteThenLocal);
    assert_eq!(mount_path.unwrap().as_str(), "/secrets");
    assert_eq!(
        containers.unwrap().iter().collect::<Vec<_>>(),
        ["app", "sidecar"]
    );
    assert_eq!(order, Order::After("istio-init".to_owned()));
    assert_eq!(file_mode, Some(FileMode::GROUP));
    assert_eq!(store, Some(StoreName::SecretsManager));
    assert_eq!(format, Some(Format::Json));
}

#[rstest]
#[case("true", LocalMode::On)]
#[case("remote-then-local", LocalMode::RemoteThenLocal)]
#[case("false", LocalMode::Off)]
#[case("TRUE", LocalMode::Off)]
#[case("", LocalMode::Off)]
fn local_mode_is_two_words_and_anything_else_is_the_store(
    #[case] value: &str,
    #[case] mode: LocalMode,
) {
    assert_eq!(parse("init.d/local-mode", value).options.local_mode, mode);
}

#[rstest]
#[case("true")]
#[case("False")]
#[case(" false")]
fn only_the_word_false_opts_out(#[case] value: &str) {
    assert!(!parse("init.d/inject", value).options.opted_out);
}

#[rstest]
#[case(
    "storage-prefix",
    "/a/../b",
    "/a/../b: the path has a '.' or '..' segment; write the path itself"
)]
#[case("storage-prefix", "/a\nb", "/a\\nb: the path has a control character")]
#[case(
    "storage-prefix",
    "/a ",
    "/a : the path begins or ends in a blank; remove the blank: the original kees reads it as part \
     of the path, which would then name another value"
)]
#[case(
    "storage-prefix",
    "/\u{e9}",
    "/\u{e9}: the path has a character that is not ASCII; use ASCII only: the original kees reads such \
     a character differently, so the path would name another value there"
)]
#[case(
    "store",
    "s3",
    "'s3' is not a store; use dynamodb, secretsmanager, ssm or embedded"
)]
#[case(
    "format",
    "yaml",
    "format=yaml is wrong; use properties, env, json or files"
)]
#[case(
    "mount-path",
    "secrets",
    "mount-path=secrets is wrong; use an absolute path such as /bsycorp-init, without '.', '..', \
     ':' or empty segments"
)]
#[case(
    "containers",
    "app,,b",
    "containers=app,,b is wrong; use the names of containers of this pod, separated by commas"
)]
#[case(
    "order",
    "before",
    "order=before is wrong; use first, last, before=NAME or after=NAME with the name of an init \
     container"
)]
#[case(
    "file-mode",
    "0777",
    "file-mode=0777 is wrong; use four octal digits such as 0400, 0440 or 0444: readable by the \
     owner, writable by no one else, executable by no one"
)]
fn an_invalid_option_has_an_error_that_says_what_is_right(
    #[case] name: &str,
    #[case] value: &str,
    #[case] message: &str,
) {
    assert_eq!(error(&format!("init.d/{name}"), value), message);
}

#[test]
fn a_message_stays_one_short_line() {
    let key = format!("secret.d/{}", "x\n".repeat(1000));
    let value = format!("kind={}\u{1b}", "y".repeat(100_000));
    let parsed = parse(&key, &value);
    for error in parsed
        .errors
        .iter()
        .chain(&parse("secret.d/a", &value).errors)
    {
        let message = error.to_string();
        assert!(
            message.len() < 500 && !message.contains(char::is_control),
            "{message}"
        );
    }
    let parsed = parse("init.d/storage-prefix", &format!("/{}", "z".repeat(10_000)));
    assert!(parsed.errors[0].to_string().len() < 300);
}

#[test]
fn no_message_repeats_a_local_value() {
    for key in ["secret.d/a", "resource.d/a", "lease.d/a"] {
        let parsed = parse(key, "kind=REFERENCE,localModeValue=canary_,foo");
        assert!(!format!("{:?} {:?}", parsed.errors, parsed.warnings).contains("canary"));
    }
    let entry = valid("resource.d/a", "localModeValue=Y2FuYXJ5");
    let debug = format!("{entry:?}");
    assert!(
        !debug.contains("canary") && !debug.contains("Y2FuYXJ5"),
        "{debug}"
    );
}

#[rstest]
#[case("secret.d/a_public", "kind=DYNAMIC,type=RSA,size=2048")]
#[case(
    "secret.d/a_password",
    "kind=DYNAMIC,type=GPG,size=4096,userId=A\\u002c B <a@b>"
)]
#[case(
    "secret.d/a",
    "kind=DYNAMIC,type=PASSWORD,size=64,storageKey=\\ x\\\\y,store=embedded"
)]
#[case("secret.d/a", "kind=REFERENCE")]
#[case(
    "secret.d/a_public",
    "kind=DYNAMIC,type=RSA,size=2048,encoding=pem,store=embedded"
)]
#[case(
    "secret.d/a_public",
    "kind=REFERENCE,type=ED25519,size=256,encoding=pem"
)]
#[case(
    "secret.d/a",
    "kind=REFERENCE,type=RANDOM,size=8,storageKey=k,property=\\n,localModeValue=YQ=="
)]
#[case(
    "secret.d/a_private",
    "kind=REFERENCE,type=RSA,size=2048,versionStage=S,versionId=I"
)]
#[case("resource.d/a", "storageKey=k")]
#[case("resource.d/a", "")]
#[case("lease.d/a", "kind=INDEX,storageKeyPrefix=a,rangeStart=0,rangeEnd=9")]
fn a_canonical_value_prints_as_it_was_written(#[case] key: &str, #[case] value: &str) {
    assert_eq!(valid(key, value).annotation_value(), value);
}

/// Valid entries with texts, names and sizes of every kind.
fn any_entry() -> impl Strategy<Value = Entry> {
    let name = "(api-key)?[a-z][a-z.-]{0,6}[a-z](_(public|private|password|consumer|provider))?";
    let text = prop_oneof![any::<String>(), "[a-z/ ,=:\\\\]{0,8}"];
    let lookup = [
        text.clone()
            .prop_map(|text| (keys::STORAGE_KEY, text))
            .boxed(),
        text.clone().prop_map(|text| (keys::PROPERTY, text)).boxed(),
        text.clone()
            .prop_map(|text| (keys::VERSION_STAGE, text))
            .boxed(),
        text.clone()
            .prop_map(|text| (keys::VERSION_ID, text))
            .boxed(),
        text.prop_map(|text| (keys::STORAGE_KEY_PREFIX, text))
            .boxed(),
        "[a-z, ]{1,4}<[a-z@, ]{1,4}>"
            .prop_map(|text| (keys::USER_ID, text))
            .boxed(),
        prop::sample::select(SecretType::ALL.to_vec())
            .prop_map(|secret_type| (keys::TYPE, secret_type.to_string()))
            .boxed(),
        prop::sample::select(vec!["8", "128", "256", "384", "2048", "3072", "4096"])
            .prop_map(|text| (keys::SIZE, text.to_owned()))
            .boxed(),
        prop::sample::select(StoreName::ALL.to_vec())
            .prop_map(|store| (keys::STORE, store.to_string()))
            .boxed(),
        any::<Vec<u8>>()
            .prop_map(|bytes| {
                (
                    keys::LOCAL_MODE_VALUE,
                    SecretValue::new(bytes).to_base64().to_string(),
                )
            })
            .boxed(),
        any::<i32>()
            .prop_map(|start| (keys::RANGE_START, start.to_string()))
            .boxed(),
        any::<i32>()
            .prop_map(|end| (keys::RANGE_END, end.to_string()))
            .boxed(),
    ];
    let pairs = lookup
        .map(|pair| prop::option::weighted(0.7, pair))
        .to_vec();
    let kind = prop::sample::select(vec![
        ("secret", "DYNAMIC"),
        ("secret", "REFERENCE"),
        ("resource", ""),
        ("lease", "INDEX"),
    ]);
    (kind, name, pairs).prop_filter_map("at error", |((word, kind), name, pairs)| {
        let mut printer = pairs::Printer::default();
        printer.pair(keys::KIND, kind);
        for (key, value) in pairs.into_iter().flatten() {
            printer.pair(key, &value);
        }
        parse(&format!("{word}.d/{name}"), &printer.finish())
            .entries
            .pop()
    })
}

#[test]
fn many_unknown_keys_have_few_warnings() {
    let value = "x,".repeat(1000);
    let parsed = Parsed::from_annotations(
        &Domain::default(),
        [("resource.bsycorp.com/a", value.as_str())],
    );
    assert_eq!(parsed.warnings.len(), 17);
    assert_eq!(
        parsed.warnings[16].message,
        "984 more keys are unknown or have no effect, ignored"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { max_global_rejects: 100_000, ..ProptestConfig::default() })]

    #[test]
    fn what_an_entry_prints_parses_into_it(entry in any_entry()) {
        let value = entry.annotation_value();
        let parsed = parse(&entry.annotation, &value);
        prop_assert_eq!(parsed.errors, []);
        let is_size = |warning: &Warning| warning.message.contains("is read, but none is created");
        prop_assert!(parsed.warnings.iter().all(is_size), "{:?}", parsed.warnings);
        prop_assert_eq!(parsed.entries, [entry]);
    }

    #[test]
    fn any_value_is_an_entry_or_has_errors(
        word in "secret|resource|lease|init",
        name in "[a-zA-Z0-9_.-]{0,70}|storage-prefix|order|file-mode|mount-path|containers|.*",
        value in r"((kind|type|size|userId|rangeStart|storageKey)[=: ]?|DYNAMIC|RSA|GPG|[,\\u0-9<>]|.){0,30}",
    ) {
        let parsed = parse(&format!("{word}.d/{name}"), &value);
        if word != "init" {
            prop_assert_eq!(parsed.entries.is_empty(), !parsed.errors.is_empty());
        }
        for error in parsed.errors {
            prop_assert!(!error.to_string().contains(char::is_control));
        }
    }
}
