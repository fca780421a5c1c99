//! Secrets of pods with `init.DOMAIN/sync`.

use hyper::StatusCode;
use serde_json::json;

use super::{LONG, SHORT, SYNC, TOKEN, has_event, has_text, owners, replica_set};
use crate::support::{PASSWORD, Running, api::Api, eventually, prefix, stores::TestStores};

#[tokio::test]
async fn a_secret_has_what_the_creator_has_created() {
    let (api, stores) = (Api::new(), TestStores::new());
    let controller = Running::syncing(&api, &stores, LONG);
    api.apply("team-a", "web-1", &[PASSWORD, SYNC, prefix("/dev/web")]);
    eventually("the Secret", || api.secret("team-a", "web").is_some()).await;
    let created = stores.stored("/dev/web/password").unwrap();
    let secret = api.secret("team-a", "web").unwrap();
    assert_eq!(api.secret_text("team-a", "web", "password"), Some(created));
    assert_eq!(secret["type"], "Opaque");
    let labels = json!({"app.kubernetes.io/managed-by": "kees"});
    assert_eq!(secret["metadata"]["labels"], labels);
    let annotations = json!({"kees.bsycorp.com/source": "Pod web-1"});
    assert_eq!(secret["metadata"]["annotations"], annotations);
    let owner = &secret["metadata"]["ownerReferences"][0];
    assert_eq!(
        (&owner["kind"], &owner["name"]),
        (&json!("Pod"), &json!("web-1"))
    );
    has_event(
        &api,
        "web-1",
        "Normal KeesSecretWritten: created Secret web (Opaque)",
    )
    .await;
    let metric = controller.metric("kees_controller_secrets_total{result=\"created\"}");
    assert_eq!(metric.await, 1.0);
    assert_eq!(
        controller.metric("kees_controller_secrets_wanted").await,
        1.0
    );
    controller.stop().await;
}

#[tokio::test]
async fn a_secret_is_written_when_its_value_changes_and_not_else() {
    let (api, stores) = (Api::new(), TestStores::new());
    stores.put("/dev/token", b"one");
    let controller = Running::syncing(&api, &stores, SHORT);
    let template = ("init.bsycorp.com/sync-key.url", "db://{{ secret.token }}");
    api.apply("team-a", "web-1", &[TOKEN, SYNC, template, prefix("/dev")]);
    has_text(&api, "web", "url", "db://one").await;
    let reads = stores.reads();
    eventually("three more reads", || stores.reads() >= reads + 3).await;
    assert_eq!(api.state().secret_writes, 1);
    stores.put("/dev/token", b"two");
    has_text(&api, "web", "url", "db://two").await;
    assert_eq!(api.state().secret_writes, 2);
    has_event(&api, "web-1", "updated Secret web").await;
    controller.stop().await;
}

#[tokio::test]
async fn a_secret_that_somebody_deletes_or_changes_is_written_again_at_once() {
    let (api, stores) = (Api::new(), TestStores::new());
    stores.put("/dev/token", b"one");
    let controller = Running::syncing(&api, &stores, LONG);
    api.apply("team-a", "web-1", &[TOKEN, SYNC, prefix("/dev")]);
    has_text(&api, "web", "token", "one").await;
    api.delete_secret("team-a", "web");
    has_text(&api, "web", "token", "one").await;
    let mut secret = api.secret("team-a", "web").unwrap();
    secret["data"] = json!({"token": "eA==", "more": "eA=="});
    secret["metadata"]["labels"]["mine"] = json!("1");
    api.put_secret("team-a", "web", secret);
    has_text(&api, "web", "token", "one").await;
    let secret = api.secret("team-a", "web").unwrap();
    assert_eq!(secret["data"]["more"], json!(null));
    assert_eq!(secret["metadata"]["labels"]["mine"], "1");

    // A watch that is closed, as when the API server starts again, is opened again.
    api.close_watches();
    api.delete_secret("team-a", "web");
    has_text(&api, "web", "token", "one").await;
    controller.stop().await;
}

#[tokio::test]
async fn the_owners_of_all_pods_own_the_secret_and_the_newest_pod_of_a_workload_decides() {
    let (api, stores) = (Api::new(), TestStores::new());
    stores.put("/dev/token", b"one");
    let controller = Running::syncing(&api, &stores, LONG);
    let apply = |pod: &str, set: &str, template: &str| {
        let key = ("init.bsycorp.com/sync-key.k", template);
        let annotations = [TOKEN, SYNC, key, prefix("/dev")];
        let owner = replica_set("web-7f9c", set);
        api.apply_with("team-a", pod, &annotations, &owner, &[]);
    };
    apply("web-1", "set-1", "{{ secret.token }}");
    has_text(&api, "web", "k", "one").await;
    assert_eq!(owners(&api, "web"), ["set-1"]);
    // The same, from another owner: nothing but the owner changes.
    apply("web-2", "set-2", "{{ secret.token }}");
    eventually("the second owner", || {
        owners(&api, "web") == ["set-1", "set-2"]
    })
    .await;
    // A rollout.
    apply("web-3", "set-3", "v2 {{ secret.token }}");
    has_text(&api, "web", "k", "v2 one").await;
    assert_eq!(owners(&api, "web"), ["set-1", "set-2", "set-3"]);
    assert_eq!(
        api.events_of("web-1").len() + api.events_of("web-2").len(),
        3
    );
    controller.stop().await;
}

#[tokio::test]
async fn pods_with_the_same_annotations_are_read_once() {
    let (api, stores) = (Api::new(), TestStores::new());
    stores.put("/dev/token", b"one");
    for number in 0..300 {
        api.apply(
            "team-a",
            &format!("web-{number}"),
            &[TOKEN, SYNC, prefix("/dev")],
        );
    }
    let controller = Running::syncing(&api, &stores, LONG);
    has_text(&api, "web", "token", "one").await;
    eventually("all owners", || owners(&api, "web").len() == 300).await;
    assert!(stores.reads() <= 2, "{}", stores.reads());
    controller.stop().await;
}

#[tokio::test]
async fn only_the_leader_writes_and_the_next_one_goes_on() {
    let (api, stores) = (Api::new(), TestStores::new());
    stores.put("/dev/token", b"one");
    let replica = |name: &str| Running::syncing_replica(&api, &stores, LONG, name, None);
    let (first, second) = (replica("kees-controller-1"), replica("kees-controller-2"));
    eventually("a leader", || api.holder().is_some()).await;
    api.apply("team-a", "web-1", &[TOKEN, SYNC, prefix("/dev")]);
    has_text(&api, "web", "token", "one").await;
    let (leader, other) = if api.holder().as_deref() == Some("kees-controller-1") {
        (first, second)
    } else {
        (second, first)
    };
    leader.stop().await;
    api.delete_secret("team-a", "web");
    has_text(&api, "web", "token", "one").await;
    assert_eq!(api.state().secret_writes, 2);
    other.stop().await;
}

#[tokio::test]
async fn pods_start_later_than_the_controller_and_secrets_are_written_after_it_was_down() {
    let (api, stores) = (Api::new(), TestStores::new());
    stores.put("/dev/token", b"one");
    api.apply("team-a", "web-1", &[TOKEN, SYNC, prefix("/dev")]);
    let controller = Running::syncing(&api, &stores, LONG);
    has_text(&api, "web", "token", "one").await;
    controller.kill().await;
    api.delete_secret("team-a", "web");
    stores.put("/dev/token", b"two");
    let successor = Running::syncing(&api, &stores, LONG);
    has_text(&api, "web", "token", "two").await;
    successor.stop().await;
}

#[tokio::test]
async fn without_the_flag_nothing_is_written_and_an_event_says_so() {
    let (api, stores) = (Api::new(), TestStores::new());
    stores.put("/dev/token", b"one");
    let controller = Running::start(&api, &stores);
    api.apply("team-a", "web-1", &[TOKEN, SYNC, prefix("/dev")]);
    has_event(&api, "web-1", "Warning KeesSecretOff").await;
    has_event(&api, "web-1", "the controller runs without --secret-sync").await;
    assert_eq!(api.state().secret_writes, 0);
    controller.stop().await;
}

#[tokio::test]
async fn the_controller_is_ready_when_it_has_the_list_of_secrets() {
    let (api, stores) = (Api::new(), TestStores::new());
    api.state().secret_status = Some(StatusCode::FORBIDDEN);
    let controller = Running::syncing(&api, &stores, LONG);
    eventually("the list of pods", || api.state().lists > 0).await;
    let (status, text) = controller.get("/readyz").await;
    assert_eq!(status, 503);
    assert!(text.contains("list of"), "{text}");
    api.state().secret_status = None;
    for _ in 0..1000 {
        if controller.get("/readyz").await.0 == 200 {
            return controller.stop().await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it is not ready");
}
