//! Tests that values appear in no log, event, metric or Kubernetes object.

use base64::prelude::{BASE64_STANDARD, Engine as _};

use crate::{
    pods::{deployment, pods_of, secrets},
    world::World,
};

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
        places.push(("the webhook's log", system.run(&["logs", &name])?));
        places.push((
            "the webhook's metrics",
            system.run(&["get", "--raw", &metrics])?,
        ));
    }
    assert!(
        places.iter().any(|(_, text)| text.contains("\"review\"")),
        "the webhook logs no reviews"
    );

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

fn pods_of_webhook(system: &kees_tests::Kubectl) -> anyhow::Result<Vec<String>> {
    let names = system.run(&["get", "pods", "-o", "name"])?;
    Ok(names
        .lines()
        .filter_map(|name| name.strip_prefix("pod/").map(str::to_owned))
        .collect())
}
