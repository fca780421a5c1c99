//! The pods of a manifest: bare ones, and those that a controller makes from a template.

use std::collections::{BTreeMap, btree_map};

use kees_common::{Domain, Word};
use serde_json::Value;

use crate::{
    fault::{CliError, CliErrorKind, ObjectName, Place},
    manifest::Document,
};

/// An object that is a pod or makes pods.
#[derive(Debug)]
pub(crate) struct Workload {
    pub(crate) place: Place,
    pub(crate) name: ObjectName,
    /// The name of a pod of it; where the controller makes one up, the workload's own.
    pub(crate) pod_name: String,
    /// The document it stands in, by index.
    document: usize,
    /// Where in the document its pod is, a JSON pointer.
    pointer: String,
    /// Annotations of ours on the controller, where nothing reads them.
    pub(crate) misplaced: Vec<String>,
}

impl Workload {
    /// Its pod, or the template of its pods: an object with `metadata` and `spec`.
    pub(crate) fn pod<'d>(&self, documents: &'d [Document]) -> Option<&'d Value> {
        documents.get(self.document)?.value.pointer(&self.pointer)
    }

    /// The same, to be changed.
    pub(crate) fn pod_mut<'d>(&self, documents: &'d mut [Document]) -> Option<&'d mut Value> {
        let document = documents.get_mut(self.document)?;
        document.value.pointer_mut(&self.pointer)
    }

    /// The folder for its files: `NAMESPACE/KIND-NAME`.
    pub(crate) fn folder(&self) -> String {
        let ObjectName {
            kind,
            namespace,
            name,
        } = &self.name;
        format!("{namespace}/{}-{name}", kind.to_lowercase())
    }
}

/// Every workload of `documents`, in their order. `namespace` is that of objects which name none.
pub(crate) fn find(
    documents: &[Document],
    namespace: &str,
    domain: &Domain,
) -> (Vec<Workload>, Vec<CliError>) {
    let mut search = Search {
        namespace,
        domain,
        workloads: Vec::new(),
        faults: Vec::new(),
    };
    for (index, document) in documents.iter().enumerate() {
        search.object(index, &document.place, &document.value, String::new(), None);
    }
    (search.workloads, search.faults)
}

/// Those of a name that one before them has: their files would be in one folder.
pub(crate) fn named_twice<'a>(workloads: impl IntoIterator<Item = &'a Workload>) -> Vec<CliError> {
    let mut first = BTreeMap::new();
    let mut faults = Vec::new();
    for workload in workloads {
        match first.entry(workload.folder()) {
            btree_map::Entry::Vacant(vacant) => {
                vacant.insert(&workload.place);
            }
            btree_map::Entry::Occupied(other) => {
                let problem = CliErrorKind::Twice(other.get().position());
                faults.push(problem.at(&workload.place));
            }
        }
    }
    faults
}

struct Search<'a> {
    namespace: &'a str,
    domain: &'a Domain,
    workloads: Vec<Workload>,
    faults: Vec<CliError>,
}

impl Search<'_> {
    /// Looks at one object, and at those in it where it is a list. An item of a typed list
    /// (`PodList`) may leave its kind to the list.
    fn object(
        &mut self,
        document: usize,
        place: &Place,
        object: &Value,
        pointer: String,
        implied: Option<&str>,
    ) {
        let kind = match kind(object, implied) {
            Ok(kind) => kind,
            Err(problem) => {
                let item = pointer.trim_start_matches('/').replace('/', ".");
                let it = if item.is_empty() { "it" } else { &item };
                let problem = format!("{it} {problem}");
                return self.fault(place, CliErrorKind::NotAnObject(problem));
            }
        };
        if let (Some(of), Some(Value::Array(items))) =
            (kind.strip_suffix("List"), object.get("items"))
        {
            let of = (!of.is_empty()).then_some(of);
            for (index, item) in items.iter().enumerate() {
                self.object(
                    document,
                    place,
                    item,
                    format!("{pointer}/items/{index}"),
                    of,
                );
            }
        } else if let Some(template) = template(kind, object) {
            self.workload(document, place, kind, object, pointer, template);
        }
    }

    fn workload(
        &mut self,
        document: usize,
        place: &Place,
        kind: &str,
        object: &Value,
        pointer: String,
        template: &'static str,
    ) {
        let name = match self.name(kind, object) {
            Ok(name) => name,
            Err(problem) => return self.fault(place, problem),
        };
        let place = Place {
            workload: Some(name.clone()),
            ..place.clone()
        };
        if !object.pointer(template).is_some_and(Value::is_object) {
            let field = template.trim_start_matches('/').replace('/', ".");
            return self.fault(&place, CliErrorKind::NoPod(field));
        }
        let pod_name = match kind {
            "StatefulSet" => format!("{}-0", name.name),
            _ => name.name.clone(),
        };
        let misplaced = if template.is_empty() {
            Vec::new()
        } else {
            self.entries(object)
        };
        self.workloads.push(Workload {
            place,
            name,
            pod_name,
            document,
            pointer: pointer + template,
            misplaced,
        });
    }

    fn name(&self, kind: &str, object: &Value) -> Result<ObjectName, CliErrorKind> {
        let metadata = |field| object.get("metadata")?.get(field)?.as_str();
        // What the API server would append to it is unknown.
        let generated = metadata("generateName").map(|name| name.trim_end_matches('-'));
        let name = metadata("name").or(generated).unwrap_or_default();
        let namespace = metadata("namespace").filter(|name| !name.is_empty());
        let name = ObjectName {
            kind: kind.to_owned(),
            namespace: namespace.unwrap_or(self.namespace).to_owned(),
            name: name.to_owned(),
        };
        // Both become folders.
        let bad = |field| CliErrorKind::BadName {
            kind: kind.to_owned(),
            field,
        };
        if !is_name(&name.name) {
            Err(bad("metadata.name"))
        } else if !is_name(&name.namespace) {
            Err(bad("metadata.namespace"))
        } else {
            Ok(name)
        }
    }

    /// The annotations of an object that name an entry.
    fn entries(&self, object: &Value) -> Vec<String> {
        let annotations = object.pointer("/metadata/annotations");
        let keys = annotations
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(key, _)| key);
        let is_entry = |key: &&String| {
            matches!(
                self.domain.split(key),
                Some((Word::Secret | Word::Resource | Word::Lease, _))
            )
        };
        keys.filter(is_entry).cloned().collect()
    }

    fn fault(&mut self, place: &Place, problem: CliErrorKind) {
        self.faults.push(CliError {
            place: place.clone(),
            problem,
        });
    }
}

/// Where the pod is in an object of that kind; nowhere in one that makes no pods.
fn template(kind: &str, object: &Value) -> Option<&'static str> {
    match kind {
        "Pod" => Some(""),
        "Deployment"
        | "StatefulSet"
        | "DaemonSet"
        | "ReplicaSet"
        | "ReplicationController"
        | "Job" => Some("/spec/template"),
        "CronJob" => Some("/spec/jobTemplate/spec/template"),
        "PodTemplate" => Some("/template"),
        // Somebody's own controller, if it looks like one.
        _ => object
            .pointer("/spec/template/spec/containers")
            .filter(|containers| containers.is_array())
            .map(|_| "/spec/template"),
    }
}

/// The kind of an object, or of what is in a list that implies one.
fn kind<'a>(object: &'a Value, implied: Option<&'a str>) -> Result<&'a str, &'static str> {
    match object.get("kind").filter(|kind| !kind.is_null()) {
        Some(kind) => kind
            .as_str()
            .filter(|kind| is_kind(kind))
            .ok_or("has a kind that Kubernetes does not take"),
        None if object.is_object() => implied.ok_or("has no kind"),
        None => implied.ok_or("is not a map"),
    }
}

/// In lower case the label of a host's name, as a custom resource's has to be.
fn is_kind(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// A name that is a folder and nothing else: that of a DNS subdomain (RFC 1123).
fn is_name(text: &str) -> bool {
    let sound = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    text.len() <= 253
        && text.bytes().all(|b| sound(b) || b == b'-' || b == b'.')
        && text.bytes().next().is_some_and(sound)
        && text.bytes().last().is_some_and(sound)
}
