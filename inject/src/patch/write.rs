//! The operations that inject a pod.

use crate::{
    names,
    patch::{
        injection::{Injection, ReplacedVolume},
        operations::{Operation, Value, pointer_segment},
    },
    pod::{container::ContainerRef, view::PodView},
};

/// The operations for a pod that is not injected yet.
pub(crate) fn write<'i>(pod: &PodView<'_>, injection: &'i Injection<'_>) -> Vec<Operation<'i>> {
    let mut operations = Vec::with_capacity(8 + injection.targets.len());
    for replaced in &injection.replaced {
        operations.push(replace_volume(replaced));
    }
    volumes(pod, injection, &mut operations);
    read_only_mounts(injection, &mut operations);
    mounts(pod, injection, &mut operations);
    commands(injection, &mut operations);
    containers(pod, injection, &mut operations);
    annotations(pod, injection, &mut operations);
    label(pod, injection, &mut operations);
    operations
}

/// Replaces a volume of a class.
pub(crate) fn replace_volume<'i>(replaced: &'i ReplacedVolume<'_>) -> Operation<'i> {
    let path = format!("/spec/volumes/{}", replaced.index);
    Operation::replace(path, Value::Volume(&replaced.volume))
}

/// Makes mounts of volumes of classes read-only.
pub(crate) fn read_only_mounts<'i>(
    injection: &'i Injection<'_>,
    operations: &mut Vec<Operation<'i>>,
) {
    for (ContainerRef { list, index }, mount) in &injection.read_only_mounts {
        let list = list.as_str();
        let path = format!("/spec/{list}/{index}/volumeMounts/{mount}/readOnly");
        operations.push(Operation::add(path, Value::Boolean(true)));
    }
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

/// Adds the annotations of the webhook, or replaces other values.
pub(crate) fn annotations<'i>(
    pod: &PodView<'_>,
    injection: &'i Injection<'_>,
    operations: &mut Vec<Operation<'i>>,
) {
    if pod.metadata.annotations.count() == 0 {
        let all = injection.annotations.iter();
        let all = all.map(|(key, value)| (key.as_str(), &**value)).collect();
        operations.push(Operation::add("/metadata/annotations", Value::Texts(all)));
        return;
    }
    for (key, value) in &injection.annotations {
        if pod.annotation(key) != Some(value) {
            let path = format!("/metadata/annotations/{}", pointer_segment(key));
            operations.push(Operation::add(path, Value::Text(value)));
        }
    }
}

/// Adds the label by which the webhook finds pods with Secrets, or replaces another value.
pub(crate) fn label<'i>(
    pod: &PodView<'_>,
    injection: &'i Injection<'_>,
    operations: &mut Vec<Operation<'i>>,
) {
    let Some((key, value)) = &injection.label else {
        return;
    };
    if !pod.has_labels() {
        let all = [(key.as_str(), *value)].into();
        operations.push(Operation::add("/metadata/labels", Value::Texts(all)));
    } else if pod.label(key).as_deref() != Some(value) {
        let path = format!("/metadata/labels/{}", pointer_segment(key));
        operations.push(Operation::add(path, Value::Text(value)));
    }
}
