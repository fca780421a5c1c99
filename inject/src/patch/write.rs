//! The operations that inject a pod.

use crate::{
    names,
    patch::{
        injection::Injection,
        operations::{Operation, Value, pointer_segment},
    },
    pod::{container::ContainerRef, view::PodView},
};

/// The operations for a pod that is not injected yet.
pub(crate) fn write<'i>(pod: &PodView<'_>, injection: &'i Injection<'_>) -> Vec<Operation<'i>> {
    let mut operations = Vec::with_capacity(8 + injection.targets.len());
    volumes(pod, injection, &mut operations);
    mounts(pod, injection, &mut operations);
    commands(injection, &mut operations);
    containers(pod, injection, &mut operations);
    annotation(pod, injection, &mut operations);
    operations
}

/// Adds all volumes.
pub(crate) fn volumes<'i>(
    pod: &PodView<'_>,
    injection: &'i Injection<'_>,
    operations: &mut Vec<Operation<'i>>,
) {
    if pod.spec.volumes.is_empty() {
        let volumes = Value::Volumes(&injection.volumes);
        operations.push(Operation::add("/spec/volumes", volumes));
    } else {
        let volumes = injection.volumes.iter();
        let add = |volume| Operation::add("/spec/volumes/-", Value::Volume(volume));
        operations.extend(volumes.map(add));
    }
}

/// Adds the mount of the files to each target, and replaces a mount of them that is different.
pub(crate) fn mounts<'i>(
    pod: &PodView<'_>,
    injection: &'i Injection<'_>,
    operations: &mut Vec<Operation<'i>>,
) {
    let mount = &injection.mount;
    for target in &injection.targets {
        let Some(container) = pod.container(*target) else {
            continue;
        };
        let path = format!(
            "/spec/{}/{}/volumeMounts",
            target.list.as_str(),
            target.index
        );
        let mut existing = container.volume_mounts.iter().enumerate();
        match existing.find(|(_, existing)| &*existing.name == names::SECRETS) {
            Some((_, existing)) if mount.matches(existing) => {}
            Some((at, _)) => {
                let path = format!("{path}/{at}");
                operations.push(Operation::replace(path, Value::Mount(mount)));
            }
            None if container.volume_mounts.is_empty() => {
                operations.push(Operation::add(path, Value::Mounts([mount])));
            }
            None => {
                let path = format!("{path}/-");
                operations.push(Operation::add(path, Value::Mount(mount)));
            }
        }
    }
}

/// Replaces the commands that get variables.
pub(crate) fn commands<'i>(injection: &'i Injection<'_>, operations: &mut Vec<Operation<'i>>) {
    for command in injection
        .commands
        .iter()
        .filter(|command| !command.is_there)
    {
        let ContainerRef { list, index } = command.container;
        let path = format!("/spec/{}/{index}/command", list.as_str());
        operations.push(Operation::replace(path, Value::Command(&command.words)));
    }
}

/// Adds the init container, and the sidecar if there is one.
fn containers<'i>(
    pod: &PodView<'_>,
    injection: &'i Injection<'_>,
    operations: &mut Vec<Operation<'i>>,
) {
    let containers = [&injection.container].into_iter().chain(&injection.sidecar);
    if pod.spec.init_containers.is_empty() {
        let containers = Value::Containers(containers.collect());
        operations.push(Operation::add("/spec/initContainers", containers));
    } else {
        let add = |(index, container)| {
            let path = format!("/spec/initContainers/{index}");
            Operation::add(path, Value::Container(container))
        };
        operations.extend((injection.position..).zip(containers).map(add));
    }
}

/// Adds the annotation with the version, or replaces that of another version.
pub(crate) fn annotation<'i>(
    pod: &PodView<'_>,
    injection: &'i Injection<'_>,
    operations: &mut Vec<Operation<'i>>,
) {
    let (key, version) = &injection.annotation;
    if pod.annotation(key) != Some(version) {
        // The pod has annotations, or it would not be injected.
        let path = format!("/metadata/annotations/{}", pointer_segment(key));
        operations.push(Operation::add(path, Value::Text(version)));
    }
}
