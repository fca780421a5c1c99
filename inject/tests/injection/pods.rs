//! Pods and settings for the tests.

use kees_inject::{Decision, InjectSettings, PodView, decide};
use serde_json::{Value, json};

/// Settings of an operator with DynamoDB and without a policy.
pub(crate) fn settings() -> InjectSettings {
    let mut settings = InjectSettings::new("registry.example.com/kees-init:0.1.0");
    "0.1.0".clone_into(&mut settings.version);
    settings
        .init_env
        .insert("ENV_LABEL".to_owned(), "dev".to_owned());
    settings
}

/// The same settings with a policy.
pub(crate) fn with_policy(yaml: &str) -> InjectSettings {
    InjectSettings {
        policy: yaml.parse().unwrap(),
        ..settings()
    }
}

/// A pod of one container with one entry, and the `init.` annotations `options`.
pub(crate) fn pod<'a>(options: impl IntoIterator<Item = (&'a str, &'a str)>) -> Value {
    let mut pod = json!({
        "metadata": {"annotations": {
            "secret.bsycorp.com/db-password": "kind=DYNAMIC,type=PASSWORD,size=256"
        }},
        "spec": {"containers": [{"name": "app", "image": "app:1"}]}
    });
    for (name, value) in options {
        pod["metadata"]["annotations"][format!("init.bsycorp.com/{name}")] = value.into();
    }
    pod
}

/// The decision about a pod in the namespace `team-a`.
pub(crate) fn decision(pod: &Value, settings: &InjectSettings) -> Decision {
    let text = pod.to_string();
    decide(&PodView::from_json(&text).unwrap(), "team-a", settings)
}

/// The operations that inject a pod.
pub(crate) fn operations(pod: &Value, settings: &InjectSettings) -> Value {
    match decision(pod, settings) {
        Decision::Patch { operations, .. } => serde_json::from_str(operations.as_json()).unwrap(),
        other => panic!("not injected: {other:?}"),
    }
}

/// The injected pod.
pub(crate) fn injected(pod: &Value, settings: &InjectSettings) -> Value {
    let patch: json_patch::Patch = serde_json::from_value(operations(pod, settings)).unwrap();
    let mut pod = pod.clone();
    json_patch::patch(&mut pod, &patch).unwrap();
    pod
}

/// The errors of a pod that is denied.
pub(crate) fn errors(pod: &Value, settings: &InjectSettings) -> Vec<String> {
    match decision(pod, settings) {
        Decision::Deny { errors, .. } => errors.iter().map(ToString::to_string).collect(),
        other => panic!("not denied: {other:?}"),
    }
}

/// The warnings of any decision.
pub(crate) fn warnings(pod: &Value, settings: &InjectSettings) -> Vec<String> {
    let (Decision::Skip { warnings, .. }
    | Decision::Deny { warnings, .. }
    | Decision::Patch { warnings, .. }) = decision(pod, settings);
    warnings
}

/// The init container `kees-init`.
pub(crate) fn init_container(pod: &Value) -> &Value {
    let containers = pod["spec"]["initContainers"].as_array().unwrap();
    containers
        .iter()
        .find(|container| container["name"] == "kees-init")
        .unwrap()
}

/// The literal value of a variable of the init container.
pub(crate) fn variable<'p>(pod: &'p Value, name: &str) -> Option<&'p str> {
    let env = init_container(pod)["env"].as_array().unwrap();
    env.iter().find(|variable| variable["name"] == name)?["value"].as_str()
}

/// The names of the containers of a list. `reads` marks those that mount the files.
pub(crate) fn mounted(pod: &Value, list: &str) -> Vec<String> {
    let containers = pod["spec"][list].as_array().unwrap();
    let mark = |container: &Value| {
        let name = container["name"].as_str().unwrap();
        let mounts = container["volumeMounts"].as_array();
        let reads = |mount: &Value| mount["name"] == "kees-secrets" && mount["readOnly"] == true;
        if mounts.is_some_and(|mounts| mounts.iter().any(reads)) {
            format!("{name} reads")
        } else {
            name.to_owned()
        }
    };
    containers.iter().map(mark).collect()
}
