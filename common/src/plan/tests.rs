//! Tests of plans: paths, stores and generations of the entries of a pod.

use rstest::rstest;

use super::*;
use crate::{MountPath, output::Format};

fn settings(store: StoreName) -> PlanSettings {
    PlanSettings {
        prefix: "/dev/team".parse().unwrap(),
        store,
        allowed: vec![StoreName::DynamoDb, StoreName::SecretsManager],
        references: None,
        local_mode_allowed: true,
        layout: Layout::under(&MountPath::default(), Format::Properties),
    }
}

fn parsed(annotations: &[(&str, &str)]) -> Parsed {
    Parsed::from_annotations(&"d".parse().unwrap(), annotations.iter().copied())
}

fn planned(store: StoreName, annotations: &[(&str, &str)]) -> Plan {
    Plan::new(&parsed(annotations), &settings(store)).unwrap()
}

/// The errors as messages have them.
fn errors(settings: &PlanSettings, annotations: &[(&str, &str)]) -> Vec<String> {
    let errors = Plan::new(&parsed(annotations), settings)
        .err()
        .unwrap_or_default();
    errors.iter().map(ToString::to_string).collect()
}

const RSA: &str = "kind=DYNAMIC,type=RSA,size=2048";
const PASSWORD: &str = "kind=DYNAMIC,type=PASSWORD,size=128";
const API_KEY: &str = "kind=DYNAMIC,type=RANDOM,size=128";
const LEASE: &str = "kind=INDEX,rangeStart=0,rangeEnd=9";

#[rstest]
#[case("secret.d/pw", PASSWORD, "/dev/team/pw")]
#[case("secret.d/pw_a", PASSWORD, "/dev/team/pw_a")]
#[case(
    "secret.d/pw",
    "kind=DYNAMIC,type=PASSWORD,size=128,storageKey=a/b",
    "/dev/team/a/b"
)]
#[case("secret.d/k_public", RSA, "/dev/team/k_public")]
#[case("secret.d/api-key_provider", API_KEY, "/dev/team/api-key_provider")]
#[case("secret.d/ref_a", "kind=REFERENCE", "/dev/team/ref_a")]
#[case(
    "secret.d/ref_a",
    "kind=REFERENCE,storageKey=other/key",
    "/dev/team/other/key"
)]
#[case("secret.d/ref", "kind=REFERENCE,storageKey=arn:x", "/dev/team/arn:x")]
#[case("resource.d/db_url", "", "/dev/team/db")]
#[case("resource.d/db_url", "storageKey=url", "/dev/team/url")]
fn a_value_has_the_path_of_the_original(
    #[case] key: &str,
    #[case] value: &str,
    #[case] path: &str,
) {
    let plan = planned(StoreName::DynamoDb, &[(key, value)]);
    assert_eq!(plan.items[0].locator.path.as_str(), path);
    assert_eq!(plan.items[0].store, StoreName::DynamoDb);
}

#[test]
fn the_keys_of_a_pair_are_one_generation() {
    let annotations = [
        ("secret.d/k_private", RSA),
        ("secret.d/k_public", RSA),
        ("secret.d/l_public", RSA),
        ("secret.d/pw", PASSWORD),
    ];
    let plan = planned(StoreName::DynamoDb, &annotations);
    let generations: Vec<_> = plan
        .generations
        .iter()
        .map(|g| {
            let fields: Vec<_> = g
                .fields
                .iter()
                .map(|(f, path)| (*f, path.as_str()))
                .collect();
            (g.path.as_str(), fields, &g.entries[..])
        })
        .collect();
    assert_eq!(
        generations,
        [
            (
                "/dev/team/k",
                vec![
                    (Field::Public, "/dev/team/k_public"),
                    (Field::Private, "/dev/team/k_private")
                ],
                &[0, 1][..]
            ),
            (
                "/dev/team/l",
                vec![
                    (Field::Public, "/dev/team/l_public"),
                    (Field::Private, "/dev/team/l_private")
                ],
                &[2]
            ),
            ("/dev/team/pw", vec![(Field::Whole, "/dev/team/pw")], &[3]),
        ]
    );
    let of: Vec<_> = plan.items.iter().map(|item| item.generation).collect();
    assert_eq!(
        of,
        [
            Some((0, Field::Private)),
            Some((0, Field::Public)),
            Some((1, Field::Public)),
            Some((2, Field::Whole))
        ]
    );
}

#[rstest]
#[case(StoreName::DynamoDb)]
#[case(StoreName::Embedded)]
#[case(StoreName::Memory)]
fn a_lease_is_planned_in_the_pods_store(#[case] store: StoreName) {
    let annotations = [
        ("lease.d/node_id", LEASE),
        ("lease.d/single", "kind=INDEX,rangeStart=5,rangeEnd=5"),
        ("init.d/local-mode", "remote-then-local"),
        ("secret.d/pw", PASSWORD),
    ];
    let plan = planned(store, &annotations);
    let leases: Vec<_> = plan
        .leases
        .iter()
        .map(|lease| (lease.entry, lease.store, lease.range.to_string()))
        .collect();
    assert_eq!(
        leases,
        [
            (0, store, "/dev/team/leases/node.0-9".to_owned()),
            (1, store, "/dev/team/leases/single.5-5".to_owned()),
        ]
    );
    assert_eq!(plan.items.len(), 1);
}

#[rstest]
#[case(StoreName::SecretsManager)]
#[case(StoreName::Ssm)]
fn a_lease_needs_a_store_that_keeps_leases(#[case] store: StoreName) {
    let errors = errors(&settings(store), &[("lease.d/a", LEASE)]);
    let beginning = format!("lease.d/a: the store {store} keeps no leases");
    assert!(errors[0].starts_with(&beginning), "{errors:?}");
}

#[test]
fn local_mode_alone_plans_no_lease() {
    let annotations = [("lease.d/a", LEASE), ("init.d/local-mode", "true")];
    let plan = planned(StoreName::SecretsManager, &annotations);
    assert_eq!(plan.leases, []);
}

#[test]
fn two_entries_with_one_storage_key_are_one_generation() {
    let shared = "kind=DYNAMIC,type=PASSWORD,size=128,storageKey=shared";
    let plan = planned(
        StoreName::DynamoDb,
        &[("secret.d/a", shared), ("secret.d/b", shared)],
    );
    assert_eq!(plan.generations.len(), 1);
    assert_eq!(plan.generations[0].entries, [0, 1]);
}

#[test]
fn secrets_manager_keeps_a_generation_in_one_secret() {
    let annotations = [
        ("secret.d/k_public", RSA),
        ("secret.d/api-key_consumer", API_KEY),
        ("secret.d/pw", PASSWORD),
    ];
    let plan = planned(StoreName::SecretsManager, &annotations);
    let ids: Vec<_> = plan
        .items
        .iter()
        .map(|item| {
            let member = item
                .locator
                .member
                .as_ref()
                .map(|m| (m.field, m.is_base64()));
            (item.locator.secret_id().as_str(), member)
        })
        .collect();
    assert_eq!(
        ids,
        [
            ("/dev/team/api-key", Some((Field::Consumer, true))),
            ("/dev/team/k", Some((Field::Public, true))),
            ("/dev/team/pw", None),
        ]
    );
}

#[rstest]
#[case(
    "type=RSA,storageKey=other/signing",
    "/dev/team/other/signing",
    Some(Field::Public)
)]
#[case("type=GPG", "/dev/team/partner", Some(Field::Public))]
#[case("type=RSA,storageKey=arn:aws:x", "arn:aws:x", Some(Field::Public))]
#[case("type=RSA,property=p", "/dev/team/partner_public", None)]
#[case("type=PASSWORD", "/dev/team/partner_public", None)]
#[case("storageKey=arn:aws:x", "arn:aws:x", None)]
fn a_reference_in_secrets_manager_is_a_secret_or_a_member_of_one(
    #[case] value: &str,
    #[case] id: &str,
    #[case] field: Option<Field>,
) {
    let value = format!("kind=REFERENCE,{value}");
    let plan = planned(
        StoreName::SecretsManager,
        &[("secret.d/partner_public", &value)],
    );
    let locator = &plan.items[0].locator;
    assert_eq!(locator.secret_id().as_str(), id);
    assert_eq!(locator.member.as_ref().map(|member| member.field), field);
}

#[test]
fn every_member_is_read_as_the_whole_secret() {
    let value = "kind=REFERENCE,property=*,storageKey=db";
    let plan = planned(StoreName::SecretsManager, &[("secret.d/a", value)]);
    assert_eq!(plan.items[0].locator.property, None);
    let plan = planned(
        StoreName::SecretsManager,
        &[("secret.d/a", "kind=REFERENCE,property=/*")],
    );
    assert_eq!(plan.items[0].locator.property.as_deref(), Some("/*"));
    let errors = errors(&settings(StoreName::DynamoDb), &[("secret.d/a", value)]);
    assert!(
        errors[0].contains("property= does not work with the store dynamodb"),
        "{errors:?}"
    );
}

#[test]
fn an_api_key_that_is_only_read_is_a_whole_secret() {
    let value = "kind=REFERENCE,type=RANDOM,size=64";
    let plan = planned(
        StoreName::SecretsManager,
        &[("secret.d/api-key.x_consumer", value)],
    );
    assert_eq!(
        plan.items[0].locator.secret_id().as_str(),
        "/dev/team/api-key.x_consumer"
    );
}

#[test]
fn an_entry_says_which_version_it_wants() {
    let value = "kind=REFERENCE,property=p,versionStage=AWSPREVIOUS,versionId=7";
    let plan = planned(
        StoreName::SecretsManager,
        &[("secret.d/a", value), ("secret.d/b", PASSWORD)],
    );
    let Locator {
        property,
        version_stage,
        version_id,
        ..
    } = &plan.items[0].locator;
    assert_eq!(
        [
            property.as_deref(),
            version_stage.as_deref(),
            version_id.as_deref()
        ],
        [Some("p"), Some("AWSPREVIOUS"), Some("7")]
    );
    let current: Vec<_> = plan
        .items
        .iter()
        .map(|item| item.locator.is_current())
        .collect();
    assert_eq!(current, [false, true]);
}

#[test]
fn the_store_is_the_entrys_then_the_pods_then_the_operators() {
    let with = |store: &str| format!("kind=REFERENCE,store={store}");
    let annotations = [
        ("secret.d/a", "kind=REFERENCE"),
        ("secret.d/b", &with("dynamodb")),
    ];
    let stores = |annotations: &[(&str, &str)]| -> Vec<_> {
        planned(StoreName::Embedded, annotations)
            .items
            .iter()
            .map(|item| item.store)
            .collect()
    };
    assert_eq!(
        stores(&annotations),
        [StoreName::Embedded, StoreName::DynamoDb]
    );
    let pod = [&annotations[..], &[("init.d/store", "secretsmanager")]].concat();
    assert_eq!(
        stores(&pod),
        [StoreName::SecretsManager, StoreName::DynamoDb]
    );
}

/// API reference, `CreateSecret`: a name has 512 characters at most. moto accepts more.
#[test]
fn a_secret_has_a_name_of_512_characters_at_most() {
    let named = |length: usize| {
        let key = "k".repeat(length - "/dev/team/".len());
        let annotation = format!("{PASSWORD},storageKey={key}");
        let settings = settings(StoreName::SecretsManager);
        errors(&settings, &[("secret.d/a", &annotation)])
    };
    assert_eq!(named(512), Vec::<String>::new());
    let errors = named(513);
    assert!(errors[0].contains("does not accept the name"), "{errors:?}");
}

#[rstest]
#[case(
    &[("init.d/store", "memory"), ("secret.d/a", PASSWORD)],
    "init.d/store: store memory is not allowed here; allowed: embedded, dynamodb, secretsmanager"
)]
#[case(
    &[("secret.d/a", "kind=REFERENCE,store=memory")],
    "secret.d/a: store memory is not allowed here; allowed: embedded, dynamodb, secretsmanager"
)]
#[case(
    &[("secret.d/a", "kind=REFERENCE,store=dynamodb,property=p")],
    "secret.d/a: property= does not work with the store dynamodb; remove it, or use a store that \
     supports it: secretsmanager or ssm"
)]
#[case(
    &[("resource.d/a", "versionId=p")],
    "resource.d/a: versionId= does not work with the store embedded; remove it, or use a store \
     that supports it: secretsmanager or ssm"
)]
#[case(
    &[("resource.d/a", "storageKey=../prod/db")],
    "resource.d/a: /dev/team/../prod/db: the path has a '.' or '..' segment; write the path itself"
)]
#[case(
    &[("resource.d/a", "storageKey=")],
    "resource.d/a: /dev/team/: the path has an empty segment; write each segment once, between \
     single slashes"
)]
#[case(
    &[("init.d/local-mode", "true"), ("lease.d/a", "kind=INDEX,rangeStart=0,rangeEnd=9,storageKeyPrefix=a//b")],
    "lease.d/a: /dev/team/leases/a//b: the path has an empty segment; write each segment once, \
     between single slashes"
)]
#[case(
    &[("secret.d/a", "kind=REFERENCE,store=secretsmanager,storageKey=a b")],
    "secret.d/a: the store secretsmanager does not accept the name /dev/team/a b; use 1 to 512 \
     letters, digits and /_+=.@-"
)]
#[case(
    &[("secret.d/a", "kind=REFERENCE,store=secretsmanager,storageKey=arn:\\u0007")],
    "secret.d/a: arn:\\u{7}: the path has a control character"
)]
#[case(
    &[("secret.d/a", "kind=DYNAMIC,type=PASSWORD,size=128,store=secretsmanager,storageKey=arn:x")],
    "secret.d/a: an ARN as storageKey= cannot be used with kind=DYNAMIC; use kind=REFERENCE"
)]
#[case(
    &[("secret.d/k_private", RSA), ("secret.d/k_public", "kind=DYNAMIC,type=RSA,size=4096")],
    "secret.d/k_public: /dev/team/k_public is asked for as type=RSA,size=4096 here and as \
     type=RSA,size=2048 by secret.d/k_private; give one of them another name or storageKey="
)]
#[case(
    &[
        ("secret.d/k_private", "kind=DYNAMIC,type=GPG,size=2048,userId=a<b>"),
        ("secret.d/k_public", "kind=DYNAMIC,type=GPG,size=2048,userId=a<c>"),
    ],
    "secret.d/k_public: /dev/team/k_public is asked for as type=GPG,size=2048,userId=a<c> here and \
     as type=GPG,size=2048,userId=a<b> by secret.d/k_private; give one of them another name or \
     storageKey="
)]
#[case(
    &[
        ("secret.d/a", "kind=DYNAMIC,type=PASSWORD,size=128,storageKey=k_public"),
        ("secret.d/k_private", RSA),
    ],
    "secret.d/k_private: /dev/team/k_public is asked for as type=RSA,size=2048 here and as \
     type=PASSWORD,size=128 by secret.d/a; give one of them another name or storageKey="
)]
#[case(
    &[("lease.d/a", LEASE), ("init.d/store", "secretsmanager")],
    "lease.d/a: the store secretsmanager keeps no leases; set init.d/store to a store that does \
     (dynamodb or embedded), and store=secretsmanager on the entries that stay"
)]
#[case(
    &[("resource.d/a", ""), ("init.d/local-mode", "true")],
    "resource.d/a: local mode has no value for it; add localModeValue= with the value in base64"
)]
#[case(
    &[("secret.d/a", "kind=REFERENCE"), ("init.d/local-mode", "true")],
    "secret.d/a: local mode has no value for it; add localModeValue= with the value in base64"
)]
#[case(
    &[("resource.d/secrets.properties", "")],
    "resource.d/secrets.properties: its file /bsycorp-init/secrets.properties is also that of the \
     list of secrets; rename one of them"
)]
#[case(
    &[("resource.d/a", "storageKey=caf\\u00e9")],
    "resource.d/a: /dev/team/caf\u{e9}: the path has a character that is not ASCII; use ASCII only: \
     the original kees reads such a character differently, so the path would name another value there"
)]
#[case(
    &[("secret.d/api-key.v1", API_KEY)],
    "secret.d/api-key.v1: a RANDOM whose name begins with api-key has the fields _consumer and \
     _provider; name one of them at the end of the annotation's name"
)]
fn an_error_may_depend_on_the_settings_and_other_entries(
    #[case] annotations: &[(&str, &str)],
    #[case] message: &str,
) {
    assert_eq!(
        errors(&settings(StoreName::Embedded), annotations),
        [message]
    );
}

/// The error with format `env`, if there is one.
fn env_error(key: &str, value: &str, local_mode: &str) -> Option<String> {
    format_error(Format::Env, key, value, local_mode)
}

/// The error with `format`, if there is one.
fn format_error(format: Format, key: &str, value: &str, local_mode: &str) -> Option<String> {
    let settings = PlanSettings {
        layout: Layout::under(&MountPath::default(), format),
        ..settings(StoreName::DynamoDb)
    };
    let errors = errors(
        &settings,
        &[(key, value), ("init.d/local-mode", local_mode)],
    );
    assert!(errors.len() <= 1, "{errors:?}");
    errors.into_iter().next()
}

const GPG: &str = "kind=DYNAMIC,type=GPG,size=2048,userId=a<b>";

#[rstest]
#[case("secret.d/a_private", RSA, "false", "the value of a RSA is not text")]
#[case(
    "secret.d/a",
    "kind=DYNAMIC,type=RANDOM,size=8",
    "false",
    "the value of a RANDOM is not text"
)]
#[case(
    "secret.d/api-key_consumer",
    API_KEY,
    "true",
    "the value of a RANDOM is not text"
)]
#[case(
    "secret.d/a",
    "kind=REFERENCE,type=RANDOM",
    "true",
    "the value of a RANDOM is not text"
)]
#[case(
    "resource.d/a",
    "localModeValue=/w==",
    "true",
    "the localModeValue is not text"
)]
#[case(
    "resource.d/a",
    "localModeValue=AA==",
    "remote-then-local",
    "the localModeValue is not text"
)]
fn format_env_is_an_error_for_a_value_that_may_not_be_text(
    #[case] key: &str,
    #[case] value: &str,
    #[case] local_mode: &str,
    #[case] reason: &str,
) {
    let expected = format!(
        "{key}: format env needs text (UTF-8 without NUL), and {reason}; use another format"
    );
    assert_eq!(env_error(key, value, local_mode), Some(expected));
    let expected = format_error(Format::Dotenv, key, value, local_mode);
    assert!(expected.is_some_and(|error| error.contains(reason)));
}

#[rstest]
#[case(
    "ascii",
    Some(
        "secret.d/a: format dotenv needs values that all of its readers read alike, and \
     alphabet=ascii has quotes, backslashes and $; use another format"
    )
)]
#[case("hex", None)]
fn format_dotenv_is_an_error_for_a_password_that_may_have_quotes(
    #[case] alphabet: &str,
    #[case] expected: Option<&str>,
) {
    let value = format!("kind=DYNAMIC,type=PASSWORD,size=64,alphabet={alphabet}");
    let error = |format| format_error(format, "secret.d/a", &value, "false");
    assert_eq!(error(Format::Dotenv).as_deref(), expected);
    assert_eq!(error(Format::Env), None);
}

#[rstest]
#[case("secret.d/a", PASSWORD, "false")]
#[case("secret.d/a_private", GPG, "false")]
#[case("secret.d/a_password", GPG, "false")]
#[case(
    "secret.d/a_private",
    "kind=DYNAMIC,type=RSA,size=2048,encoding=pem",
    "false"
)]
#[case("secret.d/a_private", "kind=REFERENCE,type=RSA,encoding=pem", "true")]
#[case("secret.d/a", "kind=REFERENCE,type=RANDOM", "false")]
#[case(
    "secret.d/a",
    "kind=DYNAMIC,type=RANDOM,size=64,localModeValue=YQ==",
    "true"
)]
#[case(
    "secret.d/a",
    "kind=DYNAMIC,type=PASSWORD,size=64,localModeValue=/w==",
    "false"
)]
fn format_env_is_allowed_for_text(#[case] key: &str, #[case] value: &str, #[case] mode: &str) {
    assert_eq!(env_error(key, value, mode), None);
}

#[rstest]
#[case("resource.d/a", "localModeValue=YQ==")]
#[case("secret.d/a", "kind=REFERENCE,localModeValue=YQ==")]
#[case("secret.d/a", "kind=REFERENCE,type=PASSWORD,size=64")]
#[case("secret.d/a", "kind=REFERENCE,type=PASSWORD")]
#[case("secret.d/a_public", "kind=REFERENCE,type=RSA")]
#[case("secret.d/api-key.v1", API_KEY)]
#[case("secret.d/a", PASSWORD)]
#[case("lease.d/a", LEASE)]
#[case("resource.d/a", "localModeValue=YQ==,store=memory,property=p")]
fn local_mode_accepts_an_entry_with_a_local_value(#[case] key: &str, #[case] value: &str) {
    let annotations = [(key, value), ("init.d/local-mode", "true")];
    assert_eq!(
        errors(&settings(StoreName::DynamoDb), &annotations),
        [""; 0]
    );
}

#[test]
fn remote_then_local_may_find_in_the_store_what_has_no_local_value() {
    let annotations = [
        ("resource.d/a", ""),
        ("init.d/local-mode", "remote-then-local"),
    ];
    assert_eq!(
        errors(&settings(StoreName::DynamoDb), &annotations),
        [""; 0]
    );
}

#[rstest]
#[case("true", true)]
#[case("remote-then-local", true)]
#[case("false", false)]
fn local_mode_is_an_error_if_the_operator_does_not_allow_it(
    #[case] value: &str,
    #[case] is_denied: bool,
) {
    let settings = PlanSettings {
        local_mode_allowed: false,
        ..settings(StoreName::DynamoDb)
    };
    let annotations = [("secret.d/a", PASSWORD), ("init.d/local-mode", value)];
    let expected = "init.d/local-mode: local mode is not allowed here; remove the annotation, or \
                    ask the operator to allow it";
    assert_eq!(
        errors(&settings, &annotations),
        &[expected][..usize::from(is_denied)]
    );
}

#[test]
fn an_entry_with_a_conflict_causes_no_errors_of_others() {
    let password = "kind=DYNAMIC,type=PASSWORD,size=128,storageKey=k_private";
    let annotations = [
        ("secret.d/a", password),
        ("secret.d/k_public", RSA),
        ("secret.d/l", PASSWORD),
        (
            "secret.d/m",
            "kind=DYNAMIC,type=RANDOM,size=64,storageKey=k_public",
        ),
    ];
    let errors = errors(&settings(StoreName::DynamoDb), &annotations);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].starts_with("secret.d/k_public: /dev/team/k_private is asked for"));
}

#[test]
fn errors_of_the_grammar_and_of_the_plan_are_sorted_together() {
    let annotations = [
        ("secret.d/c", "kind=REFERENCE,store=memory"),
        ("secret.d/b", "kind=nothing"),
        ("resource.d/a", ""),
        ("lease.d/a", LEASE),
        ("init.d/local-mode", "true"),
        ("init.d/file-mode", "1"),
    ];
    let errors = Plan::new(&parsed(&annotations), &settings(StoreName::DynamoDb)).unwrap_err();
    let at: Vec<_> = errors
        .iter()
        .map(|error| error.annotation.as_str())
        .collect();
    assert_eq!(
        at,
        [
            "init.d/file-mode",
            "resource.d/a",
            "resource.d/a",
            "secret.d/b",
            "secret.d/c"
        ]
    );
}

#[test]
fn a_previous_value_is_read_beside_the_current_one() {
    for store in [StoreName::DynamoDb, StoreName::SecretsManager] {
        let value = "kind=DYNAMIC,type=RSA,size=2048,previous=true";
        let plan = planned(store, &[("secret.d/signing_public", value)]);
        let [current, previous] = &plan.items[..] else {
            panic!("{:?}", plan.items)
        };
        assert_eq!(current.generation, previous.generation);
        assert_eq!(previous.locator, current.locator.previous());
        assert_eq!(plan.generations[0].entries, [0]);
    }
}

#[test]
fn entries_of_one_generation_are_rotated_at_the_same_time() {
    let value = |rotate: &str| format!("kind=DYNAMIC,type=RSA,size=2048{rotate}");
    let plan = |public: &str, private: &str| {
        let (public, private) = (value(public), value(private));
        let annotations = [
            ("secret.d/signing_private", private.as_str()),
            ("secret.d/signing_public", public.as_str()),
        ];
        let parsed = Parsed::from_annotations(&"d".parse().unwrap(), annotations);
        Plan::new(&parsed, &settings(StoreName::DynamoDb))
    };
    assert!(plan(",rotate=90d", ",rotate=90d").is_ok());
    assert!(plan(",rotate=90d", "").is_ok());
    let errors = plan(",rotate=90d", ",rotate=30d").unwrap_err();
    let error = errors[0].to_string();
    assert!(
        error.contains("use the same rotate= and retain= as secret.d/signing_private"),
        "{error}"
    );
}

#[rstest]
#[case::own_rotation(StoreName::DynamoDb, &[("secret.d/db.previous", ",rotate=90d")], Some("/dev/team/db.previous"))]
#[case::own_previous(StoreName::DynamoDb, &[("secret.d/db.previous", ",previous=true")], Some("/dev/team/db.previous"))]
#[case::storage_key(StoreName::DynamoDb, &[("secret.d/db", ",rotate=90d"), ("secret.d/old", ",storageKey=db.previous")], Some("/dev/team/db.previous"))]
#[case::other_entry(StoreName::DynamoDb, &[("secret.d/db", ",rotate=90d"), ("secret.d/db.previous", "")], Some("/dev/team/db.previous"))]
#[case::nothing_rotates(StoreName::DynamoDb, &[("secret.d/db", ""), ("secret.d/db.previous", "")], None)]
#[case::another_secret(StoreName::DynamoDb, &[("secret.d/db", ",rotate=90d"), ("secret.d/x.previous", "")], None)]
#[case::lock(StoreName::Ssm, &[("secret.d/db", ",rotate=90d"), ("secret.d/db.rotating", "")], Some("/dev/team/db.rotating"))]
#[case::versions(StoreName::Ssm, &[("secret.d/db", ",rotate=90d"), ("secret.d/db.previous", "")], None)]
fn no_secret_is_created_where_a_rotation_stores_something_else(
    #[case] store: StoreName,
    #[case] entries: &[(&str, &str)],
    #[case] path: Option<&str>,
) {
    let entries: Vec<_> = entries
        .iter()
        .map(|(key, more)| (*key, format!("{PASSWORD}{more}")))
        .collect();
    let annotations: Vec<_> = entries
        .iter()
        .map(|(key, value)| (*key, value.as_str()))
        .collect();
    let errors = errors(&settings(store), &annotations);
    assert_eq!(errors.len(), usize::from(path.is_some()), "{errors:?}");
    if let (Some(error), Some(path)) = (errors.first(), path) {
        assert!(error.contains(&format!(" uses {path} itself")), "{error}");
    }
}

#[test]
fn the_previous_value_of_a_reference_has_its_path() {
    let annotations = [
        (
            "secret.d/other",
            "kind=REFERENCE,storageKey=db,previous=true",
        ),
        ("secret.d/db.previous", PASSWORD),
    ];
    let errors = errors(&settings(StoreName::DynamoDb), &annotations);
    assert_eq!(
        errors,
        [
            "secret.d/db.previous: a rotation (secret.d/other) uses /dev/team/db.previous itself; give this secret \
             a name or storageKey= that does not end in .previous"
        ]
    );
}
