//! The fields of a container that the decision reads.

use std::collections::BTreeSet;

use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use crate::{
    decode::{
        list::{Element, List},
        object::object,
        scalar::{boolean, integer},
    },
    pod::{
        env::{defined_among, last_values},
        secret_names::{of_env, of_env_from},
        text::{QuantityText, Text},
    },
};

/// A container or init container of a pod.
#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ContainerView<'a> {
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
    #[serde(borrow)]
    pub(crate) image: Option<Text<'a>>,
    #[serde(borrow)]
    restart_policy: Option<Text<'a>>,
    /// `env`. It is decoded when a variable is looked up, which is rare.
    #[serde(borrow)]
    env: Option<&'a RawValue>,
    /// It is decoded only where Secrets of classes matter.
    #[serde(borrow)]
    env_from: Option<&'a RawValue>,
    /// It is decoded only for a container that gets variables.
    #[serde(borrow)]
    command: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) volume_mounts: List<MountView<'a>>,
    #[serde(deserialize_with = "object")]
    pub(crate) security_context: SecurityContextView,
    #[serde(borrow, deserialize_with = "object")]
    pub(crate) resources: ResourcesView<'a>,
}

impl<'a> ContainerView<'a> {
    /// Whether this init container is a native sidecar, which keeps running while the containers
    /// after it run.
    pub(crate) fn is_sidecar(&self) -> bool {
        self.restart_policy.as_deref() == Some("Always")
    }

    /// Whether the container mounts the volume of that name.
    pub(crate) fn mounts(&self, volume: &str) -> bool {
        self.volume_mounts
            .iter()
            .any(|mount| &*mount.name == volume)
    }

    /// The literal values of variables, in the order of `names`. An environment that cannot be
    /// decoded has no variables; the API server denies such a pod.
    pub(crate) fn variables<const N: usize>(&self, names: [&str; N]) -> [Option<Text<'a>>; N] {
        let values = self.env.and_then(|env| last_values(env.get(), names));
        let values = values.unwrap_or([const { None }; N]);
        values.map(|value| value.filter(|value| !value.is_empty()))
    }

    /// The command; empty if there is none. The API server denies one that cannot be decoded.
    pub(crate) fn command(&self) -> Vec<Text<'a>> {
        let words = self.command.map(|words| serde_json::from_str(words.get()));
        words.and_then(Result::ok).unwrap_or_default()
    }

    /// Those of `names` that the container has in its environment, each once.
    pub(crate) fn defined_among<'n>(&self, names: &BTreeSet<&'n str>) -> BTreeSet<&'n str> {
        let defined = self.env.and_then(|env| defined_among(env.get(), names));
        defined.unwrap_or_default()
    }

    /// The Secrets without which the container does not start, because its environment needs them.
    pub(crate) fn needed_secrets(&self) -> Vec<Text<'a>> {
        let env = self.env.map(|json| of_env(json.get()));
        let env_from = self.env_from.map(|json| of_env_from(json.get()));
        env.into_iter().chain(env_from).flatten().collect()
    }

    /// The literal value of one variable.
    pub(crate) fn variable(&self, name: &str) -> Option<Text<'a>> {
        let [value] = self.variables([name]);
        value
    }
}

impl Element for ContainerView<'_> {
    fn nested(&self) -> usize {
        self.volume_mounts.count()
    }
}

/// A volume mount.
#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct MountView<'a> {
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
    #[serde(borrow)]
    pub(crate) mount_path: Text<'a>,
    #[serde(deserialize_with = "boolean")]
    pub(crate) read_only: bool,
    #[serde(borrow)]
    sub_path: Option<Text<'a>>,
    #[serde(borrow)]
    sub_path_expr: Option<Text<'a>>,
}

impl Element for MountView<'_> {}

impl MountView<'_> {
    /// Whether only a part of the volume is mounted. Kubernetes treats an empty path as absent.
    pub(crate) fn has_sub_path(&self) -> bool {
        [&self.sub_path, &self.sub_path_expr]
            .into_iter()
            .flatten()
            .any(|path| !path.is_empty())
    }
}

/// The security context of a container, or of the pod, which alone has an `fsGroup`.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct SecurityContextView {
    #[serde(deserialize_with = "integer")]
    pub(crate) run_as_user: Option<i64>,
    #[serde(deserialize_with = "integer")]
    pub(crate) run_as_group: Option<i64>,
    #[serde(deserialize_with = "integer")]
    pub(crate) fs_group: Option<i64>,
    /// Only a Windows pod has them.
    pub(crate) windows_options: Option<IgnoredAny>,
}

/// Requests and limits of a container or of the pod.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ResourcesView<'a> {
    #[serde(borrow, deserialize_with = "object")]
    pub(crate) requests: AmountsView<'a>,
    #[serde(borrow, deserialize_with = "object")]
    pub(crate) limits: AmountsView<'a>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AmountsView<'a> {
    #[serde(borrow)]
    pub(crate) cpu: Option<QuantityText<'a>>,
    #[serde(borrow)]
    pub(crate) memory: Option<QuantityText<'a>>,
}

/// A container of a pod, by its list and its index there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ContainerRef {
    pub(crate) list: ContainerList,
    pub(crate) index: usize,
}

/// One of the two lists of containers that can mount volumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContainerList {
    /// `spec.containers`
    Containers,
    /// `spec.initContainers`
    InitContainers,
}

impl ContainerList {
    /// The name of the list in `spec`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Containers => "containers",
            Self::InitContainers => "initContainers",
        }
    }
}
