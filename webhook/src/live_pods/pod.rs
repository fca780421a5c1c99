//! The few fields of a pod that are read. The other fields are not decoded.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use k8s_openapi::{
    NamespaceResourceScope, api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kees_common::Domain;
use kees_inject::{LivePod, LivePods, workload};
use kube::Resource;
use serde::Deserialize;

/// A pod with the label.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct WatchedPod {
    metadata: ObjectMeta,
    spec: WatchedSpec,
    status: WatchedStatus,
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WatchedSpec {
    service_account_name: Option<String>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct WatchedStatus {
    phase: String,
}

/// Without annotations.
impl fmt::Debug for WatchedPod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchedPod")
            .field("namespace", &self.namespace())
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

impl WatchedPod {
    fn namespace(&self) -> &str {
        self.metadata.namespace.as_deref().unwrap_or_default()
    }

    fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// Whether the pod needs no Secret any more: it has ended, or is being deleted.
    fn is_ending(&self) -> bool {
        let has_ended = matches!(&*self.status.phase, "Succeeded" | "Failed");
        has_ended || self.metadata.deletion_timestamp.is_some()
    }

    /// Brings `pods` up to date with this pod. Returns whether there is room for it.
    pub(super) fn put_into(&self, pods: &mut LivePods, domain: &Domain) -> bool {
        if self.is_ending() {
            self.remove_from(pods);
            return true;
        }
        let owners = self.metadata.owner_references.iter().flatten();
        let mut controllers = owners.filter(|owner| owner.controller == Some(true));
        let controller = controllers.next();
        let controller = controller.map(|owner| (owner.kind.as_str(), owner.name.as_str()));
        let labels = self.metadata.labels.as_ref();
        let label = |key: &str| labels?.get(key).map(String::as_str);
        let account = self.spec.service_account_name.as_deref();
        let none = BTreeMap::new();
        let pod = LivePod {
            namespace: self.namespace(),
            name: self.name(),
            service_account: account.filter(|name| !name.is_empty()).unwrap_or("default"),
            workload: &workload(controller, self.name(), label),
            annotations: self.metadata.annotations.as_ref().unwrap_or(&none),
        };
        pods.insert(pod, domain)
    }

    /// The pod is gone.
    pub(super) fn remove_from(&self, pods: &mut LivePods) {
        pods.remove(self.namespace(), self.name());
    }
}

impl Resource for WatchedPod {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        Pod::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        Pod::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        Pod::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        Pod::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
