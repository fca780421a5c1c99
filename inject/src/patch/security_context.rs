//! Who owns the files and who may read them.

use kees_common::FileMode;

use crate::{PodView, patch::placement::Target, pod::view::SecurityView, settings::RunAs};

/// Who the init container runs as, and so who owns the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ownership {
    /// `runAsUser`; never 0.
    pub(crate) uid: Option<i64>,
    /// `runAsGroup`
    pub(crate) gid: Option<i64>,
    /// The mode of the files.
    pub(crate) mode: FileMode,
}

impl Ownership {
    /// The narrowest that lets every target read:
    ///
    /// 1. all targets run as one declared uid that is not 0: as that uid, mode 0400;
    /// 2. else the pod has an `fsGroup`, which the volume hands on: mode 0440;
    /// 3. else 0444, in a volume that is this pod's alone.
    pub(crate) fn new(pod: &PodView<'_>, targets: &[Target], run_as: RunAs) -> Self {
        let uid = declared(pod, targets, |security| security.run_as_user);
        if let Some(uid @ 1..) = uid {
            let gid = declared(pod, targets, |security| security.run_as_group);
            return Self {
                uid: Some(uid),
                gid,
                mode: FileMode::OWNER,
            };
        }
        let id = match run_as {
            RunAs::Uid(uid) => Some(i64::from(uid)),
            RunAs::Unset => None,
        };
        let shared = pod.spec.security_context.fs_group.is_some();
        let mode = if shared {
            FileMode::GROUP
        } else {
            FileMode::ALL
        };
        Self {
            uid: id,
            gid: id,
            mode,
        }
    }
}

/// The id that every target has, its own or the pod's; `None` where one has none or they differ.
fn declared(
    pod: &PodView<'_>,
    targets: &[Target],
    id: impl Fn(&SecurityView) -> Option<i64>,
) -> Option<i64> {
    let of_pod = id(&pod.spec.security_context);
    let mut ids = targets
        .iter()
        .filter_map(|target| target.container(pod))
        .map(|container| id(&container.security_context).or(of_pod));
    let first = ids.next()??;
    ids.all(|other| other == Some(first)).then_some(first)
}
