//! Secrets with `rotate=` are replaced when they are due, once, and the generation before is kept as
//! long as the annotation says.

use std::{collections::BTreeSet, time::Duration};

use tokio::time::sleep;

use crate::support::{PASSWORD, Running, api::Api, eventually, prefix, stores::TestStores};

const PATH: &str = "/dev/web/token";
const PREVIOUS: &str = "/dev/web/token.previous";

fn token(rotation: &str) -> (&'static str, String) {
    let value = format!("kind=DYNAMIC,type=PASSWORD,size=256,{rotation}");
    ("secret.bsycorp.com/token", value)
}

fn apply(api: &Api, name: &str, rotation: &str) {
    let (key, value) = token(rotation);
    api.apply("team-a", name, &[(key, &value), prefix("/dev/web")]);
}

async fn created(stores: &TestStores) -> String {
    eventually("created", || stores.stored(PATH).is_some()).await;
    stores.stored(PATH).unwrap()
}

#[tokio::test]
async fn a_secret_is_rotated_and_the_generation_before_it_is_kept() {
    let (api, stores) = (Api::new(), TestStores::new());
    let controller = Running::start(&api, &stores);
    apply(&api, "web", "rotate=2s");
    let first = created(&stores).await;
    eventually("rotated", || stores.stored(PATH).as_ref() != Some(&first)).await;
    assert_eq!(stores.stored(PREVIOUS), Some(first.clone()));
    let second = stores.stored(PATH).unwrap();
    eventually("rotated again", || {
        stores.stored(PREVIOUS).as_ref() == Some(&second)
    })
    .await;
    let has_event = || {
        let events = api.events_of("web");
        events.iter().any(|event| event.contains("KeesRotated"))
    };
    eventually("an Event", has_event).await;
    let rotations = "kees_controller_rotations_total{result=\"success\"}";
    assert!(controller.metric(rotations).await >= 2.0);
    controller.stop().await;
}

#[tokio::test]
async fn two_controllers_rotate_a_secret_once() {
    let (api, stores) = (Api::new(), TestStores::new());
    let controllers = [Running::start(&api, &stores), Running::start(&api, &stores)];
    apply(&api, "web", "rotate=3s");
    let first = created(&stores).await;
    let mut generations = vec![first];
    while generations.len() < 4 {
        let last = generations.last().unwrap().clone();
        eventually("rotated", || stores.stored(PATH).as_ref() != Some(&last)).await;
        // The generation that was replaced is the last one that was seen: none came between.
        assert_eq!(stores.stored(PREVIOUS), Some(last));
        generations.push(stores.stored(PATH).unwrap());
    }
    let distinct: BTreeSet<_> = generations.iter().collect();
    assert_eq!(distinct.len(), generations.len());
    for controller in controllers {
        controller.stop().await;
    }
}

#[tokio::test]
async fn the_previous_generation_is_removed_after_its_time() {
    let (api, stores) = (Api::new(), TestStores::new());
    let controller = Running::start(&api, &stores);
    apply(&api, "web", "rotate=4s,retain=1s");
    created(&stores).await;
    eventually("rotated", || stores.stored(PREVIOUS).is_some()).await;
    let current = stores.stored(PATH);
    eventually("retired", || stores.stored(PREVIOUS).is_none()).await;
    assert_eq!(stores.stored(PATH), current);
    assert!(controller.metric("kees_controller_retired_total").await >= 1.0);
    controller.stop().await;
}

#[tokio::test]
async fn a_secret_without_rotate_and_one_with_a_long_period_stay() {
    let (api, stores) = (Api::new(), TestStores::new());
    let controller = Running::rotating_hourly(&api, &stores);
    apply(&api, "web", "rotate=1s");
    api.apply("team-a", "other", &[PASSWORD, prefix("/dev/other")]);
    let first = created(&stores).await;
    let other = || stores.stored("/dev/other/password");
    eventually("created", || other().is_some()).await;
    let second = other();
    // Nothing tells that a rotation will not happen.
    sleep(Duration::from_secs(4)).await;
    assert_eq!((stores.stored(PATH), other()), (Some(first), second));
    assert_eq!(controller.metric("kees_controller_rotating").await, 1.0);
    controller.stop().await;
}

#[tokio::test]
async fn a_rotation_that_is_denied_is_told_and_changes_nothing() {
    let (api, stores) = (Api::new(), TestStores::new());
    let controller = Running::start(&api, &stores);
    apply(&api, "web", "rotate=2s");
    let first = created(&stores).await;
    stores.deny("/dev/web");
    let has_event = || {
        let events = api.events_of("web");
        events
            .iter()
            .any(|event| event.contains("KeesRotationFailed"))
    };
    eventually("an Event", has_event).await;
    // It may have been rotated before the denial began.
    let generations = [stores.stored(PATH), stores.stored(PREVIOUS)];
    assert!(generations.contains(&Some(first)), "no generation is lost");
    controller.stop().await;
}
