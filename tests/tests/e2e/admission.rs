//! Tests which pods are admitted, which are denied, and which do not reach the webhook.

use std::{fs, time::Duration};

use anyhow::Context as _;
use kees_tests::{Kubectl, eventually};
use serde_json::json;

use crate::{
    pods::{deployment, pod},
    world::World,
};

#[test]
fn a_pod_with_three_errors_is_denied_with_all_three() -> anyhow::Result<()> {
    let world = World::shared()?;
    let namespace = world.namespace("errors")?;
    let invalid = pod(
        "invalid",
        &[
            ("secret/signing_public", "kind=DYNAMIC,type=RSA,size=1024"),
            ("secret/password", "kind=DYNAMIC,type=PASSWORT,size=128"),
            ("init/mount-path", "relative/path"),
        ],
    );
    let message = denial(&namespace, &invalid)?;
    for part in [
        "secret.bsycorp.com/signing_public",
        "1024",
        "2048",
        "secret.bsycorp.com/password",
        "PASSWORT",
        "PASSWORD",
        "init.bsycorp.com/mount-path",
        "relative/path",
    ] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
    assert!(
        namespace.get(&["pods"])?["items"]
            .as_array()
            .is_some_and(Vec::is_empty)
    );
    Ok(())
}

#[test]
fn a_pod_with_a_prefix_that_is_not_allowed_is_denied() -> anyhow::Result<()> {
    let world = World::shared()?;
    let namespace = world.namespace("foreign")?;
    let secret = ("secret/password", "kind=DYNAMIC,type=PASSWORD,size=128");
    for prefix in ["/test/other", "/test/foreigners", "/test"] {
        let message = denial(
            &namespace,
            &pod("x", &[secret, ("init/storage-prefix", prefix)]),
        )?;
        assert!(
            message.contains(prefix) && message.contains("/test/foreign"),
            "{message}"
        );
    }
    let below = pod(
        "below",
        &[secret, ("init/storage-prefix", "/test/foreign/web")],
    );
    namespace.apply(&below.to_string())?;
    namespace.wait_for("pod/below", "condition=Ready")
}

#[test]
fn only_annotated_pods_reach_the_webhook_and_each_of_them_once() -> anyhow::Result<()> {
    let world = World::alone()?;
    let namespace = world.namespace("counted")?;
    let secret = ("secret/password", "kind=DYNAMIC,type=PASSWORD,size=128");
    let before = requests(world.cluster.kubectl())?;

    namespace.apply(&pod("plain", &[]).to_string())?;
    namespace.apply(&pod("opted-out", &[secret, ("init/inject", "false")]).to_string())?;
    let file = world.cluster.static_pods().join("static.json");
    let mut mirrored = pod("static", &[secret]);
    mirrored["metadata"]["namespace"] = json!("counted");
    fs::write(&file, mirrored.to_string())?;
    for name in ["plain", "opted-out", "static-localhost"] {
        namespace.wait_for(&format!("pod/{name}"), "create")?;
        namespace.wait_for(&format!("pod/{name}"), "condition=Ready")?;
        let containers = &namespace.get(&["pod", name])?["spec"]["initContainers"];
        assert!(containers.is_null(), "{name} was injected: {containers}");
    }
    fs::remove_file(&file)?;
    assert_eq!(
        requests(world.cluster.kubectl())?,
        before,
        "the webhook was called"
    );

    namespace.apply(&pod("bare", &[secret]).to_string())?;
    namespace.apply(&deployment("web", 2, &[secret]).to_string())?;
    namespace.wait_for("pod/bare", "condition=Ready")?;
    namespace.rolled_out("deployment/web")?;
    assert_eq!(
        requests(world.cluster.kubectl())?,
        before + 3,
        "the webhook was not called once for each of the three pods"
    );
    Ok(())
}

#[test]
fn annotations_of_a_running_pod_cannot_be_changed() -> anyhow::Result<()> {
    let world = World::shared()?;
    let namespace = world.namespace("frozen")?;
    let secret = ("secret/password", "kind=DYNAMIC,type=PASSWORD,size=128");
    namespace.apply(&pod("frozen", &[secret]).to_string())?;
    namespace.wait_for("pod/frozen", "condition=Ready")?;

    let changed =
        r#"{"metadata": {"annotations": {"secret.bsycorp.com/password": "kind=REFERENCE"}}}"#;
    let added = r#"{"metadata": {"annotations": {"resource.bsycorp.com/more": "storageKey=x"}}}"#;
    let removed = r#"{"metadata": {"annotations": {"secret.bsycorp.com/password": null}}}"#;
    let patch = |body: &str, more: &[&str]| {
        let arguments = [
            &["patch", "pod", "frozen", "--type=merge", "-p", body],
            more,
        ]
        .concat();
        namespace.run(&arguments)
    };
    for body in [changed, added, removed] {
        for through in [&[][..], &["--subresource=status"]] {
            let message = patch(body, through).unwrap_err().to_string();
            assert!(
                message.contains("cannot be changed"),
                "{body} {through:?}: {message}"
            );
        }
    }
    patch(
        r#"{"metadata": {"annotations": {"example.com/note": "other annotations can be changed"}}}"#,
        &[],
    )?;
    Ok(())
}

#[test]
fn a_pod_keeps_its_qos_class() -> anyhow::Result<()> {
    let world = World::shared()?;
    let namespace = world.namespace("qos")?;
    let amounts = json!({"cpu": "50m", "memory": "32Mi"});
    for (class, resources) in [
        (
            "Guaranteed",
            json!({"requests": amounts, "limits": amounts}),
        ),
        ("Burstable", json!({"requests": amounts})),
        ("BestEffort", json!({})),
    ] {
        let name = class.to_lowercase();
        let mut classed = pod(
            &name,
            &[("secret/password", "kind=DYNAMIC,type=PASSWORD,size=128")],
        );
        classed["spec"]["containers"][0]["resources"] = resources;
        namespace.apply(&classed.to_string())?;
        namespace.wait_for(&format!("pod/{name}"), "condition=Ready")?;
        let admitted = namespace.get(&["pod", &name])?;
        assert_eq!(admitted["status"]["qosClass"], class);
        assert_eq!(admitted["spec"]["initContainers"][0]["name"], "kees-init");
    }
    Ok(())
}

#[test]
fn an_annotated_windows_pod_is_admitted_and_not_injected() -> anyhow::Result<()> {
    let world = World::shared()?;
    let namespace = world.namespace("windows")?;
    let windows = json!([{"key": "kubernetes.io/os", "operator": "In", "values": ["windows"]}]);
    for spec in [
        json!({"os": {"name": "windows"}}),
        json!({"nodeSelector": {"kubernetes.io/os": "windows"}}),
        json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": windows}]}}}}),
        json!({"securityContext": {"windowsOptions": {"runAsUserName": "ContainerUser"}}}),
    ] {
        let mut pod = pod(
            "windows",
            &[("secret/password", "kind=DYNAMIC,type=PASSWORD,size=128")],
        );
        for (field, value) in spec.as_object().context("an object")? {
            pod["spec"][field] = value.clone();
        }
        let admitted = namespace.dry_run(&pod.to_string())?;
        assert!(admitted["spec"]["initContainers"].is_null(), "{spec}");
    }
    Ok(())
}

#[test]
fn without_the_webhook_annotated_pods_are_denied_and_others_start() -> anyhow::Result<()> {
    let world = World::alone()?;
    let namespace = world.namespace("down")?;
    let secret = ("secret/password", "kind=DYNAMIC,type=PASSWORD,size=128");
    let system = world.cluster.kubectl().in_namespace("kees-system");

    let denied = without_webhook(&system, || {
        namespace.apply(&pod("plain", &[]).to_string())?;
        denial(&namespace, &pod("annotated", &[secret]))
    })?;
    assert!(denied.contains("kees.bsycorp.com"), "{denied}");
    namespace.wait_for("pod/plain", "condition=Ready")?;
    eventually(
        "injection after the webhook is back",
        Duration::from_secs(20),
        || namespace.apply(&pod("again", &[secret]).to_string()),
    )?;
    namespace.wait_for("pod/again", "condition=Ready")
}

#[test]
fn an_annotated_pod_that_was_not_injected_is_denied() -> anyhow::Result<()> {
    let world = World::alone()?;
    let namespace = world.namespace("not-injected")?;
    let secret = ("secret/password", "kind=DYNAMIC,type=PASSWORD,size=128");
    let kubectl = world.cluster.kubectl();
    let call_for = |resource: &str| {
        let path = "/webhooks/0/rules/0/resources";
        let change = json!([{"op": "replace", "path": path, "value": [resource]}]);
        kubectl.patch_webhook_configuration(&change)
    };
    call_for("pods/none")?;
    let denied = eventually("denial by the policy", Duration::from_secs(20), || {
        let message = denial(&namespace, &pod("annotated", &[secret]))?;
        anyhow::ensure!(
            message.contains("the kees webhook was not called"),
            "{message}"
        );
        Ok(())
    });
    call_for("pods")?;
    denied?;
    eventually("injection again", Duration::from_secs(20), || {
        namespace.apply(&pod("again", &[secret]).to_string())
    })?;
    namespace.wait_for("pod/again", "condition=Ready")
}

/// Calls `act` while no webhook runs. Starts the webhook again, also if `act` fails.
fn without_webhook<T>(
    system: &Kubectl,
    act: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    system.run(&["scale", "deployment/kees-webhook", "--replicas=0"])?;
    let gone = system.run(&["wait", "pods", "--all", "--for=delete", "--timeout=60s"]);
    let result = gone.and_then(|_| act());
    system.run(&["scale", "deployment/kees-webhook", "--replicas=2"])?;
    system.rolled_out("deployment/kees-webhook")?;
    result
}

/// Applies a pod that must be denied, and returns kubectl's message.
fn denial(kubectl: &Kubectl, pod: &serde_json::Value) -> anyhow::Result<String> {
    let applied = kubectl.apply(&pod.to_string());
    Ok(applied.err().context("the pod was admitted")?.to_string())
}

/// The number of reviews that all replicas of the webhook have answered.
fn requests(kubectl: &Kubectl) -> anyhow::Result<u64> {
    let system = kubectl.in_namespace("kees-system");
    let pods = system.get(&["pods"])?;
    let mut sum = 0;
    for pod in pods["items"]
        .as_array()
        .context("kees-system has no pods")?
    {
        let name = pod["metadata"]["name"]
            .as_str()
            .context("a pod has no name")?;
        let path = format!("/api/v1/namespaces/kees-system/pods/http:{name}:8080/proxy/metrics");
        for line in system.run(&["get", "--raw", &path])?.lines() {
            if line.starts_with("kees_webhook_requests_total") {
                sum += line
                    .rsplit(' ')
                    .next()
                    .context("a metric has no value")?
                    .parse::<u64>()?;
            }
        }
    }
    Ok(sum)
}
