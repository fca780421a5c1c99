//! SecretProviderClass objects of AWS's provider in manifests, and the volumes of pods that name them.

use std::{collections::BTreeMap, sync::Arc};

use kees_common::{closest, names::env};
use kees_inject::{ClassVolumeError, InjectSettings};
use kees_secret_provider_class::{
    API_GROUP, Around, ClassSpec, ClassVolume, ClassVolumes, CsiVolume, KIND, Mount, Origin,
    ParseClassError, Surroundings, parse, secret_objects,
};
use serde::Deserialize as _;
use serde_json::Value;

use crate::{
    class_admission::KnownClasses,
    error::{CliError, CliErrorKind},
    input::Input,
    location::{Location, ObjectName},
    manifest::Document,
    place::{Part, Place},
    workload::Workload,
};

/// The field of a class with its list of objects.
const OBJECTS: &str = "spec.parameters.objects";

/// What is known of the classes in some manifests.
#[derive(Debug, Default)]
pub(crate) struct Classes {
    /// Where the classes of AWS's provider without an error are.
    pub(crate) valid: Vec<Location>,
    /// Where those with errors are.
    pub(crate) invalid: Vec<Location>,
    pub(crate) errors: Vec<CliError>,
    pub(crate) warnings: Vec<(Location, String)>,
    /// The classes of AWS's provider, for the decision about pods.
    pub(crate) known: KnownClasses,
    /// The volumes of classes that the manifests do not have, and the names of these classes.
    pub(crate) absent: Vec<(Location, String)>,
}

/// Checks all classes, and all volumes that name one.
pub(crate) fn check(input: &Input, namespace: &str) -> Classes {
    let documents = &input.documents;
    let objects: Vec<_> = documents
        .iter()
        .flat_map(|document| objects(document, namespace))
        .collect();
    let mut classes = Classes::default();
    let mut by_name = BTreeMap::new();
    for object in &objects {
        match object.check() {
            Ok(None) => {
                by_name.insert((object.namespace(), object.name()), None);
            }
            Ok(Some(spec)) => {
                classes.valid.push(object.location.clone());
                let spec = Arc::new(spec);
                let class = Arc::clone(&spec);
                classes
                    .known
                    .insert(object.namespace(), object.name(), class);
                by_name.insert((object.namespace(), object.name()), Some(spec));
            }
            Err(Invalid {
                errors,
                denies_pods,
            }) => {
                classes.invalid.push(object.location.clone());
                classes.errors.extend(errors);
                if denies_pods {
                    let known = &mut classes.known;
                    known.insert_invalid(object.namespace(), object.name());
                }
                by_name.insert((object.namespace(), object.name()), None);
            }
        }
    }
    let surroundings = surroundings(&input.settings);
    for workload in &input.workloads {
        classes.volumes(documents, workload, &by_name, &surroundings);
    }
    classes
}

/// A class in a document.
struct Object<'d> {
    document: &'d Document,
    /// The JSON pointer to it.
    pointer: String,
    value: &'d Value,
    location: Location,
}

/// The errors of a class.
struct Invalid {
    errors: Vec<CliError>,
    /// Whether the webhook denies the pods of the class. It admits them if only `secretObjects` is wrong.
    denies_pods: bool,
}

/// The classes by namespace and name. Those with errors, and those of other providers, are `None`.
type ByName<'o> = BTreeMap<(&'o str, &'o str), Option<Arc<ClassSpec>>>;

/// What is known of the place of the pods, as in the decision about them.
fn surroundings(settings: &InjectSettings) -> Surroundings<'_> {
    let region = settings.init_env.get(env::AWS_REGION);
    let region = region.filter(|region| !region.is_empty());
    Surroundings {
        region: region.map_or(Around::Unknown, |region| Around::Known(region)),
        role: Around::Unknown,
    }
}

/// The classes of a document, which may be a list.
fn objects<'d>(document: &'d Document, namespace: &str) -> Vec<Object<'d>> {
    let items = document.value.get("items").and_then(Value::as_array);
    let found: Vec<_> = match items {
        Some(items) => {
            let items = items.iter().enumerate();
            items
                .map(|(index, item)| (format!("/items/{index}"), item))
                .collect()
        }
        None => vec![(String::new(), &document.value)],
    };
    let found = found.into_iter().filter(|(_, value)| is_class(value));
    let object = |(pointer, value): (String, &'d Value)| {
        let metadata = |field| value.get("metadata")?.get(field)?.as_str();
        let name = ObjectName {
            kind: KIND.to_owned(),
            namespace: metadata("namespace").unwrap_or(namespace).to_owned(),
            name: metadata("name").unwrap_or_default().to_owned(),
        };
        let begin = document.locate(&document.location, &pointer, &Place::field("", Part::Key));
        let location = Location {
            workload: Some(name),
            column: None,
            mark: None,
            ..begin
        };
        Object {
            document,
            pointer,
            value,
            location,
        }
    };
    found.map(object).collect()
}

fn is_class(value: &Value) -> bool {
    let version = value["apiVersion"].as_str().unwrap_or_default();
    let group = version.split_once('/').map(|(group, _)| group);
    value["kind"] == KIND && group == Some(API_GROUP)
}

impl Object<'_> {
    fn namespace(&self) -> &str {
        let name = self.location.workload.as_ref();
        name.map_or("", |name| name.namespace.as_str())
    }

    fn name(&self) -> &str {
        let name = self.location.workload.as_ref();
        name.map_or("", |name| name.name.as_str())
    }

    fn locate(&self, place: &Place) -> Location {
        self.document.locate(&self.location, &self.pointer, place)
    }

    /// The class if it is for AWS's provider, or all errors.
    fn check(&self) -> Result<Option<ClassSpec>, Invalid> {
        let spec = self.value.get("spec").unwrap_or(&Value::Null);
        let spec: Option<ClassSpec> = serde_path_to_error::deserialize(spec).map_err(|error| {
            let field = match error.path().to_string().as_str() {
                "." => "spec".to_owned(),
                path => format!("spec.{path}"),
            };
            let location = self.locate(&Place::field(&field, Part::Value));
            Invalid {
                errors: vec![CliErrorKind::WrongType(field).at(&location)],
                denies_pods: true,
            }
        })?;
        let spec = spec.unwrap_or_default();
        let is_foreign = spec.provider.as_ref().is_some_and(|name| !name.is_empty());
        if is_foreign && !spec.is_aws() {
            return Ok(None);
        }
        let mount = parse(&spec, &BTreeMap::new(), &Surroundings::UNKNOWN);
        let secrets = secret_objects(&spec, mount.as_ref().ok());
        let too_large = mount.as_ref().ok();
        let too_large = too_large.and_then(|mount| self.too_large(mount));
        let denies_pods = mount.is_err() || too_large.is_some();
        let errors = mount.err().into_iter().chain(secrets.err()).flatten();
        let errors = errors.map(|error| {
            let location = self.locate(&place(&error, ""));
            CliErrorKind::Class(error).at(&location)
        });
        let errors: Vec<_> = errors.chain(too_large).collect();
        if errors.is_empty() {
            Ok(Some(spec))
        } else {
            Err(Invalid {
                errors,
                denies_pods,
            })
        }
    }

    /// An error if the objects of the class are too many for every pod, even if the pod has no other volume.
    fn too_large(&self, mount: &Mount) -> Option<CliError> {
        // The names of volumes are not known, and not empty.
        let alone = ClassVolume {
            name: "v".to_owned(),
            class: self.name().to_owned(),
            path: "/v".to_owned(),
            mount: mount.clone(),
        };
        let bytes = ClassVolumes(vec![alone]).to_string().len();
        let limit = ClassVolumes::MAX_BYTES;
        let kind = CliErrorKind::ClassVolume {
            field: OBJECTS,
            error: ClassVolumeError::TooLarge { bytes, limit },
        };
        let place = Place::field(OBJECTS, Part::Key);
        (bytes > limit).then(|| kind.at(&self.locate(&place)))
    }
}

/// The place of an error. `before` is in front of its field.
fn place(error: &ParseClassError, before: &str) -> Place {
    let part = match error.place.position {
        Some(position) => Part::TextLine(position.line, position.column),
        None => Part::Value,
    };
    Place::field(&format!("{before}{}", error.place.field), part)
}

impl Classes {
    /// Checks the volumes of a workload.
    fn volumes(
        &mut self,
        documents: &[Document],
        workload: &Workload,
        classes: &ByName<'_>,
        surroundings: &Surroundings<'_>,
    ) {
        let pod = workload.pod(documents);
        let volumes = pod.and_then(|pod| pod.pointer("/spec/volumes"));
        let volumes = volumes.and_then(Value::as_array).into_iter().flatten();
        for (index, volume) in volumes.enumerate() {
            // Another type is an error of the pod.
            let csi = volume.get("csi").unwrap_or(&Value::Null);
            let csi: Option<CsiVolume> = Option::deserialize(csi).unwrap_or_default();
            let Some(csi) = csi.filter(CsiVolume::is_of_driver) else {
                continue;
            };
            let field = format!("spec.volumes[{index}].csi");
            let locate = |place: &Place| workload.locate(documents, place);
            for error in csi.errors() {
                let name = volume["name"].as_str().unwrap_or_default().to_owned();
                let at = Place::field(&format!("{field}.{}", error.field()), Part::Value);
                let error = CliErrorKind::Volume { name, error };
                self.errors.push(error.at(&locate(&at)));
            }
            let Some(name) = csi.class() else { continue };
            let namespace = workload.name.namespace.as_str();
            match classes.get(&(namespace, name)) {
                Some(Some(class)) => {
                    let attributes = csi.volume_attributes.clone().unwrap_or_default();
                    let parsed = parse(class, &attributes, surroundings);
                    self.attributes(parsed, &field, locate);
                }
                Some(None) => {}
                None => {
                    let field = format!("{field}.volumeAttributes.secretProviderClass");
                    let location = locate(&Place::field(&field, Part::Value));
                    self.absent.push((location.clone(), name.to_owned()));
                    if let Some(warning) = missing(namespace, name, classes) {
                        self.warnings
                            .push((location, format!("{field}: {warning}")));
                    }
                }
            }
        }
    }

    /// Adds the errors of a class with the attributes of a volume.
    fn attributes(
        &mut self,
        parsed: Result<Mount, Vec<ParseClassError>>,
        field: &str,
        locate: impl Fn(&Place) -> Location,
    ) {
        let Err(errors) = parsed else {
            return;
        };
        let of_class = Place::field(&format!("{field}.volumeAttributes"), Part::Key);
        for error in errors {
            let place = match error.place.origin {
                Origin::Volume => place(&error, &format!("{field}.")),
                // Alone, the class has no error.
                Origin::Class => of_class.clone(),
            };
            let location = locate(&place);
            self.errors.push(CliErrorKind::Class(error).at(&location));
        }
    }
}

/// A warning about a class that is not in the manifests, if they have one that may be meant.
fn missing(namespace: &str, name: &str, classes: &ByName<'_>) -> Option<String> {
    let elsewhere = classes.keys().find(|(_, other)| *other == name);
    if let Some((elsewhere, _)) = elsewhere {
        return Some(format!(
            "the class {name} is in the namespace {elsewhere}, but a pod uses the classes of its own \
             namespace {namespace}"
        ));
    }
    let here = classes.keys().filter(|(other, _)| *other == namespace);
    let similar = closest(name, here.map(|(_, name)| *name))?;
    Some(format!("there is no class {name}; did you mean {similar}"))
}
