//! Whether the files of a pod are refreshed while it runs, and what the pod author should know of it.

use kees_common::{LocalMode, OnChange, Options, Parsed, names::init};

use crate::{
    error::{Place, PodErrorKind, excerpt},
    findings::Findings,
    names,
    patch::security_context::FileOwner,
    pod::{
        container::{ContainerRef, ContainerView},
        view::PodView,
    },
    settings::InjectSettings,
};

/// The options of the pod, without `refresh` where it has no effect. Checks the period.
pub(crate) fn check(
    pod: &PodView<'_>,
    parsed: &Parsed,
    settings: &InjectSettings,
    findings: &mut Findings,
) -> Options {
    let mut options = parsed.options.clone();
    let place = |option| Place::Annotation(parsed.domain.init(option));
    let minimum = settings.refresh_minimum;
    match options.refresh {
        None => {
            let unused = [
                (init::ON_CHANGE, options.on_change.is_some()),
                (
                    init::REFRESH_METRICS_PORT,
                    options.refresh_metrics_port.is_some(),
                ),
            ];
            for (option, _) in unused.into_iter().filter(|(_, is_set)| *is_set) {
                findings.warn(place(option), "has no effect without refresh");
            }
        }
        Some(_) if options.local_mode == LocalMode::On => {
            let message = "has no effect: in local mode no value changes";
            findings.warn(place(init::REFRESH), message);
            options.refresh = None;
        }
        Some(period) if period < minimum => {
            let kind = PodErrorKind::RefreshTooOften { period, minimum };
            findings.error(place(init::REFRESH), kind);
        }
        Some(_) => {
            let kind = &*pod.metadata.owner.kind;
            if options.on_change == Some(OnChange::Restart) && !is_restarted(kind) {
                let message = format!(
                    "the controller restarts Deployments, StatefulSets and DaemonSets, and this pod \
                     belongs to a {}",
                    excerpt(kind)
                );
                findings.warn(place(init::ON_CHANGE), message);
            }
        }
    }
    options
}

/// Whether the controller restarts the workload of a pod whose owner has this kind. The owner of a
/// ReplicaSet is not known here, and a pod template has no owner yet.
fn is_restarted(kind: &str) -> bool {
    ["", "ReplicaSet", "StatefulSet", "DaemonSet"].contains(&kind)
}

/// Checks that the sidecar can send the signal of `on-change`. `owner` is the user of the sidecar, and
/// `targets` are the containers that get the files.
pub(crate) fn check_signal(
    pod: &PodView<'_>,
    options: &Options,
    owner: FileOwner,
    targets: &[ContainerRef],
    settings: &InjectSettings,
    findings: &mut Findings,
) {
    let (Some(OnChange::Signal { signal, process }), Some(_)) =
        (&options.on_change, options.refresh)
    else {
        return;
    };
    let place = || Place::Annotation(settings.domain.init(init::ON_CHANGE));
    if !pod.spec.share_process_namespace {
        return findings.error(place(), PodErrorKind::ProcessesNotShared);
    }
    let is_kees = |name: &str| name == names::CONTAINER || name == names::SIDECAR;
    let sidecars = pod.spec.init_containers.iter();
    let sidecars = sidecars.filter(|container| container.is_sidecar() && !is_kees(&container.name));
    let count = pod.spec.containers.iter().count() + sidecars.count();
    if process.is_none() && count > 1 {
        let example = format!("signal={},process=NAME", signal.as_str());
        let kind = PodErrorKind::ProcessNotNamed { count, example };
        findings.error(place(), kind);
    }
    let of_pod = pod.spec.security_context.run_as_user;
    let users = targets.iter().filter_map(|target| pod.container(*target));
    let users: Vec<_> = users
        .map(|container| container.security_context.run_as_user.or(of_pod))
        .collect();
    match owner.uid {
        Some(uid)
            if users
                .iter()
                .all(|user| user.is_some_and(|user| user != uid)) =>
        {
            findings.error(place(), PodErrorKind::SignalNotAllowed { uid });
        }
        uid if users.iter().any(Option::is_none) => {
            let uid = uid.map_or("its own uid".to_owned(), |uid| format!("uid {uid}"));
            let message = format!(
                "the sidecar runs as {uid} and may signal only processes of that uid; set runAsUser on the \
                 containers that get the files, so that the sidecar runs as the same user"
            );
            findings.warn(place(), message);
        }
        _ => {}
    }
}

/// Warns of what does not work in a pod whose author adds the containers.
pub(crate) fn warn_if_wired(
    pod: &PodView<'_>,
    wired: &ContainerView<'_>,
    parsed: &Parsed,
    findings: &mut Findings,
) {
    if parsed.options.refresh.is_none() {
        return;
    }
    let place = Place::Annotation(parsed.domain.init(init::REFRESH));
    let message = "adds no sidecar to a pod that is wired by hand; add one, and set REFRESH on it and \
                   on the init container";
    findings.warn(place, message);
    let written = |volume: &str| {
        let mut mounts = wired.volume_mounts.iter();
        mounts.any(|mount| &*mount.name == volume && !mount.read_only)
    };
    for (at, container) in pod.other_containers(None) {
        let mounts = container.volume_mounts.iter();
        for mount in mounts.filter(|mount| mount.has_sub_path() && written(&mount.name)) {
            let place = format!(
                "spec.{}[{}].volumeMounts[{}]",
                at.list.as_str(),
                excerpt(&container.name),
                excerpt(&mount.name)
            );
            let message = "a mount with subPath keeps the first files when they are refreshed; mount \
                           the whole volume";
            findings.warn(Place::field(place), message);
        }
    }
}
