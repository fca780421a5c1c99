//! The cases of AWS's provider and of the Secrets Store CSI driver: inputs, and what the originals make of them. They
//! are data beside this repository, in `../shared/conformance/ascp`. `KEES_ASCP_CASES` names another folder; `none`
//! passes them over.

#![expect(
    clippy::print_stderr,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and says what it passes over"
)]

mod classes;
mod file_paths;
mod jmes;
mod manifests;
mod mounts;
mod objects;
mod rotation;
mod secret_objects;
mod settings;

use std::{collections::BTreeMap, env, fs, path::PathBuf};

use kees_secret_provider_class::{
    Around, ClassSpec, Mount, Object, ParseClassError, Surroundings, parse,
};
use serde_json::{Value, json};

/// The variable that names another folder with the cases.
const FOLDER: &str = "KEES_ASCP_CASES";

/// A file of the folder; `None` if the variable says `none`.
fn read(file: &str) -> Option<String> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/conformance/ascp");
    let named = env::var_os(FOLDER).map(PathBuf::from);
    let folder = named.unwrap_or_else(|| beside.into());
    if folder.as_os_str() == "none" {
        eprintln!("passed over: {FOLDER} is none");
        return None;
    }
    let path = folder.join(file);
    let text = fs::read_to_string(&path);
    let text = text.unwrap_or_else(|error| {
        panic!(
            "{}: {error}; name the folder of the cases with {FOLDER}, or pass them over with {FOLDER}=none",
            path.display()
        )
    });
    Some(text)
}

/// The JSON of a file; null if they are passed over.
fn cases(file: &str) -> Value {
    let text = read(file);
    text.map_or(Value::Null, |text| serde_json::from_str(&text).unwrap())
}

/// The cases of a list, of which there are so many.
fn list(cases: &Value, count: usize) -> &[Value] {
    let list = cases.as_array().map(Vec::as_slice).unwrap_or_default();
    assert!(cases.is_null() || list.len() == count, "{}", list.len());
    list
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap()
}

fn class(parameters: &[(&str, &str)]) -> ClassSpec {
    let parameters = parameters.iter();
    let parameters = parameters.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    ClassSpec {
        provider: Some("aws".to_owned()),
        parameters: Some(parameters.collect()),
        secret_objects: None,
    }
}

fn parse_alone(class: &ClassSpec, region: Around<'_>) -> Result<Mount, Vec<ParseClassError>> {
    let role = Around::Known("role");
    parse(class, &BTreeMap::new(), &Surroundings { region, role })
}

/// The objects as the cases describe them: services sorted, without what is absent.
fn described(mount: &Mount) -> Value {
    let mut objects: Vec<&Object> = mount.objects.iter().collect();
    objects.sort_by_key(|object| object.service);
    let objects = objects.into_iter().map(|object| {
        let mut described = json!({
            "service": object.service.to_string(),
            "name": object.selector.name,
            "file": object.file.path,
            "mode": object.file.mode.to_string(),
        });
        let mut add = |key: &str, value: Option<&String>| {
            if let Some(value) = value {
                described[key] = json!(value);
            }
        };
        add("version", object.selector.version.as_ref());
        add("label", object.selector.label.as_ref());
        let failover = object.failover.as_ref();
        add("failover_name", failover.map(|failover| &failover.name));
        add(
            "failover_version",
            failover.and_then(|failover| failover.version.as_ref()),
        );
        if !object.extracts.is_empty() {
            let extracts = object.extracts.iter().map(|extract| {
                json!({
                    "path": extract.expression,
                    "file": extract.file.path,
                    "mode": extract.file.mode.to_string(),
                })
            });
            described["jmes"] = extracts.collect();
        }
        described
    });
    objects.collect()
}
