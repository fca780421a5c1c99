//! The numbers of a store that is not shared, as on a laptop. No kees-controller works for it, so the
//! run gives the pod its number itself.

use std::time::Duration;

use kees_common::PlannedLease;
use kees_store::{
    RetryBudget,
    leases::{LeaseError, LeaseStore, LivingPods, Pod, PodIdentity, claim, claim::End},
};

use super::{
    lookup::no_number,
    number::{Number, failed, silent},
};
use crate::{EntryError, InitError, Request};

/// The uid of a pod that has none, because it is in no cluster.
const NO_UID: &str = "local";

/// Gives the pod a number for each lease of `request`, in the order of its plan.
pub(super) async fn numbers(
    request: &Request,
    store: &impl LeaseStore,
    budget: &mut RetryBudget,
) -> Vec<Number> {
    let mut numbers = Vec::new();
    for lease in &request.plan.leases {
        let claimed = claim(store, &All, lease.range.clone(), pod(request), budget).await;
        numbers.push(match claimed {
            Ok(End::Held { number, is_new }) => Number::Held { number, is_new },
            Ok(End::Exhausted | End::PodGone) => error(request, lease, exhausted(lease)),
            Err(reason) => error(request, lease, of_claim(lease, reason)),
        });
    }
    numbers
}

fn pod(request: &Request) -> Pod {
    let text = |text: &Option<String>, default: &str| text.as_deref().unwrap_or(default).to_owned();
    Pod {
        name: text(&request.pod_name, ""),
        identity: PodIdentity {
            namespace: text(&request.namespace, "default"),
            uid: text(&request.pod_uid, NO_UID),
        },
    }
}

/// Every pod lives: nothing tells when a pod that is in no cluster has ended.
struct All;

impl LivingPods for All {
    async fn lives(&self, _: &str, _: Option<&PodIdentity>) -> Result<bool, String> {
        Ok(true)
    }
}

fn error(request: &Request, lease: &PlannedLease, error: EntryError) -> Number {
    Number::Failed(InitError::entry(failed(request, lease), error))
}

fn exhausted(lease: &PlannedLease) -> EntryError {
    let holders = lease.range.number_prefix();
    EntryError::Absent {
        waited: Duration::ZERO,
        remedy: format!(
            "each number of the range is held by another pod: use a larger range, or delete the \
             records of pods that are not needed ({holders}NUMBER)"
        ),
    }
}

fn of_claim(lease: &PlannedLease, error: LeaseError) -> EntryError {
    EntryError::Store(match error {
        LeaseError::Store(error) => error,
        LeaseError::NoNumber(path) => no_number(lease, &path),
        LeaseError::TimedOut | LeaseError::Kubernetes(_) => silent(lease.store),
    })
}
