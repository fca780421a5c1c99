//! `kees doctor` and `kees version` with a real installation: complete, and broken in several ways.

use std::{
    collections::BTreeSet,
    fs,
    process::{Command, Output},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use kees_tests::{Authority, Overlay, eventually, image, kees};
use serde_json::{Value, json};

use crate::{
    rendered::{NAMESPACE, SERVICE},
    world::World,
};

/// How long the API server and the Deployment may take to notice a change.
const DEADLINE: Duration = Duration::from_mins(2);

#[test]
fn doctor_passes_a_complete_installation_and_names_what_is_broken() -> anyhow::Result<()> {
    let world = World::alone()?;
    let before = doctor(&world, &["--pre"])?;
    assert!(before.failed.is_empty(), "{}", before.text);

    // The webhook does not repair a caBundle if its certificate comes from files.
    let authority = Authority::new()?;
    let overlay = Overlay::new("manifests", "certificate-files", world.kustomization())?;
    let secret = authority.issue(&[SERVICE])?.secret(&authority);
    fs::write(overlay.base().join("secret.yaml"), secret)?;
    let kubectl = world.cluster.kubectl();
    let apply = || -> anyhow::Result<()> {
        world.system().run(&["apply", "-k", &overlay.argument()])?;
        world.system().rolled_out("deployment/kees-webhook")?;
        expect(&world, &[])
    };
    apply()?;
    let complete = doctor(&world, &[])?;
    assert!(!complete.text.contains("skipped"), "{}", complete.text);
    let version = run(&world, &["version", "--output", "json"])?;
    let version: Value = serde_json::from_slice(&version.stdout)?;
    assert_eq!(version["webhook"], env!("CARGO_PKG_VERSION"), "{version}");

    let other = BASE64_STANDARD.encode(Authority::new()?.certificate());
    let patch =
        json!([{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": other}]);
    kubectl.patch_webhook_configuration(&patch)?;
    expect(&world, &["ca-bundle-trusted", "pod-injected"])?;
    apply()?;

    kubectl.run(&["delete", "validatingadmissionpolicybinding", "kees"])?;
    expect(&world, &["admission-policy-binding"])?;
    apply()?;

    kubectl.run(&["delete", "mutatingwebhookconfiguration", "kees"])?;
    expect(&world, &["pod-injected", "webhook-configuration"])?;
    apply()?;

    world
        .system()
        .run(&["scale", "deployment/kees-webhook", "--replicas=0"])?;
    expect(
        &world,
        &[
            "deployment",
            "endpoints",
            "pod-injected",
            "webhook-reachable",
        ],
    )
}

#[test]
fn doctor_names_what_classes_and_secrets_lack() -> anyhow::Result<()> {
    const CRD: &str = "crd/secretproviderclasses.secrets-store.csi.x-k8s.io";
    let world = World::alone()?;
    let kubectl = world.cluster.kubectl();
    let definition = Overlay::new("manifests", "secret-provider-class-crd", json!({}))?;
    kubectl.run(&["apply", "-k", &definition.argument()])?;
    kubectl.wait_for(CRD, "condition=Established")?;
    let webhook = Overlay::new("manifests", "secret-provider-class", world.kustomization())?;
    let apply = || -> anyhow::Result<()> {
        world.system().run(&["apply", "-k", &webhook.argument()])?;
        world.system().rolled_out("deployment/kees-webhook")?;
        expect(&world, &[])
    };
    apply()?;
    let complete = doctor(&world, &[])?;
    for name in ["class-definition", "class-permissions"] {
        ensure!(complete.text.contains(name), "{}", complete.text);
    }

    kubectl.run(&["delete", "clusterrole", "kees-webhook-classes"])?;
    expect(&world, &["class-permissions"])?;
    apply()?;

    // The check reads the Deployment of the controller. Whether it runs does not matter to it.
    let kustomization = json!({"images": [image("controller")]});
    let controller = Overlay::new("manifests", "controller-sync", kustomization)?;
    world
        .system()
        .run(&["apply", "-k", &controller.argument()])?;
    expect(&world, &[])?;
    let complete = doctor(&world, &[])?;
    ensure!(complete.text.contains("secret-sync"), "{}", complete.text);
    kubectl.run(&["delete", "clusterrolebinding", "kees-controller-sync"])?;
    expect(&world, &["secret-sync"])?;
    world
        .system()
        .run(&["delete", "deployment", "kees-controller"])?;

    kubectl.run(&["delete", CRD])?;
    expect(&world, &["class-definition"])
}

/// Waits until exactly these checks fail.
fn expect(world: &World, names: &[&str]) -> anyhow::Result<()> {
    let expected: BTreeSet<_> = names.iter().map(|name| (*name).to_owned()).collect();
    eventually("report", DEADLINE, || {
        let report = doctor(world, &[])?;
        ensure!(report.failed == expected, "{names:?} in\n{}", report.text);
        Ok(())
    })
}

/// A report of `kees doctor`.
struct Report {
    failed: BTreeSet<String>,
    text: String,
}

fn doctor(world: &World, arguments: &[&str]) -> anyhow::Result<Report> {
    let output = run(
        world,
        &[&["doctor", "--output", "json"], arguments].concat(),
    )?;
    let text = String::from_utf8(output.stdout)?;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    let report: Value = serde_json::from_str(&text).context(error)?;
    let checks = report["checks"].as_array().context("no checks")?;
    let failed = checks.iter().filter(|check| check["status"] == "failed");
    let failed: BTreeSet<_> = failed
        .filter_map(|check| check["name"].as_str().map(str::to_owned))
        .collect();
    ensure!(output.status.success() == failed.is_empty(), "{text}");
    Ok(Report { failed, text })
}

fn run(world: &World, arguments: &[&str]) -> anyhow::Result<Output> {
    let output = Command::new(kees()?)
        .args(arguments)
        .args(["--namespace", NAMESPACE, "--kubeconfig"])
        .arg(world.cluster.kubeconfig())
        .output()?;
    Ok(output)
}
