//! Where the init container stands, who gets the files, and which names and paths are in the way.

use std::collections::BTreeSet;

use kees_common::{Options, Order, names::init};

use crate::{
    InjectSettings, PodError, PodView,
    decide::Standing,
    error::{Place, PodErrorKind, shown},
    names,
    patch::reserved_paths,
    pod::path::{Relation, depth, overlap},
    pod::view::{ContainerView, MountView},
};

/// A pod in which everything of ours has its place.
#[derive(Debug)]
pub(crate) struct Placement {
    /// The index of our container, where it is there already.
    pub(crate) injected: Option<usize>,
    /// The index that it should have among the init containers.
    pub(crate) position: usize,
    /// The containers that get the files.
    pub(crate) targets: Vec<Target>,
}

/// A container that gets the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    /// Which list it is in.
    pub(crate) list: List,
    /// Its index in the list as it is.
    pub(crate) index: usize,
}

/// A list of containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum List {
    /// `spec.containers`
    App,
    /// `spec.initContainers`
    Init,
}

impl List {
    /// The name of the list in `spec`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::App => "containers",
            Self::Init => "initContainers",
        }
    }
}

impl Target {
    pub(crate) fn container<'p, 'a>(self, pod: &'p PodView<'a>) -> Option<&'p ContainerView<'a>> {
        match self.list {
            List::App => pod.spec.containers.get(self.index),
            List::Init => pod.spec.init_containers.get(self.index),
        }
    }
}

impl Placement {
    /// Finds the places; what is in the way is added to `faults`, what may be to `warnings`.
    pub(crate) fn new(
        pod: &PodView<'_>,
        options: &Options,
        settings: &InjectSettings,
        standing: Standing,
        faults: &mut Vec<PodError>,
        warnings: &mut Vec<String>,
    ) -> Option<Self> {
        let injected = standing.injected();
        let mut placer = Placer {
            pod,
            options,
            settings,
            injected,
            faults,
            warnings,
        };
        placer.names();
        let position = placer.position()?;
        let targets = placer.targets(position);
        placer.mounts(&targets);
        placer.paths(&targets);
        Some(Self {
            injected,
            position,
            targets,
        })
    }
}

struct Placer<'a> {
    pod: &'a PodView<'a>,
    options: &'a Options,
    settings: &'a InjectSettings,
    injected: Option<usize>,
    faults: &'a mut Vec<PodError>,
    warnings: &'a mut Vec<String>,
}

impl<'a> Placer<'a> {
    /// The init containers but ours, each with its index in the list as it is.
    fn others(&self) -> impl Iterator<Item = (usize, &'a ContainerView<'a>)> + use<'a> {
        let injected = self.injected;
        self.pod
            .spec
            .init_containers
            .iter()
            .enumerate()
            .filter(move |(i, _)| Some(*i) != injected)
    }

    /// All containers but ours.
    fn all(&self) -> impl Iterator<Item = (Target, &'a ContainerView<'a>)> + use<'a> {
        let app = self.pod.spec.containers.iter().enumerate();
        let app = app.map(|(index, c)| {
            (
                Target {
                    list: List::App,
                    index,
                },
                c,
            )
        });
        let init = self.others().map(|(index, c)| {
            (
                Target {
                    list: List::Init,
                    index,
                },
                c,
            )
        });
        app.chain(init)
    }

    /// Our names belong to us. Where our container is there already, so are our volumes, which
    /// are looked at when they are compared.
    fn names(&mut self) {
        let spec = &self.pod.spec;
        let all = self.all();
        let mut taken = |list: &str, name: &str| {
            let place = Place::Field(format!("spec.{list}[{name}]"));
            let problem = PodErrorKind::NameTaken {
                name: name.to_owned(),
            };
            self.faults.push(PodError::at(place, problem));
        };
        for (target, container) in all {
            if &*container.name == names::CONTAINER {
                taken(target.list.as_str(), names::CONTAINER);
            }
        }
        if spec
            .ephemeral_containers
            .iter()
            .any(|c| &*c.name == names::CONTAINER)
        {
            taken("ephemeralContainers", names::CONTAINER);
        }
        if self.injected.is_none() {
            for volume in &spec.volumes {
                if names::VOLUMES.contains(&&*volume.name) {
                    taken("volumes", &volume.name);
                }
            }
        }
    }

    /// The index of our container among the others.
    fn position(&mut self) -> Option<usize> {
        let find = |wanted: &str| self.others().position(|(_, c)| &*c.name == wanted);
        let (found, wanted) = match &self.options.order {
            Order::First => return Some(0),
            Order::Last => return Some(self.others().count()),
            Order::Before(name) => (find(name), name),
            Order::After(name) => (find(name).map(|at| at + 1), name),
        };
        if found.is_none() {
            self.fault(
                init::ORDER,
                PodErrorKind::NoInitContainer {
                    name: wanted.clone(),
                },
            );
        }
        found
    }

    /// Who gets the files: those that the pod names, else all that come after our container. Once
    /// our container is there, it is decided who that is: those that have the mount.
    fn targets(&mut self, position: usize) -> Vec<Target> {
        let Some(named) = &self.options.containers else {
            let after = |target: Target| target.list == List::App || target.index >= position;
            return match self.injected {
                None => self
                    .all()
                    .filter(|(t, _)| after(*t))
                    .map(|(t, _)| t)
                    .collect(),
                Some(_) => self
                    .all()
                    .filter(|(_, c)| c.mounts(names::SECRETS))
                    .map(|(t, _)| t)
                    .collect(),
            };
        };
        let mut missing: BTreeSet<&str> = named.iter().collect();
        let named = missing.clone();
        let mut targets = Vec::new();
        for (target, container) in self.pod.spec.containers.iter().enumerate() {
            if named.contains(&*container.name) {
                missing.remove(&*container.name);
                targets.push(Target {
                    list: List::App,
                    index: target,
                });
            }
        }
        for (rank, (index, container)) in self.others().enumerate() {
            if named.contains(&*container.name) {
                missing.remove(&*container.name);
                if rank < position {
                    let name = container.name.to_string();
                    let order = self.settings.domain.init(init::ORDER);
                    self.fault(init::CONTAINERS, PodErrorKind::RunsBefore { name, order });
                }
                targets.push(Target {
                    list: List::Init,
                    index,
                });
            }
        }
        for name in missing {
            self.fault(
                init::CONTAINERS,
                PodErrorKind::NoContainer {
                    name: name.to_owned(),
                },
            );
        }
        targets
    }

    /// Our volumes are mounted by us alone, once in each container.
    fn mounts(&mut self, targets: &[Target]) {
        // Targets come in the order of `all`.
        let mut targets = targets.iter().peekable();
        for (target, container) in self.all() {
            let is_target = targets.next_if(|t| **t == target).is_some();
            let may = usize::from(is_target && self.injected.is_some());
            let count = |volume: &str| {
                container
                    .volume_mounts
                    .iter()
                    .filter(|mount| &*mount.name == volume)
                    .count()
            };
            for volume in names::VOLUMES {
                if count(volume) > if volume == names::SECRETS { may } else { 0 } {
                    let place =
                        format!("spec.{}[{}]", target.list.as_str(), shown(&container.name));
                    let problem = PodErrorKind::MountTaken {
                        volume: volume.to_owned(),
                    };
                    self.faults.push(PodError::at(Place::Field(place), problem));
                }
            }
        }
    }

    /// Nothing else may be mounted where the files appear, or below it: our volume is read-only
    /// there, so the container runtime could not make the folder for it. Nor for ours in a volume
    /// that is read-only.
    fn paths(&mut self, targets: &[Target]) {
        let path = self.options.mount_path.clone().unwrap_or_default();
        let mut problems = Vec::from_iter(reserved_paths::problem(&path, self.settings));
        let path = path.as_str();
        for target in targets {
            if let Some(container) = target.container(self.pod) {
                self.mounts_near(path, container, &mut problems);
            }
        }
        // Our own container has mounts of its own, and none may hide another.
        for (volume, at) in [
            (names::PODINFO, names::PODINFO_PATH),
            (names::NO_TOKEN, names::TOKEN_PATH),
        ] {
            if overlap(at, path) {
                problems.push(PodErrorKind::PathTaken {
                    path: shown(path),
                    container: names::CONTAINER.to_owned(),
                    volume: volume.to_owned(),
                    at: at.to_owned(),
                });
            }
        }
        for problem in problems {
            self.fault(init::MOUNT_PATH, problem);
        }
    }

    /// What else a container mounts at the path, below it, and nearest above it.
    fn mounts_near(
        &mut self,
        path: &str,
        container: &ContainerView<'_>,
        problems: &mut Vec<PodErrorKind>,
    ) {
        let mut parent: Option<&MountView<'_>> = None;
        for mount in &container.volume_mounts {
            let is_nearer =
                |than: &MountView<'_>| depth(&mount.mount_path) >= depth(&than.mount_path);
            match Relation::new(&mount.mount_path, path) {
                Relation::Within if &*mount.name != names::SECRETS => {
                    problems.push(PodErrorKind::PathTaken {
                        path: shown(path),
                        container: shown(&container.name),
                        volume: shown(&mount.name),
                        at: shown(&mount.mount_path),
                    });
                }
                Relation::Around if parent.is_none_or(is_nearer) => parent = Some(mount),
                Relation::Within | Relation::Around | Relation::Apart => {}
            }
        }
        let Some(mount) = parent else { return };
        let name = &*mount.name;
        let mut volumes = self.pod.spec.volumes.iter();
        let of_the_kubelet = volumes.any(|v| &*v.name == name && v.is_of_the_kubelet());
        if of_the_kubelet || mount.read_only {
            let (path, volume) = (shown(path), shown(name));
            let (container, at) = (shown(&container.name), shown(&mount.mount_path));
            if of_the_kubelet {
                problems.push(PodErrorKind::PathInVolume {
                    path,
                    container,
                    volume,
                    at,
                });
            } else {
                let annotation = self.settings.domain.init(init::MOUNT_PATH);
                self.warnings.push(format!("{annotation}: {path} lies in {volume}, which {container} mounts read-only at {at}; the container starts only if that folder is there already"));
            }
        }
    }

    fn fault(&mut self, annotation: &str, problem: PodErrorKind) {
        self.faults.push(PodError::at(
            Place::Annotation(self.settings.domain.init(annotation)),
            problem,
        ));
    }
}
