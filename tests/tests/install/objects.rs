//! Kubernetes objects as a map, for comparisons.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde_json::{Map, Value};

/// The labels and annotations that only Helm adds.
const OF_HELM: [&str; 4] = [
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "checksum/settings",
    "helm.sh/chart",
];

/// Reads YAML documents.
pub(crate) fn parsed(yaml: &str) -> anyhow::Result<Vec<Value>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml)?;
    Ok(documents
        .into_iter()
        .filter(|object| !object.is_null())
        .collect())
}

/// The objects by kind and name, without what may differ between Helm and kustomize: the Namespace
/// (`helm install --create-namespace` creates it), Helm's own labels, the suffix that kustomize adds
/// to the name of the settings, and the order of variables and volumes.
pub(crate) fn comparable(yaml: &str) -> anyhow::Result<BTreeMap<String, Value>> {
    let mut objects = BTreeMap::new();
    for mut object in parsed(yaml)? {
        let kind = text(&object["kind"])?;
        if kind == "Namespace" {
            continue;
        }
        without_suffix(&mut object);
        without_helm(&mut object["metadata"]);
        if kind == "Deployment" {
            let template = &mut object["spec"]["template"];
            without_helm(&mut template["metadata"]);
            for list in ["env", "volumeMounts"] {
                sort(&mut template["spec"]["containers"][0][list]);
            }
            sort(&mut template["spec"]["volumes"]);
        }
        if let Some(policy) = object.pointer_mut("/data/policy.yaml") {
            *policy = serde_saphyr::from_str(policy.as_str().context("the policy is no text")?)?;
        }
        let key = format!("{kind}/{}", text(&object["metadata"]["name"])?);
        objects.insert(key, object);
    }
    Ok(objects)
}

fn text(value: &Value) -> anyhow::Result<String> {
    Ok(value.as_str().context("a text is missing")?.to_owned())
}

fn without_helm(metadata: &mut Value) {
    for field in ["labels", "annotations"] {
        let Some(map) = metadata[field].as_object_mut() else {
            continue;
        };
        map.retain(|name, _| !OF_HELM.contains(&name.as_str()));
    }
    let Some(metadata) = metadata.as_object_mut() else {
        return;
    };
    metadata
        .retain(|_, value| !value.is_null() && value.as_object().is_none_or(|map| !map.is_empty()));
}

fn sort(list: &mut Value) {
    if let Some(list) = list.as_array_mut() {
        list.sort_by_key(|item| item["name"].as_str().map(str::to_owned));
    }
}

/// Removes kustomize's suffix of ten characters from the names of settings.
fn without_suffix(value: &mut Value) {
    match value {
        Value::String(text) => {
            for name in [
                "kees-settings",
                "kees-controller-settings",
                "kees-kiss-settings",
            ] {
                if text
                    .strip_prefix(name)
                    .is_some_and(|rest| rest.starts_with('-'))
                {
                    name.clone_into(text);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(without_suffix),
        Value::Object(map) => map.values_mut().for_each(without_suffix),
        _ => {}
    }
}

/// Merges `more` into `base`; maps are merged, everything else is replaced.
pub(crate) fn merged(mut base: Value, more: Value) -> Value {
    fn merge(base: &mut Value, more: Value) {
        match (base, more) {
            (Value::Object(base), Value::Object(more)) => {
                for (key, value) in more {
                    merge(base.entry(key).or_insert(Value::Object(Map::new())), value);
                }
            }
            (base, more) => *base = more,
        }
    }
    merge(&mut base, more);
    base
}
