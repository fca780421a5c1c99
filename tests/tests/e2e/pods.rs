//! The manifests of pods in tests, and the files that they read.

use std::collections::BTreeMap;

use anyhow::Context as _;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use kees_tests::Kubectl;
use serde_json::{Map, Value, json};

/// Annotations without the domain, such as `secret/db-password`.
pub(crate) type Annotations<'a> = &'a [(&'a str, &'a str)];

/// A container that keeps running.
pub(crate) fn container(name: &str) -> Value {
    json!({
        "name": name,
        "image": "localhost/busybox:1",
        "imagePullPolicy": "Never",
        "command": ["sleep", "86400"],
    })
}

/// A pod with one container `app`.
pub(crate) fn pod(name: &str, annotations: Annotations<'_>) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "annotations": written(annotations)},
        "spec": {"containers": [container("app")], "terminationGracePeriodSeconds": 0},
    })
}

/// A Deployment of pods as [`pod`] creates them.
pub(crate) fn deployment(name: &str, replicas: u32, annotations: Annotations<'_>) -> Value {
    let mut template = pod(name, annotations);
    template["metadata"]["labels"] = json!({"app": name});
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
pub(crate) fn restricted(mut container: Value) -> Value {
    container["securityContext"] = json!({
        "runAsNonRoot": true,
        "runAsUser": 1000,
        "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    });
    container
}

/// The names of the pods of a Deployment.
pub(crate) fn pods_of(kubectl: &Kubectl, app: &str) -> anyhow::Result<Vec<String>> {
    let list = kubectl.get(&["pods", "-l", &format!("app={app}")])?;
    let names = list["items"]
        .as_array()
        .context("the list has no items")?
        .iter();
    Ok(names
        .filter_map(|pod| pod["metadata"]["name"].as_str().map(str::to_owned))
        .collect())
}

/// The secrets that the application of a pod reads: name to value.
pub(crate) fn secrets(kubectl: &Kubectl, pod: &str) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let text = kubectl.exec(pod, "app", &["cat", "/bsycorp-init/secrets.properties"])?;
    properties(&text)
}

/// Decodes `NAME=BASE64` lines.
pub(crate) fn properties(text: &str) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let decoded = |line: &str| {
        let (name, value) = line
            .split_once('=')
            .with_context(|| format!("the line has no `=`: {line}"))?;
        Ok((name.to_owned(), BASE64_STANDARD.decode(value)?))
    };
    text.lines().map(decoded).collect()
}

fn written(annotations: Annotations<'_>) -> Value {
    let full =
        |(name, value): &(&str, &str)| (name.replacen('/', ".bsycorp.com/", 1), json!(value));
    Value::Object(annotations.iter().map(full).collect::<Map<_, _>>())
}
