//! A pod that is wired by hand: its annotations are checked, and nothing is changed.

use kees_common::{Parsed, Start, names::init};

use crate::{
    class::found::Found,
    error::{Place, excerpt},
    findings::Findings,
    late_secret::LateSecret,
    patch::refresh,
    pod::{container::ContainerView, view::PodView},
};

/// Checks a pod with the init container `wired`, and warns of what has no effect in it.
pub(super) fn check(
    pod: &PodView<'_>,
    wired: &ContainerView<'_>,
    late: Option<&LateSecret<'_>>,
    parsed: &Parsed,
    findings: &mut Findings,
) {
    if let Some(late) = late {
        let all = pod.spec.init_containers.iter();
        let early = all.take_while(|container| !std::ptr::eq(*container, wired));
        late.check_environments(early, findings);
    }
    warn_of_variables(parsed, findings);
    warn_of_start(parsed, findings);
    refresh::warn_if_wired(pod, wired, parsed, findings);
}

/// Warns if a pod that is wired by hand asks for variables: its commands are not changed.
fn warn_of_variables(parsed: &Parsed, findings: &mut Findings) {
    if parsed.options.environments.is_some() {
        let place = Place::Annotation(parsed.domain.init(init::ENV));
        let message = "commands are not changed in a pod that is wired by hand; set EXEC_FOLDER there, \
                       and start the commands with kees-init exec";
        findings.warn(place, message);
    }
}

/// Warns that CSI volumes of a pod that is wired by hand are not replaced.
pub(super) fn warn_of_classes(found: &Found<'_>, findings: &mut Findings) {
    if let Some(volume) = found.volumes.first() {
        let place = Place::field(format!("spec.volumes[{}]", excerpt(&volume.name)));
        let message = "it is left to the CSI driver, because the pod is wired by hand";
        findings.warn(place, message);
    }
}

/// Warns if a pod that is wired by hand asks for a fast start: its containers are not changed.
fn warn_of_start(parsed: &Parsed, findings: &mut Findings) {
    if parsed.options.start == Start::Fast {
        let place = Place::Annotation(parsed.domain.init(init::START));
        let message = "has no effect on a pod that is wired by hand; give its init container the argument \
                       start, restartPolicy: Always, and a postStart hook with /kees-init wait";
        findings.warn(place, message);
    }
}
