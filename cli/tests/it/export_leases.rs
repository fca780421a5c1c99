//! Tests of `kees export iam-policy` for leases: a pod reads its own records, the controller writes and
//! deletes below `leases/`, and nobody else does.

use std::path::Path;

use rstest::rstest;
use serde_json::Value;

use crate::{
    export::{assert_all, items, of_prefix, policy, read_code, reads},
    folder::Folder,
    iam::Request,
};

const TABLE: &str = "arn:aws:dynamodb:eu-west-1:111122223333:table/dev-kube-secret";

const NUMBER: &str = "/dev/team-a/leases/worker.7";
const POD: &str = "/dev/team-a/leases/worker/team-a/web-0/0-99";

const MANIFEST: &str = "\
kind: StatefulSet
metadata: {name: web, namespace: team-a}
spec:
  template:
    metadata:
      annotations:
        init.bsycorp.com/storage-prefix: /dev/team-a
        lease.bsycorp.com/node: kind=INDEX,storageKeyPrefix=worker,rangeStart=0,rangeEnd=99
    spec:
      containers: [{name: app, image: app}]
";

fn of_manifest(role: &str) -> Value {
    policy(&Folder::with(MANIFEST), &["web.yaml", "--for", role])
}

/// The calls that claim and free `name`.
fn writes(name: &str) -> Vec<Request> {
    let actions = ["PutItem", "DeleteItem", "ConditionCheckItem"];
    actions
        .map(|action| items(&format!("dynamodb:{action}"), &[name]))
        .to_vec()
}

#[rstest]
fn a_pod_reads_the_records_of_its_namespace_alone(
    #[values("init-reads", "init-creates")] role: &str,
) {
    let policy = of_manifest(role);
    assert_all(&policy, &reads("dynamodb", POD), true);
    assert_all(&policy, &writes(POD), false);
    for other in [
        NUMBER,
        "/dev/team-a/leases/worker/team-ab/web-0/0-99",
        "/dev/team-a/leases/worker2/team-a/web-0/0-99",
        "/dev/team-a/leases/worker/team-a",
        "/dev/team-ab/leases/worker/team-a/web-0/0-99",
        "/dev/team-a/db",
    ] {
        assert_all(&policy, &reads("dynamodb", other), false);
        assert_all(&policy, &writes(other), false);
    }
    assert_all(&policy, &[Request::new("dynamodb:Scan", TABLE)], false);
}

#[rstest]
fn a_pod_with_a_prefix_reads_its_lease_and_deletes_nothing(
    #[values("init-reads", "init-creates")] role: &str,
) {
    let policy = of_prefix("/dev/team-a", role, "dynamodb");
    assert_all(&policy, &reads("dynamodb", POD), true);
    for name in [NUMBER, POD] {
        let requests = ["DeleteItem", "ConditionCheckItem"]
            .map(|action| items(&format!("dynamodb:{action}"), &[name]));
        assert_all(&policy, &requests, false);
    }
}

#[rstest]
#[case::of_a_prefix(of_prefix("/dev/team-a", "controller", "dynamodb"), true)]
#[case::of_a_manifest(of_manifest("controller"), false)]
fn the_controller_deletes_below_leases_alone(#[case] policy: Value, #[case] reads_all: bool) {
    for name in [NUMBER, POD] {
        assert_all(&policy, &reads("dynamodb", name), true);
        assert_all(&policy, &writes(name), true);
    }
    assert_all(
        &policy,
        &[items("dynamodb:BatchGetItem", &[NUMBER, POD])],
        true,
    );
    let delete = |names: &[&str]| [items("dynamodb:DeleteItem", names)];
    for other in [
        "/dev/team-a/db",
        "/dev/team-a/leases",
        "/dev/team-a/leasesx/worker.7",
        "/dev/team-a/x/leases/worker.7",
    ] {
        assert_all(&policy, &reads("dynamodb", other), reads_all);
        assert_all(&policy, &delete(&[other]), false);
        assert_all(&policy, &delete(&[NUMBER, other]), false);
    }
    for neighbour in [
        "/dev/team-ab/leases/worker.7",
        "/dev/leases/worker.7",
        "/leases/worker.7",
    ] {
        assert_all(&policy, &reads("dynamodb", neighbour), false);
        assert_all(&policy, &writes(neighbour), false);
    }
    assert_all(&policy, &delete(&[]), false);
    assert_all(&policy, &[Request::new("dynamodb:Scan", TABLE)], false);
}

/// IAM cannot restrict a scan to a prefix, so it is an option of the controller.
#[rstest]
#[case::of_the_controller("controller", true)]
#[case::of_a_pod("init-creates", false)]
fn a_search_of_the_table_is_allowed_to_the_controller_if_it_is_asked_for(
    #[case] role: &str,
    #[case] allowed: bool,
) {
    let folder = Folder::new();
    let flags = ["--prefix", "/dev/team-a", "--for", role, "--large-leases"];
    let policy = policy(&folder, &flags);
    assert_all(&policy, &[Request::new("dynamodb:Scan", TABLE)], allowed);
    let elsewhere = Request::new("dynamodb:Scan", &format!("{TABLE}2"));
    assert_all(&policy, &[elsewhere], false);
    assert_all(&policy, &[items("dynamodb:Query", &[NUMBER])], false);
}

#[rstest]
#[case("rangeEnd=999", &["--for", "controller"], false)]
#[case("rangeEnd=1000", &["--for", "controller"], true)]
#[case("rangeEnd=1000", &["--for", "controller", "--large-leases"], false)]
#[case("rangeEnd=1000", &["--for", "init-reads"], false)]
fn a_search_that_is_not_allowed_is_a_warning(
    #[case] end: &str,
    #[case] flags: &[&str],
    #[case] expected: bool,
) {
    let folder = Folder::with(&MANIFEST.replace("rangeEnd=99", end));
    let place = ["--env-label", "dev", "--aws-region", "eu-west-1"];
    let command = [&["export", "iam-policy", "web.yaml"], flags, &place].concat();
    let stderr = folder.kees(&command).succeeded().stderr;
    assert_eq!(stderr.contains("add --large-leases"), expected, "{stderr}");
}

#[test]
fn a_store_that_keeps_no_leases_needs_nothing_for_them() {
    for store in ["secretsmanager", "ssm"] {
        let policy = of_prefix("/dev/team-a", "controller", store);
        let text = policy.to_string();
        assert!(
            !text.contains("leases") && !text.contains("Delete"),
            "{text}"
        );
    }
}

#[test]
fn each_action_for_leases_is_called_by_the_store() {
    let mut code = String::new();
    let store = concat!(env!("CARGO_MANIFEST_DIR"), "/../store/src");
    read_code(Path::new(store), &mut code);
    let flags = ["web.yaml", "--for", "controller", "--large-leases"];
    let policy = policy(&Folder::with(MANIFEST), &flags);
    let statements = policy["Statement"].as_array().unwrap();
    let actions: Vec<&str> = statements
        .iter()
        .flat_map(|statement| match &statement["Action"] {
            Value::String(one) => vec![one.as_str()],
            all => all
                .as_array()
                .unwrap()
                .iter()
                .filter_map(Value::as_str)
                .collect(),
        })
        .collect();
    assert_eq!(actions.len(), 6, "{actions:?}");
    for action in actions {
        let constant = format!("&str = \"{action}\";");
        assert!(code.contains(&constant), "no store calls {action}");
    }
}
