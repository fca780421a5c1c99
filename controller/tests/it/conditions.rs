//! The condition of a pod that says whether its secrets are stored.

use hyper::StatusCode;
use rstest::rstest;

use crate::support::{PASSWORD, Running, api::Api, eventually, prefix, stores::TestStores};

const STORED: &str = "True Stored: all secrets are stored";

#[tokio::test]
async fn a_condition_is_written_once_and_by_the_next_process_not_again() {
    let (api, stores) = (Api::new(), TestStores::new());
    let controller = Running::start(&api, &stores);
    for name in ["web", "web-2"] {
        api.apply("team-a", name, &[PASSWORD, prefix("/dev/web")]);
        let has_condition = || api.condition_of("team-a", name).as_deref() == Some(STORED);
        eventually("condition", has_condition).await;
    }
    // The secrets of this one are looked at after its status has changed.
    api.apply("team-a", "last", &[PASSWORD, prefix("/dev/last")]);
    eventually("last", || api.condition_of("team-a", "last").is_some()).await;
    assert_eq!(api.state().condition_writes, 3);
    controller.stop().await;

    let successor = Running::start(&api, &stores);
    eventually("all reads", || stores.reads() >= 6).await;
    api.apply("team-a", "new", &[PASSWORD, prefix("/dev/new")]);
    eventually("new", || api.condition_of("team-a", "new").is_some()).await;
    assert_eq!(api.state().condition_writes, 4);
    successor.stop().await;
}

#[tokio::test]
async fn the_condition_of_a_failed_pod_is_not_written_on_each_attempt() {
    let (api, stores) = (Api::new(), TestStores::new());
    stores.deny("/dev/denied");
    let controller = Running::start(&api, &stores);
    api.apply("team-a", "web", &[PASSWORD, prefix("/dev/denied")]);
    eventually("three attempts", || stores.attempts() >= 3).await;
    let condition = api.condition_of("team-a", "web").unwrap();
    let expected =
        "False Failed: secret.bsycorp.com/password (memory /dev/denied/password): denied";
    assert!(condition.starts_with(expected), "{condition}");
    assert_eq!(api.state().condition_writes, 1);

    stores.permit("/dev/denied");
    let has_condition = || api.condition_of("team-a", "web").as_deref() == Some(STORED);
    eventually("condition", has_condition).await;
    assert_eq!(api.state().condition_writes, 2);
    controller.stop().await;
}

#[tokio::test]
async fn an_invalid_annotation_is_in_the_condition_and_a_skipped_pod_has_none() {
    let (api, stores) = (Api::new(), TestStores::new());
    let controller = Running::start(&api, &stores);
    api.apply("team-a", "skipped", &[PASSWORD]);
    let invalid = ("secret.bsycorp.com/password", "kind=DYNAMIC,type=PASSWORT");
    api.apply("team-a", "web", &[invalid, prefix("/dev/web")]);
    eventually("condition", || api.condition_of("team-a", "web").is_some()).await;
    let condition = api.condition_of("team-a", "web").unwrap();
    assert!(
        condition.starts_with("False Denied: secret.bsycorp.com/password"),
        "{condition}"
    );
    assert_eq!(api.condition_of("team-a", "skipped"), None);
    controller.stop().await;
}

#[rstest]
#[case::denied(StatusCode::FORBIDDEN)]
#[case::failed(StatusCode::INTERNAL_SERVER_ERROR)]
#[tokio::test]
async fn pods_are_served_even_if_conditions_cannot_be_written(#[case] status: StatusCode) {
    let (api, stores) = (Api::new(), TestStores::new());
    api.state().condition_status = Some(status);
    let controller = Running::start(&api, &stores);
    for number in 0..50 {
        let path = format!("/dev/{number}");
        api.apply(
            "team-a",
            &format!("web-{number}"),
            &[PASSWORD, prefix(&path)],
        );
    }
    eventually("all passwords", || stores.created().len() == 50).await;
    eventually("all Events", || api.state().events.len() == 50).await;
    eventually("an attempt", || api.state().condition_writes > 0).await;
    assert!(
        controller
            .metric("kees_controller_condition_errors_total")
            .await
            >= 1.0
    );
    controller.stop().await;
}

#[tokio::test]
async fn a_condition_is_written_when_the_api_server_has_recovered() {
    let (api, stores) = (Api::new(), TestStores::new());
    api.state().condition_status = Some(StatusCode::INTERNAL_SERVER_ERROR);
    let controller = Running::start(&api, &stores);
    api.apply("team-a", "web", &[PASSWORD, prefix("/dev/web")]);
    // After three attempts in a row, the condition has to wait for those of other pods.
    eventually("attempts", || api.state().condition_writes > 3).await;
    api.state().condition_status = None;
    eventually("condition", || api.condition_of("team-a", "web").is_some()).await;
    controller.stop().await;
}

#[tokio::test]
async fn no_condition_is_written_if_they_are_switched_off() {
    let (api, stores) = (Api::new(), TestStores::new());
    let controller = Running::without_conditions(&api, &stores);
    api.apply("team-a", "web", &[PASSWORD, prefix("/dev/web")]);
    eventually("the Event", || !api.events_of("web").is_empty()).await;
    controller.stop().await;
    assert_eq!(api.state().condition_writes, 0);
}
