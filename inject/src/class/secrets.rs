//! Secrets that a class becomes, and that the same pod needs before its containers start. The kubelet mounts all volumes
//! before kees-init runs, so somebody else must write the Secret: kees-controller.

use std::collections::{BTreeMap, BTreeSet};

use kees_secret_provider_class::{ClassSpec, Mount, secret_objects};

use crate::{
    class::error::ClassVolumeError,
    error::{Place, excerpt},
    findings::Findings,
    pod::{injected::Injected, view::PodView},
};

/// The most Secrets that a warning names.
const MOST: usize = 3;

/// The Secrets that a pod needs, each with the fields that name it.
pub(crate) struct SecretUses<'p, 'a> {
    pod: &'p PodView<'a>,
    injected: Option<Injected>,
    /// Whether kees-controller writes the Secrets of classes.
    is_synced: bool,
    uses: Option<BTreeMap<String, Vec<Use>>>,
}

/// A field that names a Secret.
enum Use {
    /// The volume of this field cannot be mounted.
    Volume(String),
    /// The container of this field does not start.
    Environment(String),
}

impl<'p, 'a> SecretUses<'p, 'a> {
    pub(crate) fn new(pod: &'p PodView<'a>, injected: Option<Injected>, is_synced: bool) -> Self {
        Self {
            pod,
            injected,
            is_synced,
            uses: None,
        }
    }

    /// Checks the `secretObjects` of a class.
    pub(crate) fn check(
        &mut self,
        name: &str,
        class: &ClassSpec,
        mount: &Mount,
        findings: &mut Findings,
    ) {
        if class.secret_objects.iter().flatten().next().is_none() {
            return;
        }
        if self.is_synced {
            for error in secret_objects(class, Some(mount)).err().unwrap_or_default() {
                let message = format!(
                    "SecretProviderClass {}: {error}; until it is right, no Secret of the class is written",
                    excerpt(name)
                );
                findings.warn(Place::field("spec.volumes"), message);
            }
            return;
        }
        let secrets = class.secret_objects.iter().flatten();
        let secrets = secrets.filter_map(|secret| secret.secret_name.as_deref());
        let secrets: BTreeSet<&str> = secrets.map(str::trim).collect();
        let uses = self.uses();
        let mut unused = Vec::new();
        for secret in secrets {
            match uses.get(secret) {
                Some(uses) => uses
                    .iter()
                    .for_each(|used| report(secret, name, used, findings)),
                None => unused.push(secret),
            }
        }
        if !unused.is_empty() {
            findings.warn(Place::field("spec.volumes"), unwritten(&unused, name));
        }
    }

    /// They are collected once, and only if a class has `secretObjects`.
    fn uses(&mut self) -> &BTreeMap<String, Vec<Use>> {
        let (pod, injected) = (self.pod, self.injected);
        self.uses.get_or_insert_with(|| collect(pod, injected))
    }
}

fn collect(pod: &PodView<'_>, injected: Option<Injected>) -> BTreeMap<String, Vec<Use>> {
    let mut uses: BTreeMap<String, Vec<Use>> = BTreeMap::new();
    for volume in pod.spec.volumes.iter() {
        for secret in volume.needed_secrets() {
            let field = format!("spec.volumes[{}]", excerpt(&volume.name));
            uses.entry(secret.to_string())
                .or_default()
                .push(Use::Volume(field));
        }
    }
    for (at, container) in pod.other_containers(injected) {
        let mut secrets = container.needed_secrets();
        secrets.sort();
        secrets.dedup();
        for secret in secrets {
            let list = at.list.as_str();
            let field = format!("spec.{list}[{}]", excerpt(&container.name));
            uses.entry(secret.to_string())
                .or_default()
                .push(Use::Environment(field));
        }
    }
    uses
}

/// Says that nobody writes Secrets which other objects than the pod may need, such as an Ingress.
fn unwritten(secrets: &[&str], class: &str) -> String {
    let mut names: Vec<String> = secrets
        .iter()
        .take(MOST)
        .map(|name| excerpt(name))
        .collect();
    let more = secrets.len() - names.len();
    if more > 0 {
        names.push(format!("{more} more"));
    }
    format!(
        "SecretProviderClass {}: its secretObjects have no effect, so nobody keeps their Secrets up to date ({}); let \
         kees-controller write them (controller.secretSync of the chart, --secret-sync)",
        excerpt(class),
        names.join(", ")
    )
}

fn report(secret: &str, class: &str, used: &Use, findings: &mut Findings) {
    match used {
        Use::Volume(field) => {
            let error = ClassVolumeError::SecretVolume {
                secret: excerpt(secret),
                class: excerpt(class),
            };
            findings.error(Place::field(field.clone()), error.into());
        }
        Use::Environment(field) => {
            let message = format!(
                "its environment needs the Secret {}, one of the secretObjects of SecretProviderClass {}, and the \
                 container starts only when somebody else writes it; let kees-controller write it \
                 (controller.secretSync of the chart, --secret-sync)",
                excerpt(secret),
                excerpt(class)
            );
            findings.warn(Place::field(field.clone()), message);
        }
    }
}
