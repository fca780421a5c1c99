//! What the decision reads of a pod: a view that borrows from its JSON and passes over all else.

use std::{borrow::Cow, fmt, ops::Deref};

use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    decode::error::DecodeError,
    decode::object::{Object, nullable, object, objects},
};

/// What the decision reads of a pod, borrowed from its JSON. Fields that nothing is decided on
/// are passed over; `null` counts as absent, as Kubernetes has it.
///
/// It has no `Debug`: what a pod's annotations and variables hold belongs in no log.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct PodView<'a> {
    #[serde(borrow, deserialize_with = "object")]
    pub(crate) metadata: Metadata<'a>,
    #[serde(borrow, deserialize_with = "object")]
    pub(crate) spec: Spec<'a>,
    #[serde(skip)]
    pub(crate) source: Source<'a>,
}

/// The JSON that a view was read from, for the rare case in which more of it must be read.
#[derive(Clone, Copy, Default)]
pub(crate) enum Source<'a> {
    /// Of the pod alone.
    Pod(&'a str),
    /// Of a review with the pod in it.
    Review(&'a str),
    #[default]
    Nowhere,
}

impl<'a> PodView<'a> {
    /// Reads a pod, or the template of one (`metadata` and `spec`), from its JSON.
    pub fn from_json(json: &'a str) -> Result<Self, ParsePodError> {
        let Object(mut pod) = serde_json::from_str::<Object<Self>>(json)
            .map_err(|error| ParsePodError(DecodeError::of::<Object<Self>>(json, error)))?;
        pod.source = Source::Pod(json);
        Ok(pod)
    }

    /// `metadata.namespace`, which a bare pod's request may lack.
    pub fn namespace(&self) -> Option<&str> {
        self.metadata
            .namespace
            .as_deref()
            .filter(|name| !name.is_empty())
    }

    /// The name of the pod's service account.
    pub(crate) fn service_account(&self) -> &str {
        [&self.spec.service_account_name, &self.spec.service_account]
            .into_iter()
            .filter_map(Option::as_deref)
            .find(|name| !name.is_empty())
            .unwrap_or("default")
    }

    /// The value of an annotation.
    pub(crate) fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations()
            .find(|(k, _)| *k == key)
            .map(|(_, value)| value)
    }

    /// All annotations.
    pub(crate) fn annotations(&self) -> impl Iterator<Item = (&str, &str)> {
        self.metadata
            .annotations
            .0
            .iter()
            .map(|(key, value)| (&**key, &**value))
    }
}

/// Text that is no pod.
#[derive(Debug, thiserror::Error)]
#[error("not a pod: {0}")]
pub struct ParsePodError(pub(crate) DecodeError);

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Metadata<'a> {
    #[serde(borrow)]
    pub(crate) namespace: Option<Text<'a>>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub(crate) annotations: Annotations<'a>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Spec<'a> {
    #[serde(borrow)]
    pub(crate) service_account_name: Option<Text<'a>>,
    /// The deprecated name of the same.
    #[serde(borrow)]
    pub(crate) service_account: Option<Text<'a>>,
    #[serde(borrow, deserialize_with = "objects")]
    pub(crate) volumes: Vec<VolumeView<'a>>,
    #[serde(borrow, deserialize_with = "objects")]
    pub(crate) init_containers: Vec<ContainerView<'a>>,
    #[serde(borrow, deserialize_with = "objects")]
    pub(crate) containers: Vec<ContainerView<'a>>,
    #[serde(borrow, deserialize_with = "objects")]
    pub(crate) ephemeral_containers: Vec<Named<'a>>,
    #[serde(deserialize_with = "object")]
    pub(crate) security_context: SecurityView,
    #[serde(borrow, deserialize_with = "object")]
    pub(crate) resources: ResourcesView<'a>,
    #[serde(borrow, deserialize_with = "object")]
    pub(crate) os: Os<'a>,
    #[serde(borrow, deserialize_with = "object")]
    pub(crate) node_selector: NodeSelector<'a>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Named<'a> {
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct VolumeView<'a> {
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
    pub(crate) projected: Option<IgnoredAny>,
    #[serde(rename = "configMap")]
    config_map: Option<IgnoredAny>,
    secret: Option<IgnoredAny>,
    #[serde(rename = "downwardAPI")]
    downward_api: Option<IgnoredAny>,
}

impl VolumeView<'_> {
    /// Whether the kubelet alone writes it, so that every mount of it is read-only.
    pub(crate) fn is_of_the_kubelet(&self) -> bool {
        [
            &self.projected,
            &self.config_map,
            &self.secret,
            &self.downward_api,
        ]
        .into_iter()
        .any(Option::is_some)
    }
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Os<'a> {
    #[serde(borrow)]
    pub(crate) name: Option<Text<'a>>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NodeSelector<'a> {
    #[serde(borrow, rename = "kubernetes.io/os")]
    pub(crate) os: Option<Text<'a>>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ContainerView<'a> {
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
    #[serde(borrow)]
    pub(crate) image: Option<Text<'a>>,
    #[serde(borrow)]
    restart_policy: Option<Text<'a>>,
    /// `env`, which is read where it is asked for: most containers are never asked.
    #[serde(borrow)]
    env: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "objects")]
    pub(crate) volume_mounts: Vec<MountView<'a>>,
    #[serde(deserialize_with = "object")]
    pub(crate) security_context: SecurityView,
    #[serde(borrow, deserialize_with = "object")]
    pub(crate) resources: ResourcesView<'a>,
}

impl<'a> ContainerView<'a> {
    /// Whether this is a native sidecar, if it is an init container: it goes on running while
    /// those after it run.
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
    /// read has none; the API server refuses it later.
    pub(crate) fn variables<const N: usize>(&self, names: [&str; N]) -> [Option<Text<'a>>; N] {
        let env = self
            .env
            .and_then(|env| serde_json::from_str(env.get()).ok());
        let env: Vec<VariableView<'a>> = env.unwrap_or_default();
        names.map(|name| {
            // Where a name stands twice, the last one counts.
            let variable = env.iter().rev().find(|variable| &*variable.name == name)?;
            variable.value.clone().filter(|value| !value.is_empty())
        })
    }

    /// The literal value of one variable.
    pub(crate) fn variable(&self, name: &str) -> Option<Text<'a>> {
        let [value] = self.variables([name]);
        value
    }
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct VariableView<'a> {
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
    #[serde(borrow)]
    pub(crate) value: Option<Text<'a>>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct MountView<'a> {
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
    #[serde(borrow)]
    pub(crate) mount_path: Text<'a>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) read_only: bool,
    #[serde(borrow)]
    sub_path: Option<Text<'a>>,
    #[serde(borrow)]
    sub_path_expr: Option<Text<'a>>,
}

impl MountView<'_> {
    /// Whether the whole volume is mounted at `path`, to be read alone.
    pub(crate) fn is_plain(&self, path: &str) -> bool {
        self.read_only && &*self.mount_path == path && !self.is_of_a_part()
    }

    /// Whether a part of the volume is asked for. An empty path counts as none, as Kubernetes has
    /// it.
    pub(crate) fn is_of_a_part(&self) -> bool {
        [&self.sub_path, &self.sub_path_expr]
            .into_iter()
            .flatten()
            .any(|path| !path.is_empty())
    }
}

/// Of a container, or of the pod (which alone has an `fsGroup`).
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct SecurityView {
    pub(crate) run_as_user: Option<i64>,
    pub(crate) run_as_group: Option<i64>,
    pub(crate) fs_group: Option<i64>,
}

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
    pub(crate) cpu: Option<Amount<'a>>,
    #[serde(borrow)]
    pub(crate) memory: Option<Amount<'a>>,
}

/// A quantity as it stands in the pod: text, or in a manifest a bare number.
#[derive(Clone)]
pub(crate) struct Amount<'a>(pub(crate) Text<'a>);

/// The pod's annotations in their order.
#[derive(Clone, Default)]
pub(crate) struct Annotations<'a>(Vec<(Text<'a>, Text<'a>)>);

/// Text that is borrowed wherever the JSON has no escape in it.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Amount<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AmountVisitor;

        impl<'de> Visitor<'de> for AmountVisitor {
            type Value = Amount<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity such as 10m or 64Mi")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Amount<'de>, E> {
                TextVisitor.visit_borrowed_str(text).map(Amount)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Amount<'de>, E> {
                TextVisitor.visit_str(text).map(Amount)
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Amount<'de>, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Amount<'de>, E> {
                self.visit_str(&number.to_string())
            }
        }

        deserializer.deserialize_any(AmountVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Annotations<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnnotationsVisitor;

        impl<'de> Visitor<'de> for AnnotationsVisitor {
            type Value = Annotations<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut annotations = Vec::with_capacity(map.size_hint().unwrap_or(16));
                while let Some((key, value)) = map.next_entry::<_, Option<Text<'de>>>()? {
                    annotations.push((key, value.unwrap_or_default()));
                }
                Ok(Annotations(annotations))
            }
        }

        deserializer.deserialize_map(AnnotationsVisitor)
    }
}
