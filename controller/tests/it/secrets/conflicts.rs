//! Secrets that something else has, or that several pods ask for.

use serde_json::{Value, json};

use super::{LONG, SYNC, TOKEN, has_event, has_text, owners, replica_set};
use crate::support::{Running, api::Api, eventually, prefix, stores::TestStores};

#[tokio::test]
async fn a_secret_of_somebody_else_is_not_touched() {
    let (api, stores) = (Api::new(), TestStores::new());
    stores.put("/dev/token", b"one");
    let foreign = json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm"}},
                         "type": "Opaque", "data": {"a": "eA=="}});
    api.put_secret("team-a", "web", foreign.clone());
    let of_driver = json!({"metadata": {"labels": {"secrets-store.csi.k8s.io/managed": "true"}}, "type": "Opaque"});
    api.put_secret("team-a", "csi", of_driver);
    api.apply("team-a", "web-1", &[TOKEN, SYNC, prefix("/dev")]);
    let csi = ("init.bsycorp.com/sync", "csi");
    api.apply("team-a", "csi-1", &[TOKEN, csi, prefix("/dev")]);
    let controller = Running::syncing(&api, &stores, LONG);
    let expected = "Warning KeesSecretConflict: Secret web: it exists, and kees did not write it (it has no label \
                    app.kubernetes.io/managed-by: kees); delete it, or use another name";
    has_event(&api, "web-1", expected).await;
    has_event(
        &api,
        "csi-1",
        "Secret csi: it belongs to the Secrets Store CSI driver",
    )
    .await;
    assert_eq!(api.state().secret_writes, 0);
    assert_eq!(
        api.secret("team-a", "web").unwrap()["data"],
        foreign["data"]
    );
    assert_eq!(
        controller.metric("kees_controller_secrets_failing").await,
        2.0
    );
    // When it is gone, the pod gets its Secret.
    api.delete_secret("team-a", "web");
    has_text(&api, "web", "token", "one").await;
    controller.stop().await;
}

#[tokio::test]
async fn two_pods_with_different_contents_keep_the_first_one_and_are_both_told() {
    let (api, stores) = (Api::new(), TestStores::new());
    stores.put("/dev/token", b"one");
    let controller = Running::syncing(&api, &stores, LONG);
    let apply = |name: &str, template: &str| {
        let key = ("init.bsycorp.com/sync-key.k", template);
        api.apply("team-a", name, &[TOKEN, SYNC, key, prefix("/dev")]);
    };
    apply("first", "{{ secret.token }}");
    has_text(&api, "web", "k", "one").await;
    apply("second", "other {{ secret.token }}");
    let expected = "Warning KeesSecretConflict: Secret web: Pod first (pod first) and Pod second (pod second) ask for it \
                    with different contents";
    has_event(&api, "first", expected).await;
    has_event(&api, "second", expected).await;
    assert_eq!(
        api.secret_text("team-a", "web", "k").as_deref(),
        Some("one")
    );
    assert_eq!(owners(&api, "web").len(), 1);
    // The other one gets it when the first one is gone, with the same Secret or a new one.
    api.delete("team-a", "first");
    controller.stop().await;
    let controller = Running::syncing(&api, &stores, LONG);
    has_text(&api, "web", "k", "other one").await;
    controller.stop().await;
}

#[tokio::test]
async fn after_a_restart_the_first_one_stays_although_an_older_pod_asks() {
    let (api, stores) = (Api::new(), TestStores::new());
    stores.put("/dev/token", b"one");
    let apply = |name: &str, template: &str| {
        let key = ("init.bsycorp.com/sync-key.k", template);
        api.apply("team-a", name, &[TOKEN, SYNC, key, prefix("/dev")]);
    };
    apply("older", "older {{ secret.token }}");
    apply("newer", "newer {{ secret.token }}");
    // It was written for the newer one, and its value has changed since.
    let secret = json!({
        "metadata": {
            "labels": {"app.kubernetes.io/managed-by": "kees"},
            "annotations": {"kees.bsycorp.com/source": "Pod newer"},
        },
        "type": "Opaque", "data": {"k": "eA=="},
    });
    api.put_secret("team-a", "web", secret);
    let controller = Running::syncing(&api, &stores, LONG);
    has_text(&api, "web", "k", "newer one").await;
    has_event(
        &api,
        "older",
        "Pod newer (pod newer) and Pod older (pod older)",
    )
    .await;
    controller.stop().await;
}

#[tokio::test]
async fn pods_with_the_same_content_share_a_secret() {
    let (api, stores) = (Api::new(), TestStores::new());
    stores.put("/dev/token", b"one");
    let other = ("init.bsycorp.com/order", "last");
    api.apply("team-a", "first", &[TOKEN, SYNC, prefix("/dev")]);
    let set = replica_set("web", "set");
    api.apply_with(
        "team-a",
        "second",
        &[TOKEN, SYNC, other, prefix("/dev")],
        &set,
        &[],
    );
    let controller = Running::syncing(&api, &stores, LONG);
    has_text(&api, "web", "token", "one").await;
    eventually("both owners", || owners(&api, "web").len() == 2).await;
    for pod in ["first", "second"] {
        let conflicts = api.events_of(pod);
        assert!(
            !conflicts.iter().any(|event| event.contains("Conflict")),
            "{conflicts:?}"
        );
    }
    controller.stop().await;
}

#[tokio::test]
async fn the_type_of_a_secret_does_not_change() {
    let (api, stores) = (Api::new(), TestStores::new());
    stores.put("/dev/token", b"one");
    let ours = |secret_type: &str| -> Value {
        json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": "kees"}}, "type": secret_type})
    };
    api.put_secret("team-a", "web", ours("kubernetes.io/tls"));
    api.apply("team-a", "web-1", &[TOKEN, SYNC, prefix("/dev")]);
    let controller = Running::syncing(&api, &stores, LONG);
    let expected = "Secret web: it has the type kubernetes.io/tls, and Pod web-1 asks for Opaque; the type of a Secret \
                    cannot change: delete the Secret, and it is written again";
    has_event(&api, "web-1", expected).await;
    assert_eq!(api.state().secret_writes, 0);
    api.delete_secret("team-a", "web");
    has_text(&api, "web", "token", "one").await;
    controller.stop().await;
}
