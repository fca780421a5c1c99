//! Tests that all replicas of a workload read the same values, whichever of them created them.

use std::collections::BTreeMap;

use anyhow::Context as _;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use kees_tests::{Kubectl, keys};

use crate::{
    pods::{Annotations, deployment, pods_of, secrets},
    world::{ENV_LABEL, World},
};

const SECRETS: Annotations<'_> = &[
    (
        "secret/signing.v1_private",
        "kind=DYNAMIC,type=RSA,size=2048",
    ),
    (
        "secret/signing.v1_public",
        "kind=DYNAMIC,type=RSA,size=2048",
    ),
    (
        "secret/backup_private",
        "kind=DYNAMIC,type=GPG,size=2048,userId=Jürgen <j@example.com>",
    ),
    (
        "secret/backup_public",
        "kind=DYNAMIC,type=GPG,size=2048,userId=Jürgen <j@example.com>",
    ),
    (
        "secret/backup_password",
        "kind=DYNAMIC,type=GPG,size=2048,userId=Jürgen <j@example.com>",
    ),
    ("secret/db-password", "kind=DYNAMIC,type=PASSWORD,size=256"),
    ("secret/session-key", "kind=DYNAMIC,type=RANDOM,size=512"),
    ("secret/partner", "kind=REFERENCE,storageKey=partner/token"),
];

/// The value to which the entry `partner` refers.
const TOKEN: &str = "token of a partner";

#[test]
fn replicas_read_what_dynamodb_holds() -> anyhow::Result<()> {
    let world = World::shared()?;
    let namespace = world.namespace("dynamodb")?;
    let path = |name: &str| format!("/test/dynamodb/{name}");
    world.dynamodb.put(
        ENV_LABEL,
        &path("partner/token"),
        &BASE64_STANDARD.encode(TOKEN),
    )?;

    let read = run_two_replicas_and_two_more(&namespace, SECRETS)?;

    let mut held = world.dynamodb.items(ENV_LABEL)?;
    held.retain(|name, _| name.starts_with(&path("")));
    let expected: BTreeMap<_, _> = read
        .iter()
        .map(|(name, value)| {
            let key = if name == "partner" {
                "partner/token"
            } else {
                name.as_str()
            };
            (path(key), BASE64_STANDARD.encode(value))
        })
        .collect();
    assert!(held == expected, "the table holds {:?}", held.keys());
    assert_values(&read)
}

#[test]
fn replicas_read_what_secrets_manager_holds() -> anyhow::Result<()> {
    let world = World::shared()?;
    let namespace = world.namespace("secretsmanager")?;
    let path = |name: &str| format!("/test/secretsmanager/{name}");
    world.moto.put(&path("partner/token"), TOKEN)?;

    let annotations = [SECRETS, &[("init/store", "secretsmanager")]].concat();
    let read = run_two_replicas_and_two_more(&namespace, &annotations)?;

    let held = |name: &str| world.moto.secret(&path(name));
    let member = |secret: &[u8], field: &str| -> anyhow::Result<String> {
        let object: serde_json::Value = serde_json::from_slice(secret)?;
        Ok(object[field].as_str().context(field.to_owned())?.to_owned())
    };
    assert!(held("db-password")? == read["db-password"]);
    assert!(held("session-key")? == read["session-key"]);
    let (signing, backup) = (held("signing.v1")?, held("backup")?);
    for field in ["private", "public"] {
        let der = BASE64_STANDARD.decode(member(&signing, field)?)?;
        assert!(der == read[&format!("signing.v1_{field}")], "{field}");
    }
    for field in ["private", "public", "password"] {
        let text = member(&backup, field)?;
        assert!(
            text.as_bytes() == read[&format!("backup_{field}")],
            "{field}"
        );
    }
    assert_values(&read)
}

/// Runs two replicas at the same time, then replaces both. Returns the values that all four pods read.
fn run_two_replicas_and_two_more(
    namespace: &Kubectl,
    annotations: Annotations<'_>,
) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    namespace.apply(&deployment("web", 2, annotations).to_string())?;
    let first = read_by_all(namespace)?;
    namespace.run(&["rollout", "restart", "deployment/web"])?;
    let second = read_by_all(namespace)?;

    let pods = first
        .keys()
        .chain(second.keys())
        .collect::<std::collections::BTreeSet<_>>();
    assert_eq!(pods.len(), 4, "there are not four different pods: {pods:?}");
    let mut read = first.into_values().chain(second.into_values());
    let one = read.next().context("there is no pod")?;
    assert!(
        read.all(|other| other == one),
        "two pods read different values"
    );
    Ok(one)
}

/// The values that each pod of the Deployment reads, by the pod's name.
fn read_by_all(namespace: &Kubectl) -> anyhow::Result<BTreeMap<String, BTreeMap<String, Vec<u8>>>> {
    namespace.rolled_out("deployment/web")?;
    let pods = pods_of(namespace, "web")?.into_iter();
    pods.map(|pod| Ok((pod.clone(), secrets(namespace, &pod)?)))
        .collect()
}

fn assert_values(read: &BTreeMap<String, Vec<u8>>) -> anyhow::Result<()> {
    let names: Vec<_> = read.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "backup_password",
            "backup_private",
            "backup_public",
            "db-password",
            "partner",
            "session-key",
            "signing.v1_private",
            "signing.v1_public",
        ]
    );
    assert_eq!(read["partner"], TOKEN.as_bytes());
    assert_eq!(read["db-password"].len(), 32);
    assert!(read["db-password"].iter().all(u8::is_ascii_alphanumeric));
    assert_eq!(read["session-key"].len(), 64);
    keys::check_rsa_pair(&read["signing.v1_public"], &read["signing.v1_private"])?;
    keys::check_gpg_pair(
        &read["backup_public"],
        &read["backup_private"],
        &read["backup_password"],
    )
}
