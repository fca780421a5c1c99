//! The few fields of a pod that the controller reads. The other fields are not decoded, and so not
//! kept in memory.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use k8s_openapi::{
    NamespaceResourceScope, api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kees_common::{Domain, Word};
use kees_store::leases::{self, PodIdentity};
use kube::Resource;
use serde::Deserialize;

/// A pod, as far as the controller needs it.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct WatchedPod {
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
    conditions: Vec<WatchedCondition>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct WatchedCondition {
    r#type: String,
    status: String,
    reason: String,
    message: String,
}

/// The type of the condition that the controller writes.
pub(crate) fn condition_type(domain: &Domain) -> String {
    format!("kees.{domain}/secrets-created")
}

impl WatchedPod {
    /// The namespace.
    pub(crate) fn namespace(&self) -> &str {
        self.metadata.namespace.as_deref().unwrap_or_default()
    }

    /// The name.
    pub(crate) fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// The uid, which no other pod has.
    pub(crate) fn uid(&self) -> &str {
        self.metadata.uid.as_deref().unwrap_or_default()
    }

    /// The ServiceAccount.
    pub(crate) fn service_account(&self) -> &str {
        let name = self.spec.service_account_name.as_deref();
        name.filter(|name| !name.is_empty()).unwrap_or("default")
    }

    /// Whether the pod is being deleted.
    pub(crate) fn is_ending(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    /// The annotations, sorted by key.
    pub(crate) fn annotations(&self) -> impl Iterator<Item = (&str, &str)> {
        let annotations = self.metadata.annotations.iter().flatten();
        annotations.map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Whether an annotation asks for a secret or a lease.
    pub(crate) fn asks(&self, domain: &Domain) -> bool {
        self.annotations()
            .any(|(key, _)| matches!(domain.split(key), Some((Word::Secret | Word::Lease, _))))
    }

    /// Whether an annotation asks for a lease.
    pub(crate) fn asks_for_leases(&self, domain: &Domain) -> bool {
        self.annotations()
            .any(|(key, _)| matches!(domain.split(key), Some((Word::Lease, _))))
    }

    /// The pod as a holder of leases.
    pub(crate) fn as_holder(&self) -> leases::Pod {
        leases::Pod {
            name: self.name().to_owned(),
            identity: PodIdentity {
                namespace: self.namespace().to_owned(),
                uid: self.uid().to_owned(),
            },
        }
    }

    /// The status, the reason and the message of the condition that a controller wrote, after
    /// [`WatchedPod::reduce`].
    pub(crate) fn condition(&self) -> Option<(&str, &str, &str)> {
        let condition = self.status.conditions.first()?;
        let WatchedCondition {
            r#type: _,
            status,
            reason,
            message,
        } = condition;
        Some((status, reason, message))
    }

    /// Drops what the controller does not read: every annotation of another domain, labels, owners,
    /// the managed fields, and the conditions that others write.
    pub(crate) fn reduce(&mut self, domain: &Domain) {
        let ObjectMeta {
            name,
            namespace,
            uid,
            resource_version,
            deletion_timestamp,
            annotations,
            ..
        } = std::mem::take(&mut self.metadata);
        let is_ours = |(key, _): &(String, String)| domain.split(key).is_some();
        let annotations: BTreeMap<_, _> =
            annotations.into_iter().flatten().filter(is_ours).collect();
        self.metadata = ObjectMeta {
            name,
            namespace,
            uid,
            resource_version,
            deletion_timestamp,
            annotations: Some(annotations),
            ..ObjectMeta::default()
        };
        let ours = condition_type(domain);
        let conditions = &mut self.status.conditions;
        conditions.retain(|condition| condition.r#type == ours);
        conditions.shrink_to_fit();
    }
}

/// Without annotations: they may contain a `localModeValue`.
impl fmt::Debug for WatchedPod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchedPod")
            .field("namespace", &self.namespace())
            .field("name", &self.name())
            .finish_non_exhaustive()
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
