//! The security context of the init container, and so the owner of the files and their mode.

use kees_common::FileMode;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    decode::server_default::server_default,
    pod::{
        container::{ContainerRef, SecurityContextView},
        text::Text,
        view::PodView,
    },
    settings::RunAs,
};

/// `securityContext` of the init container. It passes the `restricted` Pod Security Standard.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SecurityContext<'a> {
    allow_privilege_escalation: bool,
    #[serde(borrow)]
    capabilities: Capabilities<'a>,
    read_only_root_filesystem: bool,
    run_as_non_root: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) run_as_user: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) run_as_group: Option<i64>,
    #[serde(borrow)]
    seccomp_profile: SeccompProfile<'a>,
    #[serde(default, skip_serializing, deserialize_with = "default_proc_mount")]
    proc_mount: (),
}

impl SecurityContext<'_> {
    pub(crate) fn restricted(owner: FileOwner) -> Self {
        Self {
            allow_privilege_escalation: false,
            capabilities: Capabilities {
                drop: vec!["ALL".into()],
            },
            read_only_root_filesystem: true,
            run_as_non_root: true,
            run_as_user: owner.uid,
            run_as_group: owner.gid,
            seccomp_profile: SeccompProfile {
                kind: "RuntimeDefault".into(),
            },
            proc_mount: (),
        }
    }
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Capabilities<'a> {
    #[serde(borrow)]
    drop: Vec<Text<'a>>,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeccompProfile<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
}

fn default_proc_mount<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    server_default(deserializer, &Text::from("Default"))
}

/// The owner of the files, which is the user of the init container, and their mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileOwner {
    /// `runAsUser`; never 0.
    pub(crate) uid: Option<i64>,
    /// `runAsGroup`
    gid: Option<i64>,
    /// The mode with which every container that reads the files can read them.
    pub(crate) mode: FileMode,
}

impl FileOwner {
    /// The owner and mode that let every one of `targets` read the files, and as few others as
    /// possible:
    ///
    /// 1. If all targets declare the same uid, and it is not 0: that uid, mode 0400.
    /// 2. Else, if the pod has an `fsGroup`, which becomes the group of the files: mode 0440.
    /// 3. Else: mode 0444, in a volume that only this pod sees.
    ///
    /// `readers` mount volumes of classes, whose files have the modes of the class. Their uid, if they have the same one,
    /// comes before that of the targets, because the mode of the targets' files can be another.
    pub(crate) fn new(
        pod: &PodView<'_>,
        targets: &[ContainerRef],
        readers: &[ContainerRef],
        run_as: RunAs,
    ) -> Self {
        let of_targets = common_user(pod, targets);
        let wide = match pod.spec.security_context.fs_group {
            Some(_) => FileMode::GROUP,
            None => FileMode::ALL,
        };
        let common = match (common_user(pod, readers), of_targets) {
            (Some(uid), _) => Some((uid, readers)),
            (None, Some(uid)) => Some((uid, targets)),
            (None, None) => None,
        };
        if let Some((uid, containers)) = common {
            return Self {
                uid: Some(uid),
                gid: common_id(pod, containers, |security| security.run_as_group),
                mode: if of_targets == Some(uid) {
                    FileMode::OWNER
                } else {
                    wide
                },
            };
        }
        let id = match run_as {
            RunAs::Uid(uid) => Some(i64::from(uid)),
            RunAs::Unset => None,
        };
        Self {
            uid: id,
            gid: id,
            mode: wide,
        }
    }
}

/// The uid of all of them, if it is the same and not that of root.
fn common_user(pod: &PodView<'_>, containers: &[ContainerRef]) -> Option<i64> {
    common_id(pod, containers, |security| security.run_as_user).filter(|uid| *uid > 0)
}

/// The id that all targets declare, or inherit from the pod. `None` if one has no id, or if they
/// differ.
fn common_id(
    pod: &PodView<'_>,
    targets: &[ContainerRef],
    id: impl Fn(&SecurityContextView) -> Option<i64>,
) -> Option<i64> {
    let of_pod = id(&pod.spec.security_context);
    let mut ids = targets
        .iter()
        .filter_map(|target| pod.container(*target))
        .map(|container| id(&container.security_context).or(of_pod));
    let first = ids.next()??;
    ids.all(|other| other == Some(first)).then_some(first)
}
