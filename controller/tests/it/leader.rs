//! Several replicas: only the leader creates.

use hyper::StatusCode;
use tokio::time::Instant;

use crate::support::{PASSWORD, Running, api::Api, eventually, prefix, stores::TestStores};

/// Two replicas, the leader first, both ready.
async fn replicas(api: &Api, stores: &TestStores) -> [Running; 2] {
    let first = Running::replica(api, stores, "first");
    eventually("a leader", || api.holder().as_deref() == Some("first")).await;
    let second = Running::replica(api, stores, "second");
    eventually("both watches", || api.state().watches == 2).await;
    [first, second]
}

async fn leads(replica: &Running) -> f64 {
    replica.metric("kees_controller_leader").await
}

async fn served(api: &Api, stores: &TestStores, name: &str) {
    let path = format!("/dev/{name}");
    let expected = format!("{path}/password");
    api.apply("team-a", name, &[PASSWORD, prefix(&path)]);
    eventually(name, || stores.paths().contains(&expected)).await;
}

#[tokio::test]
async fn only_the_leader_creates_and_all_replicas_are_ready() {
    let (api, stores) = (Api::new(), TestStores::new());
    let [first, second] = replicas(&api, &stores).await;
    for number in 0..20 {
        served(&api, &stores, &format!("web-{number}")).await;
    }
    assert_eq!(first.metric("kees_controller_created_total").await, 20.0);
    assert_eq!(second.metric("kees_controller_created_total").await, 0.0);
    assert_eq!(stores.reads(), 20, "the other replica reads nothing");
    assert_eq!((leads(&first).await, leads(&second).await), (1.0, 0.0));
    for replica in [&first, &second] {
        assert_eq!(replica.get("/readyz").await.0, 200);
        assert_eq!(replica.metric("kees_controller_pods").await, 20.0);
    }
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn the_other_replica_takes_over_when_the_leader_is_killed() {
    let (api, stores) = (Api::new(), TestStores::new());
    let [first, second] = replicas(&api, &stores).await;
    served(&api, &stores, "before").await;
    first.kill().await;
    let begun = Instant::now();
    served(&api, &stores, "after").await;
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    assert_eq!(api.holder().as_deref(), Some("second"));
    assert_eq!(leads(&second).await, 1.0);
    assert_eq!(stores.created().len(), 2);
    second.stop().await;
}

#[tokio::test]
async fn a_leader_that_stops_hands_over_and_one_that_restarts_goes_on() {
    let (api, stores) = (Api::new(), TestStores::new());
    let [first, second] = replicas(&api, &stores).await;
    first.kill().await;
    // The same pod, whose container has restarted: its Lease is still valid.
    let first = Running::replica(&api, &stores, "first");
    served(&api, &stores, "web").await;
    assert_eq!((leads(&first).await, leads(&second).await), (1.0, 0.0));

    let begun = Instant::now();
    first.stop().await;
    assert_eq!(api.holder(), None);
    served(&api, &stores, "after").await;
    assert!(begun.elapsed().as_secs() < 4, "{:?}", begun.elapsed());
    assert_eq!(leads(&second).await, 1.0);
    second.stop().await;
    assert_eq!(api.holder(), None);
}

#[tokio::test]
async fn without_permission_for_the_lease_every_replica_creates() {
    let (api, stores) = (Api::new(), TestStores::new());
    api.state().lease_status = Some(StatusCode::FORBIDDEN);
    let replicas = ["first", "second"].map(|name| Running::replica(&api, &stores, name));
    served(&api, &stores, "web").await;
    eventually("both read", || stores.reads() >= 2).await;
    for replica in replicas {
        assert_eq!(leads(&replica).await, 1.0);
        replica.stop().await;
    }
    assert_eq!(stores.created().len(), 1);
}

#[tokio::test]
async fn a_lease_that_fails_changes_nothing_for_a_while() {
    let (api, stores) = (Api::new(), TestStores::new());
    let [first, second] = replicas(&api, &stores).await;
    api.state().lease_status = Some(StatusCode::INTERNAL_SERVER_ERROR);
    served(&api, &stores, "web").await;
    assert_eq!((leads(&first).await, leads(&second).await), (1.0, 0.0));
    // In the end, each replica creates, because the other one may be gone.
    let before = stores.reads();
    eventually("the other replica", || stores.reads() > before).await;
    assert_eq!(leads(&second).await, 1.0);
    first.stop().await;
    second.stop().await;
}
