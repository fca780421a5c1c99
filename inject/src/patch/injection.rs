//! From a pod that nothing is wrong with to the operations that inject it.

use kees_common::{FileMode, MountPath, Options, names::init};

use crate::{
    InjectSettings, Operations, PodError, PodView, names,
    patch::container::{write_container, write_target_mount, write_volume},
    patch::identity::Identity,
    patch::json::JsonWriter,
    patch::operations::{OperationWriter, pointer_segment},
    patch::placement::Placement,
    patch::reconcile::Existing,
    patch::security_context::Ownership,
    policy::effective::Grant,
};

/// All that is settled about a pod that is to be injected.
pub(crate) struct Injection<'a> {
    pub(crate) pod: &'a PodView<'a>,
    pub(crate) options: &'a Options,
    pub(crate) settings: &'a InjectSettings,
    pub(crate) grant: Grant<'a>,
    pub(crate) placement: Placement,
    pub(crate) identity: Identity<'a>,
    pub(crate) ownership: Ownership,
    pub(crate) mount_path: MountPath,
}

impl<'a> Injection<'a> {
    pub(crate) fn new(
        pod: &'a PodView<'a>,
        options: &'a Options,
        settings: &'a InjectSettings,
        grant: Grant<'a>,
        placement: Placement,
        identity: Identity<'a>,
    ) -> Self {
        let ownership = Ownership::new(pod, &placement.targets, settings.run_as);
        let mount_path = options.mount_path.clone().unwrap_or_default();
        Self {
            pod,
            options,
            settings,
            grant,
            placement,
            identity,
            ownership,
            mount_path,
        }
    }

    /// The mode of the files: the pod's, else by owner.
    pub(crate) fn file_mode(&self) -> FileMode {
        self.options.file_mode.unwrap_or(self.ownership.mode)
    }

    /// A warning where the pod's own mode may keep its containers from reading.
    pub(crate) fn unreadable(&self) -> Option<String> {
        let asked = self.options.file_mode?;
        let needed = self.ownership.mode.bits();
        (asked.bits() & needed != needed).then(|| {
            let annotation = self.settings.domain.init(init::FILE_MODE);
            format!("{annotation}: a container may be unable to read files of mode {asked}; {} is enough", self.ownership.mode)
        })
    }

    /// The operations for a pod in which nothing of ours stands, or those that make of ours what
    /// it would be if it were injected now.
    pub(crate) fn operations(&self) -> Result<Operations, Vec<PodError>> {
        let existing = match self.placement.injected {
            Some(index) => Some(Existing::read(self, index)?),
            None => None,
        };
        Ok(Operations::write(|operations| match &existing {
            Some(existing) => existing.write_difference(self, operations),
            None => self.write_all(operations),
        }))
    }

    fn write_all(&self, operations: &mut OperationWriter<'_>) {
        self.write_volumes(operations);
        self.write_mounts(operations);
        let init_containers = self.pod.spec.init_containers.len();
        if init_containers == 0 {
            operations.add("/spec/initContainers", |json| {
                json.array(|json| write_container(json, self));
            });
        } else {
            let path = format!("/spec/initContainers/{}", self.placement.position);
            operations.add(&path, |json| write_container(json, self));
        }
        self.write_stamp(operations);
    }

    pub(crate) fn write_volumes(&self, operations: &mut OperationWriter<'_>) {
        if self.pod.spec.volumes.is_empty() {
            operations.add("/spec/volumes", |json| {
                json.array(|json| {
                    for name in names::VOLUMES {
                        write_volume(json, name, self);
                    }
                });
            });
            return;
        }
        for name in names::VOLUMES {
            operations.add("/spec/volumes/-", |json| write_volume(json, name, self));
        }
    }

    /// The mounts of the files. A target that has its mount as it should be is left alone.
    pub(crate) fn write_mounts(&self, operations: &mut OperationWriter<'_>) {
        for target in &self.placement.targets {
            let Some(container) = target.container(self.pod) else {
                continue;
            };
            let list = target.list.as_str();
            let path = format!("/spec/{list}/{}/volumeMounts", target.index);
            let ours = container
                .volume_mounts
                .iter()
                .position(|m| &*m.name == names::SECRETS);
            let write = |json: &mut JsonWriter| write_target_mount(json, self);
            match ours.map(|at| (at, container.volume_mounts.get(at))) {
                Some((_, Some(mount))) if mount.is_plain(self.mount_path.as_str()) => {}
                Some((at, _)) => operations.replace(&format!("{path}/{at}"), write),
                None if container.volume_mounts.is_empty() => {
                    operations.add(&path, |json| json.array(write));
                }
                None => operations.add(&format!("{path}/-"), write),
            }
        }
    }

    /// The annotation that says which version injected the pod.
    pub(crate) fn write_stamp(&self, operations: &mut OperationWriter<'_>) {
        let key = self.settings.domain.init(init::INJECTED);
        let version = &self.settings.version;
        if self.pod.annotation(&key) != Some(version) {
            // There are annotations, or the pod would not be ours.
            let path = format!("/metadata/annotations/{}", pointer_segment(&key));
            operations.add(&path, |json| json.string(version));
        }
    }
}
