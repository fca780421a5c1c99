//! Values of a pod that have the wrong type. The API server refuses such a pod before it calls the
//! webhook, so the webhook's code does not report them.

use kees_inject::PodView;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use crate::error::CliErrorKind;

/// After so many fields with a wrong type the search stops.
const MAX_WRONG_TYPES: usize = 64;

/// A pod in which all values that the webhook reads have the right type.
pub(crate) struct TypedPod {
    pub(crate) json: String,
    /// The annotations whose values are not text. The pod has them as text, so that it is possible to
    /// find out what else is wrong.
    pub(crate) not_text: Vec<String>,
    /// The values of environment variables that are not text, which are handled in the same way.
    pub(crate) variables: Vec<CliErrorKind>,
    /// Other fields with a wrong type. They are missing in `json`.
    pub(crate) removed: Vec<CliErrorKind>,
}

impl TypedPod {
    /// Checks the types of a pod or pod template. No error contains a value.
    pub(crate) fn new(pod: &Value) -> Self {
        let mut pod = pod.clone();
        let not_text = annotations_to_text(&mut pod);
        let variables = variables_to_text(&mut pod);
        let removed = remove_wrong_types(&mut pod);
        Self {
            json: pod.to_string(),
            not_text,
            variables,
            removed,
        }
    }
}

/// YAML reads `true` without quotes as a boolean.
fn annotations_to_text(pod: &mut Value) -> Vec<String> {
    let annotations = pod.pointer_mut("/metadata/annotations");
    let annotations = annotations.and_then(Value::as_object_mut);
    let mut changed = Vec::new();
    for (key, value) in annotations.into_iter().flatten() {
        if is_not_text(value) {
            changed.push(key.clone());
            to_text(value);
        }
    }
    changed
}

fn variables_to_text(pod: &mut Value) -> Vec<CliErrorKind> {
    let mut errors = Vec::new();
    for list in ["initContainers", "containers"] {
        let containers = pod.get_mut("spec").into_iter();
        let containers = containers.flat_map(|spec| items_mut(spec, list));
        for (container, view) in containers {
            for (n, variable) in items_mut(view, "env") {
                if let Some(value) = variable.get_mut("value").filter(|value| is_not_text(value)) {
                    let field = format!("spec.{list}[{container}].env[{n}].value");
                    errors.push(CliErrorKind::WrongType(field));
                    to_text(value);
                }
            }
        }
    }
    errors
}

fn is_not_text(value: &Value) -> bool {
    !matches!(value, Value::String(_) | Value::Null)
}

/// Replaces a number or boolean by the text that its author most likely means.
fn to_text(value: &mut Value) {
    let text = match value {
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        _ => String::new(),
    };
    *value = Value::String(text);
}

/// The items of an array in a map, with their indexes; none if it is not an array.
fn items_mut<'a>(map: &'a mut Value, key: &str) -> impl Iterator<Item = (usize, &'a mut Value)> {
    let array = map.get_mut(key).and_then(Value::as_array_mut);
    array.into_iter().flatten().enumerate()
}

/// Removes the fields that the webhook cannot read, one after the other: each attempt to read the pod
/// finds one of them.
fn remove_wrong_types(pod: &mut Value) -> Vec<CliErrorKind> {
    let mut fields: Vec<String> = Vec::new();
    while fields.len() < MAX_WRONG_TYPES {
        let json = pod.to_string();
        if PodView::from_json(&json).is_ok() {
            break;
        }
        let path = wrong_type(&json);
        let field = path.as_ref().map_or("the pod".to_owned(), Path::to_string);
        if fields.contains(&field) {
            break;
        }
        fields.push(field);
        match path.and_then(|path| find_mut(pod, &path)) {
            Some(value) => *value = Value::Null,
            None => break,
        }
    }
    fields.into_iter().map(CliErrorKind::WrongType).collect()
}

/// The first field that cannot be read. The message of `serde_json` is not used, because it contains
/// the value.
fn wrong_type(json: &str) -> Option<Path> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let read = serde_path_to_error::deserialize::<_, PodView<'_>>(&mut deserializer);
    read.err().map(|error| error.path().clone())
}

fn find_mut<'a>(value: &'a mut Value, path: &Path) -> Option<&'a mut Value> {
    path.iter().try_fold(value, |value, segment| match segment {
        Segment::Seq { index } => value.get_mut(index),
        Segment::Map { key } => value.get_mut(key),
        Segment::Enum { .. } | Segment::Unknown => None,
    })
}
