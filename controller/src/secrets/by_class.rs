//! What pods want by `secretObjects` of their classes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kees_common::names::init;
use kees_inject::{InjectSettings, class_errors};
use kees_secret_provider_class::{
    self as class, CLASS_ATTRIBUTE, Mount, SecretObject, Surroundings, parse, secret_objects,
};

use super::{
    candidate::{Candidate, Problem, Wish, hash, sorted, subject},
    classes::{Classes, WatchedClass},
};
use crate::{pod::WatchedPod, policy::Current};

/// The namespace, the class and the attributes of a volume.
type ClassKey = (String, String, BTreeMap<String, String>);

/// What is known besides the pods.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) current: &'a Current,
    /// The Region of classes that name none.
    pub(super) region: Option<&'a str>,
}

/// The candidates by `secretObjects` of classes.
pub(super) fn of_classes(
    pods: &[&Arc<WatchedPod>],
    classes: &Classes,
    around: Around<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<Candidate> {
    let settings = &around.current.settings;
    let of_volumes = settings.domain.init(init::CLASS_VOLUMES);
    let mut groups: BTreeMap<ClassKey, Vec<Arc<WatchedPod>>> = BTreeMap::new();
    for pod in pods {
        let Some(text) = pod.annotation(&of_volumes) else {
            continue;
        };
        let Ok(volumes) = serde_json::from_str::<Volumes>(text) else {
            let line =
                format!("{of_volumes}: it is not what the webhook writes; create the pod again");
            problems.push(Problem::of(&of_volumes, line, vec![Arc::clone(pod)]));
            continue;
        };
        // A pod may have a class in two volumes.
        let keys: BTreeSet<ClassKey> = volumes
            .into_values()
            .filter_map(|mut attributes| {
                let class = attributes.remove(CLASS_ATTRIBUTE)?;
                Some((pod.namespace().to_owned(), class, attributes))
            })
            .collect();
        for key in keys {
            groups.entry(key).or_default().push(Arc::clone(pod));
        }
    }
    let groups = groups.into_iter();
    let candidates =
        groups.filter_map(|(key, pods)| of_class(&key, sorted(pods), classes, around, problems));
    candidates.collect()
}

/// The volumes of a pod: the attributes of each, by its name.
type Volumes = BTreeMap<String, BTreeMap<String, String>>;

fn of_class(
    (namespace, name, attributes): &ClassKey,
    pods: Vec<Arc<WatchedPod>>,
    classes: &Classes,
    around: Around<'_>,
    problems: &mut Vec<Problem>,
) -> Option<Candidate> {
    let of = format!("SecretProviderClass {name}");
    let class = classes.get(namespace, name);
    let read = class.map_or_else(
        || {
            Err(vec![
                "it does not exist any more; its Secrets stay as they are".to_owned(),
            ])
        },
        |class| read(&class, attributes, around),
    );
    let (mount, objects) = match read {
        Ok((_, objects)) if objects.is_empty() => return None,
        Ok(read) => read,
        Err(lines) => {
            let lines = lines.into_iter().map(|line| format!("{of}: {line}"));
            let lines = lines.collect();
            problems.push(Problem {
                pods,
                subject: of,
                lines,
            });
            return None;
        }
    };
    let pods = allowed(name, pods, &mount, &around.current.settings, problems);
    if pods.is_empty() {
        return None;
    }
    let source = if attributes.is_empty() {
        of
    } else {
        // Attributes replace parameters of the class, so it is another source.
        let attributes = attributes
            .iter()
            .map(|(key, value)| format!("{key}={value}"));
        format!("{of} ({})", attributes.collect::<Vec<_>>().join(", "))
    };
    Some(Candidate {
        namespace: namespace.clone(),
        sources: vec![source],
        fingerprint: hash((format!("{mount:?}{objects:?}"), around.current.number)),
        wish: Wish::Class { mount, objects },
        pods,
    })
}

/// What a class asks for. Of a class of another provider it is nothing.
fn read(
    class: &WatchedClass,
    attributes: &BTreeMap<String, String>,
    around: Around<'_>,
) -> Result<(Mount, Vec<SecretObject>), Vec<String>> {
    let spec = class.spec().map_err(|error| vec![error])?;
    let surroundings = Surroundings {
        region: around
            .region
            .map_or(class::Around::Unknown, class::Around::Known),
        ..Surroundings::UNKNOWN
    };
    let lines = |errors: Vec<_>| -> Vec<String> {
        errors
            .iter()
            .map(kees_secret_provider_class::ParseClassError::to_string)
            .collect()
    };
    let mount = parse(&spec, attributes, &surroundings).map_err(lines)?;
    let objects = if spec.is_aws() {
        secret_objects(&spec, Some(&mount)).map_err(lines)?
    } else {
        Vec::new()
    };
    let tokens = objects
        .iter()
        .find(|object| TOKENS.contains(&&*object.secret_type));
    if let Some(object) = tokens {
        return Err(vec![format!(
            "the Secret {} is of the type {}, which Kubernetes fills with a token; use another type",
            object.name, object.secret_type
        )]);
    }
    Ok((mount, objects))
}

/// The types of Secrets that give somebody a token of the API server. Whoever creates one gets the rights of another.
const TOKENS: [&str; 2] = [
    "kubernetes.io/service-account-token",
    "bootstrap.kubernetes.io/token",
];

/// The pods that may have the objects of a class.
fn allowed(
    name: &str,
    pods: Vec<Arc<WatchedPod>>,
    mount: &Mount,
    settings: &InjectSettings,
    problems: &mut Vec<Problem>,
) -> Vec<Arc<WatchedPod>> {
    let mut by_account: BTreeMap<String, Vec<Arc<WatchedPod>>> = BTreeMap::new();
    for pod in pods {
        let account = pod.service_account().to_owned();
        by_account.entry(account).or_default().push(pod);
    }
    let mut allowed = Vec::new();
    for pods in by_account.into_values() {
        let Some(first) = pods.first() else { continue };
        let errors = class_errors(subject(first), name, mount, settings);
        if errors.is_empty() {
            allowed.extend(pods);
        } else {
            let lines = errors.iter().map(ToString::to_string).collect();
            let subject = format!("SecretProviderClass {name}");
            problems.push(Problem {
                pods,
                subject,
                lines,
            });
        }
    }
    sorted(allowed)
}
