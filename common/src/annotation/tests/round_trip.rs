//! Tests of printing an entry and parsing it again.

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::{SecretType, SecretValue, StoreName, names::keys, pairs};

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
