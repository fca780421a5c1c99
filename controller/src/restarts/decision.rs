//! Whether a workload is restarted now: a decision without I/O.
//!
//! No clock is asked. A pod that was created from the current template has the same [`RESTARTED_AT`] as
//! the template. If it differs, the workload was restarted since, and the pod is replaced anyway. So one
//! change restarts a workload once, whenever each of its pods notices the change.
//!
//! [`RESTARTED_AT`]: crate::pod::RESTARTED_AT

use std::fmt;

use super::{
    budget::Budget,
    workload::{Place, Workload},
};
use crate::pod::Restart;

/// What is to be done about a pod that asks for a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// Restart its workload.
    Restart,
    /// Its workload was restarted since the pod was created.
    Done,
    /// Look again later.
    Wait(Wait),
    /// Its workload is not restarted as it is.
    Never(Never),
}

/// What a restart waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wait {
    /// The workload already replaces its pods.
    Rollout,
    /// The Deployment is paused.
    Paused,
    /// A budget allows fewer pods to be taken away than the rollout may take.
    Budget {
        name: String,
        allowed: i32,
        taken_away: i32,
    },
    /// Another workload was restarted, and its rollout is not complete.
    Other(Place),
}

/// Why a workload is not restarted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Never {
    /// The pod asks for restarts, and its template does not.
    NotInTemplate,
    /// The update strategy is `OnDelete`.
    OnDelete,
    /// Nothing creates the pod again.
    NoOwner,
    /// The owner is of another kind.
    Kind(String),
    /// The operator has not allowed restarts.
    Off,
}

/// Decides about a pod whose sidecar has asked for a restart. `budgets` are those of its namespace, and
/// `other` is a workload whose rollout this controller has begun.
pub(super) fn decide(
    pod: &Restart,
    workload: &Workload,
    budgets: &[Budget],
    other: Option<&Place>,
) -> Decision {
    if !workload.asks {
        return Decision::Never(Never::NotInTemplate);
    }
    if pod.restarted_at != workload.restarted_at {
        return Decision::Done;
    }
    if !workload.replaces_pods {
        return Decision::Never(Never::OnDelete);
    }
    if workload.is_paused {
        return Decision::Wait(Wait::Paused);
    }
    if !workload.rollout.has_replaced() {
        return Decision::Wait(Wait::Rollout);
    }
    if let Some(other) = other {
        return Decision::Wait(Wait::Other(other.clone()));
    }
    let taken_away = workload.taken_away;
    let mut budgets = budgets.iter().filter(|budget| budget.selects(&pod.labels));
    // A rollout that takes no pod away before its successor is available disrupts nothing.
    match budgets.find(|budget| taken_away > 0 && budget.allowed < taken_away) {
        Some(budget) => Decision::Wait(Wait::Budget {
            name: budget.name.clone(),
            allowed: budget.allowed,
            taken_away,
        }),
        None => Decision::Restart,
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rollout => f.write_str("it replaces its pods already, by an earlier rollout"),
            Self::Paused => f.write_str("it is paused; kubectl rollout resume continues it"),
            Self::Budget {
                name,
                allowed,
                taken_away,
            } => write!(
                f,
                "its rollout may take away {taken_away} of its pods at once, and the PodDisruptionBudget {name} \
                 allows {allowed} now; with maxUnavailable: 0 a Deployment takes away none"
            ),
            Self::Other(other) => write!(
                f,
                "{other} was restarted, and its rollout is not complete; one workload is restarted at a \
                 time"
            ),
        }
    }
}

impl fmt::Display for Never {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInTemplate => f.write_str(
                "the pod has on-change: restart, and its pod template has not; set the annotation in \
                 the template",
            ),
            Self::OnDelete => f.write_str(
                "its update strategy is OnDelete, so a new template replaces no pods; delete the pods",
            ),
            Self::NoOwner => {
                f.write_str("nothing creates this pod again; use a Deployment, or another on-change")
            }
            Self::Kind(kind) => write!(
                f,
                "the controller restarts Deployments, StatefulSets and DaemonSets, and this pod belongs \
                 to a {kind}"
            ),
            Self::Off => f.write_str(
                "the controller restarts nothing, because it runs without --restart; restart the \
                 workload by hand, with kubectl rollout restart",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::policy::v1::PodDisruptionBudget;
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::restarts::workload::{Kind, Rollout};

    const EARLIER: &str = "2026-01-01T00:00:00Z";

    fn place(name: &str) -> Place {
        Place {
            kind: Kind::Deployment,
            namespace: "team-a".to_owned(),
            name: name.to_owned(),
            uid: name.to_owned(),
        }
    }

    fn pod() -> Restart {
        Restart {
            is_asked: true,
            owner: None,
            labels: [("app".to_owned(), "web".to_owned())].into(),
            restarted_at: None,
        }
    }

    fn web() -> Workload {
        Workload {
            place: place("web"),
            version: Some("7".to_owned()),
            asks: true,
            restarted_at: None,
            is_paused: false,
            replaces_pods: true,
            taken_away: 1,
            rollout: Rollout {
                is_observed: true,
                pods: 4,
                to_update: 4,
                updated: 4,
                old: 0,
                available: 4,
            },
        }
    }

    fn budget(name: &str, app: &str, allowed: i32) -> Budget {
        let json = json!({
            "metadata": {"name": name},
            "spec": {"selector": {"matchLabels": {"app": app}}},
            "status": {
                "disruptionsAllowed": allowed, "currentHealthy": 4, "desiredHealthy": 4, "expectedPods": 4,
            },
        });
        serde_json::from_value::<PodDisruptionBudget>(json)
            .unwrap()
            .into()
    }

    fn decided(pod: &Restart, workload: &Workload) -> Decision {
        decide(pod, workload, &[], None)
    }

    #[test]
    fn a_workload_without_budgets_is_restarted() {
        assert_eq!(decided(&pod(), &web()), Decision::Restart);
    }

    #[rstest]
    #[case::first_restart(None, Some(EARLIER), Decision::Done)]
    #[case::further_restart(Some(EARLIER), Some("2026-02-01T00:00:00Z"), Decision::Done)]
    #[case::undone_since(Some(EARLIER), None, Decision::Done)]
    #[case::created_by_the_last_restart(Some(EARLIER), Some(EARLIER), Decision::Restart)]
    fn a_pod_asks_for_nothing_if_its_workload_was_restarted_since(
        #[case] of_pod: Option<&str>,
        #[case] of_template: Option<&str>,
        #[case] expected: Decision,
    ) {
        let pod = Restart {
            restarted_at: of_pod.map(str::to_owned),
            ..pod()
        };
        let web = Workload {
            restarted_at: of_template.map(str::to_owned),
            ..web()
        };
        assert_eq!(decided(&pod, &web), expected);
    }

    /// Pods notice one change at different times: some before the restart, one while it goes on, and
    /// one of the old pods after the first new ones run.
    #[test]
    fn one_change_that_pods_notice_at_different_times_restarts_once() {
        let (old, mut web) = (pod(), web());
        let mut restarts = 0;
        for step in 0..5 {
            if decided(&old, &web) == Decision::Restart {
                restarts += 1;
                web.restarted_at = Some(EARLIER.to_owned());
            }
            web.rollout.updated = step;
            web.rollout.old = 4 - step;
        }
        assert_eq!(restarts, 1);
        assert!(web.rollout.has_replaced());
        assert_eq!(decided(&old, &web), Decision::Done);
    }

    #[test]
    fn a_further_change_waits_for_the_rollout_and_then_restarts_again() {
        let new = Restart {
            restarted_at: Some(EARLIER.to_owned()),
            ..pod()
        };
        let mut web = web();
        web.restarted_at = Some(EARLIER.to_owned());
        web.rollout.updated = 2;
        assert_eq!(decided(&new, &web), Decision::Wait(Wait::Rollout));
        web.rollout.updated = 4;
        assert_eq!(decided(&new, &web), Decision::Restart);
    }

    #[test]
    fn pods_that_are_not_available_do_not_delay_the_restart_that_may_mend_them() {
        let mut web = web();
        web.rollout.available = 0;
        assert_eq!(decided(&pod(), &web), Decision::Restart);
    }

    #[test]
    fn only_a_template_that_asks_is_restarted() {
        let web = Workload {
            asks: false,
            ..web()
        };
        let expected = Decision::Never(Never::NotInTemplate);
        assert_eq!(decided(&pod(), &web), expected);
    }

    #[test]
    fn a_paused_deployment_waits_and_on_delete_is_never_restarted() {
        let paused = Workload {
            is_paused: true,
            ..web()
        };
        assert_eq!(decided(&pod(), &paused), Decision::Wait(Wait::Paused));
        let on_delete = Workload {
            replaces_pods: false,
            ..web()
        };
        assert_eq!(
            decided(&pod(), &on_delete),
            Decision::Never(Never::OnDelete)
        );
    }

    #[test]
    fn a_rollout_of_another_workload_delays_the_restart() {
        let other = place("other");
        let expected = Decision::Wait(Wait::Other(other.clone()));
        assert_eq!(decide(&pod(), &web(), &[], Some(&other)), expected);
        // A workload that was restarted already needs no turn.
        let done = Workload {
            restarted_at: Some(EARLIER.to_owned()),
            ..web()
        };
        let decision = decide(&pod(), &done, &[], Some(&other));
        assert_eq!(decision, Decision::Done);
    }

    #[rstest]
    #[case::enough(1, &[("a", "web", 1), ("b", "web", 2)], None)]
    #[case::none(1, &[("a", "web", 0)], Some(("a", 0)))]
    #[case::one_of_two(1, &[("a", "web", 3), ("b", "web", 0)], Some(("b", 0)))]
    #[case::fewer_than_the_rollout_takes(2, &[("a", "web", 1)], Some(("a", 1)))]
    #[case::of_other_pods(1, &[("a", "other", 0)], None)]
    #[case::nothing_is_taken_away(0, &[("a", "web", 0)], None)]
    fn every_budget_of_the_pod_must_allow_what_the_rollout_takes_away(
        #[case] taken_away: i32,
        #[case] budgets: &[(&str, &str, i32)],
        #[case] expected: Option<(&str, i32)>,
    ) {
        let budgets = budgets.iter();
        let budgets = budgets.map(|(name, app, allowed)| budget(name, app, *allowed));
        let budgets: Vec<_> = budgets.collect();
        let web = Workload {
            taken_away,
            ..web()
        };
        let expected = expected.map_or(Decision::Restart, |(name, allowed)| {
            Decision::Wait(Wait::Budget {
                name: name.to_owned(),
                allowed,
                taken_away,
            })
        });
        assert_eq!(decide(&pod(), &web, &budgets, None), expected);
    }
}
