//! A pod in which ours stands already: what is there beside what would be injected now.
//!
//! The API server calls again as soon as another plugin touches the pod after us, fills in
//! defaults in between, and whoever writes a pod may put anything into a container of our name. So
//! what is there counts as ours only where it says the same, defaults aside; everything else is
//! replaced whole.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    PodError,
    decode::object::nullable,
    error::{Place, PodErrorKind},
    names,
    patch::container::{write_container, write_volume},
    patch::injection::Injection,
    patch::json::JsonWriter,
    patch::operations::OperationWriter,
    pod::quantity::nanos,
    pod::view::Source,
};

/// What of ours stands in a pod.
pub(crate) struct Existing {
    /// The index of our container.
    index: usize,
    container: Value,
    /// Our volumes, in the order of [`names::VOLUMES`], each with its index.
    volumes: [Option<(usize, Value)>; 3],
}

impl Existing {
    /// Reads ours from the pod, whole.
    ///
    /// # Errors
    /// A volume of our name that is of another kind than ours.
    pub(crate) fn read(injection: &Injection<'_>, index: usize) -> Result<Self, Vec<PodError>> {
        let pod = WholePod::read(injection.pod.source).map_err(|_| {
            vec![PodError::at(
                Place::Field("spec".to_owned()),
                PodErrorKind::Unreadable,
            )]
        })?;
        let mut faults = Vec::new();
        let mut volumes = [None, None, None];
        for (at, volume) in pod.spec.volumes.into_iter().enumerate() {
            let name = volume
                .get("name")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let Some(slot) = names::VOLUMES.iter().position(|ours| *ours == name) else {
                continue;
            };
            let kind = if name == names::PODINFO {
                "downwardAPI"
            } else {
                "emptyDir"
            };
            let taken = volumes.get(slot).is_some_and(Option::is_some);
            if taken || volume.get(kind).is_none_or(Value::is_null) {
                faults.push(PodError::at(
                    Place::Field(format!("spec.volumes[{name}]")),
                    PodErrorKind::NameTaken {
                        name: name.to_owned(),
                    },
                ));
            } else if let Some(slot) = volumes.get_mut(slot) {
                *slot = Some((at, volume));
            }
        }
        let container = pod
            .spec
            .init_containers
            .into_iter()
            .nth(index)
            .unwrap_or_default();
        if faults.is_empty() {
            Ok(Self {
                index,
                container,
                volumes,
            })
        } else {
            Err(faults)
        }
    }

    /// Writes what must change; nothing where all is as it would be injected now.
    pub(crate) fn write_difference(
        &self,
        injection: &Injection<'_>,
        operations: &mut OperationWriter<'_>,
    ) {
        self.write_volumes(injection, operations);
        injection.write_mounts(operations);
        self.write_container(injection, operations);
        injection.write_stamp(operations);
    }

    fn write_volumes(&self, injection: &Injection<'_>, operations: &mut OperationWriter<'_>) {
        if self.volumes.iter().all(Option::is_none) {
            injection.write_volumes(operations);
            return;
        }
        for (name, existing) in names::VOLUMES.iter().zip(&self.volumes) {
            let wanted = value(|json| write_volume(json, name, injection));
            let write = |json: &mut JsonWriter| json.raw(&wanted.to_string());
            match existing {
                None => operations.add("/spec/volumes/-", write),
                Some((_, volume)) if canonical_volume(volume) == canonical_volume(&wanted) => {}
                Some((at, _)) => operations.replace(&format!("/spec/volumes/{at}"), write),
            }
        }
    }

    fn write_container(&self, injection: &Injection<'_>, operations: &mut OperationWriter<'_>) {
        let at = |index: usize| format!("/spec/initContainers/{index}");
        let position = injection.placement.position;
        if self.index != position {
            operations.relocate(&at(self.index), &at(position));
        }
        let mut wanted = value(|json| write_container(json, injection));
        keep_additions(&self.container, &mut wanted);
        if canonical_container(&self.container) != canonical_container(&wanted) {
            operations.replace(&at(position), |json| json.raw(&wanted.to_string()));
        }
    }
}

#[derive(Deserialize, Default)]
struct WholePod {
    spec: WholeSpec,
}

impl WholePod {
    fn read(source: Source<'_>) -> serde_json::Result<Self> {
        #[derive(Deserialize)]
        struct Review {
            request: Request,
        }

        #[derive(Deserialize)]
        struct Request {
            object: WholePod,
        }

        match source {
            Source::Pod(json) => serde_json::from_str(json),
            Source::Review(json) => {
                serde_json::from_str(json).map(|review: Review| review.request.object)
            }
            Source::Nowhere => Ok(Self::default()),
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct WholeSpec {
    #[serde(default, deserialize_with = "nullable")]
    volumes: Vec<Value>,
    #[serde(default, deserialize_with = "nullable")]
    init_containers: Vec<Value>,
}

/// What a writer writes, as a tree.
fn value(write: impl FnOnce(&mut JsonWriter)) -> Value {
    let mut json = JsonWriter::with_capacity(2048);
    write(&mut json);
    // It is JSON by construction; were it not, `null` would replace what is there and be refused.
    serde_json::from_str(json.as_str()).unwrap_or_default()
}

/// What others may have added to our container, and which must stay as it is or the pod would be
/// refused later: amounts from a `LimitRange`, an id from the namespace's range (`OpenShift`),
/// `AlwaysPullImages`.
fn keep_additions(existing: &Value, wanted: &mut Value) {
    for word in ["requests", "limits"] {
        let Some(amounts) = existing["resources"][word].as_object() else {
            continue;
        };
        for (name, amount) in amounts {
            let has = wanted["resources"][word].get(name).is_some();
            if !has && amount.as_str().and_then(nanos).is_some() {
                wanted["resources"][word][name] = amount.clone();
            }
        }
    }
    for id in ["runAsUser", "runAsGroup"] {
        let existing = &existing["securityContext"][id];
        if wanted["securityContext"].get(id).is_none() && existing.as_u64().is_some_and(|id| id > 0)
        {
            wanted["securityContext"][id] = existing.clone();
        }
    }
    let policy = &existing["imagePullPolicy"];
    let unset = wanted.get("imagePullPolicy").is_none();
    if policy == "Always" || (unset && policy == "IfNotPresent") {
        wanted["imagePullPolicy"] = policy.clone();
    }
}

/// A container without the defaults that the API server fills in, its lists in the order of their
/// keys.
fn canonical_container(container: &Value) -> Value {
    let mut canonical = without_empty(container);
    let Some(fields) = canonical.as_object_mut() else {
        return canonical;
    };
    drop_default(
        fields,
        "terminationMessagePath",
        &json!("/dev/termination-log"),
    );
    drop_default(fields, "terminationMessagePolicy", &json!("File"));
    // Says what happens when amounts change; filled in since Kubernetes 1.33.
    fields.remove("resizePolicy");
    if let Some(security) = object(fields.get_mut("securityContext")) {
        drop_default(security, "procMount", &json!("Default"));
    }
    if let Some(resources) = object(fields.get_mut("resources")) {
        for amounts in resources.values_mut().filter_map(Value::as_object_mut) {
            amounts.values_mut().for_each(canonical_amount);
        }
    }
    if let Some(env) = fields.get_mut("env").and_then(Value::as_array_mut) {
        for variable in env.iter_mut().filter_map(Value::as_object_mut) {
            drop_default(variable, "value", &json!(""));
            if let Some(source) = object(variable.get_mut("valueFrom")) {
                drop_field_version(source);
            }
        }
        env.sort_by_cached_key(|variable| variable["name"].to_string());
    }
    if let Some(mounts) = fields.get_mut("volumeMounts").and_then(Value::as_array_mut) {
        for mount in mounts.iter_mut().filter_map(Value::as_object_mut) {
            drop_default(mount, "readOnly", &json!(false));
            drop_default(mount, "mountPropagation", &json!("None"));
            drop_default(mount, "recursiveReadOnly", &json!("Disabled"));
        }
        mounts.sort_by_cached_key(|mount| mount["mountPath"].to_string());
    }
    canonical
}

/// A volume without the defaults that the API server fills in.
fn canonical_volume(volume: &Value) -> Value {
    let mut canonical = volume.clone();
    let Some(fields) = canonical.as_object_mut() else {
        return canonical;
    };
    fields.retain(|_, value| !value.is_null());
    if let Some(files) = object(fields.get_mut("downwardAPI")) {
        drop_default(files, "defaultMode", &json!(0o644));
        for item in files
            .get_mut("items")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            if let Some(item) = item.as_object_mut() {
                drop_field_version(item);
            }
        }
    }
    if let Some(size) = object(fields.get_mut("emptyDir")).and_then(|dir| dir.get_mut("sizeLimit"))
    {
        canonical_amount(size);
    }
    canonical
}

fn object(value: Option<&mut Value>) -> Option<&mut Map<String, Value>> {
    value.and_then(Value::as_object_mut)
}

fn drop_default(fields: &mut Map<String, Value>, name: &str, default: &Value) {
    if fields.get(name) == Some(default) {
        fields.remove(name);
    }
}

/// `fieldRef.apiVersion`, which is `v1` by default.
fn drop_field_version(source: &mut Map<String, Value>) {
    if let Some(field) = object(source.get_mut("fieldRef")) {
        drop_default(field, "apiVersion", &json!("v1"));
    }
}

/// `0.5` and `500m` are one amount.
fn canonical_amount(amount: &mut Value) {
    if let Some(nanos) = amount.as_str().and_then(nanos) {
        *amount = Value::String(nanos.to_string());
    }
}

/// An object without members that say nothing.
fn without_empty(value: &Value) -> Value {
    let says_nothing = |value: &Value| match value {
        Value::Null => true,
        Value::Object(members) => members.is_empty(),
        Value::Array(elements) => elements.is_empty(),
        _ => false,
    };
    match value.as_object() {
        Some(members) => members
            .iter()
            .filter(|(_, value)| !says_nothing(value))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect::<Map<_, _>>()
            .into(),
        None => value.clone(),
    }
}
