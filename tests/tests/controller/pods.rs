//! The pods of the tests.

use serde_json::{Map, Value, json};

/// The key of an entry.
pub(crate) fn entry(name: &str) -> String {
    format!("secret.bsycorp.com/{name}")
}

/// A pod with these annotations, which prints its secrets and keeps running.
pub(crate) fn pod(name: &str, annotations: &[(String, &str)]) -> Value {
    let annotations: Map<_, _> = annotations
        .iter()
        .map(|(key, value)| (key.clone(), json!(value)))
        .collect();
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": "app",
                "image": "localhost/busybox:1",
                "imagePullPolicy": "Never",
                "command": ["sh", "-c", "cat /bsycorp-init/secrets.properties && exec sleep 86400"],
            }],
        },
    })
}

/// The same pod, which is never put on a node. The controller does not wait for that.
pub(crate) fn never_scheduled(mut pod: Value) -> Value {
    pod["spec"]["schedulingGates"] = json!([{"name": "kees.test/never"}]);
    pod
}

/// One manifest with all pods.
pub(crate) fn list(pods: &[Value]) -> String {
    json!({"apiVersion": "v1", "kind": "List", "items": pods}).to_string()
}
