//! `kees inject`

use insta::assert_snapshot;
use rstest::rstest;

use crate::folder::{Folder, PASSWORD, pod};

const MANIFEST: &str = include_str!("../manifests/inject.yaml");
const FLAGS: &[&str] = &["inject", "web.yaml", "--env-label", "dev"];

#[test]
fn the_manifest_is_printed_with_its_pods_injected_and_all_else_as_it_was() {
    assert_snapshot!(Folder::with(MANIFEST).kees(FLAGS).all());
}

#[test]
fn what_is_printed_needs_nothing_more() {
    let once = Folder::with(MANIFEST).kees(FLAGS).succeeded().stdout;
    let twice = Folder::with(&once).kees(FLAGS).succeeded().stdout;
    assert_eq!(once, twice);
}

#[test]
fn a_manifest_without_pods_stays_as_it_was() {
    let manifest = "kind: ConfigMap\nmetadata:\n  name: a\ndata:\n  z: \"1\"\n  a: \"no\"\n";
    let ended = Folder::with(manifest).kees(FLAGS).succeeded();
    assert_eq!(ended.stdout, manifest);
    assert!(
        ended.stderr.starts_with("nothing to do"),
        "{}",
        ended.stderr
    );
}

#[test]
fn the_flags_are_the_webhooks() {
    let folder = Folder::with(&pod("a", &[PASSWORD]));
    let flags = [
        FLAGS,
        &[
            "--init-image",
            "registry.example.com/kees-init:1",
            "--image-pull-policy",
            "Always",
            "--volume-size",
            "9Mi",
            "--run-as",
            "1234",
            "--store",
            "secretsmanager",
            "--stores",
            "dynamodb",
            "--aws-region",
            "eu-central-1",
            "--init-env",
            "TIMEOUT=9",
        ],
    ]
    .concat();
    let printed = folder.kees(&flags).succeeded().stdout;
    for expected in [
        "image: registry.example.com/kees-init:1\n",
        "imagePullPolicy: Always\n",
        "sizeLimit: 9Mi\n",
        "runAsUser: 1234\n",
        "name: STORE\n      value: secretsmanager\n",
        "name: STORES\n      value: secretsmanager,dynamodb\n",
        "name: ENV_LABEL\n      value: dev\n",
        "name: AWS_REGION\n      value: eu-central-1\n",
        "name: TIMEOUT\n      value: \"9\"\n",
    ] {
        assert!(
            printed.contains(expected),
            "{expected} is not in\n{printed}"
        );
    }
}

#[rstest]
#[case::opted_out(
    "  annotations: {init.bsycorp.com/inject: 'false', secret.bsycorp.com/x: 'kind=DYNAMIC,type=PASSWORD,size=64'}
spec: {}",
    &["left alone: init.bsycorp.com/inject is \"false\""]
)]
#[case::wired(
    "  annotations: {secret.bsycorp.com/x: 'kind=DYNAMIC,type=PASSWORD,size=64'}
spec: {initContainers: [{name: secrets, image: 'kees-init:1'}]}",
    &["left alone: its init container is wired by hand"]
)]
#[case::windows(
    "  annotations: {secret.bsycorp.com/x: 'kind=DYNAMIC,type=PASSWORD,size=64'}
spec: {os: {name: windows}}",
    &[
        "warning: spec.os: kees has no init container for Windows, so nothing is injected",
        "left alone: it is a Windows pod",
    ]
)]
fn a_pod_that_is_left_alone_is_named_with_the_reason(#[case] pod: &str, #[case] expected: &[&str]) {
    let manifest = format!("kind: Pod\nmetadata:\n  name: a\n{pod}\n");
    let ended = Folder::with(&manifest).kees(FLAGS).succeeded();
    let said: Vec<_> = ended.stderr.lines().collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|text| format!("web.yaml:1: Pod default/a: {text}"))
        .collect();
    assert_eq!(said, expected);
}

#[test]
fn nothing_is_printed_where_a_pod_would_be_refused() {
    let manifest = pod("good", &[PASSWORD])
        + &pod("bad", &["init.bsycorp.com/local-mode: \"true\"", PASSWORD]);
    let ended = Folder::with(&manifest).kees(FLAGS);
    assert_eq!(ended.stdout, "");
    let message = ended.failed(65);
    assert!(
        message.starts_with("web.yaml:12: Pod default/bad: init.bsycorp.com/local-mode:"),
        "{message}"
    );
}

#[test]
fn a_table_needs_its_label() {
    let folder = Folder::with(&pod("a", &[PASSWORD]));
    let message = folder.kees(&["inject", "web.yaml"]).failed(64);
    assert!(message.contains("needs --env-label"), "{message}");
}
