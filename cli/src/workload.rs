//! The workloads of a manifest: pods, and objects that create pods from a template.

use std::{
    collections::{BTreeMap, btree_map},
    mem,
};

use kees_common::{Domain, Word};
use serde_json::Value;

use crate::{
    error::{CliError, CliErrorKind},
    location::{Location, ObjectName},
    manifest::Document,
    place::{Part, Place},
    pod_templates::{self, PodTemplate},
    spark,
};

/// A pod, or an object that creates pods.
#[derive(Debug)]
pub(crate) struct Workload {
    pub(crate) location: Location,
    pub(crate) name: ObjectName,
    /// Whether the name or namespace is missing or invalid, which [`find`] reports.
    pub(crate) has_invalid_name: bool,
    /// The name of one of its pods. Where the controller generates the names, it is the workload's.
    pub(crate) pod_name: String,
    /// Entries that are annotated on the controller, where nothing reads them.
    pub(crate) misplaced: Vec<String>,
    /// The index of its document.
    document: usize,
    /// The JSON pointer to the object in the document.
    object: String,
    /// The JSON pointer to the pod or pod template in the document.
    pointer: String,
    /// Which pod template it is, if the object has several.
    part: Option<String>,
    /// The pod, if the object has no pod template at `pointer`, and annotates its pods in another way.
    composed: Option<Value>,
}

impl Workload {
    /// Its pod or pod template: an object with `metadata` and `spec`.
    pub(crate) fn pod<'d>(&'d self, documents: &'d [Document]) -> Option<&'d Value> {
        self.composed.as_ref().or_else(|| self.described(documents))
    }

    /// What the document has at `pointer`.
    fn described<'d>(&self, documents: &'d [Document]) -> Option<&'d Value> {
        documents.get(self.document)?.value.pointer(&self.pointer)
    }

    /// Whether its pods have no pod template, so that nothing can be added to them here.
    pub(crate) fn has_no_template(&self) -> bool {
        self.composed.is_some()
    }

    /// Whether an annotation of its pods asks for a value.
    pub(crate) fn has_entries(&self, documents: &[Document], domain: &Domain) -> bool {
        let pod = self.pod(documents);
        pod.is_some_and(|pod| entries(pod, domain).next().is_some())
    }

    /// The location of a place in its pod or pod template.
    pub(crate) fn locate(&self, documents: &[Document], place: &Place) -> Location {
        if self.has_no_template() {
            let place = spark::place_in_role(self.described(documents), place);
            return self.locate_in(documents, &self.pointer, &place);
        }
        self.locate_in(documents, &self.pointer, place)
    }

    /// The location of an annotation of the object itself.
    pub(crate) fn locate_misplaced(&self, documents: &[Document], annotation: &str) -> Location {
        let place = Place::annotation(annotation, Part::Key);
        self.locate_in(documents, &self.object, &place)
    }

    fn locate_in(&self, documents: &[Document], pointer: &str, place: &Place) -> Location {
        match documents.get(self.document) {
            Some(document) => document.locate(&self.location, pointer, place),
            None => self.location.clone(),
        }
    }

    /// Replaces its pod or pod template.
    pub(crate) fn replace_pod(&self, documents: &mut [Document], pod: Value) {
        let document = documents.get_mut(self.document);
        if let Some(old) = document.and_then(|d| d.value.pointer_mut(&self.pointer)) {
            *old = pod;
        }
    }

    /// The folder for its files: `NAMESPACE/KIND-NAME`, or `NAMESPACE/KIND-NAME-TEMPLATE` if there are
    /// several pod templates.
    pub(crate) fn folder(&self) -> String {
        let ObjectName {
            kind,
            namespace,
            name,
        } = &self.name;
        let mut folder = format!("{}-{name}", kind.to_lowercase());
        if let Some(part) = &self.part {
            folder.extend(["-", part]);
        }
        format!("{namespace}/{}", file_name(folder))
    }
}

/// The longest name of a file, in bytes.
const LONGEST_FILE_NAME: usize = 255;

/// `name`, or its beginning and a hash of all of it if it is too long for the name of a file: a name
/// alone can have 253 characters.
fn file_name(name: String) -> String {
    if name.len() <= LONGEST_FILE_NAME {
        return name;
    }
    // FNV-1a. The same name always has the same folder.
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let end = format!("-{hash:016x}");
    // Names of objects are ASCII.
    let beginning: String = name.chars().take(LONGEST_FILE_NAME - end.len()).collect();
    beginning + &end
}

/// Finds every workload in `documents`, in their order, and the objects that are wrong.
/// `namespace` is the namespace of objects that name none.
pub(crate) fn find(
    documents: &[Document],
    namespace: &str,
    domain: &Domain,
) -> (Vec<Workload>, Vec<CliError>) {
    let mut search = Search {
        documents,
        namespace,
        domain,
        workloads: Vec::new(),
        errors: Vec::new(),
    };
    for (index, document) in documents.iter().enumerate() {
        let location = &document.location;
        search.object(index, location, &document.value, "", None);
    }
    (search.workloads, search.errors)
}

/// Finds workloads with the kind, namespace and name of an earlier one. Their files would be in the
/// same folder.
pub(crate) fn find_duplicates<'a>(
    workloads: impl IntoIterator<Item = &'a Workload>,
) -> Vec<CliError> {
    let mut first = BTreeMap::new();
    let mut errors = Vec::new();
    for workload in workloads {
        match first.entry(workload.folder()) {
            btree_map::Entry::Vacant(vacant) => {
                vacant.insert(&workload.location);
            }
            btree_map::Entry::Occupied(other) => {
                let error = CliErrorKind::DuplicateName(other.get().position());
                errors.push(error.at(&workload.location));
            }
        }
    }
    errors
}

struct Search<'a> {
    documents: &'a [Document],
    namespace: &'a str,
    domain: &'a Domain,
    workloads: Vec<Workload>,
    errors: Vec<CliError>,
}

impl Search<'_> {
    /// Searches one object or, if it is a list, its items. `implied` is the kind of an item that has
    /// none: the items of a typed list (`PodList`) need no kind.
    fn object(
        &mut self,
        document: usize,
        location: &Location,
        object: &Value,
        pointer: &str,
        implied: Option<&str>,
    ) {
        if pointer.is_empty() && is_something_else(object) {
            return;
        }
        let kind = match kind(object, implied) {
            Ok(kind) => kind,
            Err(reason) => {
                let item = pointer.trim_start_matches('/').replace('/', ".");
                let subject = if item.is_empty() { "it" } else { &item };
                let error = CliErrorKind::NotAnObject(format!("{subject} {reason}"));
                let location = self.locate(document, location, pointer, "kind");
                return self.errors.push(error.at(&location));
            }
        };
        if let (Some(item_kind), Some(Value::Array(items))) =
            (kind.strip_suffix("List"), object.get("items"))
        {
            let item_kind = (!item_kind.is_empty()).then_some(item_kind);
            for (index, item) in items.iter().enumerate() {
                let pointer = format!("{pointer}/items/{index}");
                self.object(document, location, item, &pointer, item_kind);
            }
        } else {
            let templates = pod_templates::find(kind, object);
            if templates.is_empty() {
                return;
            }
            let location = self.begin(document, location, pointer);
            self.workloads(document, &location, kind, object, pointer, templates);
        }
    }

    /// Adds a workload for each pod template of an object.
    fn workloads(
        &mut self,
        document: usize,
        location: &Location,
        kind: &str,
        object: &Value,
        pointer: &str,
        templates: Vec<PodTemplate>,
    ) {
        let name = self.name(kind, object);
        let mut errors = invalid_names(&name);
        let has_invalid_name = !errors.is_empty();
        let location = Location {
            workload: (!has_invalid_name).then(|| name.clone()),
            ..location.clone()
        };
        let mut misplaced = self.entries(object);
        let has_several = templates.len() > 1;
        for PodTemplate {
            pointer: template,
            composed,
        } in templates
        {
            if !object.pointer(&template).is_some_and(Value::is_object) {
                let field = template.trim_start_matches('/').replace('/', ".");
                errors.push(CliErrorKind::NoPodTemplate(field));
                continue;
            }
            let pod_name = match kind {
                "StatefulSet" => format!("{}-0", name.name),
                _ => name.name.clone(),
            };
            self.workloads.push(Workload {
                location: location.clone(),
                name: name.clone(),
                has_invalid_name,
                pod_name,
                misplaced: if template.is_empty() {
                    Vec::new()
                } else {
                    // Once for all templates of the object.
                    mem::take(&mut misplaced)
                },
                document,
                object: pointer.to_owned(),
                pointer: format!("{pointer}{template}"),
                part: has_several.then(|| pod_templates::part(&template)),
                composed,
            });
        }
        for error in errors {
            let field = match &error {
                CliErrorKind::InvalidName { field, .. } => *field,
                CliErrorKind::NoPodTemplate(field) => field,
                _ => "",
            };
            let location = self.locate(document, &location, pointer, field);
            self.errors.push(error.at(&location));
        }
    }

    /// The location of a field of an object. `location` is that of the object.
    fn locate(&self, document: usize, location: &Location, pointer: &str, field: &str) -> Location {
        match self.documents.get(document) {
            Some(document) => document.locate(location, pointer, &Place::field(field, Part::Value)),
            None => location.clone(),
        }
    }

    /// The location at which an object begins, without a column.
    fn begin(&self, document: usize, location: &Location, pointer: &str) -> Location {
        if pointer.is_empty() {
            return location.clone();
        }
        Location {
            column: None,
            mark: None,
            ..self.locate(document, location, pointer, "")
        }
    }

    fn name(&self, kind: &str, object: &Value) -> ObjectName {
        let metadata = |field| object.get("metadata")?.get(field)?.as_str();
        // The API server appends a random suffix, which is unknown here.
        let generated = metadata("generateName").map(|name| name.trim_end_matches('-'));
        let name = metadata("name").or(generated).unwrap_or_default();
        let namespace = metadata("namespace").filter(|name| !name.is_empty());
        ObjectName {
            kind: kind.to_owned(),
            namespace: namespace.unwrap_or(self.namespace).to_owned(),
            name: name.to_owned(),
        }
    }

    /// The annotations of an object that are entries.
    fn entries(&self, object: &Value) -> Vec<String> {
        entries(object, self.domain).cloned().collect()
    }
}

/// The annotations of an object that ask for a value.
fn entries<'o>(object: &'o Value, domain: &Domain) -> impl Iterator<Item = &'o String> {
    let annotations = object.pointer("/metadata/annotations");
    let annotations = annotations.and_then(Value::as_object).into_iter().flatten();
    annotations.map(|(key, _)| key).filter(|key| {
        matches!(
            domain.split(key),
            Some((Word::Secret | Word::Resource | Word::Lease, _))
        )
    })
}

/// Checks the name and the namespace, which both become the names of folders.
fn invalid_names(name: &ObjectName) -> Vec<CliErrorKind> {
    let fields = [
        ("metadata.name", &name.name),
        ("metadata.namespace", &name.namespace),
    ];
    let invalid = fields.into_iter().filter(|(_, name)| !is_name(name));
    invalid
        .map(|(field, _)| CliErrorKind::InvalidName {
            kind: name.kind.clone(),
            field,
        })
        .collect()
}

/// Whether a document has nothing of a Kubernetes object, for example the values of a Helm chart, or its
/// `Chart.yaml`, which has an `apiVersion` alone. One without a kind that has another part of an object may
/// be a pod with a typing error.
fn is_something_else(document: &Value) -> bool {
    const PARTS: [&str; 3] = ["kind", "metadata", "spec"];
    let is_part = |value: &Value| PARTS.iter().any(|part| value.get(part).is_some());
    match document {
        Value::Array(items) => !items.iter().any(is_part),
        Value::Object(_) => !is_part(document),
        _ => false,
    }
}

/// The kind of an object, or of the items of its list.
fn kind<'a>(object: &'a Value, implied: Option<&'a str>) -> Result<&'a str, &'static str> {
    match object.get("kind").filter(|kind| !kind.is_null()) {
        Some(kind) => kind
            .as_str()
            .filter(|kind| is_kind(kind))
            .ok_or("has a kind that Kubernetes does not accept"),
        None if object.is_object() => implied.ok_or("has no kind"),
        None => implied.ok_or("is not a map"),
    }
}

/// Kubernetes requires that the lower-case form of a kind is a DNS label.
fn is_kind(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Whether `text` is a DNS subdomain (RFC 1123). Such a name is also a safe name for a folder.
fn is_name(text: &str) -> bool {
    let is_alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    text.len() <= 253
        && text
            .bytes()
            .all(|b| is_alphanumeric(b) || b == b'-' || b == b'.')
        && text.bytes().next().is_some_and(is_alphanumeric)
        && text.bytes().last().is_some_and(is_alphanumeric)
}
