//! What the creator does for pods, and what interrupts it.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context as _, ensure};
use aws_sdk_dynamodb::types::AttributeValue;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use kees_tests::{eventually, keys::check_rsa_pair, node, wait};
use serde_json::{Value, json};

use crate::{
    pods::{entry, list, never_scheduled, pod},
    world::World,
};

const PASSWORD: &str = "kind=DYNAMIC,type=PASSWORD,size=256";
const RSA: &str = "kind=DYNAMIC,type=RSA,size=2048";

#[test]
fn pods_whose_role_may_only_read_start_with_what_the_controller_created() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    let namespace = world.namespace("readers")?;
    let annotations = [
        (entry("password"), PASSWORD),
        (entry("signing_public"), RSA),
        (entry("signing_private"), RSA),
    ];
    let names = ["one", "two", "three"];
    let pods: Vec<_> = names.iter().map(|name| pod(name, &annotations)).collect();
    namespace.apply(&list(&pods))?;

    let stored = names.map(|name| {
        namespace.wait_for(&format!("pod/{name}"), "condition=Ready")?;
        namespace.run(&["logs", name, "--container=app"])
    });
    let read: BTreeSet<String> = stored.into_iter().collect::<Result<_, _>>()?;
    let expected: Vec<_> = world
        .stored("readers")?
        .into_iter()
        .map(|(name, value)| format!("{name}={value}\n"))
        .collect();
    assert_eq!(expected.len(), 3);
    assert!(
        read == BTreeSet::from([expected.concat()]),
        "the pods read other values than those that are stored"
    );
    let events = namespace.get(&["events", "--field-selector=reason=KeesCreated"])?;
    let events = events["items"].as_array().map_or(0, Vec::len);
    assert!(events >= 1, "no Event tells what was created");
    for name in names {
        let condition = "condition=kees.bsycorp.com/secrets-created";
        namespace.wait_for(&format!("pod/{name}"), condition)?;
    }

    // No init container tried to write, and it could not.
    assert_eq!(world.read_only.denied(), Vec::<String>::new());
    let write = world
        .read_only
        .dynamodb_client()
        .put_item()
        .table_name("test-kube-secret")
        .item(
            "secretName",
            AttributeValue::S("/test/readers/x".to_owned()),
        );
    let error = wait(write.send()).err().context("it may write")?;
    let code = error.into_service_error().meta().code().map(str::to_owned);
    assert_eq!(code.as_deref(), Some("AccessDeniedException"));
    Ok(())
}

#[test]
fn the_successor_of_a_killed_controller_completes_fifty_key_pairs() -> anyhow::Result<()> {
    const PAIRS: usize = 50;
    // Two cores take many seconds to generate some of these.
    const LARGE: &str = "kind=DYNAMIC,type=RSA,size=4096";
    let (world, _turn) = World::alone()?;
    let namespace = world.namespace("pairs")?;
    let pods: Vec<_> = (0..PAIRS)
        .map(|number| {
            let name = format!("key-{number}");
            let spec = if number % 3 == 0 { LARGE } else { RSA };
            let field = |field| (entry(&format!("{name}_{field}")), spec);
            never_scheduled(pod(&name, &[field("private"), field("public")]))
        })
        .collect();
    namespace.apply(&list(&pods))?;
    eventually("key pair", Duration::from_mins(1), || {
        let stored = world.stored("pairs")?.len();
        ensure!(stored > 0);
        Ok(())
    })?;
    // The kubelet starts them again.
    for pid in node::processes("kees-controller")? {
        node::kill(pid)?;
    }
    let before = world.stored("pairs")?.len();
    assert!(before < 2 * PAIRS, "the controllers were killed too late");
    assert_eq!(before % 2, 0, "half of a pair is stored");

    let stored = eventually("fifty pairs", Duration::from_mins(4), || {
        let stored = world.stored("pairs")?;
        ensure!(stored.len() == 2 * PAIRS, "{} values", stored.len());
        Ok(stored)
    })?;
    for number in 0..PAIRS {
        let value = |field| {
            let value = &stored[&format!("key-{number}_{field}")];
            BASE64_STANDARD.decode(value)
        };
        check_rsa_pair(&value("public")?, &value("private")?)?;
    }
    Ok(())
}

#[test]
fn a_denied_pod_delays_none_of_two_hundred() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    let namespace = world.namespace("crowd")?;
    let others = (1..200).map(|number| {
        let name = format!("app-{number}");
        never_scheduled(pod(&name, &[(entry(&name), PASSWORD)]))
    });
    let in_other_store = [
        (entry("denied"), PASSWORD),
        ("init.bsycorp.com/store".to_owned(), "secretsmanager"),
    ];
    let denied = never_scheduled(pod("app-0", &in_other_store));
    let pods: Vec<Value> = std::iter::once(denied).chain(others).collect();
    namespace.apply(&list(&pods))?;

    // The list is applied by now, one pod after the other.
    eventually("199 passwords", Duration::from_secs(10), || {
        let stored = world.stored("crowd")?.len();
        ensure!(stored == 199, "{stored} passwords");
        Ok(())
    })?;
    let event = eventually("Event", Duration::from_secs(30), || {
        let events = namespace.get(&["events", "--field-selector=reason=KeesFailed"])?;
        let event = events["items"].get(0).cloned();
        event.context("no Event")
    })?;
    assert_eq!(event["involvedObject"]["name"], json!("app-0"));
    let note = event["message"].as_str().unwrap_or_default();
    assert!(note.contains("secretsmanager:"), "{note}");
    namespace.wait_for(
        "pod/app-0",
        "condition=kees.bsycorp.com/secrets-created=false",
    )?;
    namespace.wait_for("pod/app-199", "condition=kees.bsycorp.com/secrets-created")?;
    Ok(())
}
