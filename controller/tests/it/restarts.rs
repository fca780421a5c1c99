//! The workloads of pods with `on-change: restart` are restarted when a sidecar asks: once for a change,
//! one at a time, and within their budgets.

use std::time::Duration;

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::support::{Running, api::Api, eventually, stores::TestStores};

const RESTART: (&str, &str) = ("init.bsycorp.com/on-change", "restart");
const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";
const DEADLINE: Duration = Duration::from_mins(10);

fn path(kind: &str, name: &str) -> String {
    format!("/apis/apps/v1/namespaces/team-a/{kind}/{name}")
}

/// A Deployment of two pods, complete, with its `ReplicaSet`.
fn deploy(api: &Api, name: &str) {
    let metadata = |uid: &str| {
        json!({
            "namespace": "team-a", "name": name, "uid": uid, "resourceVersion": "1", "generation": 1,
        })
    };
    let mut set = json!({"metadata": metadata(&format!("set-{name}"))});
    set["metadata"]["ownerReferences"] = json!([owner("Deployment", name, &format!("uid-{name}"))]);
    let deployment = json!({
        "metadata": metadata(&format!("uid-{name}")),
        "spec": {
            "replicas": 2,
            "selector": {},
            "strategy": {"rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}},
            "template": {"metadata": {"annotations": {RESTART.0: RESTART.1}}},
        },
        "status": status(2),
    });
    let mut state = api.state();
    state.objects.insert(path("replicasets", name), set);
    state.objects.insert(path("deployments", name), deployment);
}

/// A rollout with so many new pods, observed at any generation.
fn status(updated: u8) -> Value {
    json!({"observedGeneration": 9, "replicas": 2, "updatedReplicas": updated, "availableReplicas": updated})
}

fn roll(api: &Api, name: &str, updated: u8) {
    let path = path("deployments", name);
    let mut state = api.state();
    state.objects.get_mut(&path).unwrap()["status"] = status(updated);
}

fn owner(kind: &str, name: &str, uid: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": true})
}

/// A pod of the Deployment `name` whose sidecar has ended to ask for a restart.
fn ask(api: &Api, name: &str, pod: &str, restarted_at: Option<&str>) {
    let of_set = owner("ReplicaSet", name, &format!("set-{name}"));
    ask_with(api, pod, restarted_at, &of_set);
}

fn ask_with(api: &Api, pod: &str, restarted_at: Option<&str>, owner: &Value) {
    let restarted_at = restarted_at.map(|at| (RESTARTED_AT, at));
    let annotations: Vec<_> = [RESTART].into_iter().chain(restarted_at).collect();
    let asked = json!({
        "name": "kees-refresh",
        "state": {"running": {}},
        "lastState": {"terminated": {"message": "restart: the files of this pod were replaced"}},
    });
    api.apply_with("team-a", pod, &annotations, owner, &[asked]);
}

/// Which Deployments were restarted, in order.
fn restarted(api: &Api) -> Vec<String> {
    let paths = api.state().restarted.clone();
    let names = paths.iter().map(|path| path.rsplit('/').next().unwrap());
    names.map(str::to_owned).collect()
}

/// Sets how many pods the budget of the pods of `name` allows to be taken away.
fn allow(api: &Api, name: &str, allowed: u8) {
    let path = "/apis/policy/v1/namespaces/team-a/poddisruptionbudgets";
    let budget = json!({
        "metadata": {"namespace": "team-a", "name": "slow"},
        "spec": {"selector": {"matchLabels": {"app": name}}},
        "status": {"disruptionsAllowed": allowed, "currentHealthy": 2, "desiredHealthy": 2, "expectedPods": 2},
    });
    api.state().objects.insert(format!("{path}/slow"), budget);
}

async fn has_event(api: &Api, name: &str, text: &str) {
    let has_event = || api.events_of(name).iter().any(|event| event.contains(text));
    eventually(&format!("{name}: {text}"), has_event).await;
}

fn start(api: &Api, stores: &TestStores) -> Running {
    Running::restarting(api, stores, "kees-controller-1", DEADLINE)
}

#[tokio::test]
async fn two_pods_that_notice_a_change_at_different_times_restart_their_deployment_once() {
    let (api, stores) = (Api::new(), TestStores::new());
    deploy(&api, "web");
    let controller = start(&api, &stores);
    ask(&api, "web", "web-1", None);
    eventually("restart", || restarted(&api) == ["web"]).await;
    has_event(
        &api,
        "web-1",
        "Normal KeesRestarted: restarted Deployment team-a/web",
    )
    .await;
    has_event(&api, "web", "Normal KeesRestarted: restarted, because").await;

    // The second pod is an old one too, and the rollout is complete before it is gone.
    roll(&api, "web", 2);
    ask(&api, "web", "web-2", None);
    // A pod of the new template finds a further change.
    let path = path("deployments", "web");
    let restarted_at = api.state().objects[&path]["spec"]["template"]["metadata"]["annotations"]
        [RESTARTED_AT]
        .clone();
    assert_eq!(restarted(&api), ["web"]);
    ask(&api, "web", "web-3", restarted_at.as_str());
    has_event(&api, "web-3", "KeesRestarted").await;
    assert_eq!(restarted(&api), ["web", "web"]);
    let success = controller
        .metric("kees_controller_restarts_total{result=\"success\"}")
        .await;
    assert_eq!(success, 2.0);
    controller.stop().await;
}

#[tokio::test]
async fn one_workload_is_restarted_at_a_time() {
    let (api, stores) = (Api::new(), TestStores::new());
    for name in ["one", "two"] {
        deploy(&api, name);
    }
    let controller = start(&api, &stores);
    ask(&api, "one", "one-1", None);
    eventually("first restart", || restarted(&api) == ["one"]).await;
    roll(&api, "one", 1);
    ask(&api, "two", "two-1", None);
    let waits = "Normal KeesRestartWaiting: Deployment team-a/two is restarted later: Deployment team-a/one";
    has_event(&api, "two-1", waits).await;
    assert_eq!(
        controller.metric("kees_controller_restarts_waiting").await,
        1.0
    );
    assert_eq!(restarted(&api), ["one"]);
    roll(&api, "one", 2);
    eventually("second restart", || restarted(&api) == ["one", "two"]).await;
    controller.stop().await;
}

#[tokio::test]
async fn the_next_leader_knows_the_rollout_that_is_under_way() {
    let (api, stores) = (Api::new(), TestStores::new());
    for name in ["one", "two"] {
        deploy(&api, name);
    }
    let first = start(&api, &stores);
    let second = Running::restarting(&api, &stores, "kees-controller-2", DEADLINE);
    ask(&api, "one", "one-1", None);
    eventually("first restart", || restarted(&api) == ["one"]).await;
    roll(&api, "one", 1);
    let (leader, other) = if api.holder().as_deref() == Some("kees-controller-1") {
        (first, second)
    } else {
        (second, first)
    };
    leader.stop().await;
    ask(&api, "two", "two-1", None);
    has_event(&api, "two-1", "KeesRestartWaiting").await;
    assert_eq!(restarted(&api), ["one"]);
    roll(&api, "one", 2);
    eventually("second restart", || restarted(&api) == ["one", "two"]).await;
    other.stop().await;
}

#[tokio::test]
async fn a_rollout_without_progress_delays_others_only_until_its_deadline() {
    let (api, stores) = (Api::new(), TestStores::new());
    for name in ["one", "two"] {
        deploy(&api, name);
    }
    let deadline = Duration::from_secs(2);
    let controller = Running::restarting(&api, &stores, "kees-controller-1", deadline);
    ask(&api, "one", "one-1", None);
    eventually("first restart", || restarted(&api) == ["one"]).await;
    roll(&api, "one", 1);
    ask(&api, "two", "two-1", None);
    eventually("second restart", || restarted(&api) == ["one", "two"]).await;
    has_event(
        &api,
        "one",
        "Warning KeesRestartStalled: its rollout makes no progress for 2 s",
    )
    .await;
    let stalled = controller.metric("kees_controller_restarts_stalled_total");
    assert_eq!(stalled.await, 1.0);
    controller.stop().await;
}

#[tokio::test]
async fn a_restart_waits_until_the_budget_allows_it() {
    let (api, stores) = (Api::new(), TestStores::new());
    deploy(&api, "web");
    allow(&api, "web", 0);
    let controller = start(&api, &stores);
    ask(&api, "web", "web-1", None);
    let waits = "its rollout may take away 1 of its pods at once, and the PodDisruptionBudget slow allows 0 now";
    has_event(&api, "web-1", waits).await;
    assert_eq!(restarted(&api), [""; 0]);
    allow(&api, "web", 1);
    eventually("restart", || restarted(&api) == ["web"]).await;
    controller.stop().await;
}

#[tokio::test]
async fn two_controllers_restart_a_workload_once_also_without_a_leader() {
    let (api, stores) = (Api::new(), TestStores::new());
    deploy(&api, "web");
    // Neither can use the Lease, so both work.
    api.state().lease_status = Some(StatusCode::FORBIDDEN);
    let controllers = [
        start(&api, &stores),
        Running::restarting(&api, &stores, "kees-controller-2", DEADLINE),
    ];
    ask(&api, "web", "web-1", None);
    eventually("restart", || restarted(&api) == ["web"]).await;
    roll(&api, "web", 2);
    // Both have looked at this pod when they have told of the next one.
    ask_with(&api, "zzz", None, &json!({}));
    eventually("both have looked", || api.events_of("zzz").len() == 2).await;
    assert_eq!(restarted(&api), ["web"]);
    for controller in controllers {
        controller.stop().await;
    }
}

#[tokio::test]
async fn what_cannot_be_restarted_is_told() {
    let (api, stores) = (Api::new(), TestStores::new());
    deploy(&api, "quiet");
    let path = path("deployments", "quiet");
    api.state().objects.get_mut(&path).unwrap()["spec"]["template"] =
        json!({"metadata": {"annotations": {"init.bsycorp.com/on-change": "signal=HUP"}}});
    let controller = start(&api, &stores);
    let mut job = owner("Job", "batch", "uid-batch");
    job["apiVersion"] = json!("batch/v1");
    ask_with(&api, "batch-1", None, &job);
    ask_with(&api, "alone", None, &json!({}));
    ask(&api, "quiet", "quiet-1", None);
    has_event(&api, "batch-1", "Warning KeesNotRestarted").await;
    has_event(&api, "batch-1", "this pod belongs to a Job").await;
    has_event(&api, "alone", "nothing creates this pod again").await;
    has_event(&api, "quiet-1", "set the annotation in the template").await;
    assert_eq!(restarted(&api), [""; 0]);
    controller.stop().await;
}

#[tokio::test]
async fn without_the_flag_nothing_is_restarted_and_an_event_says_so() {
    let (api, stores) = (Api::new(), TestStores::new());
    deploy(&api, "web");
    let controller = Running::start(&api, &stores);
    ask(&api, "web", "web-1", None);
    has_event(&api, "web-1", "Warning KeesNotRestarted").await;
    has_event(&api, "web-1", "it runs without --restart").await;
    assert_eq!(restarted(&api), [""; 0]);
    controller.stop().await;
}

#[tokio::test]
async fn a_denied_restart_is_told_and_tried_again() {
    let (api, stores) = (Api::new(), TestStores::new());
    deploy(&api, "web");
    api.state().object_status = Some(StatusCode::FORBIDDEN);
    let controller = start(&api, &stores);
    ask(&api, "web", "web-1", None);
    has_event(&api, "web-1", "Warning KeesRestartFailed").await;
    has_event(&api, "web-1", "RBAC denies it").await;
    api.state().object_status = None;
    eventually("restart", || restarted(&api) == ["web"]).await;
    controller.stop().await;
}
