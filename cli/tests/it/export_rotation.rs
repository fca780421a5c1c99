//! Tests of `kees export iam-policy` for rotation: the controller replaces what entries rotate, pods read
//! previous values, and nobody else may do either.

use serde_json::Value;

use crate::{
    export::{assert_all, items, policy},
    folder::Folder,
    iam::Request,
};

const PATH: &str = "/dev/team-a/token";
const PREVIOUS: &str = "/dev/team-a/token.previous";

const MANIFEST: &str = "\
kind: Deployment
metadata: {name: web, namespace: team-a}
spec:
  template:
    metadata:
      annotations:
        init.bsycorp.com/storage-prefix: /dev/team-a
        secret.bsycorp.com/token: kind=DYNAMIC,type=PASSWORD,size=256,rotate=90d,previous=true
        secret.bsycorp.com/other: kind=DYNAMIC,type=PASSWORD,size=256
    spec:
      containers: [{name: app, image: app}]
";

fn of_manifest(role: &str) -> Value {
    policy(&Folder::with(MANIFEST), &["web.yaml", "--for", role])
}

fn call(action: &str, name: &str) -> Vec<Request> {
    vec![items(&format!("dynamodb:{action}"), &[name])]
}

#[test]
fn the_controller_replaces_and_removes_what_entries_rotate() {
    let policy = of_manifest("controller");
    for name in [PATH, PREVIOUS] {
        for action in ["GetItem", "PutItem", "DeleteItem"] {
            assert_all(&policy, &call(action, name), true);
        }
    }
    for name in [
        "/dev/team-a/other",
        "/dev/team-a/other.previous",
        "/dev/team-ab/token",
    ] {
        assert_all(&policy, &call("DeleteItem", name), false);
    }
}

#[test]
fn a_pod_reads_previous_values_and_replaces_none() {
    let policy = of_manifest("init-reads");
    for name in [PATH, PREVIOUS] {
        assert_all(&policy, &call("GetItem", name), true);
        assert_all(&policy, &call("PutItem", name), false);
        assert_all(&policy, &call("DeleteItem", name), false);
    }
    assert_all(
        &policy,
        &call("GetItem", "/dev/team-a/other.previous"),
        false,
    );
}

#[test]
fn a_controller_of_prefixes_rotates_only_if_it_is_told_to() {
    let of_prefix = |flags: &[&str]| {
        let all = ["--prefix", "/dev/team-a", "--for", "controller"];
        let all: Vec<_> = all.iter().chain(flags).copied().collect();
        policy(&Folder::with(MANIFEST), &all)
    };
    assert_all(&of_prefix(&[]), &call("DeleteItem", PREVIOUS), false);
    let rotates = of_prefix(&["--rotation"]);
    assert_all(&rotates, &call("DeleteItem", PREVIOUS), true);
    assert_all(
        &rotates,
        &call("DeleteItem", "/dev/team-ab/token.previous"),
        false,
    );
}
