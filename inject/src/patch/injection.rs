//! What is injected into a pod, as data.

use kees_common::{
    Options, Start,
    names::{env, init},
};

use crate::{
    class::plan::ClassPlan,
    names,
    patch::{
        class_tokens::{complete, region},
        container::{InitContainer, Lifecycle, RestartPolicy, TerminationMessagePolicy},
        env::{Variable, env as variables},
        exec::WrappedCommand,
        identity::Identity,
        mounts::VolumeMount,
        placement::Placement,
        scope::Scope,
        security_context::{FileOwner, SecurityContext},
        volumes::{Volume, podinfo},
    },
    pod::{
        container::ContainerRef, injected::Injected, qos, quantity::Quantity, text::Text,
        view::PodView,
    },
    policy::effective::EffectivePolicy,
    settings::InjectSettings,
};

/// Everything that an injected pod has in addition.
pub(crate) struct Injection<'a> {
    /// The containers of kees, if the pod is already injected.
    pub(crate) injected: Option<Injected>,
    /// The index of the init container in the injected pod.
    pub(crate) position: usize,
    pub(crate) container: InitContainer<'a>,
    /// The sidecar, directly after the init container.
    pub(crate) sidecar: Option<InitContainer<'a>>,
    /// The volumes of kees, in the order of [`names::VOLUMES`].
    pub(crate) volumes: Vec<Volume<'a>>,
    /// The names that volumes of kees can have in this pod.
    pub(crate) volume_names: &'static [&'static str],
    /// What takes the place of the volumes of classes.
    pub(crate) replaced: Vec<ReplacedVolume<'a>>,
    /// The containers that read the files.
    pub(crate) targets: Vec<ContainerRef>,
    /// The mount of the files in each target.
    pub(crate) mount: VolumeMount<'a>,
    /// The mounts of volumes of classes that become read-only: the container, and the index of the mount.
    pub(crate) read_only_mounts: Vec<(ContainerRef, usize)>,
    /// The commands that get variables.
    pub(crate) commands: Vec<WrappedCommand<'a>>,
    /// The annotations that the webhook sets: which version injected the pod, and the volumes of classes.
    pub(crate) annotations: Vec<(String, Text<'a>)>,
    /// The key of the label of pods for which the controller may write Secrets, and its value.
    pub(crate) label: Option<(String, &'static str)>,
}

/// A volume of a class, and what takes its place.
pub(crate) struct ReplacedVolume<'a> {
    /// The index of the volume in the pod.
    pub(crate) index: usize,
    pub(crate) volume: Volume<'a>,
    /// Whether an earlier call replaced it.
    pub(crate) is_replaced: bool,
}

impl<'a> Injection<'a> {
    pub(crate) fn new(
        pod: &PodView<'_>,
        options: &Options,
        settings: &'a InjectSettings,
        policy: &EffectivePolicy<'_>,
        placement: Placement<'a>,
        mut identity: Identity<'a>,
        owner: FileOwner,
    ) -> Self {
        let Placement {
            scope:
                Scope {
                    injected,
                    has_files,
                    classes,
                },
            position,
            targets,
            commands,
        } = placement;
        let tokens = classes
            .as_ref()
            .map(|plan| complete(&mut identity, plan, settings));
        let region = classes
            .as_ref()
            .and_then(|plan| region(&identity, plan, settings));
        // A class that asks for no Secret may be changed later.
        let may_ask = options.sync.name.is_some() || classes.is_some();
        let asks_for_secret = settings.secret_sync && may_ask;
        let path = options.mount_path.clone().unwrap_or_default();
        let mode = options.file_mode.unwrap_or(owner.mode);
        let files = has_files.then_some(path.as_str());
        let volume_mounts = init_container_mounts(files, &identity);
        let is_fast = options.start == Start::Fast;
        let resources = if is_fast {
            qos::of_fast_start(pod, injected, policy.resources)
        } else {
            qos::resources(pod, injected, position, policy.resources)
        };
        let mut container = InitContainer {
            name: names::CONTAINER.into(),
            image: image(pod, injected.map(|own| own.init), settings),
            image_pull_policy: settings.image_pull_policy,
            args: is_fast.then(|| "start".into()).into_iter().collect(),
            restart_policy: is_fast.then_some(RestartPolicy::Always),
            lifecycle: is_fast.then(|| Lifecycle::post_start([names::PROGRAM, "wait"])),
            env: variables(settings, options, policy, &path, mode, &commands, identity),
            resources: resources.into(),
            security_context: SecurityContext::restricted(owner),
            termination_message_policy: TerminationMessagePolicy::FallbackToLogsOnError,
            volume_mounts,
            termination_message_path: (),
            resize_policy: (),
        };
        // The container of a fast start refreshes the files itself.
        let refresh = options.refresh.filter(|_| !is_fast);
        let sidecar = refresh.map(|_| InitContainer {
            name: names::SIDECAR.into(),
            image: image(pod, injected.and_then(|own| own.sidecar), settings),
            args: vec!["refresh".into()],
            restart_policy: Some(RestartPolicy::Always),
            resources: qos::of_sidecar(pod, injected, &settings.refresh_memory).into(),
            ..container.clone()
        });
        container.env.extend(region);
        let files = Volume::memory(names::SECRETS, &volume_size(settings, &commands));
        let mut volumes = vec![podinfo()];
        volumes.extend(has_files.then_some(files));
        volumes.extend(tokens.into_iter().flatten());
        let mut injection = Self {
            injected,
            position,
            container,
            sidecar,
            volumes,
            volume_names: names::reserved_volumes(classes.is_some()),
            replaced: Vec::new(),
            targets,
            commands,
            mount: VolumeMount::read_only(names::SECRETS, path.as_str().to_owned()),
            read_only_mounts: Vec::new(),
            annotations: vec![(
                settings.domain.init(init::INJECTED),
                settings.version.as_str().into(),
            )],
            label: asks_for_secret.then(|| {
                let key = settings.domain.init(init::SECRET_SYNC_LABEL);
                (key, init::SECRET_SYNC_ON)
            }),
        };
        if let Some(plan) = classes {
            injection.add_classes(pod, plan, settings);
        }
        injection
    }

    /// Adds what the volumes of classes need. A sidecar has none of it: it refreshes the files of annotations.
    fn add_classes(&mut self, pod: &PodView<'_>, plan: ClassPlan, settings: &InjectSettings) {
        for volume in &plan.volumes {
            let mount = VolumeMount::writable(volume.name.clone(), volume.path());
            self.container.volume_mounts.push(mount);
            self.replaced.push(ReplacedVolume {
                index: volume.index,
                volume: Volume::memory(volume.name.clone(), &settings.volume_size),
                is_replaced: volume.is_replaced,
            });
        }
        for at in &plan.readers {
            let mounts = pod
                .container(*at)
                .map(|container| container.volume_mounts.iter());
            for (index, mount) in mounts.into_iter().flatten().enumerate() {
                if plan.contains(&mount.name) && !mount.read_only {
                    self.read_only_mounts.push((*at, index));
                }
            }
        }
        self.container
            .env
            .push(Variable::literal(env::CLASS_VOLUMES, plan.text));
        let recorded = (
            settings.domain.init(init::CLASS_VOLUMES),
            plan.recorded.into(),
        );
        self.annotations.push(recorded);
    }
}

/// The size limit of the files, and of the program where a command needs it.
fn volume_size(settings: &InjectSettings, commands: &[WrappedCommand<'_>]) -> Quantity {
    let size = &settings.volume_size;
    if commands.is_empty() {
        size.clone()
    } else {
        size.plus_mebi(names::PROGRAM_MEBI)
    }
}

/// The operator's image, or that of the existing container if another webhook pinned it by digest or
/// replaced it by a mirror of the operator.
fn image<'a>(pod: &PodView<'_>, existing: Option<usize>, settings: &'a InjectSettings) -> Text<'a> {
    let existing = existing.and_then(|index| pod.spec.init_containers.get(index));
    let image = existing.and_then(|container| container.image.as_deref());
    match image.filter(|image| settings.is_init_image(image)) {
        Some(same) => same.to_owned().into(),
        None => settings.init_image.as_str().into(),
    }
}

fn init_container_mounts<'a>(files: Option<&str>, identity: &Identity<'a>) -> Vec<VolumeMount<'a>> {
    let mut mounts = Vec::with_capacity(5);
    mounts.push(VolumeMount::read_only(names::PODINFO, names::PODINFO_PATH));
    mounts.extend(files.map(|path| VolumeMount::writable(names::SECRETS, path.to_owned())));
    // In place of the ServiceAccount's token, which the init container does not need. It is no
    // volume of its own: an emptyDir could keep the autoscaler from removing the node.
    mounts.push(VolumeMount::read_only(names::PODINFO, names::TOKEN_PATH));
    let of_identity = identity.mounts.iter();
    mounts.extend(of_identity.map(|(volume, path)| VolumeMount::read_only(*volume, *path)));
    mounts
}
