//! What fails, and what is not allowed.

use hyper::StatusCode;
use kees_common::SecretValue;
use serde_json::json;

use super::{LONG, SHORT, SYNC, TOKEN, has_event, has_text};
use crate::support::{
    PASSWORD, Running,
    api::Api,
    eventually,
    log::{Log, assert_hides},
    prefix,
    stores::TestStores,
};

#[tokio::test]
async fn a_value_that_does_not_exist_is_waited_for() {
    let (api, stores) = (Api::new(), TestStores::new());
    let controller = Running::syncing(&api, &stores, LONG);
    api.apply("team-a", "web-1", &[TOKEN, SYNC, prefix("/dev")]);
    has_event(&api, "web-1", "Warning KeesSecretWaiting: Secret web: secret.bsycorp.com/token (memory /dev/token): absent")
        .await;
    assert_eq!(api.state().secret_writes, 0);
    stores.put("/dev/token", b"one");
    has_text(&api, "web", "token", "one").await;
    controller.stop().await;
}

#[tokio::test]
async fn more_than_a_mebibyte_is_not_written() {
    let (api, stores) = (Api::new(), TestStores::new());
    stores.put("/dev/token", &vec![b'x'; (1 << 20) + 1]);
    let controller = Running::syncing(&api, &stores, LONG);
    api.apply("team-a", "web-1", &[TOKEN, SYNC, prefix("/dev")]);
    has_event(
        &api,
        "web-1",
        "the data of the Secret has 1048577 bytes, but Kubernetes stores 1048576 at most",
    )
    .await;
    assert_eq!(api.state().secret_writes, 0);
    controller.stop().await;
}

#[tokio::test]
async fn what_rbac_denies_is_told_and_tried_again() {
    let (api, stores) = (Api::new(), TestStores::new());
    stores.put("/dev/token", b"one");
    let controller = Running::syncing(&api, &stores, LONG);
    eventually("the list of pods", || api.state().lists > 0).await;
    {
        let mut state = api.state();
        state.secret_status = Some(StatusCode::FORBIDDEN);
        state.secret_message = Some("User \"kees\" cannot get resource \"secrets\"".to_owned());
    }
    api.apply("team-a", "web-1", &[TOKEN, SYNC, prefix("/dev")]);
    has_event(
        &api,
        "web-1",
        "Warning KeesSecretFailed: Secret web: it cannot be written: RBAC denies it",
    )
    .await;
    api.state().secret_status = None;
    has_text(&api, "web", "token", "one").await;
    controller.stop().await;
}

#[tokio::test]
async fn the_controller_goes_on_when_the_api_server_has_recovered() {
    let (api, stores) = (Api::new(), TestStores::new());
    stores.put("/dev/token", b"one");
    let controller = Running::syncing(&api, &stores, SHORT);
    api.apply("team-a", "web-1", &[TOKEN, SYNC, prefix("/dev")]);
    has_text(&api, "web", "token", "one").await;
    api.state().secret_status = Some(StatusCode::INTERNAL_SERVER_ERROR);
    stores.put("/dev/token", b"two");
    let mut errors = 0.0;
    while errors == 0.0 {
        errors = controller
            .metric("kees_controller_secrets_total{result=\"error\"}")
            .await;
    }
    assert_eq!(
        api.secret_text("team-a", "web", "token").as_deref(),
        Some("one")
    );
    api.state().secret_status = None;
    has_text(&api, "web", "token", "two").await;
    // No Event says that the API server did not respond.
    assert!(
        !api.events_of("web-1")
            .iter()
            .any(|event| event.contains("Failed"))
    );
    controller.stop().await;
}

#[tokio::test]
async fn the_policy_denies_another_prefix() {
    let (api, stores) = (Api::new(), TestStores::new());
    stores.put("/dev/token", b"one");
    stores.put("/team-a/token", b"two");
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy.yaml");
    std::fs::write(
        &policy,
        "rules:\n- {namespaces: [team-a], storagePrefix: '/{namespace}', mode: warn}\n",
    )
    .unwrap();
    let controller =
        Running::syncing_replica(&api, &stores, LONG, "kees-controller-1", Some(policy));
    api.apply("team-a", "denied-1", &[TOKEN, SYNC, prefix("/dev")]);
    has_event(&api, "denied-1", "Warning KeesSecretDenied: init.bsycorp.com/storage-prefix: /dev is not at or below /team-a")
        .await;
    assert_eq!(api.state().secret_writes, 0);
    api.apply("team-a", "web-1", &[TOKEN, SYNC]);
    has_text(&api, "web", "token", "two").await;
    controller.stop().await;
}

#[tokio::test]
async fn no_value_of_a_secret_is_logged_or_shown() {
    let (log, _guard) = Log::begin();
    let (api, stores) = (Api::new(), TestStores::new());
    let marker = "canary-of-secrets";
    stores.put("/dev/token", marker.as_bytes());
    let old = SecretValue::new(format!("old-{marker}").into_bytes()).to_base64();
    let of = |labels: &str, secret_type: &str| {
        json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": labels}}, "type": secret_type,
               "data": {"token": *old}})
    };
    api.put_secret("team-a", "foreign", of("Helm", "Opaque"));
    api.put_secret("team-a", "typed", of("kees", "kubernetes.io/tls"));
    let broken = json!(format!("canary {}", *old));
    api.state()
        .secrets
        .insert("team-a/broken".to_owned(), broken);
    let controller = Running::syncing(&api, &stores, LONG);
    for name in ["web", "foreign", "typed", "broken"] {
        let sync = ("init.bsycorp.com/sync", name);
        api.apply("team-a", name, &[PASSWORD, TOKEN, sync, prefix("/dev")]);
    }
    let wrong = [
        TOKEN,
        ("init.bsycorp.com/sync", "docker"),
        (
            "init.bsycorp.com/sync-type",
            "kubernetes.io/dockerconfigjson",
        ),
        (
            "init.bsycorp.com/sync-key..dockerconfigjson",
            "{{ secret.token }}",
        ),
        prefix("/dev"),
    ];
    api.apply("team-a", "docker", &wrong);
    has_text(&api, "web", "token", marker).await;
    has_event(&api, "foreign", "KeesSecretConflict").await;
    has_event(&api, "typed", "KeesSecretConflict").await;
    has_event(&api, "docker", "it is no JSON object with the member auths").await;
    // All but the first one.
    while controller.metric("kees_controller_secrets_failing").await < 4.0 {
        tokio::task::yield_now().await;
    }
    let (_, metrics) = controller.get("/metrics").await;
    controller.stop().await;

    let log = log.text();
    assert!(log.contains("watching pods"), "{log}");
    let shown = format!("{log}\n{metrics}\n{:?}", api.state().events);
    let created = stores.stored("/dev/password").unwrap();
    for value in [marker, &created] {
        let value = SecretValue::new(value.as_bytes().to_vec());
        assert_hides(&shown, "a value", &value);
    }
    assert!(!shown.contains(&*old), "a stored value is shown");
}
