//! The life of an installation with Helm: install, upgrade, rollback, uninstall.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use kees_tests::{Kubectl, eventually, here};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    rendered::{NAMESPACE, ValuesFile, chart, earlier_chart},
    world::{World, annotated_pod_starts, helm_release, pod},
};

/// The version of the chart before this one.
const EARLIER: &str = "0.0.9";

/// What `helm uninstall` leaves, apart from the pods of the applications.
const REMAINING: [&str; 4] = [
    "ConfigMap/kees-system/kube-root-ca.crt",
    "Namespace//kees-system",
    "Secret/kees-system/kees-webhook-tls",
    "ServiceAccount/kees-system/default",
];

/// Objects that Kubernetes creates and deletes at any time.
const TRANSIENT: [&str; 4] = ["Event", "Lease", "Endpoints", "EndpointSlice"];

#[test]
fn a_release_is_installed_upgraded_rolled_back_and_uninstalled() -> anyhow::Result<()> {
    let world = World::alone()?;
    let helm = world.cluster.helm()?;
    let folder = TempDir::new()?;
    let values = ValuesFile::new(&world.values(json!({})))?;
    let namespace = world.namespace("released")?;
    let before = all_objects(world.cluster.kubectl())?;

    let started = Instant::now();
    helm_release(
        &helm,
        "install",
        "kees",
        &earlier_chart(&folder, EARLIER)?,
        &values,
    )?;
    annotated_pod_starts(&namespace, "first")?;
    report(
        "from helm install to the first annotated pod Ready",
        started,
    )?;
    assert_eq!(version(&world)?, EARLIER);
    let bundle = world.ca_bundle()?;
    assert!(!bundle.is_empty());

    helm.run(&upgrade(&chart(), &values.argument()))?;
    assert_eq!(version(&world)?, env!("CARGO_PKG_VERSION"));
    annotated_pod_starts(&namespace, "upgraded")?;

    // A changed policy needs no restart.
    let deployed = revision(&world)?;
    let rules = json!({"policy": {"rules": [{"namespaces": ["nobody"], "storagePrefix": "/x"}]}});
    let denying = ValuesFile::new(&world.values(rules))?;
    helm.run(&upgrade(&chart(), &denying.argument()))?;
    eventually("denial by the new policy", Duration::from_secs(150), || {
        let created = namespace.apply_with(&["--dry-run=server"], &pod("x", "bsycorp.com"));
        let denied = created.err().context("the pod was admitted")?.to_string();
        anyhow::ensure!(denied.contains("rule"), "{denied}");
        Ok(())
    })?;
    assert_eq!(revision(&world)?, deployed, "the pods were replaced");

    helm.run(&[
        "rollback",
        "kees",
        "1",
        "--namespace",
        NAMESPACE,
        "--wait",
        "--timeout=2m",
    ])?;
    assert_eq!(version(&world)?, EARLIER);
    eventually("the policy of before", Duration::from_secs(150), || {
        namespace.apply_with(&["--dry-run=server"], &pod("x", "bsycorp.com"))
    })?;
    annotated_pod_starts(&namespace, "rolled-back")?;
    assert_eq!(world.ca_bundle()?, bundle, "caBundle is another one");

    helm.run(&[
        "uninstall",
        "kees",
        "--namespace",
        NAMESPACE,
        "--wait",
        "--timeout=2m",
    ])?;
    // The pods of the webhook end after the objects are gone.
    let ended = ["wait", "pods", "--all", "--for=delete", "--timeout=90s"];
    world.system().run(&ended)?;
    remains(&world, &before, &REMAINING)?;
    // Running pods keep their files.
    let read = namespace.exec("first", "app", &["cat", "/bsycorp-init/secrets.properties"])?;
    assert!(read.starts_with("password="), "{read}");
    Ok(())
}

#[test]
fn a_second_installation_needs_another_name() -> anyhow::Result<()> {
    let world = World::alone()?;
    let helm = world.cluster.helm()?;
    let values = ValuesFile::new(&world.values(json!({})))?;
    helm_release(&helm, "install", "kees", &chart(), &values)?;

    // The namespace of another team, which the test deletes at the end.
    let team = world.namespace("team-a-system")?;
    let second = |values: &ValuesFile| {
        helm.run(&[
            "install",
            "second",
            &chart(),
            "--namespace",
            team.namespace(),
            "--wait",
            "--timeout=2m",
            "--values",
            &values.argument(),
        ])
    };
    let denied = second(&values).unwrap_err().to_string();
    for part in [
        "kees",
        "exists and cannot be imported into the current release",
    ] {
        assert!(denied.contains(part), "{part} is not in: {denied}");
    }
    let namespace = world.namespace("two-installations")?;
    annotated_pod_starts(&namespace, "of-the-first")?;

    let name = json!({"name": "team-a", "annotationDomain": "team-a.example.org"});
    let values = ValuesFile::new(&world.values(name))?;
    second(&values)?;
    namespace.apply(&pod("of-the-second", "team-a.example.org"))?;
    namespace.wait_for("pod/of-the-second", "condition=Ready")?;
    annotated_pod_starts(&namespace, "of-the-first-again")?;
    helm.run(&[
        "uninstall",
        "second",
        "--namespace",
        team.namespace(),
        "--wait",
    ])?;
    annotated_pod_starts(&namespace, "of-the-first-alone")
}

#[test]
fn values_that_contradict_each_other_install_nothing() -> anyhow::Result<()> {
    let world = World::alone()?;
    let helm = world.cluster.helm()?;
    let before = all_objects(world.cluster.kubectl())?;
    let values = json!({"certificates": {"files": {"secretName": "mine"}}});
    let values = ValuesFile::new(&world.values(values))?;
    let error = helm_release(&helm, "install", "kees", &chart(), &values).unwrap_err();
    assert!(error.to_string().contains("/certificates/files"), "{error}");
    remains(&world, &before, &[])
}

fn upgrade<'a>(chart: &'a str, values: &'a str) -> [&'a str; 9] {
    [
        "upgrade",
        "kees",
        chart,
        "--namespace",
        NAMESPACE,
        "--wait",
        "--timeout=2m",
        "--values",
        values,
    ]
}

/// The revision of the Deployment, which changes with its pods.
fn revision(world: &World) -> anyhow::Result<Value> {
    let mut deployment = world.system().get(&["deployment", "kees-webhook"])?;
    let annotations = &mut deployment["metadata"]["annotations"];
    Ok(annotations["deployment.kubernetes.io/revision"].take())
}

/// The version in the labels of the webhook configuration.
fn version(world: &World) -> anyhow::Result<String> {
    let configuration = world
        .system()
        .get(&["mutatingwebhookconfiguration", "kees"])?;
    let version = &configuration["metadata"]["labels"]["app.kubernetes.io/version"];
    Ok(version.as_str().context("no version")?.to_owned())
}

/// Every object of the cluster that is not transient: `KIND/NAMESPACE/NAME`.
fn all_objects(kubectl: &Kubectl) -> anyhow::Result<BTreeSet<String>> {
    let kinds = kubectl.run(&["api-resources", "--verbs=list", "-o", "name"])?;
    let kinds = kinds.lines().collect::<Vec<_>>().join(",");
    let list = kubectl.get(&[&kinds, "--all-namespaces"])?;
    let name = |object: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let metadata = &object["metadata"];
        let kind = text(&object["kind"]);
        let listed = !TRANSIENT.contains(&kind.as_str());
        listed.then(|| {
            format!(
                "{kind}/{}/{}",
                text(&metadata["namespace"]),
                text(&metadata["name"])
            )
        })
    };
    let items = list["items"].as_array().context("no list")?;
    Ok(items.iter().filter_map(name).collect())
}

/// Checks what is there and was not there before, apart from the pods of the test. The page about
/// uninstalling names each of these objects.
fn remains(world: &World, before: &BTreeSet<String>, expected: &[&str]) -> anyhow::Result<()> {
    let page = fs::read_to_string(here("../docs/uninstall.md"))?;
    let after = all_objects(world.cluster.kubectl())?;
    let new: Vec<_> = after
        .difference(before)
        .filter(|object| !object.contains("/released/"))
        .collect();
    assert_eq!(new, expected);
    for object in expected {
        let name = object.rsplit('/').next().unwrap_or_default();
        assert!(
            page.contains(&format!("`{name}`")),
            "docs/uninstall.md does not name {object}"
        );
    }
    Ok(())
}

/// Prints a time, also where the test binary captures output: it is a figure for the benchmarks.
fn report(what: &str, started: Instant) -> anyhow::Result<()> {
    let line = format!("{what}: {:.1} s", started.elapsed().as_secs_f64());
    writeln!(std::io::stderr(), "{line}")?;
    Ok(())
}
