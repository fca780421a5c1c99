//! The place of the init container, and the containers that read the files.

use std::collections::BTreeSet;

use kees_common::{ContainerNames, Order, Parsed, names::init};

use crate::{
    class::plan::{ClassPlan, check_order},
    error::{Place, PodErrorKind},
    findings::Findings,
    names,
    patch::{exec::WrappedCommand, mount_path, reserved_names, scope::Scope},
    pod::{
        container::{ContainerList, ContainerRef},
        injected::Injected,
        view::PodView,
    },
    settings::InjectSettings,
};

/// Where the init container is placed, and which containers read the files.
pub(crate) struct Placement<'a> {
    pub(crate) scope: Scope,
    /// The index that it should have among the init containers.
    pub(crate) position: usize,
    /// The containers that read the files.
    pub(crate) targets: Vec<ContainerRef>,
    /// The commands of those among them that get variables. [`exec::wrap`](super::exec::wrap) finds them.
    pub(crate) commands: Vec<WrappedCommand<'a>>,
}

impl Placement<'_> {
    /// The containers that mount a volume of a class.
    pub(crate) fn readers(&self) -> &[ContainerRef] {
        self.classes().map_or(&[], |classes| &classes.readers)
    }

    /// What is written into volumes of classes.
    pub(crate) fn classes(&self) -> Option<&ClassPlan> {
        self.scope.classes.as_ref()
    }

    /// Finds the place, and checks that the names and paths of the injection are free. Returns
    /// `None` if `order` names no init container; everything else is still checked.
    pub(crate) fn new(
        pod: &PodView<'_>,
        parsed: &Parsed,
        settings: &InjectSettings,
        scope: Scope,
        findings: &mut Findings,
    ) -> Option<Self> {
        let injected = scope.injected;
        let mut placer = Placer {
            pod,
            parsed,
            settings,
            injected,
            findings,
        };
        let position = placer.position();
        let targets = if scope.has_files {
            placer.targets(position)
        } else {
            Vec::new()
        };
        let is_refreshed = parsed.options.refresh.is_some();
        reserved_names::check(pod, &scope, &targets, is_refreshed, findings);
        if scope.has_files && !is_invalid(parsed, init::MOUNT_PATH) {
            let path = parsed.options.mount_path.clone().unwrap_or_default();
            let has_classes = scope.classes.is_some();
            mount_path::check(pod, &path, settings, &targets, has_classes, findings);
        }
        if let (Some(classes), Some(position)) = (&scope.classes, position) {
            check_order(pod, classes, position, injected, settings, findings);
        }
        Some(Self {
            scope,
            position: position?,
            targets,
            commands: Vec::new(),
        })
    }
}

/// Whether an `init.` annotation is invalid. What depends on its value is then not checked.
fn is_invalid(parsed: &Parsed, option: &str) -> bool {
    let key = parsed.domain.init(option);
    parsed.errors.iter().any(|error| error.annotation == key)
}

struct Placer<'a> {
    pod: &'a PodView<'a>,
    parsed: &'a Parsed,
    settings: &'a InjectSettings,
    injected: Option<Injected>,
    findings: &'a mut Findings,
}

impl Placer<'_> {
    /// The index of the init container among the others. `None` if it cannot be known.
    fn position(&mut self) -> Option<usize> {
        if is_invalid(self.parsed, init::ORDER) {
            return None;
        }
        let others = || self.pod.other_init_containers(self.injected);
        let find = |name: &str| others().position(|(_, c)| &*c.name == name);
        let (found, name) = match &self.parsed.options.order {
            Order::First => return Some(0),
            Order::Last => return Some(others().count()),
            Order::Before(name) => (find(name), name),
            Order::After(name) => (find(name).map(|at| at + 1), name),
        };
        if found.is_none() {
            let name = name.clone();
            self.error(init::ORDER, PodErrorKind::NoInitContainer { name });
        }
        found
    }

    /// The containers that read the files: those that the pod names, or else all that run after
    /// the init container and that the operator does not skip. In a pod that is already injected, the first call has decided it: those
    /// that have the mount.
    fn targets(&mut self, position: Option<usize>) -> Vec<ContainerRef> {
        if let Some(names) = &self.parsed.options.containers {
            return self.named(names, position);
        }
        let all = self.pod.other_containers(self.injected);
        let skipped = &self.settings.skip_containers;
        let targets: Vec<_> = match self.injected {
            // The first call saw annotations, and not volumes of classes alone.
            Some(own) if self.has_mount(own) => {
                all.filter(|(_, c)| c.mounts(names::SECRETS)).collect()
            }
            _ if is_invalid(self.parsed, init::CONTAINERS) => Vec::new(),
            _ => all
                .filter(|(at, c)| runs_after(*at, position) && !skipped.matches(&c.name))
                .collect(),
        };
        let targets: Vec<_> = targets.into_iter().map(|(at, _)| at).collect();
        let mut containers = self.pod.spec.containers.iter();
        if targets.is_empty()
            && self.injected.is_none()
            && containers.any(|container| skipped.matches(&container.name))
        {
            self.warn_of_no_targets();
        }
        targets
    }

    /// Whether the init container of an earlier call has the files of annotations.
    fn has_mount(&self, own: Injected) -> bool {
        let container = self.pod.spec.init_containers.get(own.init);
        container.is_some_and(|container| container.mounts(names::SECRETS))
    }

    fn warn_of_no_targets(&mut self) {
        let option = self.settings.domain.init(init::CONTAINERS);
        let message = format!(
            "no container gets the files, because the operator skips containers of these names; name \
             those that need them in {option}"
        );
        self.findings.warn(Place::field("spec.containers"), message);
    }

    fn named(&mut self, names: &ContainerNames, position: Option<usize>) -> Vec<ContainerRef> {
        let names: BTreeSet<&str> = names.iter().collect();
        let mut missing = names.clone();
        let mut targets = Vec::new();
        for (at, container) in self.pod.other_containers(self.injected) {
            if names.contains(&*container.name) {
                missing.remove(&*container.name);
                targets.push(at);
            }
        }
        let early = self.pod.other_init_containers(self.injected);
        for (_, container) in early.take(position.unwrap_or_default()) {
            if names.contains(&*container.name) {
                let name = container.name.to_string();
                let order = self.settings.domain.init(init::ORDER);
                self.error(init::CONTAINERS, PodErrorKind::RunsBefore { name, order });
            }
        }
        for name in missing {
            let name = name.to_owned();
            self.error(init::CONTAINERS, PodErrorKind::NoContainer { name });
        }
        targets
    }

    fn error(&mut self, option: &str, kind: PodErrorKind) {
        let annotation = self.settings.domain.init(option);
        self.findings.error(Place::Annotation(annotation), kind);
    }
}

/// Whether a container runs after an init container at `position`. If the position is not known,
/// only the application's containers are known to.
fn runs_after(at: ContainerRef, position: Option<usize>) -> bool {
    at.list == ContainerList::Containers || position.is_some_and(|position| at.index >= position)
}
