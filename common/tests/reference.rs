//! Keeps `docs/annotations.md` equal to the code: its marked regions are rendered from the names and
//! the parser, its examples are parsed.
//!
//! `KEES_BLESS=1 cargo test -p kees-common --test reference` writes the regions anew.

#![expect(clippy::unwrap_used, clippy::panic, reason = "all of this is a test")]

use std::{collections::BTreeMap, fs};

use kees_common::{
    Domain, Field, Layout, MountPath, Parsed, Plan, PlanSettings, SecretType, SecretValue,
    StoragePrefix, StoreName,
    names::{Documented, env, file, init, keys, keystore},
    output::{self, Format},
};

const SECRETS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/kubernetes-secrets.md");
const REFERENCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/annotations.md");

#[test]
fn the_reference_says_what_the_code_does() {
    let written = fs::read_to_string(REFERENCE).unwrap();
    let regions = [
        ("keys", names("key", keys::ALL)),
        ("types", types()),
        ("options", names("option", init::ALL)),
        ("file keys", names("key", file::ALL)),
        ("keystore keys", names("key", keystore::ALL)),
        ("environment", names("variable", env::ALL)),
        ("formats", formats()),
        ("invalid", invalid()),
    ];
    let rendered = regions
        .iter()
        .fold(written.clone(), |text, (name, content)| {
            replaced(&text, name, content)
        });
    if std::env::var_os("KEES_BLESS").is_some() {
        fs::write(REFERENCE, &rendered).unwrap();
    } else {
        assert!(
            written == rendered,
            "docs/annotations.md is not what the code says; run KEES_BLESS=1 cargo test -p \
             kees-common --test reference, and look at what it changed\n{rendered}"
        );
    }
}

#[test]
fn every_example_is_valid() {
    let reference = fs::read_to_string(REFERENCE).unwrap();
    let examples: Vec<_> = reference
        .split("<!-- example -->\n```yaml\n")
        .skip(1)
        .map(|rest| rest.split_once("```").unwrap().0)
        .collect();
    assert_eq!(
        examples.len(),
        reference.matches("```yaml").count(),
        "an example is not marked"
    );
    for example in examples {
        check(example);
    }
}

#[test]
fn every_example_of_a_kubernetes_secret_is_valid() {
    let page = fs::read_to_string(SECRETS).unwrap();
    let examples = page.split("<!-- example -->\n```yaml\n").skip(1);
    let examples: Vec<_> = examples
        .map(|rest| rest.split_once("```").unwrap().0)
        .collect();
    assert_eq!(examples.len(), 3);
    for example in examples {
        check(example);
    }
}

/// Checks that the annotations of an example have no error and no warning.
fn check(example: &str) {
    let annotations: BTreeMap<String, String> = serde_saphyr::from_str(example).unwrap();
    let parsed = parsed(annotations.iter().map(|(k, v)| (k.as_str(), v.as_str())));
    assert_eq!(parsed.warnings, [], "{example}");
    assert_eq!(
        Plan::new(&parsed, &settings(&parsed)).err(),
        None,
        "{example}"
    );
    let entries = annotations
        .keys()
        .filter(|key| !key.starts_with("init."))
        .count();
    assert_eq!(parsed.entries.len(), entries, "{example}");
}

#[test]
fn every_variable_and_key_is_there_once() {
    for list in [keys::ALL, init::ALL, file::ALL, keystore::ALL, env::ALL] {
        let mut names: Vec<_> = list.iter().map(|documented| documented.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), list.len());
        assert!(
            list.iter()
                .all(|documented| documented.meaning.trim().ends_with('.'))
        );
    }
}

fn replaced(text: &str, name: &str, content: &str) -> String {
    let (start, end) = (
        format!("<!-- {name} -->\n"),
        format!("<!-- end of {name} -->\n"),
    );
    let (before, rest) = text
        .split_once(&start)
        .unwrap_or_else(|| panic!("no {start}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("no {end}"));
    format!("{before}{start}{content}{end}{after}")
}

fn names(heading: &str, list: &[Documented]) -> String {
    let head = format!("| {heading} | default | meaning |\n| --- | --- | --- |\n");
    let row = |Documented {
                   name,
                   default,
                   meaning,
               }: &Documented| {
        let words = default.is_empty() || default.contains([' ', '`']);
        let default = if words {
            (*default).to_owned()
        } else {
            format!("`{default}`")
        };
        format!("| `{name}` | {default} | {} |\n", meaning.trim())
    };
    head + &list.iter().map(row).collect::<String>()
}

fn types() -> String {
    let head = "| type | sizes in bits | values | fields |\n| --- | --- | --- | --- |\n";
    let row = |secret_type: SecretType| {
        let fields: Vec<_> = secret_type
            .fields()
            .iter()
            .filter(|field| **field != Field::Whole)
            .map(|field| format!("`_{field}`"))
            .collect();
        let fields = match secret_type {
            SecretType::Random => {
                "none. If the name begins with `api-key`: `_consumer` and `_provider`, which have \
                 the same value"
                    .to_owned()
            }
            _ if fields.is_empty() => "none".to_owned(),
            _ => fields.join(", "),
        };
        let (sizes, values) = (secret_type.sizes(), secret_type.values());
        format!("| `{secret_type}` | {sizes} | {values} | {fields} |\n")
    };
    head.to_owned() + &SecretType::ALL.map(row).concat()
}

fn formats() -> String {
    let entries = [
        ("db-password", SecretValue::new(b"it's 8ekD64eU".to_vec())),
        ("session-key", SecretValue::new(vec![0, 159, 146, 150])),
    ];
    let mut lists = Vec::new();
    for format in Format::ALL {
        // A shell variable cannot contain bytes that are not text.
        let shown = if matches!(format, Format::Env | Format::Dotenv) {
            &entries[..1]
        } else {
            &entries[..]
        };
        let shown: Vec<_> = shown.iter().map(|(name, value)| (*name, value)).collect();
        if let Some(list) = output::render(format, &shown).unwrap() {
            let list = std::str::from_utf8(&list).unwrap();
            lists.push(format!("`{format}`:\n\n```\n{list}```\n"));
        }
    }
    lists.join("\n")
}

/// Pods with one error each.
const INVALID: &[&[(&str, &str)]] = &[
    &[("secret.bsycorp.com/db", "kind=dynamic")],
    &[("secret.bsycorp.com/db", "kind=DYNAMIC,type=PASSWORD")],
    &[("secret.bsycorp.com/db", "kind=DYNAMIC,type=PASSWORD,size=4")],
    &[("secret.bsycorp.com/key", "kind=DYNAMIC,type=RSA,size=2048")],
    &[(
        "secret.bsycorp.com/key_public",
        "kind=DYNAMIC,type=RSA,size=1024",
    )],
    &[(
        "secret.bsycorp.com/key_public",
        "kind=DYNAMIC,type=RSA,size=2048,storageKey=k",
    )],
    &[(
        "secret.bsycorp.com/key_public",
        "kind=DYNAMIC,type=GPG,size=2048",
    )],
    &[(
        "secret.bsycorp.com/key_public",
        "kind=DYNAMIC,type=GPG,size=2048,userId=me",
    )],
    &[(
        "secret.bsycorp.com/api-key.v1",
        "kind=DYNAMIC,type=RANDOM,size=128",
    )],
    &[
        (
            "secret.bsycorp.com/key_private",
            "kind=DYNAMIC,type=RSA,size=2048",
        ),
        (
            "secret.bsycorp.com/key_public",
            "kind=DYNAMIC,type=RSA,size=4096",
        ),
    ],
    &[(
        "secret.bsycorp.com/db",
        "kind=REFERENCE,localModeValue=plain!",
    )],
    &[("secret.bsycorp.com/db", "kind=REFERENCE,storageKey=a\\")],
    &[("secret.bsycorp.com/db", "kind=REFERENCE,property=password")],
    &[("secret.bsycorp.com/db", "kind=REFERENCE,store=embedded")],
    &[(
        "secret.bsycorp.com/db",
        "kind=DYNAMIC,type=PASSWORD,size=128,store=secretsmanager,storageKey=arn:aws:x",
    )],
    &[("resource.bsycorp.com/db", "storageKey=../prod/db")],
    &[(
        "resource.bsycorp.com/db",
        "storageKey=a b,store=secretsmanager",
    )],
    &[(
        "secret.bsycorp.com/db",
        "kind=REFERENCE,store=secretsmanager,property=*,localModeValue=YQ==",
    )],
    &[
        ("secret.bsycorp.com/db", "kind=REFERENCE"),
        ("init.bsycorp.com/file.dp", "path=db"),
    ],
    &[
        ("secret.bsycorp.com/db", "kind=REFERENCE"),
        ("init.bsycorp.com/file.db", "path=../etc/db"),
    ],
    &[("resource.bsycorp.com/secrets.properties", "")],
    &[
        ("init.bsycorp.com/local-mode", "true"),
        ("resource.bsycorp.com/db", ""),
    ],
    &[
        ("init.bsycorp.com/local-mode", "true"),
        (
            "lease.bsycorp.com/node",
            "kind=INDEX,rangeStart=9,rangeEnd=0",
        ),
    ],
    &[(
        "lease.bsycorp.com/node",
        "kind=INDEX,rangeStart=-1,rangeEnd=9",
    )],
    &[
        ("init.bsycorp.com/store", "secretsmanager"),
        (
            "lease.bsycorp.com/node",
            "kind=INDEX,rangeStart=0,rangeEnd=9",
        ),
    ],
    &[("secret.bsycorp.com/db", "kind=REFERENCE,storagekey=db")],
    &[("secret.bsycorp.com/db", "kind=REFERENCE,storageKey=a ")],
    &[("resource.bsycorp.com/db", "storageKey=caf\u{e9}")],
    &[
        ("init.bsycorp.com/format", "env"),
        (
            "secret.bsycorp.com/session-key",
            "kind=DYNAMIC,type=RANDOM,size=256",
        ),
    ],
    &[("init.bsycorp.com/storage-prefx", "/dev")],
    &[("init.bsycorp.com/store", "vault")],
    &[("init.bsycorp.com/file-mode", "0777")],
    &[("init.bsycorp.com/storage-prefix", "/dev/../prod")],
];

/// Each error, with the annotation that has it.
fn invalid() -> String {
    let row = |pod: &&[(&str, &str)]| {
        let parsed = parsed(pod.iter().copied());
        let errors = Plan::new(&parsed, &settings(&parsed)).unwrap_err();
        let [error] = &errors[..] else {
            panic!("{pod:?}: {errors:?}")
        };
        let value = pod
            .iter()
            .find(|(key, _)| *key == error.annotation)
            .unwrap()
            .1;
        let key = error.annotation.replace("bsycorp.com", "DOMAIN");
        let message = error.kind.to_string().replace("bsycorp.com", "DOMAIN");
        format!(
            "| `{key}: \"{value}\"` | {} |\n",
            message.replace('<', "\\<")
        )
    };
    let head = "| annotation | what is said of it |\n| --- | --- |\n";
    head.to_owned() + &INVALID.iter().map(row).collect::<String>()
}

fn parsed<'a>(annotations: impl IntoIterator<Item = (&'a str, &'a str)>) -> Parsed {
    Parsed::from_annotations(&Domain::default(), annotations)
}

fn settings(parsed: &Parsed) -> PlanSettings {
    PlanSettings {
        prefix: StoragePrefix::root(),
        store: StoreName::DynamoDb,
        allowed: vec![StoreName::SecretsManager],
        references: None,
        local_mode_allowed: true,
        layout: Layout::under(
            &MountPath::default(),
            parsed.options.format.unwrap_or_default(),
        ),
    }
}
