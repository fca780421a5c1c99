//! Tests that values appear in no log, event, metric or Kubernetes object.

use base64::prelude::{BASE64_STANDARD, Engine as _};

use serde_json::Value;

use crate::{
    pods::{deployment, pods_of, secrets},
    world::World,
};

const WEBHOOK_LOG: &str = "the webhook's log";

#[test]
fn no_value_is_in_logs_events_metrics_or_objects() -> anyhow::Result<()> {
    let world = World::shared()?;
    let namespace = world.namespace("secrecy")?;
    let annotations = [
        ("secret/password", "kind=DYNAMIC,type=PASSWORD,size=256"),
        ("secret/key", "kind=DYNAMIC,type=RANDOM,size=256"),
        ("secret/signing_private", "kind=DYNAMIC,type=RSA,size=2048"),
    ];
    namespace.apply(&deployment("web", 1, &annotations).to_string())?;
    namespace.rolled_out("deployment/web")?;
    let pod = &pods_of(&namespace, "web")?[0];
    let system = world.cluster.kubectl().in_namespace("kees-system");

    let mut places = vec![
        (
            "init's log",
            namespace.run(&["logs", pod, "-c", "kees-init"])?,
        ),
        (
            "the pod",
            namespace.run(&["get", "pod", pod, "-o", "yaml"])?,
        ),
        ("events", namespace.run(&["get", "events", "-o", "yaml"])?),
        (
            "other objects",
            namespace.run(&["get", "all,configmaps,secrets", "-o", "yaml"])?,
        ),
    ];
    for name in pods_of_webhook(&system)? {
        let metrics = format!("/api/v1/namespaces/kees-system/pods/http:{name}:8080/proxy/metrics");
        places.push((WEBHOOK_LOG, system.run(&["logs", &name])?));
        places.push((
            "the webhook's metrics",
            system.run(&["get", "--raw", &metrics])?,
        ));
    }
    let logs = places.iter().filter(|(place, _)| *place == WEBHOOK_LOG);
    let audited = logs.flat_map(|(_, log)| audit_lines(log, namespace.namespace()));
    let audited: Vec<_> = audited.collect();
    assert!(!audited.is_empty(), "the pod is not in the audit log");
    audited.iter().for_each(assert_audited);

    for (name, value) in secrets(&namespace, pod)? {
        let mut forms = vec![
            BASE64_STANDARD.encode(&value),
            BASE64_STANDARD.encode(BASE64_STANDARD.encode(&value)),
        ];
        forms.extend(String::from_utf8(value));
        for (place, text) in &places {
            assert!(
                forms.iter().all(|form| !text.contains(form)),
                "{name} is in {place}"
            );
        }
    }
    Ok(())
}

/// The lines of the audit log about patched pods of a namespace. A pod can have several: the identity
/// webhook causes a second call.
fn audit_lines(log: &str, namespace: &str) -> Vec<Value> {
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let is_of_pod = |line: &Value| {
        line["target"] == "kees_webhook::audit"
            && line["namespace"] == namespace
            && line["outcome"] == "patched"
    };
    lines.filter(is_of_pod).collect()
}

/// The line says who asked for what.
fn assert_audited(line: &Value) {
    let text = |key: &str| line[key].as_str().unwrap_or_default();
    assert_eq!(line["message"], "review", "{line}");
    // The controllers of this cluster call the API as its administrator.
    assert_eq!(text("user"), "admin", "{line}");
    assert!(text("owner").starts_with("ReplicaSet/web-"), "{line}");
    assert!(text("generate_name").starts_with("web-"), "{line}");
    assert_eq!(text("service_account"), "default", "{line}");
    let entries: Vec<_> = text("entries").split(',').collect();
    let names = entries.iter().map(|entry| entry.split_once('='));
    let (names, paths): (Vec<_>, Vec<_>) = names.flatten().unzip();
    assert_eq!(names, ["key", "password", "signing_private"], "{line}");
    for (name, path) in names.iter().zip(paths) {
        assert!(path.ends_with(&format!("/secrecy/{name}")), "{line}");
    }
}

fn pods_of_webhook(system: &kees_tests::Kubectl) -> anyhow::Result<Vec<String>> {
    let names = system.run(&["get", "pods", "-o", "name"])?;
    Ok(names
        .lines()
        .filter_map(|name| name.strip_prefix("pod/").map(str::to_owned))
        .collect())
}
