//! The secrets and parameters that classes name: those of volumes of pods, and those of `classObjects` in the policy.

use std::collections::BTreeSet;

use kees_common::{Service, names::env};
use kees_inject::INIT_CONTAINER;
use kees_secret_provider_class::{ClassVolume, ClassVolumes};
use kees_store::permissions::ObjectName;
use serde_json::Value;

use super::access::Access;
use crate::{
    admission::Verdict,
    class_admission::{self, KnownClasses},
    classes,
    error::CliError,
    input::Input,
    run::container,
};

/// What was found in manifests.
#[derive(Default)]
pub(super) struct Found {
    /// The indexes of the workloads with volumes of classes.
    pub(super) workloads: Vec<usize>,
    /// Warnings.
    pub(super) messages: Vec<String>,
    pub(super) errors: Vec<CliError>,
}

/// Adds the objects of the volumes of all workloads, except of those that are `denied` for another reason.
pub(super) fn add_classes(
    input: &mut Input,
    namespace: &str,
    denied: &BTreeSet<usize>,
    access: &mut Access,
) -> Found {
    // A class without a Region is read in that of the policy, which may be a variable.
    input.settings.init_env.remove(env::AWS_REGION);
    // Who writes the Secrets of classes changes nothing of what pods read.
    input.settings.secret_sync = true;
    let classes = classes::check(input, namespace);
    let mut found = Found {
        errors: classes.errors,
        ..Found::default()
    };
    for (index, workload) in input.workloads.iter().enumerate() {
        if denied.contains(&index) {
            continue;
        }
        match class_admission::admit(input, workload, &classes.known).verdict {
            Verdict::Injected(pod) => {
                let volumes = volumes_of(&pod);
                if !volumes.is_empty() {
                    found.workloads.push(index);
                }
                add_volumes(&volumes, &workload.name.namespace, &classes.known, access);
            }
            Verdict::Denied(errors) => found.errors.extend(errors),
            Verdict::Skipped(_) | Verdict::Undecided => {}
        }
    }
    let warnings = classes.warnings.into_iter();
    let warnings = warnings.map(|(location, message)| format!("{location}warning: {message}"));
    let absent = classes.absent.into_iter().map(|(location, class)| {
        format!(
            "{location}warning: the class {class} is not in the manifests, so its objects are not exported; add the \
             file of the class"
        )
    });
    found.messages = warnings.chain(absent).collect();
    found
}

/// What the init container of an injected pod is told.
fn volumes_of(pod: &Value) -> Vec<ClassVolume> {
    let init = container::find(pod, |one| one["name"] == INIT_CONTAINER);
    let variables = init.and_then(|init| init["env"].as_array()).into_iter();
    let mut variables = variables.flatten();
    let text = variables.find(|one| one["name"] == env::CLASS_VOLUMES);
    let text = text.and_then(|one| one["value"].as_str());
    let volumes = text.and_then(|text| text.parse::<ClassVolumes>().ok());
    volumes.unwrap_or_default().0
}

/// Adds the objects of volumes: in the Region of the class, and in its failover Region.
fn add_volumes(
    volumes: &[ClassVolume],
    namespace: &str,
    classes: &KnownClasses,
    access: &mut Access,
) {
    for ClassVolume { class, mount, .. } in volumes {
        let spec = classes.get(namespace, class);
        let secrets = spec.and_then(|spec| spec.secret_objects.as_ref());
        let is_synced = secrets.is_some_and(|secrets| !secrets.is_empty());
        for object in &mount.objects {
            let store = object.service.store();
            let name = ObjectName::exact(&object.selector.name, mount.region.as_deref());
            access.add_object(store, &name, is_synced);
            if let Some(region) = &mount.failover_region {
                let name = ObjectName::exact(&object.failover_selector().name, Some(region));
                access.add_object(store, &name, is_synced);
            }
        }
    }
}

/// Adds names and globs of the policy. Returns a warning for each that IAM cannot express.
pub(super) fn add_patterns(patterns: &[String], access: &mut Access) -> Vec<String> {
    let mut warnings = Vec::new();
    for text in patterns {
        let services = services(text);
        if services.is_empty() || text.contains(['[', '{', '\\', '$']) {
            warnings.push(format!(
                "warning: classObjects: '{text}' cannot be written in IAM; add what it allows yourself"
            ));
            continue;
        }
        // `*` and `?` mean the same in the policy file and in IAM.
        let name = ObjectName::glob(text);
        for service in services {
            access.add_object(service.store(), &name, true);
        }
    }
    warnings
}

/// The services that may have objects of this name: for an ARN, those that it names. None for an ARN without all of its
/// parts, which IAM does not accept.
fn services(text: &str) -> Vec<Service> {
    let Some(arn) = text.strip_prefix("arn:") else {
        return Service::ALL.to_vec();
    };
    let parts: Vec<&str> = arn.splitn(5, ':').collect();
    let &[_, service, _, _, resource] = parts.as_slice() else {
        return Vec::new();
    };
    let of_service = |one: &Service| {
        let (name, kind) = match one {
            Service::SecretsManager => ("secretsmanager", "secret:"),
            Service::ParameterStore => ("ssm", "parameter/"),
        };
        let names = service == name || service == "*";
        names && (resource.starts_with(kind) || resource == "*")
    };
    Service::ALL.into_iter().filter(of_service).collect()
}
