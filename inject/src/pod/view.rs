//! A borrowed view of a pod with the fields that the decision reads. All other fields are skipped.

use kees_secret_provider_class::CsiVolume;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use crate::{
    decode::{
        error::DecodeError,
        list::{Element, List},
        object::{Object, nullable, object},
        scalar::boolean,
    },
    pod::{
        affinity::AffinityView,
        annotations::Annotations,
        container::{
            ContainerList, ContainerRef, ContainerView, ResourcesView, SecurityContextView,
        },
        injected::Injected,
        labels::label,
        owner::Owner,
        secret_names::{of_projection, of_volume},
        text::Text,
    },
};

/// The fields of a pod that the decision reads, borrowed from the pod's JSON. `null` counts as
/// absent, as in Kubernetes.
///
/// It has no `Debug`, because annotations and variables of a pod must not be logged.
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

/// The JSON from which a view was read. A pod that is already injected is read from it again.
#[derive(Clone, Copy, Default)]
pub(crate) enum Source<'a> {
    /// A pod.
    Pod(&'a str),
    /// An `AdmissionReview` that contains the pod.
    Review(&'a str),
    /// The view was not read from JSON.
    #[default]
    None,
}

impl<'a> PodView<'a> {
    /// Reads a pod or a pod template (`metadata` and `spec`) from JSON.
    pub fn from_json(json: &'a str) -> Result<Self, ParsePodError> {
        let Object(mut pod) = serde_json::from_str::<Object<Self>>(json)
            .map_err(|error| ParsePodError(DecodeError::new::<Object<Self>>(json, error)))?;
        pod.source = Source::Pod(json);
        Ok(pod)
    }

    /// `metadata.namespace`. It may be missing in the request for a pod without a controller.
    pub fn namespace(&self) -> Option<&str> {
        self.metadata
            .namespace
            .as_deref()
            .filter(|name| !name.is_empty())
    }

    /// The name of the pod's ServiceAccount.
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

    /// The annotations, in the order of the JSON. If there are more than Kubernetes allows, the
    /// last ones are missing.
    pub(crate) fn annotations(&self) -> impl Iterator<Item = (&str, &str)> {
        self.metadata.annotations.iter()
    }

    /// The value of a label. Labels that cannot be decoded are none; the API server denies such a pod.
    pub(crate) fn label(&self, key: &str) -> Option<Text<'a>> {
        label(self.metadata.labels?.get(), key)
    }

    /// Whether the pod has labels, so that one more can be added to them.
    pub(crate) fn has_labels(&self) -> bool {
        self.metadata.labels.is_some()
    }

    /// The container at that place.
    pub(crate) fn container(&self, at: ContainerRef) -> Option<&ContainerView<'a>> {
        match at.list {
            ContainerList::Containers => self.spec.containers.get(at.index),
            ContainerList::InitContainers => self.spec.init_containers.get(at.index),
        }
    }

    /// The init containers except those of kees, `injected`.
    pub(crate) fn other_init_containers(
        &self,
        injected: Option<Injected>,
    ) -> impl Iterator<Item = (ContainerRef, &ContainerView<'a>)> {
        let all = self.spec.init_containers.iter().enumerate();
        let is_own = move |index: usize| injected.is_some_and(|own| own.contains(index));
        let others = all.filter(move |(index, _)| !is_own(*index));
        let list = ContainerList::InitContainers;
        others.map(move |(index, container)| (ContainerRef { list, index }, container))
    }

    /// The containers, and then the init containers except those of kees, `injected`.
    pub(crate) fn other_containers(
        &self,
        injected: Option<Injected>,
    ) -> impl Iterator<Item = (ContainerRef, &ContainerView<'a>)> {
        let list = ContainerList::Containers;
        let containers = self.spec.containers.iter().enumerate();
        containers
            .map(move |(index, container)| (ContainerRef { list, index }, container))
            .chain(self.other_init_containers(injected))
    }

    /// Whether the pod runs on Windows nodes.
    pub(crate) fn is_windows(&self) -> bool {
        let Spec {
            os, node_selector, ..
        } = &self.spec;
        let named = [&os.name, &node_selector.os];
        match named.into_iter().flatten().find(|os| !os.is_empty()) {
            Some(os) => &**os == "windows",
            None => self.spec.affinity.requires_windows() || self.has_windows_options(),
        }
    }

    fn has_windows_options(&self) -> bool {
        let of_pod = &self.spec.security_context;
        self.other_containers(None)
            .map(|(_, container)| &container.security_context)
            .chain([of_pod])
            .any(|security| security.windows_options.is_some())
    }
}

/// Text that cannot be read as a pod.
#[derive(Debug, thiserror::Error)]
#[error("not a pod: {0}")]
pub struct ParsePodError(pub(crate) DecodeError);

#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Metadata<'a> {
    #[serde(borrow)]
    namespace: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) generate_name: Option<Text<'a>>,
    #[serde(borrow, rename = "ownerReferences", deserialize_with = "nullable")]
    pub(crate) owner: Owner<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub(crate) annotations: Annotations<'a>,
    /// They are decoded when a label is looked up, which is rare.
    #[serde(borrow)]
    labels: Option<&'a RawValue>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Spec<'a> {
    #[serde(borrow)]
    service_account_name: Option<Text<'a>>,
    /// The deprecated name of `serviceAccountName`.
    #[serde(borrow)]
    service_account: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) volumes: List<VolumeView<'a>>,
    #[serde(borrow)]
    pub(crate) init_containers: List<ContainerView<'a>>,
    #[serde(borrow)]
    pub(crate) containers: List<ContainerView<'a>>,
    #[serde(borrow)]
    pub(crate) ephemeral_containers: List<Named<'a>>,
    #[serde(deserialize_with = "boolean")]
    pub(crate) share_process_namespace: bool,
    #[serde(deserialize_with = "object")]
    pub(crate) security_context: SecurityContextView,
    #[serde(borrow, deserialize_with = "object")]
    pub(crate) resources: ResourcesView<'a>,
    #[serde(borrow, deserialize_with = "object")]
    os: Os<'a>,
    #[serde(borrow, deserialize_with = "object")]
    node_selector: NodeSelector<'a>,
    #[serde(borrow, deserialize_with = "object")]
    affinity: AffinityView<'a>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Named<'a> {
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct VolumeView<'a> {
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
    #[serde(borrow)]
    pub(crate) projected: Option<&'a RawValue>,
    pub(crate) empty_dir: Option<IgnoredAny>,
    #[serde(rename = "downwardAPI")]
    pub(crate) downward_api: Option<IgnoredAny>,
    config_map: Option<IgnoredAny>,
    #[serde(borrow)]
    secret: Option<&'a RawValue>,
    /// It is decoded only where volumes of classes matter.
    #[serde(borrow)]
    csi: Option<&'a RawValue>,
}

impl Element for Named<'_> {}

impl Element for VolumeView<'_> {}

impl<'a> VolumeView<'a> {
    /// Whether only the kubelet writes the volume, so that every mount of it is read-only.
    pub(crate) fn is_written_by_kubelet(&self) -> bool {
        let from_json = [self.projected, self.secret];
        from_json.iter().any(Option::is_some)
            || [self.config_map, self.downward_api]
                .iter()
                .any(Option::is_some)
    }

    /// Its `csi`. One that cannot be decoded is none; the API server denies such a pod.
    pub(crate) fn csi(&self) -> Option<CsiVolume> {
        serde_json::from_str(self.csi?.get()).ok()
    }

    /// The Secrets without which the volume cannot be mounted.
    pub(crate) fn needed_secrets(&self) -> Vec<Text<'a>> {
        let secret = self.secret.and_then(|json| of_volume(json.get()));
        let projected = self.projected.map(|json| of_projection(json.get()));
        secret
            .into_iter()
            .chain(projected.unwrap_or_default())
            .collect()
    }
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Os<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct NodeSelector<'a> {
    #[serde(borrow, rename = "kubernetes.io/os")]
    os: Option<Text<'a>>,
}
