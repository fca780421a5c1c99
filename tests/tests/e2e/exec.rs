//! Tests containers whose command `kees-init exec` starts with environment variables.

use std::time::Duration;

use anyhow::Context as _;
use kees_tests::{Kubectl, eventually};
use serde_json::{Value, json};

use crate::{
    pods::{Annotations, container, pod, restricted, secrets},
    world::World,
};

const VARIABLES: Annotations<'_> = &[
    ("secret/db-password", "kind=DYNAMIC,type=PASSWORD,size=256"),
    ("init/env", "DB_PASSWORD=db-password"),
];

/// Writes down what the test needs to know, and ends with a status of its own at SIGTERM. Kubernetes makes
/// `$$` of `$$$$`.
const SCRIPT: &str = "trap 'exit 42' TERM; echo \"$$$$ $DB_PASSWORD\" > /tmp/seen; \
                      while :; do sleep 0.1; done";

/// A pod whose application has a command of its own.
fn application(name: &str, app: &Value, annotations: Annotations<'_>) -> Value {
    let mut pod = pod(name, annotations);
    pod["spec"]["containers"] = json!([app]);
    pod["spec"]["restartPolicy"] = json!("Never");
    pod["spec"]["terminationGracePeriodSeconds"] = json!(60);
    pod
}

const DEADLINE: Duration = Duration::from_mins(1);

/// Waits for the end of the container `app`, and returns its state.
fn ended(kubectl: &Kubectl, pod: &str) -> anyhow::Result<Value> {
    eventually("end of the container", DEADLINE, || {
        let pod = kubectl.get(&["pod", pod])?;
        let containers = pod["status"]["containerStatuses"].as_array();
        let mut containers = containers.into_iter().flatten();
        let app = containers.find(|container| container["name"] == "app");
        let state = app.map(|app| &app["state"]["terminated"]);
        let state = state.filter(|state| state.is_object());
        state.cloned().context("it is running")
    })
}

#[test]
fn an_application_has_its_variables_and_ends_with_its_own_status() -> anyhow::Result<()> {
    let world = World::shared()?;
    let namespace = world.restricted_namespace("variables")?;
    // A root file system that is read-only, and a user that is not that of the init container.
    let mut app = restricted(container("app"));
    app["command"] = json!(["sh", "-c", SCRIPT]);
    app["securityContext"]["readOnlyRootFilesystem"] = json!(true);
    app["volumeMounts"] = json!([{"name": "tmp", "mountPath": "/tmp"}]);
    let mut other = restricted(container("other"));
    other["command"] = json!(["sleep", "86400"]);
    other["securityContext"]["runAsUser"] = json!(2000);
    let mut pod = application("web", &app, VARIABLES);
    pod["spec"]["containers"]
        .as_array_mut()
        .into_iter()
        .for_each(|list| list.push(other.clone()));
    pod["spec"]["volumes"] = json!([{"name": "tmp", "emptyDir": {}}]);
    namespace.apply(&pod.to_string())?;
    namespace.wait_for("pod/web", "condition=Ready")?;

    let password = secrets(&namespace, "web")?.remove("db-password");
    let password = String::from_utf8(password.unwrap_or_default())?;
    assert_eq!(password.len(), 32);
    let seen = eventually("output of the application", DEADLINE, || {
        let seen = namespace.exec("web", "app", &["cat", "/tmp/seen"])?;
        anyhow::ensure!(!seen.is_empty(), "it is empty");
        Ok(seen)
    })?;
    assert_eq!(seen.trim(), format!("1 {password}"));
    // The command of kubectl exec has no variables, and the process has nothing of kees-init.
    let direct = namespace.exec("web", "app", &["sh", "-c", "echo \"<$DB_PASSWORD>\""])?;
    assert_eq!(direct.trim(), "<>");
    let open = namespace.exec(
        "web",
        "app",
        &["sh", "-c", "ls -l /proc/1/fd; cat /proc/1/cmdline"],
    )?;
    assert!(!open.contains("kees"), "{open}");

    let yaml = namespace.run(&["get", "pod", "web", "-o", "yaml"])?;
    assert!(yaml.contains("DB_PASSWORD=db-password"), "{yaml}");
    assert!(!yaml.contains(&password), "the pod shows the value");

    namespace.exec("web", "app", &["kill", "-TERM", "1"])?;
    let state = ended(&namespace, "web")?;
    assert_eq!(state["exitCode"], 42, "{state}");
    Ok(())
}

#[test]
fn a_command_that_does_not_exist_ends_with_the_words_of_a_shell() -> anyhow::Result<()> {
    let world = World::shared()?;
    let namespace = world.namespace("not-found")?;
    let mut app = container("app");
    app["command"] = json!(["no-such-command"]);
    app["terminationMessagePolicy"] = json!("FallbackToLogsOnError");
    namespace.apply(&application("web", &app, VARIABLES).to_string())?;
    let state = ended(&namespace, "web")?;
    assert_eq!(state["exitCode"], 127, "{state}");
    assert_eq!(state["message"], "kees-init: no-such-command: not found\n");
    Ok(())
}

#[test]
fn a_container_without_a_command_is_denied() -> anyhow::Result<()> {
    let world = World::shared()?;
    let namespace = world.namespace("no-command")?;
    let mut app = container("app");
    app["command"] = json!(null);
    let denied = namespace.apply(&application("web", &app, VARIABLES).to_string());
    let message = denied
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default();
    let expected = "spec.containers[app]: it has no command";
    assert!(message.contains(expected), "{message}");
    Ok(())
}
