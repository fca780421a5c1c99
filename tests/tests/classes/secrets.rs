//! Kubernetes Secrets that the controller writes.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use kees_tests::{Kubectl, eventually};
use serde_json::{Value, json};

use crate::{
    pods::{class, pod, secrets_named},
    world::{REGION, World},
};

const DEADLINE: Duration = Duration::from_mins(1);

/// A class with one secret, of which the Secret `NAME` has the key `password`.
fn mirrored(name: &str) -> Value {
    let mut class = class(name, &secrets_named(&[name]));
    class["spec"]["secretObjects"] = json!([{
        "secretName": name,
        "type": "Opaque",
        "labels": {"team": "a"},
        "data": [{"objectName": name, "key": "password"}],
    }]);
    class
}

/// Waits until a Secret has this value.
fn wait_for(kubectl: &Kubectl, name: &str, value: &str) -> anyhow::Result<Value> {
    eventually(name, DEADLINE, || {
        let secret = kubectl.get(&["secret", name])?;
        let found = &secret["data"]["password"];
        ensure!(found == &json!(BASE64_STANDARD.encode(value)), "{found}");
        Ok(secret)
    })
}

#[test]
fn a_variable_from_the_secret_is_there_at_the_first_start() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    world.controller()?;
    let namespace = world.namespace("first-start")?;
    world.secret(REGION, "first-start", "hunter2")?;
    namespace.apply(&mirrored("first-start").to_string())?;
    let mut pod = pod("app", "first-start");
    pod["spec"]["containers"][0]["env"] = json!([{
        "name": "PASSWORD",
        "valueFrom": {"secretKeyRef": {"name": "first-start", "key": "password"}},
    }]);
    namespace.apply(&pod.to_string())?;
    namespace.wait_for("pod/app", "condition=Ready")?;
    let value = namespace.exec("app", "app", &["sh", "-c", "printf %s \"$PASSWORD\""])?;
    ensure!(value == "hunter2", "{value}");
    let secret = namespace.get(&["secret", "first-start"])?;
    ensure!(secret["metadata"]["labels"]["team"] == "a");
    Ok(())
}

#[test]
fn a_secret_follows_its_source_and_comes_back_when_it_is_deleted() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    world.controller()?;
    let namespace = world.namespace("follows")?;
    world.secret(REGION, "follows", "first")?;
    namespace.apply(&mirrored("follows").to_string())?;
    namespace.apply(&pod("app", "follows").to_string())?;
    wait_for(&namespace, "follows", "first")?;
    world.change(REGION, "follows", "second")?;
    wait_for(&namespace, "follows", "second")?;
    namespace.run(&["delete", "secret", "follows"])?;
    wait_for(&namespace, "follows", "second")?;
    // The pod has no owner, so that the Secret ends with it.
    namespace.run(&["delete", "pod", "app"])?;
    eventually("garbage collection", DEADLINE, || {
        let found = namespace.run(&["get", "secret", "follows"]);
        ensure!(found.is_err(), "the Secret is still there");
        Ok(())
    })
}

#[test]
fn a_foreign_secret_is_not_overwritten() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    world.controller()?;
    let namespace = world.namespace("foreign")?;
    world.secret(REGION, "foreign", "new")?;
    namespace.run(&[
        "create",
        "secret",
        "generic",
        "foreign",
        "--from-literal=password=old",
    ])?;
    namespace.apply(&mirrored("foreign").to_string())?;
    namespace.apply(&pod("app", "foreign").to_string())?;
    eventually("the Event", DEADLINE, || {
        let events = namespace.run(&["get", "events", "-o", "json"])?;
        ensure!(
            events.contains("foreign") && events.contains("Secret"),
            "{events}"
        );
        let list: Value = serde_json::from_str(&events)?;
        let items = list["items"].as_array().context("no list")?;
        let warned = items.iter().any(|event| {
            event["type"] == "Warning"
                && event["message"]
                    .as_str()
                    .is_some_and(|message| message.contains("foreign"))
        });
        ensure!(warned, "{events}");
        Ok(())
    })?;
    wait_for(&namespace, "foreign", "old")?;
    namespace.wait_for("pod/app", "condition=Ready")
}

#[test]
fn a_pod_without_a_secret_starts_while_the_controller_is_down() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    world.controller()?;
    let namespace = world.namespace("no-controller")?;
    world.secret(REGION, "no-controller", "value")?;
    world.scale_controller(0)?;
    let started = (|| {
        namespace.apply(&mirrored("no-controller").to_string())?;
        namespace.apply(&pod("app", "no-controller").to_string())?;
        namespace.wait_for("pod/app", "condition=Ready")
    })();
    world.scale_controller(1)?;
    started?;
    wait_for(&namespace, "no-controller", "value")?;
    Ok(())
}

#[test]
fn an_annotated_pod_gets_a_secret_for_its_ingress() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    world.controller()?;
    let namespace = world.namespace("ingress")?;
    let (certificate, key) = (
        "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n",
        "key",
    );
    world.secret(REGION, "/ingress/certificate", certificate)?;
    world.secret(REGION, "/ingress/key", key)?;
    let mut app = pod("app", "none");
    app["spec"]["volumes"] = json!([]);
    app["spec"]["containers"][0]["volumeMounts"] = json!([]);
    app["metadata"]["annotations"] = json!({
        "resource.bsycorp.com/certificate": "storageKey=certificate",
        "resource.bsycorp.com/key": "storageKey=key",
        "init.bsycorp.com/sync": "web-tls",
        "init.bsycorp.com/sync-type": "Opaque",
    });
    namespace.apply(&app.to_string())?;
    let secret = eventually("web-tls", DEADLINE, || {
        namespace.get(&["secret", "web-tls"])
    })?;
    let data = secret["data"].as_object().context("no data")?;
    let keys: Vec<_> = data.keys().collect();
    ensure!(keys == ["certificate", "key"], "{keys:?}");
    ensure!(data["key"] == json!(BASE64_STANDARD.encode(key)));
    Ok(())
}
