//! No output contains a secret value, whatever the command and the errors are.

use std::collections::BTreeSet;

use rstest::rstest;

use crate::folder::{Ended, Folder};

/// The value as text and as base64.
const CANARY: [&str; 2] = ["canary-in-the-mine", "Y2FuYXJ5LWluLXRoZS1taW5l"];

/// A pod with the canary in valid annotations.
const MANIFEST: &str = "
kind: Pod
metadata:
  name: valid
  annotations:
    init.bsycorp.com/local-mode: remote-then-local
    resource.bsycorp.com/a: localModeValue=Y2FuYXJ5LWluLXRoZS1taW5l
    secret.bsycorp.com/b: kind=REFERENCE,localModeValue=Y2FuYXJ5LWluLXRoZS1taW5l
spec: {containers: [{name: app, image: app:1}]}
";

/// Pods with the canary in annotations and variables that are wrong.
const INVALID: &str = "
kind: Pod
metadata:
  name: invalid
  annotations:
    resource.bsycorp.com/c: localModeValue=Y2FuYXJ5LWluLXRoZS1taW5l!
    secret.bsycorp.com/d: kind=REFERENCE,localModeValue=canary-in-the-mine
    secret.bsycorp.com/e: kind=DYNAMIC,type=PASSWORD,localModeValue=Y2FuYXJ5LWluLXRoZS1taW5l
spec: {containers: [{name: app, image: app:1}]}
---
kind: Pod
metadata:
  name: typed
  annotations: {resource.bsycorp.com/f: [canary-in-the-mine]}
---
kind: Pod
metadata:
  name: also-typed
  annotations: {resource.bsycorp.com/g: ''}
spec: {containers: [{name: app, env: [{name: A, value: {canary-in-the-mine: 1}}]}]}
";

fn assert_no_canary(ended: &Ended) {
    let all = ended.all();
    for canary in CANARY {
        assert!(!all.contains(canary), "{all}");
    }
}

#[rstest]
#[case(&["run"])]
#[case(&["run", "--output", "json"])]
#[case(&["run", "--format", "files"])]
#[case(&["run", "--format", "env"])]
#[case(&["lint"])]
#[case(&["lint", "--output", "json"])]
fn a_value_of_local_mode_is_never_printed(#[case] command: &[&str]) {
    for (manifest, is_valid) in [(MANIFEST, true), (INVALID, false)] {
        let folder = Folder::with(manifest);
        let ended = folder.kees(&[command, &["web.yaml", "--log-level", "debug"]].concat());
        assert_no_canary(&ended);
        if command[0] == "run" {
            assert_eq!(
                ended.status,
                if is_valid { 0 } else { 65 },
                "{}",
                ended.all()
            );
            // The value was read, so it could have been printed.
            assert_eq!(
                folder.exists("out/default/pod-valid/bsycorp-init/a"),
                is_valid
            );
        }
    }
}

#[test]
fn the_error_for_invalid_yaml_does_not_contain_the_value() {
    for broken in [
        "a: \"canary-in-the-mine",
        "a: [canary-in-the-mine",
        "a: *canary-in-the-mine",
        "x: 1\ncanary-in-the-mine\n",
        "a: canary-in-the-mine: b",
        "a: !!int canary-in-the-mine",
        "a: !!binary canary-in-the-mine",
    ] {
        let ended = Folder::with(broken).kees(&["run", "web.yaml"]);
        assert_ne!(ended.status, 0, "{broken}");
        // The message contains the name of an anchor, which is not a value.
        if !broken.contains('*') {
            assert_no_canary(&ended);
        }
    }
}

/// The SDK checks its own variables, and its error contains the whole request.
#[test]
fn the_error_for_a_request_that_cannot_be_built_does_not_contain_it() {
    let folder = Folder::with(MANIFEST);
    let variables = [
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "canary-in-the-mine"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", "localhost:8000"),
    ];
    let flags = ["run", "web.yaml", "--store", "secretsmanager"];
    let ended = folder.kees_with(&variables, &flags);
    assert_no_canary(&ended);
    let message = ended.failed(69);
    assert!(
        message.contains("the request could not be built; check that AWS_REGION")
            && !message.contains("Request {"),
        "{message}"
    );
}

#[rstest]
#[case("table")]
#[case("json")]
fn a_generated_value_is_never_printed(#[case] output: &str) {
    let folder = Folder::with(include_str!("../../../examples/web.yaml"));
    let flags = [
        "run",
        "web.yaml",
        "--output",
        output,
        "--log-level",
        "debug",
    ];
    let ended = folder.kees(&flags).succeeded();
    let list = folder.read("out/team-a/deployment-web/bsycorp-init/secrets.properties");
    let values: BTreeSet<&str> = list
        .lines()
        .map(|line| line.split_once('=').unwrap().1)
        .collect();
    assert_eq!(values.len(), 7);
    for value in values {
        assert!(value.len() > 20 && !ended.all().contains(&value[..20]));
    }
}
