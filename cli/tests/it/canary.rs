//! A value is in no output, whatever is asked for and whatever is wrong.

use std::collections::BTreeSet;

use rstest::rstest;

use crate::folder::{Ended, Folder};

/// In the clear, and as base64.
const CANARY: [&str; 2] = ["canary-in-the-mine", "Y2FuYXJ5LWluLXRoZS1taW5l"];

/// Pods with the canary in sound annotations, and in those that are wrong in every way.
const MANIFEST: &str = "
kind: Pod
metadata:
  name: sound
  annotations:
    init.bsycorp.com/local-mode: remote-then-local
    resource.bsycorp.com/a: localModeValue=Y2FuYXJ5LWluLXRoZS1taW5l
    secret.bsycorp.com/b: kind=REFERENCE,localModeValue=Y2FuYXJ5LWluLXRoZS1taW5l
spec: {containers: [{name: app, image: app:1}]}
";

const FAULTY: &str = "
kind: Pod
metadata:
  name: faulty
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

fn assert_silent(ended: &Ended) {
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
    for (manifest, is_sound) in [(MANIFEST, true), (FAULTY, false)] {
        let folder = Folder::with(manifest);
        let ended = folder.kees(&[command, &["web.yaml", "--log-level", "debug"]].concat());
        assert_silent(&ended);
        if command[0] == "run" {
            assert_eq!(
                ended.status,
                if is_sound { 0 } else { 65 },
                "{}",
                ended.all()
            );
            // It was there to be printed.
            assert_eq!(
                folder.exists("out/default/pod-sound/bsycorp-init/a"),
                is_sound
            );
        }
    }
}

#[test]
fn a_manifest_that_is_not_yaml_is_not_repeated() {
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
        // The name of an anchor is no value.
        if !broken.contains('*') {
            assert_silent(&ended);
        }
    }
}

/// The SDK's variables are its own to check, in an error that holds the whole request.
#[test]
fn a_request_to_aws_that_cannot_be_built_is_not_repeated() {
    let folder = Folder::with(MANIFEST);
    let variables = [
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "canary-in-the-mine"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", "localhost:8000"),
    ];
    let flags = ["run", "web.yaml", "--store", "secretsmanager"];
    let ended = folder.kees_with(&variables, &flags);
    assert_silent(&ended);
    let message = ended.failed(69);
    assert!(
        message.contains("the request could not be built; see that AWS_REGION")
            && !message.contains("Request {"),
        "{message}"
    );
}

#[rstest]
#[case("table")]
#[case("json")]
fn a_value_that_is_made_is_never_printed(#[case] output: &str) {
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
