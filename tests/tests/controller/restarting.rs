//! The controller restarts workloads with `on-change: restart` when a value of their pods has changed.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use kees_tests::{Kubectl, eventually};
use serde_json::{Value, json};

use crate::{
    metrics::{scrape_port, value},
    pods::{list, pod},
    world::World,
};

const DEADLINE: Duration = Duration::from_mins(3);

const ON_CHANGE: &str = "init.bsycorp.com/on-change";
const RESTARTED_AT: &str = "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt";
const METRICS_PORT: u16 = 9102;

/// A workload of pods that are refreshed each second, and of which one is replaced at a time.
fn workload(kind: &str, name: &str, replicas: u8, on_change: &str) -> Value {
    let annotations = [
        ("resource.bsycorp.com/url".to_owned(), "storageKey=url"),
        ("init.bsycorp.com/refresh".to_owned(), "1s"),
        ("init.bsycorp.com/refresh-metrics-port".to_owned(), "9102"),
        (ON_CHANGE.to_owned(), on_change),
    ];
    let mut template = pod(name, &annotations);
    template["metadata"]["labels"] = json!({"app": name});
    template["spec"]["containers"][0]["command"] = json!(["sleep", "86400"]);
    let mut spec = json!({
        "replicas": replicas,
        "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": template["metadata"], "spec": template["spec"]},
    });
    if kind == "Deployment" {
        spec["strategy"] = json!({"rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}});
    } else {
        spec["serviceName"] = json!(name);
    }
    json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

fn budget(name: &str, spec: &Value) -> Value {
    let mut spec = spec.clone();
    spec["selector"] = json!({"matchLabels": {"app": name}});
    json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name}, "spec": spec,
    })
}

/// The pods of a workload that are not being deleted.
fn pods(namespace: &Kubectl, app: &str) -> anyhow::Result<Vec<Value>> {
    let pods = namespace.get(&["pods", &format!("--selector=app={app}")])?;
    let pods = pods["items"].as_array().context("no list")?.iter();
    let living = pods.filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    Ok(living.cloned().collect())
}

fn restarted_at(workload: &Value) -> Option<&str> {
    workload.pointer(RESTARTED_AT)?.as_str()
}

/// Whether a workload was restarted and has not replaced all of its pods.
fn is_rolling(workload: &Value) -> bool {
    let status = &workload["status"];
    let is_complete = status["observedGeneration"] == workload["metadata"]["generation"]
        && status["updatedReplicas"] == workload["spec"]["replicas"]
        && status["replicas"] == workload["spec"]["replicas"]
        && status["availableReplicas"] == workload["spec"]["replicas"];
    restarted_at(workload).is_some() && !is_complete
}

/// Waits until each pod of a workload reads that value.
fn wait_for_value(namespace: &Kubectl, app: &str, expected: &str) -> anyhow::Result<()> {
    eventually("value of the pods", DEADLINE, || {
        for pod in pods(namespace, app)? {
            let name = pod["metadata"]["name"].as_str().context("no name")?;
            let read = namespace.exec(name, "app", &["cat", "/bsycorp-init/url"])?;
            ensure!(read == expected, "{name} reads {read}");
        }
        Ok(())
    })
}

/// Waits until the sidecars of the pods have read so often without a change.
fn wait_for_reads(namespace: &Kubectl, app: &str, reads: f64) -> anyhow::Result<()> {
    eventually("reads without a change", DEADLINE, || {
        for pod in pods(namespace, app)? {
            let address = pod["status"]["podIP"].as_str().context("no address")?;
            let metrics = scrape_port(address, METRICS_PORT)?;
            let unchanged = value(&metrics, "kees_refresh_reads_total{result=\"unchanged\"}")?;
            ensure!(unchanged >= reads, "{unchanged} reads");
        }
        Ok(())
    })
}

fn events(namespace: &Kubectl, kind: &str, reason: &str) -> anyhow::Result<Vec<String>> {
    let selector = format!("--field-selector=involvedObject.kind={kind},reason={reason}");
    let events = namespace.get(&["events", &selector])?;
    let events = events["items"].as_array().context("no list")?.iter();
    Ok(events.map(|event| event["message"].to_string()).collect())
}

#[test]
fn a_changed_value_restarts_each_workload_once_and_one_after_the_other() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    let namespace = world.namespace("restarted")?;
    world.store("restarted", "url", "first")?;
    namespace.apply(&list(&[
        workload("Deployment", "web", 3, "restart"),
        budget("web", &json!({"maxUnavailable": 1})),
        workload("StatefulSet", "db", 2, "restart"),
    ]))?;
    let workloads = ["deployment/web", "statefulset/db"];
    for workload in workloads {
        namespace.rolled_out(workload)?;
    }
    let before = [pods(&namespace, "web")?, pods(&namespace, "db")?].concat();

    world.store("restarted", "url", "second")?;
    let mut both = 0;
    eventually("complete rollouts of both", DEADLINE, || {
        let before = namespace.get(&["deployment/web"])?;
        let db = namespace.get(&["statefulset/db"])?;
        let web = namespace.get(&["deployment/web"])?;
        both += u32::from(is_rolling(&before) && is_rolling(&db) && is_rolling(&web));
        for workload in [&web, &db] {
            ensure!(restarted_at(workload).is_some(), "not restarted");
            ensure!(!is_rolling(workload), "the rollout is not complete");
        }
        Ok(())
    })?;
    assert_eq!(both, 0, "both were restarted at the same time");

    for app in ["web", "db"] {
        wait_for_value(&namespace, app, "second")?;
        wait_for_reads(&namespace, app, 5.0)?;
        for pod in pods(&namespace, app)? {
            let is_old = |old: &Value| old["metadata"]["uid"] == pod["metadata"]["uid"];
            ensure!(!before.iter().any(is_old), "a pod was not replaced: {pod}");
        }
    }
    for workload in workloads {
        let generation = &namespace.get(&[workload])?["metadata"]["generation"];
        ensure!(
            generation == 2,
            "{workload} was changed more than once: {generation}"
        );
    }
    assert_eq!(events(&namespace, "Deployment", "KeesRestarted")?.len(), 1);
    assert_eq!(events(&namespace, "StatefulSet", "KeesRestarted")?.len(), 1);
    Ok(())
}

#[test]
fn a_restart_waits_for_the_budget_and_the_sidecar_asks_once() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    let namespace = world.namespace("held")?;
    world.store("held", "url", "first")?;
    namespace.apply(&list(&[
        workload("Deployment", "web", 1, "restart"),
        budget("web", &json!({"minAvailable": 1})),
    ]))?;
    namespace.rolled_out("deployment/web")?;
    for value in ["second", "third"] {
        world.store("held", "url", value)?;
        wait_for_value(&namespace, "web", value)?;
    }
    eventually("Event of the pod", DEADLINE, || {
        let events = events(&namespace, "Pod", "KeesRestartWaiting")?;
        ensure!(
            events
                .iter()
                .any(|event| event.contains("PodDisruptionBudget web allows 0"))
        );
        Ok(())
    })?;
    assert_eq!(restarted_at(&namespace.get(&["deployment/web"])?), None);
    let [pod] = &pods(&namespace, "web")?[..] else {
        anyhow::bail!("web has one pod");
    };
    let sidecar = &pod["status"]["initContainerStatuses"][1];
    assert_eq!(sidecar["restartCount"], 1, "{sidecar}");

    namespace.run(&["delete", "poddisruptionbudget", "web"])?;
    eventually("restart", DEADLINE, || {
        let web = namespace.get(&["deployment/web"])?;
        ensure!(restarted_at(&web).is_some());
        Ok(())
    })?;
    namespace.rolled_out("deployment/web")?;
    wait_for_value(&namespace, "web", "third")
}

#[test]
fn the_controller_can_change_nothing_else_in_a_workload() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    let namespace = world.namespace("limited")?;
    world.store("limited", "url", "first")?;
    namespace.apply(&list(&[
        workload("Deployment", "asks", 0, "restart"),
        workload("Deployment", "other", 0, "signal=HUP"),
    ]))?;
    let token = world
        .system()
        .run(&["create", "token", "kees-controller"])?;
    let controller = namespace.with_token(token.trim());
    let patch = |name: &str, patch: Value| {
        let patch = format!("--patch={patch}");
        let workload = format!("deployment/{name}");
        controller.run(&["patch", &workload, "--type=merge", &patch])
    };
    let restart = json!({"spec": {"template": {"metadata": {"annotations": {
        "kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z",
    }}}}});
    patch("asks", restart.clone())?;
    let denied = |name: &str, change: Value, expected: &str| {
        let result = patch(name, change.clone());
        let error = result.err().with_context(|| format!("allowed: {change}"))?;
        ensure!(error.to_string().contains(expected), "{error}");
        anyhow::Ok(())
    };
    denied("other", restart, "kees-controller restarts only workloads")?;
    let changes = [
        json!({"spec": {"replicas": 1}}),
        json!({"spec": {"paused": true}}),
        json!({"metadata": {"labels": {"a": "b"}}}),
        json!({"spec": {"template": {"metadata": {"labels": {"a": "b"}}}}}),
        json!({"spec": {"template": {"metadata": {"annotations": {"a": "b"}}}}}),
        json!({"spec": {"template": {"spec": {"serviceAccountName": "admin"}}}}),
    ];
    for change in changes {
        denied(
            "asks",
            change,
            "kees-controller may change only the annotation",
        )?;
    }
    let stop = json!({"spec": {"template": {"metadata": {"annotations": {ON_CHANGE: null}}}}});
    denied("asks", stop, "kees-controller restarts only workloads")
}
