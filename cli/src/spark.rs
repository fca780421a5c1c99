//! The pods of a `SparkApplication`. The Spark operator puts the annotations of `spec.driver` and
//! `spec.executor` on the pods, beside those of a pod template, which may be absent.

use serde_json::{Map, Value, json};

use crate::place::Place;

/// The parts of the specification that annotate pods, and the name that Spark gives to their container.
const ROLES: [(&str, &str); 2] = [
    ("driver", "spark-kubernetes-driver"),
    ("executor", "spark-kubernetes-executor"),
];

/// The JSON pointers to the roles of an object of that kind that annotate pods, each with its pod.
pub(crate) fn find(kind: &str, object: &Value) -> Vec<(String, Value)> {
    let spec = match kind {
        "SparkApplication" => "/spec",
        "ScheduledSparkApplication" => "/spec/template",
        _ => return Vec::new(),
    };
    let roles = ROLES.iter().filter_map(|(role, container)| {
        let pointer = format!("{spec}/{role}");
        let pod = pod(object.pointer(&pointer)?, container)?;
        Some((pointer, pod))
    });
    roles.collect()
}

/// The pod of a role that has annotations.
fn pod(role: &Value, container: &str) -> Option<Value> {
    let annotations = role.get("annotations")?.as_object()?;
    let template = |pointer: &str| {
        let map = role.get("template")?.pointer(pointer)?.as_object();
        map.cloned()
    };
    let mut metadata = template("/metadata").unwrap_or_default();
    let mut all = template("/metadata/annotations").unwrap_or_default();
    all.extend(annotations.clone());
    metadata.insert("annotations".to_owned(), all.into());

    let mut spec = template("/spec").unwrap_or_default();
    if let Some(account) = role.get("serviceAccount") {
        spec.insert("serviceAccountName".to_owned(), account.clone());
    }
    let mut containers = items(&spec, "containers");
    if containers.is_empty() {
        containers.push(json!({"name": container}));
    }
    let role = role.as_object()?;
    containers.extend(items(role, "sidecars"));
    let mut init_containers = items(&spec, "initContainers");
    init_containers.extend(items(role, "initContainers"));
    spec.insert("containers".to_owned(), containers.into());
    if !init_containers.is_empty() {
        spec.insert("initContainers".to_owned(), init_containers.into());
    }
    Some(json!({"metadata": metadata, "spec": spec}))
}

fn items(map: &Map<String, Value>, field: &str) -> Vec<Value> {
    let array = map.get(field).and_then(Value::as_array);
    array.cloned().unwrap_or_default()
}

/// Where a place of such a pod is in its role.
pub(crate) fn place_in_role(role: Option<&Value>, place: &Place) -> Place {
    let mut path = place.path.clone();
    let is_annotation = |key: &str| role.is_some_and(|role| role["annotations"].get(key).is_some());
    match place.path.as_slice() {
        [metadata, annotations, key]
            if metadata == "metadata" && annotations == "annotations" && is_annotation(key) =>
        {
            path.remove(0);
        }
        _ => path.insert(0, "template".to_owned()),
    }
    Place {
        path,
        part: place.part.clone(),
    }
}
