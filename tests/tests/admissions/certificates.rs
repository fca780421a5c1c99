//! The webhook's own certificates on a real cluster.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use kees_tests::{Kubectl, eventually};

use crate::{load, world::World};

const SECRET: &str = "kees-webhook-tls";

/// With these, a CA lives for a minute, and a certificate for a third of it.
const SHORT: [&str; 2] = ["CERTIFICATE_LIFETIME=20", "CA_LIFETIME=60"];

#[test]
fn two_replicas_share_the_certificate_that_the_first_created() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    let system = world.system();
    assert_eq!(world.replicas()?.len(), 2);
    let secret = system.get(&["secret", SECRET])?;
    assert_eq!(secret["type"], "kubernetes.io/tls");
    assert_eq!(
        secret["data"]["ca.crt"].as_str(),
        Some(world.bundle()?.as_str())
    );
    load::during(world.cluster.kubectl(), 20, || Ok(()))?.assert_nothing_lost();
    Ok(())
}

#[test]
fn the_service_account_can_read_no_other_secret_or_configuration() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    let system = world.system();
    let token = system.run(&["create", "token", "kees-webhook"])?;
    let webhook = system.with_token(token.trim());
    let other = ["create", "secret", "generic", "other", "--from-literal=a=b"];
    system.run(&other)?;

    webhook.run(&["get", "secret", SECRET])?;
    webhook.run(&["get", "mutatingwebhookconfiguration", "kees"])?;
    let default = webhook.in_namespace("default");
    for (kubectl, arguments) in [
        (&webhook, &["get", "secret", "other"][..]),
        (&webhook, &["get", "secrets"]),
        (&webhook, &["delete", "secret", SECRET]),
        (&webhook, &["delete", "secret", "other"]),
        (&webhook, &["get", "pods"]),
        (&webhook, &["get", "configmaps"]),
        (&webhook, &["get", "mutatingwebhookconfigurations"]),
        (&webhook, &["get", "mutatingwebhookconfiguration", "other"]),
        (
            &webhook,
            &["delete", "mutatingwebhookconfiguration", "kees"],
        ),
        (&default, &["get", "secret", SECRET]),
    ] {
        assert_forbidden(kubectl, arguments)?;
    }
    system.run(&["delete", "secret", "other"])?;
    Ok(())
}

fn assert_forbidden(kubectl: &Kubectl, arguments: &[&str]) -> anyhow::Result<()> {
    let error = kubectl.run(arguments).err();
    let message = error.with_context(|| arguments.join(" "))?.to_string();
    assert!(message.contains("Forbidden"), "{arguments:?}: {message}");
    Ok(())
}

#[test]
fn a_roll_of_the_ca_loses_no_pod() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    world.install(&SHORT)?;
    replace_at_once(world)?;
    let mut most = 0;
    let outcome = load::during(world.cluster.kubectl(), 2000, || {
        let first = certificates(&world.bundle()?)?;
        eventually("the second CA alone", Duration::from_secs(150), || {
            let now = certificates(&world.bundle()?)?;
            most = most.max(now.len());
            ensure!(!now.contains(&first[0]), "the first CA is in use");
            Ok(())
        })
    });
    world.install(&[])?;
    replace_at_once(world)?;
    outcome?.assert_nothing_lost();
    assert_eq!(most, 2, "the bundle did not hold both CAs");
    Ok(())
}

#[test]
fn an_overwritten_bundle_is_repaired() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    let good = world.bundle()?;
    let foreign = kees_tests::Authority::new()?;
    let foreign = BASE64_STANDARD.encode(foreign.certificate());
    for bundle in [foreign.as_str(), ""] {
        let patched = serde_json::json!([
            {"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": bundle},
        ]);
        world
            .cluster
            .kubectl()
            .patch_webhook_configuration(&patched)?;
        eventually("the bundle of the webhook", Duration::from_secs(10), || {
            ensure!(world.bundle()? == good, "it is still overwritten");
            Ok(())
        })?;
    }
    pods_are_injected(world)
}

/// Lets the webhook create a CA with the lifetimes that it has now.
fn replace_at_once(world: &World) -> anyhow::Result<()> {
    let old = certificates(&world.bundle()?)?;
    world.system().run(&["delete", "secret", SECRET])?;
    let path = "/webhooks/0/clientConfig/caBundle";
    let emptied = serde_json::json!([{"op": "replace", "path": path, "value": ""}]);
    world
        .cluster
        .kubectl()
        .patch_webhook_configuration(&emptied)?;
    eventually("a new CA", Duration::from_secs(30), || {
        let new = certificates(&world.bundle()?)?;
        let is_new = new.len() == 1 && !old.contains(&new[0]);
        ensure!(is_new, "not one new CA yet");
        Ok(())
    })?;
    pods_are_injected(world)
}

fn pods_are_injected(world: &World) -> anyhow::Result<()> {
    eventually("injection", Duration::from_secs(30), || {
        let outcome = load::during(world.cluster.kubectl(), 20, || Ok(()))?;
        ensure!(outcome.refused.is_empty(), "{outcome:?}");
        Ok(())
    })
}

/// The certificates of a bundle.
fn certificates(bundle: &str) -> anyhow::Result<Vec<String>> {
    let pem = String::from_utf8(BASE64_STANDARD.decode(bundle)?)?;
    let ends = pem.split_inclusive("-----END CERTIFICATE-----\n");
    Ok(ends.map(str::to_owned).collect())
}
