//! Tests pods that cannot get their secrets: `kubectl describe` shows the error, and no file is written.

use kees_tests::{DenyingStore, Kubectl, MACHINE};
use serde_json::Value;

use crate::{
    pods::{Annotations, pod},
    wired::wired,
    world::{ENV_LABEL, World},
};

const PASSWORD: Annotations<'_> = &[("secret/password", "kind=DYNAMIC,type=PASSWORD,size=128")];

#[test]
fn a_pod_whose_store_denies_names_the_missing_permission() -> anyhow::Result<()> {
    let world = World::shared()?;
    let namespace = world.cluster.namespace("denied", &[])?;
    let store = DenyingStore::start()?;
    let pod = wired(
        "denied",
        PASSWORD,
        &[
            ("STORE", "secretsmanager"),
            ("AWS_REGION", "eu-central-1"),
            ("STORAGE_PREFIX", "/test/denied"),
            ("AWS_ENDPOINT", &store.endpoint()),
            ("AWS_ACCESS_KEY_ID", "tests"),
            ("AWS_SECRET_ACCESS_KEY", "tests"),
            ("TIMEOUT", "3"),
        ],
    );
    let message = failed(&world, &namespace, &pod, 77)?;
    for part in [
        "secret.bsycorp.com/password",
        "/test/denied/password",
        "AccessDenied",
        "secretsmanager:",
    ] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
    Ok(())
}

#[test]
fn a_pod_whose_secret_is_absent_names_it() -> anyhow::Result<()> {
    let world = World::shared()?;
    let namespace = world.namespace("absent")?;
    let pod = pod(
        "absent",
        &[
            ("secret/there", "kind=DYNAMIC,type=PASSWORD,size=128"),
            ("secret/partner", "kind=REFERENCE,storageKey=never/stored"),
        ],
    );
    let message = failed(&world, &namespace, &pod, 75)?;
    for part in [
        "secret.bsycorp.com/partner",
        "/test/absent/never/stored",
        "dynamodb",
    ] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
    Ok(())
}

#[test]
fn a_pod_whose_store_is_unreachable_says_so() -> anyhow::Result<()> {
    let world = World::shared()?;
    let namespace = world.cluster.namespace("unreachable", &[])?;
    let closed_port = format!("http://{MACHINE}:1");
    let pod = wired(
        "unreachable",
        PASSWORD,
        &[
            ("ENV_LABEL", ENV_LABEL),
            ("STORAGE_PREFIX", "/test/unreachable"),
            ("AWS_ENDPOINT", &closed_port),
            ("AWS_ACCESS_KEY_ID", "tests"),
            ("AWS_SECRET_ACCESS_KEY", "tests"),
            ("TIMEOUT", "2"),
        ],
    );
    let message = failed(&world, &namespace, &pod, 69)?;
    for part in [
        "secret.bsycorp.com/password",
        "/test/unreachable/password",
        "Connection refused",
    ] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
    Ok(())
}

#[test]
fn a_pod_without_an_aws_identity_fails_within_five_seconds() -> anyhow::Result<()> {
    let world = World::shared()?;
    let namespace = world.cluster.namespace("no-identity", &[])?;
    let pod = pod("no-identity", PASSWORD);
    let message = failed(&world, &namespace, &pod, 77)?;
    for part in ["secret.bsycorp.com/password", "no AWS identity"] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }

    let admitted = namespace.get(&["pod", "no-identity"])?;
    let ended = ended(&admitted);
    let seconds = seconds_of(&ended["finishedAt"])? - seconds_of(&ended["startedAt"])?;
    assert!(seconds <= 5, "it took {seconds} s");
    Ok(())
}

/// Runs a pod whose init container must fail with `status`, and checks that its volume is empty.
/// Returns the message that `kubectl describe` shows.
fn failed(world: &World, namespace: &Kubectl, pod: &Value, status: i64) -> anyhow::Result<String> {
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    namespace.apply(&pod.to_string())?;
    let last = "jsonpath={.status.initContainerStatuses[0].lastState.terminated.exitCode}";
    namespace.wait_for(&format!("pod/{name}"), last)?;
    let admitted = namespace.get(&["pod", name])?;
    let message = ended(&admitted)["message"].as_str().unwrap_or_default();
    assert_eq!(ended(&admitted)["exitCode"], status, "{message}");
    let described = namespace.run(&["describe", "pod", name])?;
    for line in message.lines() {
        assert!(
            described.contains(line.trim()),
            "{line} is not in: {described}"
        );
    }

    let uid = admitted["metadata"]["uid"].as_str().unwrap_or_default();
    let injected = pod["spec"]["initContainers"].is_null();
    let volume = if injected { "kees-secrets" } else { "secrets" };
    let left: Vec<_> = std::fs::read_dir(world.cluster.memory_volume(uid, volume))?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<Result<_, _>>()?;
    assert!(left.is_empty(), "files are left: {left:?}");
    Ok(message.to_owned())
}

/// The state in which the init container's last run ended.
fn ended(pod: &Value) -> &Value {
    &pod["status"]["initContainerStatuses"][0]["lastState"]["terminated"]
}

/// The second of the day of a Kubernetes time.
fn seconds_of(time: &Value) -> anyhow::Result<i64> {
    let clock = time
        .as_str()
        .unwrap_or_default()
        .split(['T', 'Z'])
        .nth(1)
        .unwrap_or_default();
    let parts = clock
        .split(':')
        .map(str::parse)
        .collect::<Result<Vec<i64>, _>>()?;
    anyhow::ensure!(parts.len() == 3, "not a time: {time}");
    Ok(parts[0] * 3600 + parts[1] * 60 + parts[2])
}
