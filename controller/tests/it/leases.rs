//! Leases, from pods of an API server to numbers in a store.

use std::collections::{BTreeMap, BTreeSet};

use kees_common::{Lease, LeaseRange};
use kees_store::leases::Record;

use crate::support::{PASSWORD, Running, api::Api, eventually, prefix, stores::TestStores};

const LEASE: &str = "lease.bsycorp.com/worker";

fn range(start: i32, end: i32) -> LeaseRange {
    let lease = Lease {
        key_prefix: "worker".to_owned(),
        start,
        end,
    };
    LeaseRange::new(&"/dev".parse().unwrap(), &lease).unwrap()
}

fn annotation(start: i32, end: i32) -> String {
    format!("kind=INDEX,storageKeyPrefix=worker,rangeStart={start},rangeEnd={end}")
}

fn create(api: &Api, name: &str, annotation: &str) {
    api.apply("shop", name, &[(LEASE, annotation), prefix("/dev")]);
}

/// Waits until exactly these pods hold numbers.
async fn held_by(
    stores: &TestStores,
    range: &LeaseRange,
    pods: impl IntoIterator<Item = String>,
) -> BTreeMap<i32, String> {
    let expected: BTreeSet<String> = pods.into_iter().collect();
    let until = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let holders = stores.holders(range).await;
        let names: BTreeSet<String> = holders.values().cloned().collect();
        if names == expected && holders.len() == expected.len() {
            return holders;
        }
        assert!(tokio::time::Instant::now() < until, "held: {holders:?}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

fn names(numbers: std::ops::Range<usize>) -> impl Iterator<Item = String> {
    numbers.map(|number| format!("web-{number}"))
}

#[tokio::test]
async fn a_hundred_pods_hold_a_hundred_numbers_and_free_them_when_they_are_gone() {
    let (api, stores) = (Api::new(), TestStores::new());
    let (range, text) = (range(0, 99), annotation(0, 99));
    let controller = Running::start(&api, &stores);
    for name in names(0..100) {
        create(&api, &name, &text);
    }
    let holders = held_by(&stores, &range, names(0..100)).await;
    assert_eq!(holders.len(), 100);
    let (number, _) = holders.iter().find(|(_, name)| *name == "web-7").unwrap();
    assert_eq!(
        api.events_of("web-7"),
        [format!(
            "Normal KeesCreated: gave {LEASE} the number {number}"
        )]
    );
    for name in names(0..50) {
        api.delete("shop", &name);
    }
    let left = held_by(&stores, &range, names(50..100)).await;
    assert!(left.iter().all(|(number, name)| holders[number] == *name));
    assert_eq!(stores.record(&range.pod_path("shop", "web-7")).await, None);
    assert_eq!(
        controller
            .metric("kees_controller_leases_given_total")
            .await,
        100.0
    );
    assert_eq!(
        controller
            .metric("kees_controller_leases_freed_total")
            .await,
        50.0
    );
    controller.stop().await;
}

#[tokio::test]
async fn pods_that_went_while_no_controller_ran_lose_their_numbers() {
    let (api, stores) = (Api::new(), TestStores::new());
    let (range, text) = (range(0, 9), annotation(0, 9));
    let controller = Running::start(&api, &stores);
    for name in names(0..10) {
        create(&api, &name, &text);
    }
    held_by(&stores, &range, names(0..10)).await;
    controller.kill().await;
    for name in names(0..5) {
        api.delete("shop", &name);
    }
    // Another pod of this name, which has another uid.
    create(&api, "web-0", &text);
    for name in names(10..14) {
        create(&api, &name, &text);
    }
    let controller = Running::start(&api, &stores);
    held_by(&stores, &range, names(5..14).chain(["web-0".to_owned()])).await;
    controller.stop().await;
}

#[tokio::test]
async fn a_search_frees_the_numbers_of_pods_that_are_gone() {
    let (api, stores) = (Api::new(), TestStores::new());
    let (range, text) = (range(0, 9), annotation(0, 9));
    let of_original = |name: &str| Record {
        value: name.to_owned(),
        pod: None,
    };
    for (number, name) in [(3, "gone"), (4, "Not the name of a pod"), (5, "web-5")] {
        stores
            .put_record(range.number_path(number), of_original(name))
            .await;
    }
    create(&api, "web-5", &text);
    let controller = Running::start(&api, &stores);
    let expected = ["Not the name of a pod", "web-5"].map(str::to_owned);
    let holders = held_by(&stores, &range, expected).await;
    assert_eq!(holders[&5], "web-5", "the number that the original gave");
    controller.stop().await;
}

#[tokio::test]
async fn a_pod_waits_for_a_number_and_gets_the_first_that_is_free() {
    let (api, stores) = (Api::new(), TestStores::new());
    let (range, text) = (range(4, 4), annotation(4, 4));
    let controller = Running::start(&api, &stores);
    create(&api, "first", &text);
    held_by(&stores, &range, ["first".to_owned()]).await;
    create(&api, "second", &text);
    eventually("an Event", || !api.events_of("second").is_empty()).await;
    assert_eq!(
        api.events_of("second"),
        [format!(
            "Warning KeesWaiting: {LEASE}: each number from 4 to 4 (/dev/leases/worker.* in memory) is \
             held by a pod that lives; this pod gets the first number that becomes free"
        )]
    );
    create(&api, "third", &text);
    eventually("an Event", || !api.events_of("third").is_empty()).await;
    assert_eq!(
        controller.metric("kees_controller_leases_waiting").await,
        2.0
    );
    api.delete("shop", "first");
    held_by(&stores, &range, ["second".to_owned()]).await;
    api.delete("shop", "second");
    held_by(&stores, &range, ["third".to_owned()]).await;
    assert_eq!(
        controller.metric("kees_controller_leases_waiting").await,
        0.0
    );
    controller.stop().await;
}

#[tokio::test]
async fn a_pod_whose_annotations_are_removed_keeps_its_number_until_it_is_gone() {
    let (api, stores) = (Api::new(), TestStores::new());
    let (range, text) = (range(0, 0), annotation(0, 0));
    let controller = Running::start(&api, &stores);
    create(&api, "first", &text);
    held_by(&stores, &range, ["first".to_owned()]).await;
    api.apply("shop", "first", &[prefix("/dev")]);
    create(&api, "second", &text);
    eventually("an Event", || !api.events_of("second").is_empty()).await;
    held_by(&stores, &range, ["first".to_owned()]).await;
    api.delete("shop", "first");
    held_by(&stores, &range, ["second".to_owned()]).await;
    controller.stop().await;
}

#[tokio::test]
async fn two_controllers_give_each_pod_one_number() {
    let (api, stores) = (Api::new(), TestStores::new());
    let (range, text) = (range(0, 49), annotation(0, 49));
    let controllers = [Running::start(&api, &stores), Running::start(&api, &stores)];
    for round in 0..4 {
        let names = |of: usize| (0..25).map(move |number| format!("web-{of}-{number}"));
        for name in names(round) {
            create(&api, &name, &text);
        }
        held_by(&stores, &range, names(round)).await;
        for name in names(round) {
            api.delete("shop", &name);
        }
    }
    held_by(&stores, &range, []).await;
    for controller in controllers {
        controller.stop().await;
    }
}

#[tokio::test]
async fn secrets_are_created_although_no_number_is_free() {
    let (api, stores) = (Api::new(), TestStores::new());
    let text = annotation(0, 0);
    let controller = Running::start(&api, &stores);
    create(&api, "first", &text);
    held_by(&stores, &range(0, 0), ["first".to_owned()]).await;
    let both = [(LEASE, &*text), PASSWORD, prefix("/dev")];
    api.apply("shop", "second", &both);
    eventually("the password", || stores.paths() == ["/dev/password"]).await;
    eventually("an Event", || !api.events_of("second").is_empty()).await;
    controller.stop().await;
}
