//! The operations for a pod that is already injected.
//!
//! The API server calls again as soon as another plugin changes the pod after the first call, and
//! it fills in defaults in between. A pod author can also write anything into a container named
//! `kees-init`. So an existing container or volume is kept only if it is equal to the one that
//! would be injected now, except for defaults. Otherwise it is replaced as a whole.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    decode::object::{nullable, object},
    names,
    patch::{
        container::InitContainer,
        injection::Injection,
        operations::{Operation, Value},
        volumes::Volume,
        write,
    },
    pod::{
        container::ContainerView,
        injected::Injected,
        quantity::Quantity,
        text::{QuantityText, Text},
        view::{PodView, Source},
    },
    settings::PullPolicy,
};

/// The most bytes that defaults and other plugins add to a container or a volume.
const ADDITIONS: usize = 8192;

/// The containers of kees and the volumes that a pod already has, as JSON.
pub(crate) struct Existing<'a> {
    init: (usize, &'a str),
    sidecar: Option<(usize, &'a str)>,
    /// The volumes of kees in the order of [`names::VOLUMES`], each with its index.
    volumes: [Option<(usize, &'a str)>; names::VOLUMES.len()],
    /// All volumes, in the order of the pod.
    all_volumes: Vec<&'a RawValue>,
}

impl<'a> Existing<'a> {
    /// Finds them in the JSON of `pod`, whose containers of kees are `injected`.
    pub(crate) fn read(pod: &PodView<'a>, injected: Injected) -> serde_json::Result<Self> {
        let RawSpec {
            volumes: raw_volumes,
            init_containers,
        } = RawPod::read(pod.source)?.spec;
        let volumes = names::VOLUMES.map(|name| {
            let at = pod.spec.volumes.iter().position(|v| &*v.name == name)?;
            Some((at, raw_volumes.get(at)?.get()))
        });
        let container = |index: usize| {
            let raw = init_containers.get(index);
            (index, raw.map_or("", |raw| raw.get()))
        };
        Ok(Self {
            all_volumes: raw_volumes,
            init: container(injected.init),
            sidecar: injected.sidecar.map(container),
            volumes,
        })
    }

    /// Adds what others may have added to the containers of kees to those of `injection`. It must
    /// be kept, or the pod would be denied later: amounts from a `LimitRange`, an id from the
    /// namespace's range (`OpenShift`), and the policy of `AlwaysPullImages`.
    pub(crate) fn keep_additions(&self, pod: &PodView<'_>, injection: &mut Injection<'a>) {
        keep_additions(pod, self.init, &mut injection.container);
        if let (Some(existing), Some(sidecar)) = (self.sidecar, &mut injection.sidecar) {
            keep_additions(pod, existing, sidecar);
        }
    }

    /// The operations that make the pod equal to one that is injected now. There are none if it
    /// already is.
    pub(crate) fn reconcile<'i>(
        &self,
        pod: &PodView<'_>,
        injection: &'i Injection<'_>,
    ) -> Vec<Operation<'i>> {
        let mut operations = Vec::new();
        self.replaced_volumes(injection, &mut operations);
        self.volumes(pod, injection, &mut operations);
        write::read_only_mounts(injection, &mut operations);
        write::mounts(pod, injection, &mut operations);
        write::commands(injection, &mut operations);
        self.containers(injection, &mut operations);
        write::annotations(pod, injection, &mut operations);
        write::label(pod, injection, &mut operations);
        operations
    }

    fn volumes<'i>(
        &self,
        pod: &PodView<'_>,
        injection: &'i Injection<'_>,
        operations: &mut Vec<Operation<'i>>,
    ) {
        let mut own = injection.volumes.iter();
        if own.all(|volume| self.volume(&volume.name).is_none()) {
            write::volumes(pod, injection, operations);
        } else {
            self.own_volumes(injection, operations);
        }
        // From the last to the first, so that each index is still right.
        let is_unwanted = |name: &&&str| injection.volumes.iter().all(|v| *v.name != ***name);
        let unwanted = injection.volume_names.iter().filter(is_unwanted);
        let mut indices: Vec<usize> = unwanted
            .filter_map(|name| self.volume(name).map(|(at, _)| at))
            .collect();
        indices.sort_unstable();
        operations.extend(indices.into_iter().rev().map(|at| Operation::Remove {
            path: format!("/spec/volumes/{at}"),
        }));
    }

    /// Replaces volumes of classes that are not as they would be now.
    fn replaced_volumes<'i>(
        &self,
        injection: &'i Injection<'_>,
        operations: &mut Vec<Operation<'i>>,
    ) {
        for replaced in &injection.replaced {
            let json = self.all_volumes.get(replaced.index);
            let is_there = replaced.is_replaced
                && json.is_some_and(|json| is_volume(json.get(), &replaced.volume));
            if !is_there {
                operations.push(write::replace_volume(replaced));
            }
        }
    }

    /// The volume of kees of that name, with its index.
    fn volume(&self, name: &str) -> Option<(usize, &'a str)> {
        let index = names::VOLUMES.iter().position(|known| *known == name)?;
        *self.volumes.get(index)?
    }

    /// The volumes of kees, where the pod has one of them.
    fn own_volumes<'i>(&self, injection: &'i Injection<'_>, operations: &mut Vec<Operation<'i>>) {
        for wanted in &injection.volumes {
            let value = Value::Volume(wanted);
            match self.volume(&wanted.name) {
                None => operations.push(Operation::add("/spec/volumes/-", value)),
                Some((_, json)) if is_volume(json, wanted) => {}
                Some((at, _)) => {
                    let path = format!("/spec/volumes/{at}");
                    operations.push(Operation::replace(path, value));
                }
            }
        }
    }

    fn containers<'i>(&self, injection: &'i Injection<'_>, operations: &mut Vec<Operation<'i>>) {
        let path = |index: usize| format!("/spec/initContainers/{index}");
        let position = injection.position;
        let (mut index, existing) = self.init;
        let sidecar = injection.sidecar.as_ref();
        // A sidecar that is not in its place is added again.
        let kept = match self.sidecar {
            Some((at, json)) if at == index + 1 && index == position && sidecar.is_some() => {
                Some(json)
            }
            Some((at, _)) => {
                operations.push(Operation::Remove { path: path(at) });
                index -= usize::from(at < index);
                None
            }
            None => None,
        };
        if index != position {
            operations.push(Operation::Move {
                path: path(position),
                from: path(index),
            });
        }
        let wanted = &injection.container;
        if !is_container(existing, wanted) {
            operations.push(Operation::replace(path(position), Value::Container(wanted)));
        }
        let Some(sidecar) = sidecar else {
            return;
        };
        let path = path(position + 1);
        match kept {
            Some(json) if is_container(json, sidecar) => {}
            Some(_) => operations.push(Operation::replace(path, Value::Container(sidecar))),
            None => operations.push(Operation::add(path, Value::Container(sidecar))),
        }
    }
}

/// Adds what others may have added to the container `existing`, an index and JSON, to `wanted`.
fn keep_additions<'a>(
    pod: &PodView<'_>,
    (index, existing): (usize, &'a str),
    wanted: &mut InitContainer<'a>,
) {
    if existing.len() > limit(wanted) {
        return;
    }
    let additions: Additions<'a> = serde_json::from_str(existing).unwrap_or_default();
    for (existing, wanted) in [
        (additions.resources.requests, &mut wanted.resources.requests),
        (additions.resources.limits, &mut wanted.resources.limits),
    ] {
        for (name, amount) in existing {
            if let Ok(amount) = amount.0.parse::<Quantity>() {
                wanted.entry(name).or_insert(amount);
            }
        }
    }
    if let Some(ContainerView {
        security_context: existing,
        ..
    }) = pod.spec.init_containers.get(index)
    {
        let wanted = &mut wanted.security_context;
        let not_root = |id: Option<i64>| id.filter(|id| *id > 0);
        wanted.run_as_user = wanted.run_as_user.or(not_root(existing.run_as_user));
        wanted.run_as_group = wanted.run_as_group.or(not_root(existing.run_as_group));
    }
    match (
        additions.image_pull_policy.as_deref(),
        wanted.image_pull_policy,
    ) {
        (Some("Always"), _) => wanted.image_pull_policy = Some(PullPolicy::Always),
        (Some("IfNotPresent"), None) => {
            wanted.image_pull_policy = Some(PullPolicy::IfNotPresent);
        }
        _ => {}
    }
}

/// Whether the JSON is that of a volume that this program writes, and equal to `wanted`.
fn is_volume(json: &str, wanted: &Volume<'_>) -> bool {
    json.len() <= limit(wanted)
        && serde_json::from_str::<Volume<'_>>(json).is_ok_and(|existing| existing == *wanted)
}

/// Whether the JSON is that of a container that this program writes, and equal to `wanted`.
fn is_container(json: &str, wanted: &InitContainer<'_>) -> bool {
    json.len() <= limit(wanted)
        && serde_json::from_str::<InitContainer<'_>>(json)
            .is_ok_and(|existing| existing.equals(wanted.clone()))
}

/// The longest JSON in which `wanted` can be after other plugins have added to it. Longer JSON is
/// not decoded: a pod author can write a container or volume of any size.
fn limit(wanted: &impl Serialize) -> usize {
    let written = serde_json::to_vec(wanted).map_or(0, |json| json.len());
    ADDITIONS + 2 * written
}

/// What others may have added to a container of kees. The ids are in the pod's view.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Additions<'a> {
    #[serde(borrow)]
    image_pull_policy: Option<Text<'a>>,
    #[serde(borrow, deserialize_with = "object")]
    resources: AddedResources<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct AddedResources<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    requests: BTreeMap<Text<'a>, QuantityText<'a>>,
    #[serde(borrow, deserialize_with = "nullable")]
    limits: BTreeMap<Text<'a>, QuantityText<'a>>,
}

#[derive(Deserialize, Default)]
struct RawPod<'a> {
    #[serde(borrow)]
    spec: RawSpec<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct RawSpec<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    volumes: Vec<&'a RawValue>,
    #[serde(borrow, deserialize_with = "nullable")]
    init_containers: Vec<&'a RawValue>,
}

impl<'a> RawPod<'a> {
    fn read(source: Source<'a>) -> serde_json::Result<Self> {
        #[derive(Deserialize)]
        struct Review<'a> {
            #[serde(borrow)]
            request: Request<'a>,
        }

        #[derive(Deserialize)]
        struct Request<'a> {
            #[serde(borrow)]
            object: RawPod<'a>,
        }

        match source {
            Source::Pod(json) => serde_json::from_str(json),
            Source::Review(json) => {
                serde_json::from_str(json).map(|review: Review<'_>| review.request.object)
            }
            Source::None => Ok(Self::default()),
        }
    }
}
