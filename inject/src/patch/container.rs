//! The containers of kees: the init container and the sidecars, which are init containers that keep
//! running.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, de::IgnoredAny};

use crate::{
    decode::{
        object::{nullable, object, objects},
        server_default::server_default,
    },
    patch::{env::Variable, mounts::VolumeMount, security_context::SecurityContext},
    pod::{
        quantity::Quantity,
        resources::{Amounts, Resources},
        text::Text,
    },
    settings::PullPolicy,
};

/// The init container or the sidecar as this program writes it. Decoding fails for a container with anything
/// else, except for the defaults that the API server fills in.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct InitContainer<'a> {
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
    #[serde(borrow)]
    pub(crate) image: Text<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) image_pull_policy: Option<PullPolicy>,
    /// What a sidecar does. The init container has no arguments.
    #[serde(
        borrow,
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub(crate) args: Vec<Text<'a>>,
    /// Of a sidecar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) restart_policy: Option<RestartPolicy>,
    /// Of the sidecar of a fast start: the next container waits for its hook.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) lifecycle: Option<Lifecycle<'a>>,
    #[serde(borrow, default, deserialize_with = "objects")]
    pub(crate) env: Vec<Variable<'a>>,
    #[serde(
        borrow,
        default,
        deserialize_with = "object",
        skip_serializing_if = "ResourceRequirements::is_empty"
    )]
    pub(crate) resources: ResourceRequirements<'a>,
    #[serde(borrow)]
    pub(crate) security_context: SecurityContext<'a>,
    pub(crate) termination_message_policy: TerminationMessagePolicy,
    #[serde(borrow, default, deserialize_with = "objects")]
    pub(crate) volume_mounts: Vec<VolumeMount<'a>>,
    #[serde(default, skip_serializing, deserialize_with = "default_log")]
    pub(crate) termination_message_path: (),
    /// It decides what happens when amounts change. Kubernetes 1.33 fills it in.
    #[serde(default, skip_serializing, deserialize_with = "anything")]
    pub(crate) resize_policy: (),
}

impl InitContainer<'_> {
    /// Whether both are equal. The order of variables and of mounts does not count.
    pub(crate) fn equals(mut self, mut other: Self) -> bool {
        self.sort();
        other.sort();
        self == other
    }

    fn sort(&mut self) {
        self.env.sort_by(|a, b| a.name.cmp(&b.name));
        self.volume_mounts
            .sort_by(|a, b| a.mount_path.cmp(&b.mount_path));
    }
}

/// `lifecycle` with a `postStart` hook that executes a command.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Lifecycle<'a> {
    #[serde(borrow)]
    post_start: Hook<'a>,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Hook<'a> {
    #[serde(borrow)]
    exec: Exec<'a>,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exec<'a> {
    #[serde(borrow)]
    command: Vec<Text<'a>>,
}

impl<'a> Lifecycle<'a> {
    /// A hook that executes `command` when the container has started.
    pub(crate) fn post_start<const N: usize>(command: [&'a str; N]) -> Self {
        let command = command.map(Text::from).to_vec();
        Self {
            post_start: Hook {
                exec: Exec { command },
            },
        }
    }
}

/// `restartPolicy` of a sidecar (Kubernetes 1.29).
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum RestartPolicy {
    /// The container runs as long as the containers after it, and is started again when it ends.
    Always,
}

/// Where Kubernetes finds the message about a container that failed.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum TerminationMessagePolicy {
    /// In the termination log, or at the end of the container's log if that is empty.
    FallbackToLogsOnError,
}

/// Requests and limits by the name of the resource.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ResourceRequirements<'a> {
    #[serde(borrow, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) requests: BTreeMap<Text<'a>, Quantity>,
    #[serde(borrow, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) limits: BTreeMap<Text<'a>, Quantity>,
}

impl ResourceRequirements<'_> {
    fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.limits.is_empty()
    }
}

impl From<Resources> for ResourceRequirements<'_> {
    fn from(resources: Resources) -> Self {
        let list = |amounts: Amounts| {
            let Amounts { cpu, memory } = amounts;
            [("cpu", cpu), ("memory", memory)]
                .into_iter()
                .filter_map(|(name, amount)| Some((name.into(), amount?)))
                .collect()
        };
        Self {
            requests: list(resources.requests),
            limits: list(resources.limits),
        }
    }
}

fn default_log<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    server_default(deserializer, &Text::from("/dev/termination-log"))
}

fn anything<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| ())
}
