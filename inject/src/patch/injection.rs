//! What is injected into a pod, as data.

use kees_common::{Options, Start, names::init};

use crate::{
    names,
    patch::{
        container::{InitContainer, Lifecycle, RestartPolicy, TerminationMessagePolicy},
        env::env,
        exec::WrappedCommand,
        identity::Identity,
        mounts::VolumeMount,
        placement::Placement,
        security_context::{FileOwner, SecurityContext},
        volumes::{Volume, volumes},
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
    /// In the order of [`names::VOLUMES`].
    pub(crate) volumes: [Volume<'a>; 2],
    /// The containers that read the files.
    pub(crate) targets: Vec<ContainerRef>,
    /// The mount of the files in each target.
    pub(crate) mount: VolumeMount<'a>,
    /// The commands that get variables.
    pub(crate) commands: Vec<WrappedCommand<'a>>,
    /// The annotation that says which version injected the pod: key and value.
    pub(crate) annotation: (String, &'a str),
}

impl<'a> Injection<'a> {
    pub(crate) fn new(
        pod: &PodView<'_>,
        options: &Options,
        settings: &'a InjectSettings,
        policy: &EffectivePolicy<'_>,
        placement: Placement<'a>,
        identity: Identity<'a>,
        owner: FileOwner,
    ) -> Self {
        let Placement {
            injected,
            position,
            targets,
            commands,
        } = placement;
        let path = options.mount_path.clone().unwrap_or_default();
        let mode = options.file_mode.unwrap_or(owner.mode);
        let volume_mounts = init_container_mounts(path.as_str(), &identity);
        let is_fast = options.start == Start::Fast;
        let resources = if is_fast {
            qos::of_fast_start(pod, injected, policy.resources)
        } else {
            qos::resources(pod, injected, position, policy.resources)
        };
        let container = InitContainer {
            name: names::CONTAINER.into(),
            image: image(pod, injected.map(|own| own.init), settings),
            image_pull_policy: settings.image_pull_policy,
            args: is_fast.then(|| "start".into()).into_iter().collect(),
            restart_policy: is_fast.then_some(RestartPolicy::Always),
            lifecycle: is_fast.then(|| Lifecycle::post_start([names::PROGRAM, "wait"])),
            env: env(settings, options, policy, &path, mode, &commands, identity),
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
        Self {
            injected,
            position,
            container,
            sidecar,
            volumes: volumes(&volume_size(settings, &commands)),
            targets,
            commands,
            mount: VolumeMount::read_only(names::SECRETS, path.as_str().to_owned()),
            annotation: (settings.domain.init(init::INJECTED), &settings.version),
        }
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

fn init_container_mounts<'a>(path: &str, identity: &Identity<'a>) -> Vec<VolumeMount<'a>> {
    let mut mounts = Vec::with_capacity(5);
    mounts.extend([
        VolumeMount::read_only(names::PODINFO, names::PODINFO_PATH),
        VolumeMount::writable(names::SECRETS, path.to_owned()),
        // In place of the ServiceAccount's token, which the init container does not need. It is no
        // volume of its own: an emptyDir could keep the autoscaler from removing the node.
        VolumeMount::read_only(names::PODINFO, names::TOKEN_PATH),
    ]);
    let of_identity = identity.mounts.iter();
    mounts.extend(of_identity.map(|(volume, path)| VolumeMount::read_only(*volume, *path)));
    mounts
}
