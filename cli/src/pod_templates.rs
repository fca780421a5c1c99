//! Where an object has its pod templates.

use serde_json::Value;

use crate::spark;

/// A pod template of an object, or another description of its pods.
#[derive(Debug)]
pub(crate) struct PodTemplate {
    /// The JSON pointer to it.
    pub(crate) pointer: String,
    /// The pod, if the object has no pod template there.
    pub(crate) composed: Option<Value>,
}

/// The pod templates of an object of that kind; none for an object that creates no pods.
pub(crate) fn find(kind: &str, object: &Value) -> Vec<PodTemplate> {
    let composed = spark::find(kind, object);
    let mut templates = pointers(kind, object);
    let is_composed = |template: &str| {
        let role = template.strip_suffix("/template");
        composed.iter().any(|(pointer, _)| role == Some(pointer))
    };
    templates.retain(|template| !is_composed(template));
    let templates = templates.into_iter().map(|pointer| PodTemplate {
        pointer,
        composed: None,
    });
    let composed = composed.into_iter().map(|(pointer, pod)| PodTemplate {
        pointer,
        composed: Some(pod),
    });
    composed.chain(templates).collect()
}

fn pointers(kind: &str, object: &Value) -> Vec<String> {
    let template = match kind {
        "Pod" => "",
        "Deployment"
        | "StatefulSet"
        | "DaemonSet"
        | "ReplicaSet"
        | "ReplicationController"
        | "Job" => "/spec/template",
        "CronJob" => "/spec/jobTemplate/spec/template",
        "PodTemplate" => "/template",
        _ => {
            let mut found = Vec::new();
            search(object, "", &mut found);
            return found;
        }
    };
    vec![template.to_owned()]
}

/// Finds the pod templates of a custom resource: everything below its top that holds containers in
/// `spec.containers`.
fn search(value: &Value, pointer: &str, found: &mut Vec<String>) {
    let containers = value.pointer("/spec/containers");
    let is_template = containers
        .and_then(Value::as_array)
        .is_some_and(|containers| {
            !containers.is_empty() && containers.iter().all(Value::is_object)
        });
    if is_template && !pointer.is_empty() {
        return found.push(pointer.to_owned());
    }
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let key = key.replace('~', "~0").replace('/', "~1");
                search(value, &format!("{pointer}/{key}"), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                search(item, &format!("{pointer}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// A name for one of several pod templates of an object: `replicatedjobs-0-template`.
pub(crate) fn part(template: &str) -> String {
    let segments = template
        .split('/')
        .filter(|segment| !matches!(*segment, "" | "spec"));
    let segments = segments.map(|segment| {
        let segment = segment.to_ascii_lowercase();
        segment.replace(|c: char| !c.is_ascii_alphanumeric(), "-")
    });
    segments.collect::<Vec<_>>().join("-")
}
