//! Warns of files that a container cannot read. They belong to the user of the init container, with the modes of the class.

use crate::{
    class::plan::ClassPlan,
    error::{Place, excerpt},
    findings::Findings,
    pod::view::PodView,
};

/// The permission of the group to read a file.
const GROUP: u32 = 0o040;
/// The permission of everybody else to read a file.
const OTHERS: u32 = 0o004;

/// Warns of each container that declares another user than `owner`, that of the init container, if the mode of a file does
/// not let it read. Files belong to the `fsGroup` of the pod. Root, and a user that only the image names, are not judged.
pub(crate) fn warn(
    pod: &PodView<'_>,
    plan: &ClassPlan,
    owner: Option<i64>,
    findings: &mut Findings,
) {
    let of_pod = &pod.spec.security_context;
    let needed = match of_pod.fs_group {
        Some(_) => GROUP | OTHERS,
        None => OTHERS,
    };
    for at in &plan.readers {
        let Some(container) = pod.container(*at) else {
            continue;
        };
        let user = container.security_context.run_as_user;
        let user = user.or(of_pod.run_as_user).filter(|user| *user > 0);
        let (Some(user), Some(owner)) = (user, owner) else {
            continue;
        };
        if user == owner {
            continue;
        }
        let volumes = plan.volumes.iter();
        for volume in volumes.filter(|volume| container.mounts(&volume.name)) {
            let mut files = volume.files.iter();
            let Some((file, mode)) = files.find(|(_, mode)| mode.bits() & needed == 0) else {
                continue;
            };
            let list = at.list.as_str();
            let field = format!("spec.{list}[{}]", excerpt(&container.name));
            let message = format!(
                "its user {user} may be unable to read {} of the volume {}, which has the mode {mode} and belongs to the \
                 user {owner} of kees-init; let all containers that mount volumes of classes run as one user, or set an \
                 fsGroup and filePermission: \"0440\"",
                excerpt(file),
                excerpt(&volume.name)
            );
            findings.warn(Place::field(field), message);
        }
    }
}
