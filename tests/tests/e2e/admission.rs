//! What is let in, what is refused, and what never reaches the webhook.

use std::{fs, time::Duration};

use anyhow::Context as _;
use kees_tests::{Kubectl, eventually};
use serde_json::json;

use crate::{
    pods::{deployment, pod},
    world::World,
};

#[test]
fn a_pod_with_three_faults_is_denied_with_all_three() -> anyhow::Result<()> {
    let world = World::shared()?;
    let namespace = world.namespace("faults")?;
    let faulty = pod(
        "faulty",
        &[
            ("secret/signing_public", "kind=DYNAMIC,type=RSA,size=1024"),
            ("secret/password", "kind=DYNAMIC,type=PASSWORT,size=128"),
            ("init/mount-path", "relative/path"),
        ],
    );
    let message = refusal(&namespace, &faulty)?;
    for fault in [
        "secret.bsycorp.com/signing_public",
        "1024",
        "2048",
        "secret.bsycorp.com/password",
        "PASSWORT",
        "PASSWORD",
        "init.bsycorp.com/mount-path",
        "relative/path",
    ] {
        assert!(message.contains(fault), "{fault} is not in: {message}");
    }
    assert!(
        namespace.get(&["pods"])?["items"]
            .as_array()
            .is_some_and(Vec::is_empty)
    );
    Ok(())
}

#[test]
fn a_pod_of_a_foreign_prefix_is_denied_by_policy() -> anyhow::Result<()> {
    let world = World::shared()?;
    let namespace = world.namespace("foreign")?;
    let secret = ("secret/password", "kind=DYNAMIC,type=PASSWORD,size=128");
    for prefix in ["/test/other", "/test/foreigners", "/test"] {
        let message = refusal(
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
fn only_annotated_pods_reach_the_webhook_and_each_does_once() -> anyhow::Result<()> {
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
        "three pods, one call each"
    );
    Ok(())
}

#[test]
fn annotations_of_a_running_pod_stay_as_they_were_admitted() -> anyhow::Result<()> {
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
        r#"{"metadata": {"annotations": {"example.com/note": "others are free"}}}"#,
        &[],
    )?;
    Ok(())
}

#[test]
fn a_pod_keeps_its_quality_of_service() -> anyhow::Result<()> {
    let world = World::shared()?;
    let namespace = world.namespace("quality")?;
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
fn without_the_webhook_annotated_pods_are_refused_and_others_start() -> anyhow::Result<()> {
    let world = World::alone()?;
    let namespace = world.namespace("down")?;
    let secret = ("secret/password", "kind=DYNAMIC,type=PASSWORD,size=128");
    let system = world.cluster.kubectl().in_namespace("kees-system");

    let refused = while_gone(&system, || {
        namespace.apply(&pod("plain", &[]).to_string())?;
        refusal(&namespace, &pod("annotated", &[secret]))
    })?;
    assert!(refused.contains("kees.bsycorp.com"), "{refused}");
    namespace.wait_for("pod/plain", "condition=Ready")?;
    eventually(
        "injection after the webhook is back",
        Duration::from_secs(20),
        || namespace.apply(&pod("again", &[secret]).to_string()),
    )?;
    namespace.wait_for("pod/again", "condition=Ready")
}

#[test]
fn a_pod_that_passed_the_webhook_by_is_refused() -> anyhow::Result<()> {
    let world = World::alone()?;
    let namespace = world.namespace("passed-by")?;
    let secret = ("secret/password", "kind=DYNAMIC,type=PASSWORD,size=128");
    let kubectl = world.cluster.kubectl();
    let rules = |body: &str| {
        kubectl.run(&[
            "patch",
            "mutatingwebhookconfiguration",
            "kees",
            "--type=json",
            "-p",
            body,
        ])
    };
    rules(
        r#"[{"op": "replace", "path": "/webhooks/0/rules/0/resources", "value": ["pods/none"]}]"#,
    )?;
    let refused = eventually("refusal by the policy", Duration::from_secs(20), || {
        let message = refusal(&namespace, &pod("annotated", &[secret]))?;
        anyhow::ensure!(
            message.contains("the kees webhook was not called"),
            "{message}"
        );
        Ok(())
    });
    rules(r#"[{"op": "replace", "path": "/webhooks/0/rules/0/resources", "value": ["pods"]}]"#)?;
    refused?;
    eventually("injection again", Duration::from_secs(20), || {
        namespace.apply(&pod("again", &[secret]).to_string())
    })?;
    namespace.wait_for("pod/again", "condition=Ready")
}

/// What `act` sees while no webhook runs. It runs again afterwards, whatever `act` said.
fn while_gone<T>(system: &Kubectl, act: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    system.run(&["scale", "deployment/kees-webhook", "--replicas=0"])?;
    let gone = system.run(&["wait", "pods", "--all", "--for=delete", "--timeout=60s"]);
    let seen = gone.and_then(|_| act());
    system.run(&["scale", "deployment/kees-webhook", "--replicas=2"])?;
    system.rolled_out("deployment/kees-webhook")?;
    seen
}

/// What kubectl says when the pod is not let in.
fn refusal(kubectl: &Kubectl, pod: &serde_json::Value) -> anyhow::Result<String> {
    let applied = kubectl.apply(&pod.to_string());
    Ok(applied.err().context("the pod was let in")?.to_string())
}

/// Reviews that all replicas of the webhook have answered.
fn requests(kubectl: &Kubectl) -> anyhow::Result<u64> {
    let system = kubectl.in_namespace("kees-system");
    let pods = system.get(&["pods"])?;
    let mut sum = 0;
    for pod in pods["items"].as_array().context("no pods")? {
        let name = pod["metadata"]["name"].as_str().context("no name")?;
        let path = format!("/api/v1/namespaces/kees-system/pods/http:{name}:8080/proxy/metrics");
        for line in system.run(&["get", "--raw", &path])?.lines() {
            if line.starts_with("kees_webhook_requests_total") {
                sum += line
                    .rsplit(' ')
                    .next()
                    .context("no number")?
                    .parse::<u64>()?;
            }
        }
    }
    Ok(sum)
}
