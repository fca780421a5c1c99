//! The mount path of the files: nothing else may be mounted there.
//!
//! The files are mounted read-only, so the container runtime cannot create a folder for another
//! mount below them. Nor can it create their folder inside a volume that is read-only.

use std::collections::BTreeSet;

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
    has_classes: bool,
    findings: &mut Findings,
) {
    let written_by_kubelet = pod.spec.volumes.iter();
    let written_by_kubelet = written_by_kubelet.filter(|volume| volume.is_written_by_kubelet());
    let mut check = Check {
        path: path.as_str(),
        written_by_kubelet: written_by_kubelet.map(|volume| &*volume.name).collect(),
        annotation: settings.domain.init(init::MOUNT_PATH),
        findings,
    };
    if let Some(error) = reserved_paths::error(path, settings) {
        check.error(error);
    }
    for container in targets.iter().filter_map(|target| pod.container(*target)) {
        check.container(container);
    }
    check.init_container(has_classes);
}

struct Check<'a> {
    path: &'a str,
    /// The names of the volumes that only the kubelet writes.
    written_by_kubelet: BTreeSet<&'a str>,
    annotation: String,
    findings: &'a mut Findings,
}

impl Check<'_> {
    /// The init container's other mounts.
    fn init_container(&mut self, has_classes: bool) {
        let of_classes = [
            ("the volumes of classes", names::CLASS_VOLUMES_PATH),
            (names::AWS_TOKEN, names::TOKENS_PATH),
        ];
        let of_classes = of_classes.into_iter().filter(|_| has_classes);
        let mounts = [
            (names::PODINFO, names::PODINFO_PATH),
            (names::PODINFO, names::TOKEN_PATH),
        ];
        for (volume, at) in mounts.into_iter().chain(of_classes) {
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
        let mut parent: Option<(usize, &MountView<'_>)> = None;
        for mount in container.volume_mounts.iter() {
            match Relation::new(&mount.mount_path, self.path) {
                Relation::AtOrBelow
                    if &*mount.name != names::SECRETS && !self.findings.is_full() =>
                {
                    self.error(PodErrorKind::PathMounted {
                        path: excerpt(self.path),
                        container: excerpt(&container.name),
                        volume: excerpt(&mount.name),
                        at: excerpt(&mount.mount_path),
                    });
                }
                Relation::Above => {
                    let depth = depth(&mount.mount_path);
                    if parent.is_none_or(|(nearest, _)| depth >= nearest) {
                        parent = Some((depth, mount));
                    }
                }
                Relation::AtOrBelow | Relation::Separate => {}
            }
        }
        if let Some((_, mount)) = parent {
            self.parent(container, mount);
        }
    }

    /// The mount in which the folder of the files must be created.
    fn parent(&mut self, container: &ContainerView<'_>, mount: &MountView<'_>) {
        let is_written_by_kubelet = self.written_by_kubelet.contains(&*mount.name);
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
