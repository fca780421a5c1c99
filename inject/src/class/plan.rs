//! What is written into the volumes of classes: each class is read anew at every call, and nothing of the pod but names is
//! trusted.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kees_common::names::{env, init};
use kees_secret_provider_class::{
    Around, ClassSpec, ClassVolume, ClassVolumes, Identity, Mode, Mount, Surroundings, parse,
};

use crate::{
    class::{
        error::ClassVolumeError,
        found::{Found, FoundVolume},
        permission,
        secrets::SecretUses,
    },
    classes::{Classes, Lookup},
    error::{Place, PodError, excerpt},
    findings::Findings,
    names,
    pod::{annotations, container::ContainerRef, injected::Injected, view::PodView},
    policy::{rule::Rule, template::Subject},
    settings::InjectSettings,
};

/// The most bytes of classes that are read for one pod. An object of the API server has fewer, but each volume of a pod
/// can name the same class.
const MAX_CLASS_BYTES: usize = 2 << 20;

/// The volumes that are replaced, and what the init container needs for them.
pub(crate) struct ClassPlan {
    pub(crate) volumes: Vec<PlannedVolume>,
    /// `CLASS_VOLUMES` of the init container.
    pub(crate) text: String,
    /// The value of the annotation `class-volumes`.
    pub(crate) recorded: String,
    /// The role of the ServiceAccount, if a class wants it.
    pub(crate) role: Option<Arc<str>>,
    /// Whether a class wants EKS Pod Identity.
    pub(crate) pod_identity: bool,
    /// Whether a class leaves the Region to the init container.
    pub(crate) needs_region: bool,
    /// The containers that mount one of the volumes.
    pub(crate) readers: Vec<ContainerRef>,
    /// The names of the volumes.
    names: BTreeSet<String>,
    /// The names and ARNs of the objects, in the order of the volumes.
    pub(crate) objects: Vec<String>,
    /// What the policy does not allow.
    pub(crate) denied: Vec<PodError>,
}

/// A volume that is replaced.
pub(crate) struct PlannedVolume {
    /// Its index in the pod.
    pub(crate) index: usize,
    pub(crate) name: String,
    /// Whether an earlier call replaced it.
    pub(crate) is_replaced: bool,
    /// The files that not everybody may read, with their modes.
    pub(crate) files: Vec<(String, Mode)>,
}

impl PlannedVolume {
    /// Where the init container mounts it.
    pub(crate) fn path(&self) -> String {
        path(&self.name)
    }
}

fn path(volume: &str) -> String {
    format!("{}/{volume}", names::CLASS_VOLUMES_PATH)
}

impl ClassPlan {
    /// Whether a volume of that name is replaced.
    pub(crate) fn contains(&self, volume: &str) -> bool {
        self.names.contains(volume)
    }
}

/// Works out the volumes that were found. `None` if there is none whose class is read here, or if there are errors.
pub(crate) fn plan(
    pod: &PodView<'_>,
    found: &Found<'_>,
    subject: Subject<'_>,
    rule: &Rule,
    settings: &InjectSettings,
    injected: Option<Injected>,
    findings: &mut Findings,
) -> Option<ClassPlan> {
    let classes = found.classes?;
    let region = settings.init_env.get(env::AWS_REGION);
    let region = region.filter(|region| !region.is_empty());
    let mut planner = Planner {
        bytes: 0,
        classes,
        subject,
        rule,
        surroundings: Surroundings {
            region: region.map_or(Around::Unknown, |region| Around::Known(region)),
            // The default credentials may do without a role.
            role: Around::Unknown,
        },
    };
    let before = findings.errors.len();
    let volumes = found.volumes.iter();
    let volumes: Vec<_> = volumes
        .filter_map(|volume| planner.volume(volume, findings))
        .collect();
    if volumes.is_empty() {
        return None;
    }
    let mut uses = SecretUses::new(pod, injected, settings.secret_sync);
    for (_, class, mount) in &volumes {
        uses.check(class.0, &class.1, mount, findings);
    }
    let plan = planner.whole(pod, volumes, injected, findings);
    (findings.errors.len() == before).then_some(plan)
}

/// A volume with its class and what it asks for.
type Worked<'f> = (&'f FoundVolume, (&'f str, Arc<ClassSpec>), Mount);

struct Planner<'a> {
    /// The bytes of the classes that were read.
    bytes: usize,
    classes: &'a dyn Classes,
    subject: Subject<'a>,
    rule: &'a Rule,
    surroundings: Surroundings<'a>,
}

impl Planner<'_> {
    /// What a volume asks for. `None` if it is left alone, or has errors.
    fn volume<'f>(
        &mut self,
        volume: &'f FoundVolume,
        findings: &mut Findings,
    ) -> Option<Worked<'f>> {
        let field = format!("spec.volumes[{}]", excerpt(&volume.name));
        let place = || Place::field(field.clone());
        let mut errors: Vec<(Place, ClassVolumeError)> = Vec::new();
        let name = volume.csi.class();
        let class = match name.map(|name| self.classes.class(self.subject.namespace, name)) {
            None => None,
            Some(Lookup::Found(class)) => Some(class),
            Some(Lookup::Missing) => {
                let class = excerpt(name.unwrap_or_default());
                let namespace = self.subject.namespace.to_owned();
                errors.push((place(), ClassVolumeError::Missing { class, namespace }));
                None
            }
            Some(Lookup::Unknown(reason)) => {
                let class = excerpt(name.unwrap_or_default());
                errors.push((place(), ClassVolumeError::Unknown { class, reason }));
                None
            }
        };
        if let Some(provider) = class.as_ref().and_then(|class| other_provider(class)) {
            if volume.is_replaced {
                let class = excerpt(name.unwrap_or_default());
                let provider = excerpt(provider);
                findings.error(
                    place(),
                    ClassVolumeError::OtherProvider { class, provider }.into(),
                );
            }
            return None;
        }
        for error in volume.csi.errors() {
            let place = Place::field(format!("{field}.csi.{}", error.field()));
            errors.push((place, error.into()));
        }
        if !is_label(&volume.name) {
            errors.push((place(), ClassVolumeError::VolumeName));
        }
        let empty = BTreeMap::new();
        let attributes = volume.csi.volume_attributes.as_ref().unwrap_or(&empty);
        self.bytes += class.as_ref().map_or(0, |class| size(class, attributes));
        if self.bytes > MAX_CLASS_BYTES {
            let limit = MAX_CLASS_BYTES;
            findings.error(place(), ClassVolumeError::TooLong { limit }.into());
            return None;
        }
        let mount = class
            .as_ref()
            .map(|class| parse(class, attributes, &self.surroundings));
        let mount = match mount {
            Some(Ok(mount)) => Some(mount),
            Some(Err(invalid)) => {
                let class = excerpt(name.unwrap_or_default());
                errors.extend(invalid.into_iter().map(|error| {
                    let (class, error) = (class.clone(), shortened(error.to_string()));
                    (place(), ClassVolumeError::Invalid { class, error })
                }));
                None
            }
            None => None,
        };
        let is_valid = errors.is_empty();
        for (place, error) in errors {
            findings.error(place, error.into());
        }
        Some((volume, (name?, class?), mount?)).filter(|_| is_valid)
    }

    /// The plan of all volumes.
    fn whole(
        &self,
        pod: &PodView<'_>,
        volumes: Vec<Worked<'_>>,
        injected: Option<Injected>,
        findings: &mut Findings,
    ) -> ClassPlan {
        let mut plan = ClassPlan {
            volumes: Vec::with_capacity(volumes.len()),
            text: String::new(),
            recorded: String::new(),
            role: None,
            pod_identity: false,
            needs_region: false,
            readers: Vec::new(),
            names: BTreeSet::new(),
            objects: Vec::new(),
            denied: Vec::new(),
        };
        let mut recorded: BTreeMap<&str, &BTreeMap<String, String>> = BTreeMap::new();
        let mut wants_role = false;
        let mut class_volumes = Vec::with_capacity(volumes.len());
        for (volume, (class, _), mount) in volumes {
            let place = Place::field(format!("spec.volumes[{}]", volume.name));
            let denied = permission::denied(class, &place, &mount, self.subject, self.rule);
            plan.denied.extend(denied);
            let objects = permission::names(&mount);
            plan.objects.extend(objects.into_iter().map(str::to_owned));
            match mount.identity {
                Identity::ServiceAccountRole => wants_role = true,
                Identity::PodIdentity(_) => plan.pod_identity = true,
            }
            plan.needs_region |= mount.region.is_none();
            plan.volumes.push(PlannedVolume {
                index: volume.index,
                name: volume.name.clone(),
                is_replaced: volume.is_replaced,
                files: private_files(&mount),
            });
            if let Some(attributes) = &volume.csi.volume_attributes {
                recorded.insert(&volume.name, attributes);
            }
            class_volumes.push(ClassVolume {
                name: volume.name.clone(),
                class: class.to_owned(),
                path: path(&volume.name),
                mount,
            });
        }
        plan.text = ClassVolumes(class_volumes).to_string();
        plan.recorded = serde_json::to_string(&recorded).unwrap_or_default();
        let (bytes, limit) = (plan.text.len(), ClassVolumes::MAX_BYTES);
        if bytes > limit {
            let error = ClassVolumeError::TooLarge { bytes, limit };
            findings.error(Place::field("spec.volumes"), error.into());
        }
        // The annotation of an earlier call is among those of the pod.
        let is_new = plan.volumes.iter().any(|volume| !volume.is_replaced);
        let (bytes, limit) = (
            pod.metadata.annotations.bytes() + plan.recorded.len(),
            annotations::BYTES,
        );
        if is_new && bytes > limit {
            let error = ClassVolumeError::AttributesTooLarge { bytes, limit };
            findings.error(Place::field("spec.volumes"), error.into());
        }
        if wants_role {
            plan.role = self.role(findings);
        }
        plan.names = plan.volumes.iter().map(|v| v.name.clone()).collect();
        let readers = pod.other_containers(injected).filter(|(_, container)| {
            let mut mounts = container.volume_mounts.iter();
            mounts.any(|mount| plan.contains(&mount.name))
        });
        let readers = readers.map(|(at, _)| at).collect();
        plan.readers = readers;
        plan
    }

    fn role(&self, findings: &mut Findings) -> Option<Arc<str>> {
        let Subject {
            namespace,
            service_account,
            ..
        } = self.subject;
        match self.classes.role(namespace, service_account) {
            Lookup::Found(role) => Some(role).filter(|role| !role.is_empty()),
            Lookup::Missing => None,
            Lookup::Unknown(reason) => {
                let error = ClassVolumeError::Role { reason };
                findings.error(Place::field("spec.serviceAccountName"), error.into());
                None
            }
        }
    }
}

/// Checks that no init container that mounts a volume runs before kees-init, which is at `position` among the others.
pub(crate) fn check_order(
    pod: &PodView<'_>,
    plan: &ClassPlan,
    position: usize,
    injected: Option<Injected>,
    settings: &InjectSettings,
    findings: &mut Findings,
) {
    let order = settings.domain.init(init::ORDER);
    for (_, container) in pod.other_init_containers(injected).take(position) {
        let mut mounts = container.volume_mounts.iter();
        if let Some(mount) = mounts.find(|mount| plan.contains(&mount.name)) {
            let error = ClassVolumeError::RunsBefore {
                container: excerpt(&container.name),
                volume: mount.name.to_string(),
                order: order.clone(),
            };
            findings.error(Place::annotation(&order), error.into());
        }
    }
}

/// The files that not everybody may read.
fn private_files(mount: &Mount) -> Vec<(String, Mode)> {
    let private = mount.files().filter(|file| file.mode.bits() & 0o004 == 0);
    private.map(|file| (file.path.clone(), file.mode)).collect()
}

/// An error without the rest of a very long name.
fn shortened(error: String) -> String {
    const LIMIT: usize = 1000;
    if error.len() <= LIMIT {
        return error;
    }
    let beginning = error.get(..error.floor_char_boundary(LIMIT));
    format!("{}…", beginning.unwrap_or_default())
}

/// The bytes that are read of a class with these attributes of a volume.
fn size(class: &ClassSpec, attributes: &BTreeMap<String, String>) -> usize {
    let parameters = class.parameters.iter().flatten();
    parameters
        .chain(attributes)
        .map(|(_, value)| value.len())
        .sum()
}

/// The provider of a class that is not read here. A class without one is wrong.
fn other_provider(class: &ClassSpec) -> Option<&str> {
    let provider = class.provider.as_deref().filter(|name| !name.is_empty())?;
    (!class.is_aws()).then_some(provider)
}

/// Whether a name is a DNS label (RFC 1123), as names of volumes are.
fn is_label(name: &str) -> bool {
    let is_char = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(is_char)
        && !name.starts_with('-')
        && !name.ends_with('-')
}
