//! The names of the init container and its volumes: nothing else in the pod may use them.

use crate::{
    error::{Place, PodErrorKind, excerpt},
    findings::Findings,
    names,
    patch::scope::Scope,
    pod::{
        container::{ContainerRef, ContainerView},
        injected::Injected,
        view::{PodView, VolumeView},
    },
};

/// Checks the names of containers and volumes, and the mounts of the volumes. `targets` are the containers that read
/// the files of annotations. `is_refreshed`: the pod gets the sidecar.
pub(crate) fn check(
    pod: &PodView<'_>,
    scope: &Scope,
    targets: &[ContainerRef],
    is_refreshed: bool,
    findings: &mut Findings,
) {
    let injected = scope.injected;
    let names = names::reserved_volumes(scope.classes.is_some());
    containers(pod, injected, is_refreshed, findings);
    volumes(pod, names, injected.is_some(), findings);
    // The targets are in the same order as the containers.
    let mut targets = targets.iter().peekable();
    for (at, container) in pod.other_containers(injected) {
        let list = at.list.as_str();
        let is_target = targets.next_if(|target| **target == at).is_some();
        let is_injected_target = injected.is_some() && is_target;
        mounts(container, list, names, is_injected_target, findings);
    }
}

fn containers(
    pod: &PodView<'_>,
    injected: Option<Injected>,
    is_refreshed: bool,
    findings: &mut Findings,
) {
    let is_reserved =
        |name: &str| name == names::CONTAINER || (is_refreshed && name == names::SIDECAR);
    let ephemeral = pod.spec.ephemeral_containers.iter();
    let ephemeral = ephemeral.map(|container| ("ephemeralContainers", &container.name));
    pod.other_containers(injected)
        .map(|(at, container)| (at.list.as_str(), &container.name))
        .chain(ephemeral)
        .filter(|(_, name)| is_reserved(name))
        .for_each(|(list, name)| reserved(list, name, findings));
}

/// In a pod that is already injected, each volume may be there once, as the kind that was injected.
fn volumes(pod: &PodView<'_>, names: &[&str], is_injected: bool, findings: &mut Findings) {
    let mut seen = vec![false; names.len()];
    for volume in pod.spec.volumes.iter() {
        let index = names.iter().position(|name| *name == &*volume.name);
        let Some(seen) = index.and_then(|index| seen.get_mut(index)) else {
            continue;
        };
        if !is_injected || *seen || !has_injected_kind(volume) {
            reserved("volumes", &volume.name, findings);
        }
        *seen = true;
    }
}

fn has_injected_kind(volume: &VolumeView<'_>) -> bool {
    match &*volume.name {
        names::PODINFO => volume.downward_api.is_some(),
        names::SECRETS => volume.empty_dir.is_some(),
        _ => volume.projected.is_some(),
    }
}

/// No container mounts the volumes, except a target of a pod that is already injected: it mounts
/// the files once.
fn mounts(
    container: &ContainerView<'_>,
    list: &str,
    names: &[&str],
    is_injected_target: bool,
    findings: &mut Findings,
) {
    for volume in names {
        let mounts = container.volume_mounts.iter();
        let count = mounts.filter(|mount| &*mount.name == *volume).count();
        let allowed = usize::from(is_injected_target && *volume == names::SECRETS);
        if count > allowed {
            let place = format!("spec.{list}[{}]", excerpt(&container.name));
            let volume = (*volume).to_owned();
            findings.error(Place::field(place), PodErrorKind::MountReserved { volume });
        }
    }
}

fn reserved(list: &str, name: &str, findings: &mut Findings) {
    let place = Place::field(format!("spec.{list}[{name}]"));
    let name = name.to_owned();
    findings.error(place, PodErrorKind::NameReserved { name });
}
