//! The few fields of a pod that the controller reads. The other fields are not decoded, and so not
//! kept in memory.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use k8s_openapi::{
    NamespaceResourceScope,
    api::core::v1::Pod,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
    jiff::Timestamp,
};
use kees_common::{Domain, OnChange, Word, names, restart};
use kees_inject::workload;
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
    /// For `on-change: restart`, after [`WatchedPod::reduce`].
    #[serde(skip)]
    restart: Option<Box<Restart>>,
    /// For Kubernetes Secrets, after [`WatchedPod::reduce`].
    #[serde(skip)]
    sharing: Option<Box<Sharing>>,
}

/// What decides about the Kubernetes Secrets of a pod.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sharing {
    /// When the pod was created.
    pub(crate) created: Option<Timestamp>,
    /// Those whose end is the end of the Secrets: the owners of the pod, else the pod itself. Never empty.
    pub(crate) owners: Vec<OwnerReference>,
    /// What created the pod, such as `Deployment web`.
    pub(crate) workload: String,
}

impl Sharing {
    fn new(metadata: &ObjectMeta) -> Self {
        let name = metadata.name.as_deref().unwrap_or_default();
        let owners = metadata.owner_references.as_deref().unwrap_or_default();
        let controller = owners.iter().find(|owner| owner.controller == Some(true));
        let labels = metadata.labels.as_ref();
        let of_controller = controller.map(|owner| (owner.kind.as_str(), owner.name.as_str()));
        let workload = workload(of_controller, name, |key| {
            labels?.get(key).map(String::as_str)
        });
        let owner = |owner: &OwnerReference| OwnerReference {
            api_version: owner.api_version.clone(),
            kind: owner.kind.clone(),
            name: owner.name.clone(),
            uid: owner.uid.clone(),
            // They are of the pod: a Secret has no controller, and its deletion waits for nothing.
            controller: None,
            block_owner_deletion: None,
        };
        let mut owners: Vec<_> = owners.iter().map(owner).collect();
        if owners.is_empty() {
            owners.push(OwnerReference {
                api_version: "v1".to_owned(),
                kind: "Pod".to_owned(),
                name: name.to_owned(),
                uid: metadata.uid.clone().unwrap_or_default(),
                controller: None,
                block_owner_deletion: None,
            });
        }
        let created = metadata.creation_timestamp.as_ref();
        Self {
            created: created.map(|time| time.0),
            owners,
            workload,
        }
    }
}

/// What decides about a restart of the workload of a pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Restart {
    /// Whether the sidecar has asked for a restart, because it has replaced the files.
    pub(crate) is_asked: bool,
    /// The controller of the pod.
    pub(crate) owner: Option<OwnerReference>,
    /// The labels of the pod.
    pub(crate) labels: BTreeMap<String, String>,
    /// [`RESTARTED_AT`] of the pod, which it has from its template.
    pub(crate) restarted_at: Option<String>,
}

/// The annotation of a pod template that a restart sets, as `kubectl rollout restart` does.
pub(crate) const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WatchedSpec {
    service_account_name: Option<String>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WatchedStatus {
    conditions: Vec<WatchedCondition>,
    init_container_statuses: Vec<WatchedContainer>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WatchedContainer {
    name: String,
    /// How the container ended last.
    last_state: WatchedState,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct WatchedState {
    terminated: Option<WatchedEnd>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct WatchedEnd {
    message: String,
}

impl WatchedStatus {
    /// Whether the sidecar has ended to ask for a restart.
    fn asks_for_restart(&self) -> bool {
        let mut containers = self.init_container_statuses.iter();
        containers.any(|container| {
            let end = container.last_state.terminated.as_ref();
            end.is_some_and(|end| restart::is_request(&container.name, &end.message))
        })
    }
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

    /// Whether an annotation asks for a secret, a lease, restarts or a Kubernetes Secret.
    pub(crate) fn asks(&self, domain: &Domain) -> bool {
        self.restart.is_some()
            || self.sharing.is_some()
            || self
                .annotations()
                .any(|(key, _)| matches!(domain.split(key), Some((Word::Secret | Word::Lease, _))))
    }

    /// Whether an annotation asks for a lease.
    pub(crate) fn asks_for_leases(&self, domain: &Domain) -> bool {
        self.annotations()
            .any(|(key, _)| matches!(domain.split(key), Some((Word::Lease, _))))
    }

    /// What decides about a restart, if the pod has `on-change: restart`.
    pub(crate) fn restart(&self) -> Option<&Restart> {
        self.restart.as_deref()
    }

    /// What decides about its Kubernetes Secrets, if the pod asks for some.
    pub(crate) fn sharing(&self) -> Option<&Sharing> {
        self.sharing.as_deref()
    }

    /// The value of an annotation.
    pub(crate) fn annotation(&self, key: &str) -> Option<&str> {
        let annotations = self.metadata.annotations.as_ref()?;
        annotations.get(key).map(String::as_str)
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

    /// Drops what the controller does not read: every annotation of another domain, the managed fields,
    /// the conditions that others write, and labels and owners if the pod asks neither for restarts nor for Secrets.
    pub(crate) fn reduce(&mut self, domain: &Domain) {
        if asks_for_secrets(self.metadata.annotations.as_ref(), domain) {
            self.sharing = Some(Box::new(Sharing::new(&self.metadata)));
        }
        let ObjectMeta {
            name,
            namespace,
            uid,
            resource_version,
            deletion_timestamp,
            annotations,
            labels,
            owner_references,
            ..
        } = std::mem::take(&mut self.metadata);
        if asks_for_restarts(annotations.as_ref(), domain) {
            let mut owners = owner_references.into_iter().flatten();
            self.restart = Some(Box::new(Restart {
                is_asked: self.status.asks_for_restart(),
                owner: owners.find(|owner| owner.controller == Some(true)),
                labels: labels.unwrap_or_default(),
                restarted_at: annotations
                    .as_ref()
                    .and_then(|all| all.get(RESTARTED_AT).cloned()),
            }));
        }
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
        self.status.init_container_statuses = Vec::new();
        let ours = condition_type(domain);
        let conditions = &mut self.status.conditions;
        conditions.retain(|condition| condition.r#type == ours);
        conditions.shrink_to_fit();
    }
}

/// Whether annotations, of a pod or of a pod template, say `on-change: restart`.
pub(crate) fn asks_for_restarts(
    annotations: Option<&BTreeMap<String, String>>,
    domain: &Domain,
) -> bool {
    let on_change = annotations.and_then(|all| all.get(&domain.init(names::init::ON_CHANGE)));
    on_change.is_some_and(|value| value.trim().parse() == Ok(OnChange::Restart))
}

/// Whether annotations ask for a Kubernetes Secret, or may do so by a class.
fn asks_for_secrets(annotations: Option<&BTreeMap<String, String>>, domain: &Domain) -> bool {
    let options = [names::init::SYNC, names::init::CLASS_VOLUMES];
    let keys = options.map(|option| domain.init(option));
    annotations.is_some_and(|all| keys.iter().any(|key| all.contains_key(key)))
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

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    const REQUEST: &str = "restart: the files of this pod were replaced";

    fn reduced(on_change: &str, statuses: &Value) -> WatchedPod {
        let json = json!({
            "metadata": {
                "name": "web-1", "uid": "1", "labels": {"app": "web"},
                "annotations": {
                    "init.bsycorp.com/on-change": on_change,
                    "kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z",
                },
                "ownerReferences": [
                    {"apiVersion": "v1", "kind": "Other", "name": "x", "uid": "x"},
                    {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "2", "controller": true},
                ],
            },
            "status": {"initContainerStatuses": statuses},
        });
        let mut pod: WatchedPod = serde_json::from_value(json).unwrap();
        pod.reduce(&"bsycorp.com".parse().unwrap());
        pod
    }

    fn status(name: &str, message: &str) -> Value {
        let end = json!({"terminated": {"exitCode": 0, "message": message}});
        json!({"name": name, "state": {"running": {}}, "lastState": end})
    }

    #[rstest]
    #[case(status("kees-refresh", REQUEST), true)]
    #[case(status("kees-refresh", &format!("{REQUEST}\nmore")), true)]
    #[case(status("kees-refresh", "the last refresh failed"), false)]
    #[case::of_a_fast_start(status("kees-init", REQUEST), true)]
    #[case(status("proxy", REQUEST), false)]
    #[case(json!({"name": "kees-refresh", "lastState": {}}), false)]
    #[case::not_started_again(
        json!({"name": "kees-refresh", "state": {"terminated": {"message": REQUEST}}, "lastState": {}}),
        false
    )]
    fn the_last_end_of_the_sidecar_asks(#[case] status: Value, #[case] expected: bool) {
        let other = json!({"name": "migrate", "lastState": {}});
        let pod = reduced("restart", &json!([other, status]));
        assert_eq!(pod.restart().unwrap().is_asked, expected);
    }

    fn sharing(owner: Value, hash: &str) -> Option<Sharing> {
        let json = json!({"metadata": {
            "name": "web-1", "uid": "1", "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"pod-template-hash": hash},
            "annotations": {"init.bsycorp.com/sync": "web"},
            "ownerReferences": Vec::from_iter(owner.is_object().then_some(owner)),
        }});
        let mut pod: WatchedPod = serde_json::from_value(json).unwrap();
        let domain = "bsycorp.com".parse().unwrap();
        pod.reduce(&domain);
        assert!(pod.asks(&domain));
        pod.sharing().cloned()
    }

    #[rstest]
    #[case("ReplicaSet", "web-7f9c", "Deployment web")]
    #[case("ReplicaSet", "alone", "ReplicaSet alone")]
    #[case("StatefulSet", "db", "StatefulSet db")]
    #[case("Job", "batch", "Job batch")]
    #[case("Job", "nightly-29384750", "CronJob nightly")]
    fn a_pod_shares_with_the_pods_of_its_workload(
        #[case] kind: &str,
        #[case] name: &str,
        #[case] workload: &str,
    ) {
        let owner = json!({"apiVersion": "x/v1", "kind": kind, "name": name, "uid": "2",
                           "controller": true, "blockOwnerDeletion": true});
        let sharing = sharing(owner, "7f9c").unwrap();
        assert_eq!(sharing.workload, workload);
        assert!(sharing.created.is_some());
        let [owner] = &sharing.owners[..] else {
            panic!("{:?}", sharing.owners);
        };
        assert_eq!((&*owner.kind, &*owner.uid), (kind, "2"));
        assert_eq!((owner.controller, owner.block_owner_deletion), (None, None));
    }

    #[test]
    fn a_pod_without_owners_is_the_owner() {
        let sharing = sharing(Value::Null, "").unwrap();
        assert_eq!(sharing.workload, "Pod web-1");
        assert_eq!(sharing.owners.len(), 1);
        assert_eq!(
            (&*sharing.owners[0].kind, &*sharing.owners[0].uid),
            ("Pod", "1")
        );
    }

    #[test]
    fn what_a_restart_needs_is_kept_only_if_the_pod_asks_for_restarts() {
        let pod = reduced(" restart ", &json!([]));
        let restart = pod.restart().unwrap();
        assert_eq!(restart.owner.as_ref().unwrap().name, "web");
        assert_eq!(restart.labels["app"], "web");
        let restarted_at = restart.restarted_at.as_deref();
        assert_eq!(restarted_at, Some("2026-01-01T00:00:00Z"));
        assert!(pod.asks(&"bsycorp.com".parse().unwrap()));

        let other = reduced("signal=HUP", &json!([status("kees-refresh", REQUEST)]));
        assert_eq!(other.restart(), None);
        assert!(!other.asks(&"bsycorp.com".parse().unwrap()));
    }
}
