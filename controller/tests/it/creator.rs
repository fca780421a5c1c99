//! The creator, from pods of an API server to values in a store.

use crate::support::{PASSWORD, Running, api::Api, eventually, prefix, stores::TestStores};
use hyper::StatusCode;
use rstest::rstest;

const KEY: (&str, &str) = (
    "secret.bsycorp.com/signing_public",
    "kind=DYNAMIC,type=EC,size=256",
);

#[tokio::test]
async fn a_pod_gets_its_secrets_once_and_an_event_says_so() {
    let (api, stores) = (Api::new(), TestStores::new());
    let controller = Running::start(&api, &stores);
    api.apply("team-a", "web", &[PASSWORD, KEY, prefix("/dev/team-a")]);
    eventually("the Event", || !api.events_of("web").is_empty()).await;
    let expected = [
        "/dev/team-a/password",
        "/dev/team-a/signing_private",
        "/dev/team-a/signing_public",
    ];
    assert_eq!(stores.paths(), expected);
    assert_eq!(
        api.events_of("web"),
        [
            "Normal KeesCreated: created secret.bsycorp.com/password, secret.bsycorp.com/signing_public"
        ]
    );

    // Another pod with the same secrets, and a change of the pod that is not about kees.
    let before = stores.created();
    let reads = stores.reads();
    api.apply(
        "team-a",
        "web",
        &[PASSWORD, KEY, prefix("/dev/team-a"), ("other.com/a", "b")],
    );
    api.apply("team-a", "web-2", &[PASSWORD, KEY, prefix("/dev/team-a")]);
    api.apply("team-a", "last", &[PASSWORD, prefix("/dev/team-a/last")]);
    eventually("the last pod", || stores.created().len() == 4).await;
    eventually("web-2 is read", || stores.reads() >= reads + 2).await;
    assert!(
        before
            .iter()
            .all(|(path, value)| stores.created().get(path) == Some(value))
    );
    assert_eq!(stores.reads(), reads + 2, "web is not read again");
    assert_eq!(api.events_of("web").len(), 1);
    controller.stop().await;
}

#[tokio::test]
async fn a_watch_that_closes_loses_nothing() {
    let (api, stores) = (Api::new(), TestStores::new());
    let controller = Running::start(&api, &stores);
    for round in 0..3 {
        eventually("a watch", || api.state().watches > round).await;
        api.close_watches();
        let name = format!("web-{round}");
        api.apply(
            "team-a",
            &name,
            &[PASSWORD, prefix(&format!("/dev/{name}"))],
        );
        eventually(&name, || stores.created().len() == round + 1).await;
    }
    assert_eq!(api.state().lists, 1, "each watch is resumed");
    controller.stop().await;
}

#[rstest]
#[tokio::test]
async fn a_watch_that_is_too_old_loses_nothing(#[values(false, true)] is_status: bool) {
    let (api, stores) = (Api::new(), TestStores::new());
    api.apply("team-a", "gone", &[PASSWORD, prefix("/dev/gone")]);
    let controller = Running::start(&api, &stores);
    eventually("the first pod", || stores.created().len() == 1).await;
    eventually("the watch", || api.state().watches == 1).await;
    api.close_watches();
    api.delete("team-a", "gone");
    for index in 0..50 {
        let path = format!("/dev/{index}");
        api.apply(
            "team-a",
            &format!("web-{index}"),
            &[PASSWORD, prefix(&path)],
        );
    }
    api.compact(is_status);
    eventually("the other pods", || stores.created().len() == 51).await;
    assert_eq!(api.state().lists, 2);
    assert_eq!(controller.metric("kees_controller_pods").await, 50.0);
    controller.stop().await;
}

#[tokio::test]
async fn an_api_server_that_fails_is_asked_again() {
    let (api, stores) = (Api::new(), TestStores::new());
    api.state().pod_status = Some(StatusCode::INTERNAL_SERVER_ERROR);
    api.apply("team-a", "web", &[PASSWORD, prefix("/dev/team-a")]);
    let controller = Running::start(&api, &stores);
    eventually("a list", || api.state().lists > 0).await;
    assert_eq!(controller.get("/healthz").await.0, 200);
    let (status, reason) = controller.get("/readyz").await;
    assert_eq!(
        (status, reason.contains("list of pods")),
        (503, true),
        "{reason}"
    );
    api.state().pod_status = None;
    eventually("the pod", || stores.created().len() == 1).await;
    assert_eq!(controller.get("/readyz").await.0, 200);
    assert!(
        controller
            .metric("kees_controller_watch_errors_total")
            .await
            >= 1.0
    );
    controller.stop().await;
}

#[tokio::test]
async fn a_denied_pod_delays_nobody_and_is_served_when_it_may() {
    let (api, stores) = (Api::new(), TestStores::new());
    stores.deny("/dev/denied");
    // More than are worked on at the same time.
    for index in 0..100 {
        let path = format!("/dev/denied/{index}");
        api.apply(
            "denied",
            &format!("denied-{index}"),
            &[PASSWORD, prefix(&path)],
        );
    }
    for index in 0..200 {
        let path = format!("/dev/team-a/{index}");
        api.apply(
            "team-a",
            &format!("web-{index}"),
            &[PASSWORD, prefix(&path)],
        );
    }
    let begun = tokio::time::Instant::now();
    let controller = Running::start(&api, &stores);
    eventually("all others", || stores.created().len() == 200).await;
    // A denied pod that waited for another writer would hold its place for 15 seconds.
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    eventually("the Event", || !api.events_of("denied-0").is_empty()).await;
    let events = api.events_of("denied-0");
    assert_eq!(events.len(), 1, "{events:?}");
    let expected =
        "Warning KeesFailed: secret.bsycorp.com/password (memory /dev/denied/0/password): denied";
    assert!(events[0].starts_with(expected), "{events:?}");
    assert!(controller.metric("kees_controller_pods_failing").await >= 1.0);

    stores.permit("/dev/denied");
    eventually("the denied ones", || stores.created().len() == 300).await;
    eventually("none is failing", || api.events_of("denied-0").len() == 2).await;
    controller.stop().await;
}

#[tokio::test]
async fn the_successor_of_a_killed_controller_finishes() {
    let (api, stores) = (Api::new(), TestStores::holding(20));
    for index in 0..50 {
        let path = format!("/dev/{index}");
        api.apply("team-a", &format!("web-{index}"), &[KEY, prefix(&path)]);
    }
    let controller = Running::start(&api, &stores);
    eventually("some pairs", || stores.created().len() == 40).await;
    controller.kill().await;
    let before = stores.created();
    assert_eq!(before.len(), 40);

    let successor = Running::start(&api, &stores);
    stores.allow(50);
    eventually("all pairs", || stores.created().len() == 100).await;
    assert!(
        before
            .iter()
            .all(|(path, value)| stores.created().get(path) == Some(value))
    );
    successor.stop().await;
}

#[tokio::test]
async fn two_controllers_at_once_create_each_generation_once() {
    let (api, stores) = (Api::new(), TestStores::new());
    let controllers = [Running::start(&api, &stores), Running::start(&api, &stores)];
    for index in 0..100 {
        let path = format!("/dev/{}", index / 2);
        api.apply(
            "team-a",
            &format!("web-{index}"),
            &[PASSWORD, KEY, prefix(&path)],
        );
    }
    eventually("all generations", || stores.created().len() == 150).await;
    let mut values = 0.0;
    for controller in &controllers {
        values += controller.metric("kees_controller_created_total").await;
    }
    let before = stores.created();
    for controller in controllers {
        controller.stop().await;
    }
    assert_eq!(stores.created(), before);
    assert!(values <= 100.0, "{values}");
}

#[tokio::test]
async fn an_annotation_outside_the_policy_creates_nothing_until_the_policy_allows_it() {
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy.yaml");
    let rule = |prefix: &str| {
        std::fs::write(
            &policy,
            format!("rules:\n- {{namespaces: [team-a], storagePrefix: {prefix}}}\n"),
        )
        .unwrap();
    };
    rule("/dev/team-a");
    let (api, stores) = (Api::new(), TestStores::new());
    let controller = Running::with_policy(&api, &stores, Some(policy.clone()));
    api.apply("team-a", "outside", &[PASSWORD, prefix("/dev/team-ab")]);
    api.apply("team-b", "no-rule", &[PASSWORD, prefix("/dev/team-b")]);
    api.apply("team-a", "inside", &[PASSWORD, prefix("/dev/team-a/web")]);
    eventually("the Events", || api.state().events.len() == 3).await;
    assert_eq!(stores.paths(), ["/dev/team-a/web/password"]);
    assert_eq!(
        api.events_of("outside"),
        [
            "Warning KeesDenied: init.bsycorp.com/storage-prefix: /dev/team-ab is not at or below /dev/team-a, which the \
          policy allows for this pod; use /dev/team-a or a prefix below it"
        ]
    );
    assert!(api.events_of("no-rule")[0].contains("the policy has no rule"));

    std::fs::write(&policy, "rules: []").unwrap();
    rule("/dev");
    eventually("the pod", || stores.created().len() == 2).await;
    assert!(stores.paths().contains(&"/dev/team-ab/password".to_owned()));
    controller.stop().await;
}

#[tokio::test]
async fn a_pod_whose_annotations_change_while_it_waits_is_served_at_once() {
    let (api, stores) = (Api::new(), TestStores::new());
    stores.deny("/dev/denied");
    let controller = Running::start(&api, &stores);
    api.apply("team-a", "web", &[PASSWORD, prefix("/dev/denied")]);
    // After the fourth attempt, the pause is 4 seconds or longer.
    eventually("some attempts", || stores.attempts() >= 4).await;
    let begun = tokio::time::Instant::now();
    api.apply("team-a", "web", &[PASSWORD, prefix("/dev/team-a")]);
    eventually("the new path", || {
        stores.paths() == ["/dev/team-a/password"]
    })
    .await;
    assert!(begun.elapsed().as_secs() < 3, "{:?}", begun.elapsed());
    controller.stop().await;
}

#[rstest]
#[case::no_prefix(&[PASSWORD], "no_prefix")]
#[case::local(&[PASSWORD, prefix("/dev/a"), ("init.bsycorp.com/local-mode", "true")], "local_mode")]
#[case::remote_then_local(
    &[PASSWORD, prefix("/dev/a"), ("init.bsycorp.com/local-mode", "remote-then-local")],
    "local_mode"
)]
#[case::reference(
    &[("secret.bsycorp.com/a", "kind=REFERENCE,storageKey=a"), prefix("/dev/a")],
    "not_asked"
)]
#[tokio::test]
async fn a_pod_that_the_original_skips_is_skipped(
    #[case] annotations: &[(&str, &str)],
    #[case] reason: &str,
) {
    let (api, stores) = (Api::new(), TestStores::new());
    api.apply("team-a", "skipped", annotations);
    api.apply("team-a", "web", &[PASSWORD, prefix("/dev/web")]);
    let controller = Running::start(&api, &stores);
    eventually("the other pod", || stores.created().len() == 1).await;
    eventually("its Event", || !api.events_of("web").is_empty()).await;
    let metric =
        format!(r#"kees_controller_attempts_total{{outcome="skipped",reason="{reason}"}}"#);
    assert_eq!(controller.metric(&metric).await, 1.0);
    assert_eq!(stores.paths(), ["/dev/web/password"]);
    assert!(api.events_of("skipped").is_empty());
    controller.stop().await;
}

#[tokio::test]
async fn a_pod_is_served_even_if_its_event_cannot_be_written() {
    let (api, stores) = (Api::new(), TestStores::new());
    api.state().event_status = Some(StatusCode::FORBIDDEN);
    api.apply("team-a", "web", &[PASSWORD, prefix("/dev/web")]);
    let controller = Running::start(&api, &stores);
    eventually("the pod", || stores.created().len() == 1).await;
    controller.stop().await;
    assert!(api.state().events.is_empty());
}
