//! Tests of secrets and resources.

use rstest::rstest;

use super::*;
use crate::{Field, Lookup, Resource, Secret, SecretType, SecretValue, Source, Spec, StoreName};

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

const TOKEN: &str = "secret.d/token";

fn parsed(value: &str) -> Parsed {
    Parsed::from_annotations(&"d".parse().unwrap(), [(TOKEN, value)])
}

#[test]
fn a_secret_is_rotated_and_hands_out_its_previous_value() {
    let value = "kind=DYNAMIC,type=PASSWORD,size=256,rotate=90d,retain=12h,previous=true";
    let parsed = parsed(value);
    assert_eq!(parsed.errors, []);
    let [entry, previous] = &parsed.entries[..] else {
        panic!("{:?}", parsed.entries)
    };
    let rotation = entry.rotation.unwrap();
    assert_eq!(rotation.every.to_string(), "90d");
    assert_eq!(
        rotation.retain.map(|retain| retain.to_string()).as_deref(),
        Some("12h")
    );
    assert_eq!(entry.annotation_value(), value);
    assert!(!entry.is_previous && previous.is_previous);
    assert_eq!(previous.name.as_str(), "token.previous");
    assert_eq!(
        (previous.annotation.as_str(), previous.rotation),
        (TOKEN, None)
    );
}

#[rstest::rstest]
#[case(
    "kind=REFERENCE,rotate=90d",
    "only a secret with kind=DYNAMIC is rotated"
)]
#[case(
    "kind=DYNAMIC,type=UUID,rotate=often",
    "use a whole number with s, m, h or d"
)]
#[case(
    "kind=DYNAMIC,type=UUID,rotate=0d",
    "use a whole number with s, m, h or d"
)]
#[case("kind=DYNAMIC,type=UUID,retain=1d", "it needs rotate=")]
#[case(
    "kind=DYNAMIC,type=UUID,rotate=1d,retain=2d",
    "it must not be longer than rotate=1d"
)]
#[case("kind=DYNAMIC,type=UUID,previous=yes", "use true or false")]
#[case(
    "kind=REFERENCE,previous=true,versionStage=AWSPREVIOUS",
    "remove one of them"
)]
fn what_cannot_be_rotated_is_an_error(#[case] value: &str, #[case] expected: &str) {
    let parsed = parsed(value);
    assert_eq!(parsed.entries, []);
    let errors: Vec<_> = parsed.errors.iter().map(ToString::to_string).collect();
    assert!(
        errors.len() == 1 && errors[0].contains(expected),
        "{errors:?}"
    );
}

#[test]
fn a_previous_value_with_the_name_of_another_entry_is_an_error() {
    let annotations = [
        (TOKEN, "kind=DYNAMIC,type=UUID,previous=true"),
        ("secret.d/token.previous", "kind=REFERENCE"),
    ];
    let parsed = Parsed::from_annotations(&"d".parse().unwrap(), annotations);
    let errors: Vec<_> = parsed.errors.iter().map(ToString::to_string).collect();
    assert!(
        errors.len() == 1 && errors[0].contains("secret.d/token.previous"),
        "{errors:?}"
    );
}
