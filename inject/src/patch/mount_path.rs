//! The mount path of the files: nothing else may be mounted there.
//!
//! The files are mounted read-only, so the container runtime cannot create a folder for another
//! mount below them. Nor can it create their folder inside a volume that is read-only.

use kees_common::{MountPath, names::init};

use crate::{
    error::{Place, PodErrorKind, excerpt},
    findings::Findings,
    names,
    patch::reserved_paths,
    pod::{
        container::{ContainerRef, ContainerView, MountView},
        path::{Relation, depth, overlap},
        view::PodView,
    },
    settings::InjectSettings,
};

/// Checks the mount path in the init container and in `targets`.
pub(crate) fn check(
    pod: &PodView<'_>,
    path: &MountPath,
    settings: &InjectSettings,
    targets: &[ContainerRef],
    findings: &mut Findings,
) {
    let mut check = Check {
        pod,
        path: path.as_str(),
        annotation: settings.domain.init(init::MOUNT_PATH),
        findings,
    };
    if let Some(error) = reserved_paths::error(path, settings) {
        check.error(error);
    }
    for target in targets {
        if let Some(container) = pod.container(*target) {
            check.container(container);
        }
    }
    check.init_container();
}

struct Check<'a> {
    pod: &'a PodView<'a>,
    path: &'a str,
    annotation: String,
    findings: &'a mut Findings,
}

impl Check<'_> {
    /// The init container's other mounts.
    fn init_container(&mut self) {
        for (volume, at) in [
            (names::PODINFO, names::PODINFO_PATH),
            (names::NO_TOKEN, names::TOKEN_PATH),
        ] {
            if overlap(at, self.path) {
                self.error(PodErrorKind::PathMounted {
                    path: excerpt(self.path),
                    container: names::CONTAINER.to_owned(),
                    volume: volume.to_owned(),
                    at: at.to_owned(),
                });
            }
        }
    }

    /// The mounts of a container at the path, below it, and nearest above it.
    fn container(&mut self, container: &ContainerView<'_>) {
        let mut parent: Option<&MountView<'_>> = None;
        for mount in &container.volume_mounts {
            let is_nearer =
                |than: &MountView<'_>| depth(&mount.mount_path) >= depth(&than.mount_path);
            match Relation::new(&mount.mount_path, self.path) {
                Relation::AtOrBelow if &*mount.name != names::SECRETS => {
                    self.error(PodErrorKind::PathMounted {
                        path: excerpt(self.path),
                        container: excerpt(&container.name),
                        volume: excerpt(&mount.name),
                        at: excerpt(&mount.mount_path),
                    });
                }
                Relation::Above if parent.is_none_or(is_nearer) => parent = Some(mount),
                Relation::AtOrBelow | Relation::Above | Relation::Separate => {}
            }
        }
        if let Some(parent) = parent {
            self.parent(container, parent);
        }
    }

    /// The mount in which the folder of the files must be created.
    fn parent(&mut self, container: &ContainerView<'_>, mount: &MountView<'_>) {
        let mut volumes = self.pod.spec.volumes.iter();
        let is_written_by_kubelet =
            volumes.any(|v| v.name == mount.name && v.is_written_by_kubelet());
        let (path, volume) = (excerpt(self.path), excerpt(&mount.name));
        let (container, at) = (excerpt(&container.name), excerpt(&mount.mount_path));
        if is_written_by_kubelet {
            self.error(PodErrorKind::PathInVolume {
                path,
                container,
                volume,
                at,
            });
        } else if mount.read_only {
            let place = Place::Annotation(self.annotation.clone());
            let message = format!(
                "{path} is inside {volume}, which {container} mounts read-only at {at}; the \
                 container starts only if that folder already exists"
            );
            self.findings.warn(place, message);
        }
    }

    fn error(&mut self, kind: PodErrorKind) {
        let place = Place::Annotation(self.annotation.clone());
        self.findings.error(place, kind);
    }
}
