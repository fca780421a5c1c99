//! Classes, and pods with a CSI volume that names one.

use std::collections::BTreeMap;

use kees_tests::Kubectl;
use serde_json::{Value, json};

use crate::world::SERVICE_ACCOUNT;

/// Where the pods mount the volume.
pub(crate) const MOUNT: &str = "/mnt/secrets-store";

/// A class with these objects (YAML).
pub(crate) fn class(name: &str, objects: &str) -> Value {
    json!({
        "apiVersion": "secrets-store.csi.x-k8s.io/v1",
        "kind": "SecretProviderClass",
        "metadata": {"name": name},
        "spec": {"provider": "aws", "parameters": {"objects": objects}},
    })
}

/// The objects of secrets with these names.
pub(crate) fn secrets_named(names: &[&str]) -> String {
    let object = |name: &&str| format!("- {{objectName: {name}, objectType: secretsmanager}}\n");
    names.iter().map(object).collect()
}

/// The CSI volume of a class.
pub(crate) fn volume(class: &str) -> Value {
    json!({
        "name": "secrets",
        "csi": {
            "driver": "secrets-store.csi.k8s.io",
            "readOnly": true,
            "volumeAttributes": {"secretProviderClass": class},
        },
    })
}

/// A pod with a container `app` that mounts the volume of a class.
pub(crate) fn pod(name: &str, class: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "serviceAccountName": SERVICE_ACCOUNT,
            "terminationGracePeriodSeconds": 0,
            "volumes": [volume(class)],
            "containers": [{
                "name": "app",
                "image": "localhost/busybox:1",
                "imagePullPolicy": "Never",
                "command": ["sleep", "86400"],
                "volumeMounts": [{"name": "secrets", "mountPath": MOUNT, "readOnly": true}],
            }],
        },
    })
}

/// A Deployment of such pods.
pub(crate) fn deployment(name: &str, replicas: u32, class: &str) -> Value {
    let mut template = pod(name, class);
    template["metadata"] = json!({"labels": {"app": name}});
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": template["metadata"], "spec": template["spec"]},
        },
    })
}

/// Adds the security context that the Pod Security Standard `restricted` requires.
pub(crate) fn restricted(mut pod: Value) -> Value {
    pod["spec"]["containers"][0]["securityContext"] = json!({
        "runAsNonRoot": true,
        "runAsUser": 1000,
        "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    });
    pod
}

/// The files that the application of a pod finds in the volume: path to mode and content.
pub(crate) fn files(
    kubectl: &Kubectl,
    pod: &str,
) -> anyhow::Result<BTreeMap<String, (String, String)>> {
    let container = kubectl.get(&["pod", pod])?["spec"]["containers"][0]["name"].clone();
    let container = container.as_str().unwrap_or_default().to_owned();
    let script = format!("cd {MOUNT} && find . -type f -exec stat -L -c '%a %n' {{}} +");
    let list = kubectl.exec(pod, &container, &["sh", "-c", &script])?;
    let mut files = BTreeMap::new();
    for line in list.lines() {
        let Some((mode, name)) = line.split_once(" ./") else {
            continue;
        };
        let path = format!("{MOUNT}/{name}");
        let content = kubectl.exec(pod, &container, &["cat", &path])?;
        files.insert(name.to_owned(), (mode.to_owned(), content));
    }
    Ok(files)
}
