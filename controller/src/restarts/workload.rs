//! Workloads: what creates pods from a template, and replaces them when the template changes.

use std::fmt;

use k8s_openapi::{
    api::{
        apps::v1::{DaemonSet, Deployment, RollingUpdateDaemonSet, StatefulSet},
        core::v1::{ObjectReference, PodTemplateSpec},
    },
    apimachinery::pkg::{apis::meta::v1::ObjectMeta, util::intstr::IntOrString},
};
use kees_common::Domain;

use crate::pod::{RESTARTED_AT, asks_for_restarts};

/// A kind of workload that can be restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Deployment,
    StatefulSet,
    DaemonSet,
}

impl Kind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
        }
    }
}

/// Which workload.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) kind: Kind,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: String,
}

impl Place {
    pub(super) fn reference(&self) -> ObjectReference {
        ObjectReference {
            api_version: Some("apps/v1".to_owned()),
            kind: Some(self.kind.as_str().to_owned()),
            namespace: Some(self.namespace.clone()),
            name: Some(self.name.clone()),
            uid: Some(self.uid.clone()),
            ..ObjectReference::default()
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind.as_str();
        write!(f, "{kind} {}/{}", self.namespace, self.name)
    }
}

/// What decides about a restart of a workload.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Workload {
    pub(super) place: Place,
    /// The version that was read. A change of another version is denied by the API server.
    pub(super) version: Option<String>,
    /// Whether the template says `on-change: restart`.
    pub(super) asks: bool,
    /// [`RESTARTED_AT`] of the template.
    pub(super) restarted_at: Option<String>,
    pub(super) is_paused: bool,
    /// Whether a change of the template replaces the pods. Not with `OnDelete`.
    pub(super) replaces_pods: bool,
    /// How many pods a rollout may take away before their successors are available.
    pub(super) taken_away: i32,
    pub(super) rollout: Rollout,
}

/// How far a rollout is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rollout {
    /// Whether the numbers are those of the current template.
    pub(super) is_observed: bool,
    /// How many pods there are to be.
    pub(super) pods: i32,
    /// How many of them are to have the current template.
    pub(super) to_update: i32,
    /// How many have it.
    pub(super) updated: i32,
    /// How many pods of earlier templates are left beside them.
    pub(super) old: i32,
    pub(super) available: i32,
}

impl Rollout {
    /// Whether no pod is left that this rollout replaces. The new ones need not be available.
    pub(super) fn has_replaced(self) -> bool {
        self.is_observed && self.updated >= self.to_update && self.old <= 0
    }

    /// Whether nothing is left to do.
    pub(super) fn is_complete(self) -> bool {
        self.has_replaced() && self.available >= self.pods
    }
}

impl Workload {
    pub(super) fn of_deployment(object: Deployment, domain: &Domain) -> Self {
        let spec = object.spec.unwrap_or_default();
        let status = object.status.unwrap_or_default();
        let pods = spec.replicas.unwrap_or(1);
        let strategy = spec.strategy.unwrap_or_default();
        let taken_away = if strategy.type_.as_deref() == Some("Recreate") {
            pods
        } else {
            let rolling = strategy.rolling_update.unwrap_or_default();
            let quarter = IntOrString::String("25%".to_owned());
            let surge = count(rolling.max_surge.as_ref().unwrap_or(&quarter), pods, true);
            let away = rolling.max_unavailable.unwrap_or(quarter);
            // Kubernetes replaces one at a time if both are 0.
            match count(&away, pods, false) {
                0 if surge == 0 => 1,
                away => away,
            }
        };
        let updated = status.updated_replicas.unwrap_or_default();
        let rollout = Rollout {
            is_observed: is_observed(&object.metadata, status.observed_generation),
            pods,
            to_update: pods,
            updated,
            old: status.replicas.unwrap_or_default() - updated,
            available: status.available_replicas.unwrap_or_default(),
        };
        Self {
            is_paused: spec.paused == Some(true),
            ..Self::new(Kind::Deployment, object.metadata, &spec.template, domain)
                .rolling(true, taken_away, rollout)
        }
    }

    pub(super) fn of_stateful_set(object: StatefulSet, domain: &Domain) -> Self {
        let spec = object.spec.unwrap_or_default();
        let status = object.status.unwrap_or_default();
        let pods = spec.replicas.unwrap_or(1);
        let strategy = spec.update_strategy.unwrap_or_default();
        let rolling = strategy.rolling_update.unwrap_or_default();
        let away = rolling.max_unavailable.unwrap_or(IntOrString::Int(1));
        let rollout = Rollout {
            is_observed: is_observed(&object.metadata, status.observed_generation),
            pods,
            to_update: pods - rolling.partition.unwrap_or_default(),
            updated: status.updated_replicas.unwrap_or_default(),
            // Those below the partition stay.
            old: 0,
            available: status.available_replicas.unwrap_or_default(),
        };
        Self::new(Kind::StatefulSet, object.metadata, &spec.template, domain).rolling(
            strategy.type_.as_deref() != Some("OnDelete"),
            count(&away, pods, true).max(1),
            rollout,
        )
    }

    pub(super) fn of_daemon_set(object: DaemonSet, domain: &Domain) -> Self {
        let spec = object.spec.unwrap_or_default();
        let status = object.status.unwrap_or_default();
        let pods = status.desired_number_scheduled;
        let strategy = spec.update_strategy.unwrap_or_default();
        let RollingUpdateDaemonSet {
            max_surge,
            max_unavailable,
        } = strategy.rolling_update.unwrap_or_default();
        let away = max_unavailable.unwrap_or(IntOrString::Int(1));
        let surges = max_surge.is_some_and(|surge| count(&surge, pods, true) > 0);
        let rollout = Rollout {
            is_observed: is_observed(&object.metadata, status.observed_generation),
            pods,
            to_update: pods,
            updated: status.updated_number_scheduled.unwrap_or_default(),
            old: 0,
            available: status.number_available.unwrap_or_default(),
        };
        Self::new(Kind::DaemonSet, object.metadata, &spec.template, domain).rolling(
            strategy.type_.as_deref() != Some("OnDelete"),
            if surges {
                0
            } else {
                count(&away, pods, true).max(1)
            },
            rollout,
        )
    }

    fn new(kind: Kind, object: ObjectMeta, template: &PodTemplateSpec, domain: &Domain) -> Self {
        let annotations = template.metadata.as_ref();
        let annotations = annotations.and_then(|metadata| metadata.annotations.as_ref());
        Self {
            place: Place {
                kind,
                namespace: object.namespace.unwrap_or_default(),
                name: object.name.unwrap_or_default(),
                uid: object.uid.unwrap_or_default(),
            },
            version: object.resource_version,
            asks: asks_for_restarts(annotations, domain),
            restarted_at: annotations.and_then(|all| all.get(RESTARTED_AT).cloned()),
            is_paused: false,
            replaces_pods: true,
            taken_away: 1,
            rollout: Rollout {
                is_observed: false,
                pods: 0,
                to_update: 0,
                updated: 0,
                old: 0,
                available: 0,
            },
        }
    }

    fn rolling(self, replaces_pods: bool, taken_away: i32, rollout: Rollout) -> Self {
        Self {
            replaces_pods,
            // A rollout takes away no more pods than there are.
            taken_away: taken_away.clamp(0, rollout.pods.max(0)),
            rollout,
            ..self
        }
    }
}

fn is_observed(object: &ObjectMeta, observed: Option<i64>) -> bool {
    observed.unwrap_or_default() >= object.generation.unwrap_or_default()
}

/// A number, or a percentage of `pods`.
fn count(number: &IntOrString, pods: i32, rounds_up: bool) -> i32 {
    match number {
        IntOrString::Int(number) => *number,
        IntOrString::String(text) => {
            let percent = text.strip_suffix('%').and_then(|text| text.parse().ok());
            let parts = i64::from(pods) * percent.unwrap_or(100_i64);
            let rounded = if rounds_up { parts + 99 } else { parts } / 100;
            i32::try_from(rounded).unwrap_or(i32::MAX)
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn domain() -> Domain {
        "bsycorp.com".parse().unwrap()
    }

    fn object(mut spec: Value, status: &Value) -> Value {
        spec["selector"] = json!({});
        spec["template"] = json!({"metadata": {"annotations": {
            "init.bsycorp.com/on-change": "restart",
            "kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z",
        }}});
        json!({
            "metadata": {
                "namespace": "team-a", "name": "web", "uid": "1", "resourceVersion": "7", "generation": 3,
            },
            "spec": spec,
            "status": status,
        })
    }

    fn deployment(spec: Value, status: &Value) -> Workload {
        let object = serde_json::from_value(object(spec, status)).unwrap();
        Workload::of_deployment(object, &domain())
    }

    fn stateful_set(spec: Value, status: &Value) -> Workload {
        let object = serde_json::from_value(object(spec, status)).unwrap();
        Workload::of_stateful_set(object, &domain())
    }

    fn daemon_set(spec: Value, status: &Value) -> Workload {
        let object = serde_json::from_value(object(spec, status)).unwrap();
        Workload::of_daemon_set(object, &domain())
    }

    #[test]
    fn the_template_says_whether_it_asks_and_when_it_was_restarted() {
        let web = deployment(json!({"replicas": 2, "paused": true}), &json!({}));
        assert!(web.asks && web.is_paused);
        assert_eq!(web.restarted_at.as_deref(), Some("2026-01-01T00:00:00Z"));
        assert_eq!(web.version.as_deref(), Some("7"));
        assert_eq!(web.place.to_string(), "Deployment team-a/web");
        let without = Workload::of_deployment(Deployment::default(), &domain());
        assert!(!without.asks);
    }

    #[rstest]
    #[case::default(json!({"replicas": 10}), 2)]
    #[case::a_percentage_is_rounded_down(json!({"replicas": 3}), 0)]
    #[case::of_one(json!({"replicas": 1}), 0)]
    #[case(json!({"replicas": 1, "strategy": {"rollingUpdate": {"maxUnavailable": 3, "maxSurge": 0}}}), 1)]
    #[case(json!({"replicas": 4, "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}}), 0)]
    #[case::both_zero(json!({"replicas": 3, "strategy": {"rollingUpdate": {"maxUnavailable": "25%", "maxSurge": 0}}}), 1)]
    #[case(json!({"replicas": 3, "strategy": {"type": "Recreate"}}), 3)]
    #[case(json!({"replicas": 0}), 0)]
    fn a_deployment_takes_away_as_many_pods_as_kubernetes_would(
        #[case] spec: Value,
        #[case] expected: i32,
    ) {
        assert_eq!(deployment(spec, &json!({})).taken_away, expected);
    }

    #[rstest]
    #[case(json!({"replicas": 3}), 1)]
    #[case(json!({"replicas": 3, "updateStrategy": {"rollingUpdate": {"maxUnavailable": "50%"}}}), 2)]
    fn a_stateful_set_takes_away_one_pod_unless_it_says_more(
        #[case] spec: Value,
        #[case] expected: i32,
    ) {
        assert_eq!(stateful_set(spec, &json!({})).taken_away, expected);
    }

    #[rstest]
    #[case(json!({}), 1)]
    #[case(json!({"updateStrategy": {"rollingUpdate": {"maxUnavailable": "10%"}}}), 2)]
    #[case(json!({"updateStrategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}}), 0)]
    fn a_daemon_set_takes_away_one_pod_unless_it_surges(
        #[case] spec: Value,
        #[case] expected: i32,
    ) {
        let status = json!({
            "desiredNumberScheduled": 20, "currentNumberScheduled": 20, "numberMisscheduled": 0, "numberReady": 20,
        });
        assert_eq!(daemon_set(spec, &status).taken_away, expected);
    }

    #[rstest]
    #[case::complete(json!({"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}), true, true)]
    #[case::not_observed(json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}), false, false)]
    #[case::an_old_pod_is_left(json!({"observedGeneration": 3, "replicas": 3, "updatedReplicas": 2, "availableReplicas": 3}), false, false)]
    #[case::a_new_pod_is_missing(json!({"observedGeneration": 3, "replicas": 2, "updatedReplicas": 1, "availableReplicas": 2}), false, false)]
    #[case::not_available(json!({"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 1}), true, false)]
    #[case::no_status(json!({}), false, false)]
    fn the_rollout_of_a_deployment(
        #[case] status: Value,
        #[case] has_replaced: bool,
        #[case] is_complete: bool,
    ) {
        let rollout = deployment(json!({"replicas": 2}), &status).rollout;
        assert_eq!(rollout.has_replaced(), has_replaced);
        assert_eq!(rollout.is_complete(), is_complete);
    }

    #[rstest]
    #[case(json!({"replicas": 3}), 3, true)]
    #[case(json!({"replicas": 3}), 2, false)]
    #[case::those_below_the_partition_stay(json!({"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 2}}}), 1, true)]
    fn the_rollout_of_a_stateful_set(
        #[case] spec: Value,
        #[case] updated: i32,
        #[case] expected: bool,
    ) {
        let status = json!({
            "observedGeneration": 3, "replicas": 3, "updatedReplicas": updated, "availableReplicas": 3,
        });
        assert_eq!(stateful_set(spec, &status).rollout.is_complete(), expected);
    }

    #[test]
    fn with_on_delete_a_change_of_the_template_replaces_nothing() {
        let spec = json!({"updateStrategy": {"type": "OnDelete"}});
        let status = json!({"replicas": 1});
        assert!(!stateful_set(spec.clone(), &status).replaces_pods);
        let status = json!({
            "desiredNumberScheduled": 1, "currentNumberScheduled": 1, "numberMisscheduled": 0, "numberReady": 1,
        });
        assert!(!daemon_set(spec, &status).replaces_pods);
    }
}
