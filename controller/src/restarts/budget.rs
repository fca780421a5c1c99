//! `PodDisruptionBudget`s: how many pods may be taken away at once.

use std::collections::BTreeMap;

use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::core::{Selector, SelectorExt as _};

/// What a `PodDisruptionBudget` allows now.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    pub(super) name: String,
    selector: Option<Selector>,
    /// How many pods may be taken away.
    pub(super) allowed: i32,
}

impl Budget {
    /// Whether the budget is about a pod with these labels.
    pub(super) fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        let selector = self.selector.as_ref();
        selector.is_some_and(|selector| selector.matches(labels))
    }
}

impl From<PodDisruptionBudget> for Budget {
    fn from(budget: PodDisruptionBudget) -> Self {
        let spec = budget.spec.unwrap_or_default();
        let status = budget.status.unwrap_or_default();
        let is_observed = status.observed_generation.unwrap_or_default()
            >= budget.metadata.generation.unwrap_or_default();
        Self {
            name: budget.metadata.name.unwrap_or_default(),
            // An empty selector selects every pod. So does one that this version cannot read, so that
            // no budget is overlooked.
            selector: spec
                .selector
                .map(|selector| selector.try_into().unwrap_or_default()),
            allowed: if is_observed {
                status.disruptions_allowed
            } else {
                0
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn budget(selector: Option<&Value>, observed: i64) -> Budget {
        let json = json!({
            "metadata": {"name": "web", "generation": 2},
            "spec": {"selector": selector},
            "status": {
                "observedGeneration": observed, "disruptionsAllowed": 2,
                "currentHealthy": 4, "desiredHealthy": 2, "expectedPods": 4,
            },
        });
        serde_json::from_value::<PodDisruptionBudget>(json)
            .unwrap()
            .into()
    }

    #[rstest]
    #[case(Some(json!({"matchLabels": {"app": "web"}})), true)]
    #[case(Some(json!({"matchLabels": {"app": "other"}})), false)]
    #[case(Some(json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]})), true)]
    #[case(Some(json!({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]})), false)]
    #[case::every_pod(Some(json!({})), true)]
    #[case::no_pod(None, false)]
    #[case::unknown(Some(json!({"matchExpressions": [{"key": "app", "operator": "New"}]})), true)]
    fn a_budget_selects_pods_by_their_labels(
        #[case] selector: Option<Value>,
        #[case] expected: bool,
    ) {
        let labels = BTreeMap::from([("app".to_owned(), "web".to_owned())]);
        assert_eq!(budget(selector.as_ref(), 2).selects(&labels), expected);
    }

    #[test]
    fn a_budget_that_was_changed_allows_nothing_until_it_is_counted_again() {
        assert_eq!(budget(None, 2).allowed, 2);
        assert_eq!(budget(None, 1).allowed, 0);
    }
}
