//! Leases of the program: from DynamoDB, and from an embedded store.

use std::{
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

use kees_common::StoreName;
use serde_json::json;

use crate::{
    cloud::{Call, Cloud, Instead, error_response},
    container::{Container, run},
};

const NODE: (&str, &str) = ("lease/node", "kind=INDEX,rangeStart=0,rangeEnd=9");

fn command(cloud: &Cloud, container: &Container) -> Command {
    let mut command = container.command();
    cloud.configure(&mut command, StoreName::DynamoDb);
    command
}

/// The item of the record that the injected pod of these tests has.
fn own_record(uid: &str) -> Instead {
    let item = json!({"Item": {
        "secretName": {"S": "/leases/node/shop/web-0/0-9"},
        "secretValue": {"S": "7"},
        "podNamespace": {"S": "shop"},
        "podUid": {"S": uid},
    }});
    Instead::Answer(200, item.to_string())
}

fn asks_for_own_record(call: &Call) -> bool {
    call.operation == "GetItem"
        && call.body["Key"]["secretName"]["S"] == "/leases/node/shop/web-0/0-9"
}

#[test]
fn an_injected_pod_waits_for_the_number_with_its_uid() {
    let reads = AtomicUsize::new(0);
    let cloud = Cloud::scripted(move |call, _| {
        assert!(asks_for_own_record(call), "{call:?}");
        let is_replaced = reads.fetch_add(1, Ordering::Relaxed) >= 2;
        Some(own_record(if is_replaced { "new" } else { "old" }))
    });
    let container = Container::new(&[NODE]);
    let variables = [("POD_NAMESPACE", "shop"), ("POD_UID", "new")];
    let (status, stderr) = run(command(&cloud, &container).envs(variables));
    assert_eq!(status, 0, "{stderr}");
    let waiting = "waiting for values that are absent: lease.bsycorp.com/node";
    assert!(stderr.contains(waiting), "{stderr}");
    assert_eq!(container.read("volume/leases.properties"), "node=Nw==\n");
    assert_eq!(container.read("volume/node"), "7");
}

#[test]
fn a_pod_that_was_wired_for_the_original_finds_its_name() {
    let cloud = Cloud::start();
    cloud.put("/leases/node.3", json!({"S": "web-0"}));
    cloud.put("/leases/node.4", json!({"S": "web-1"}));
    let container = Container::new(&[NODE]);
    let (status, stderr) = run(&mut command(&cloud, &container));
    assert_eq!(status, 0, "{stderr}");
    assert_eq!(container.read("volume/node"), "3");
}

#[test]
fn a_denied_read_of_a_lease_names_the_action_and_the_path() {
    let denied = "User: arn:aws:sts::111122223333:assumed-role/web/web-0 is not authorized to perform: \
                  dynamodb:GetItem on resource: arn:aws:dynamodb:eu-west-1:111122223333:table/local-kube-secret";
    let cloud = Cloud::scripted(|_, _| Some(error_response("AccessDeniedException", denied)));
    let container = Container::new(&[NODE]);
    let variables = [("POD_NAMESPACE", "shop"), ("POD_UID", "new")];
    let (status, stderr) = run(command(&cloud, &container).envs(variables));
    assert_eq!(status, 77, "{stderr}");
    let message = container.read("termination-log");
    for part in ["dynamodb:GetItem", "/leases/node/shop/web-0/0-9"] {
        assert!(message.contains(part), "{message}");
    }
}

/// A value that is no number may be a secret: an annotation chose a path below `leases/`.
#[test]
fn a_value_that_is_no_number_is_in_no_message() {
    let cloud = Cloud::scripted(|call, _| {
        let marker = json!({"S": "MARKER-OF-A-SECRET"});
        let mut item = json!({"podNamespace": {"S": "shop"}, "podUid": {"S": "new"}});
        item["secretName"] = call.body["Key"]["secretName"].clone();
        item["secretValue"] = marker;
        Some(Instead::Answer(200, json!({"Item": item}).to_string()))
    });
    let container = Container::new(&[NODE]);
    let variables = [
        ("POD_NAMESPACE", "shop"),
        ("POD_UID", "new"),
        ("LOG_LEVEL", "trace"),
    ];
    let (status, stderr) = run(command(&cloud, &container).envs(variables));
    assert_eq!(status, 65, "{stderr}");
    let message = container.read("termination-log");
    assert!(message.contains("/leases/node/shop/web-0/0-9"), "{message}");
    for text in [stderr, message] {
        assert!(!text.contains("MARKER"), "{text}");
    }
}

#[test]
fn an_embedded_store_gives_a_pod_one_number() {
    let single = ("lease/node", "kind=INDEX,rangeStart=5,rangeEnd=5");
    let container = Container::new(&[single]);
    for _ in 0..2 {
        let (status, stderr) = run(&mut container.embedded());
        assert_eq!(status, 0, "{stderr}");
        assert_eq!(container.read("volume/node"), "5");
    }
    let (status, stderr) = run(container.embedded().env("POD_NAME", "web-1"));
    assert_eq!(status, 75, "{stderr}");
    assert!(stderr.contains("held by another pod"), "{stderr}");
}
