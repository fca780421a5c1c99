//! Tests of `kees inject`.

use insta::assert_snapshot;
use rstest::rstest;

use crate::folder::{Folder, PASSWORD, pod};

const MANIFEST: &str = include_str!("../manifests/inject.yaml");
const FLAGS: &[&str] = &["inject", "web.yaml", "--env-label", "dev"];

#[test]
fn pods_are_injected_and_everything_else_stays() {
    assert_snapshot!(Folder::with(MANIFEST).kees(FLAGS).all());
}

#[test]
fn injecting_the_output_again_changes_nothing() {
    let once = Folder::with(MANIFEST).kees(FLAGS).succeeded().stdout;
    let twice = Folder::with(&once).kees(FLAGS).succeeded().stdout;
    assert_eq!(once, twice);
}

#[test]
fn a_manifest_without_pods_is_not_changed() {
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
fn the_flags_of_the_webhook_have_the_same_effect() {
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
    &[": Pod default/a: skipped: init.bsycorp.com/inject is \"false\""]
)]
#[case::wired(
    "  annotations: {secret.bsycorp.com/x: 'kind=DYNAMIC,type=PASSWORD,size=64'}
spec: {initContainers: [{name: secrets, image: 'kees-init:1'}]}",
    &[": Pod default/a: skipped: its init container is wired by hand"]
)]
#[case::windows(
    "  annotations: {secret.bsycorp.com/x: 'kind=DYNAMIC,type=PASSWORD,size=64'}
spec: {os: {name: windows}}",
    &[
        ":5:8: Pod default/a: warning: spec.os: kees has no init container for Windows, so nothing is injected",
        ": Pod default/a: skipped: it is a Windows pod",
    ]
)]
fn a_skipped_pod_is_reported_with_the_reason(#[case] pod: &str, #[case] expected: &[&str]) {
    let manifest = format!("kind: Pod\nmetadata:\n  name: a\n{pod}\n");
    let ended = Folder::with(&manifest).kees(FLAGS).succeeded();
    let lines: Vec<_> = ended.stderr.lines().collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|text| match text.strip_prefix(": ") {
            Some(text) => format!("web.yaml:1: {text}"),
            None => format!("web.yaml{text}"),
        })
        .collect();
    assert_eq!(lines, expected);
}

#[test]
fn nothing_is_printed_if_a_pod_would_be_denied() {
    let manifest = pod("good", &[PASSWORD])
        + &pod("bad", &["init.bsycorp.com/local-mode: \"true\"", PASSWORD]);
    let ended = Folder::with(&manifest).kees(FLAGS);
    assert_eq!(ended.stdout, "");
    let message = ended.failed(65);
    assert!(
        message.starts_with("web.yaml:16:34: Pod default/bad: init.bsycorp.com/local-mode:"),
        "{message}"
    );
}

#[test]
fn dynamodb_needs_an_env_label() {
    let folder = Folder::with(&pod("a", &[PASSWORD]));
    let message = folder.kees(&["inject", "web.yaml"]).failed(64);
    assert!(message.contains("needs --env-label"), "{message}");
}

const CLASS_MANIFEST: &str = "apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClass
metadata: {name: db}
spec:
  provider: aws
  parameters:
    region: eu-west-1
    objects: |
      - {objectName: team-a/db, objectType: secretsmanager}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: web
  annotations: {eks.amazonaws.com/role-arn: 'arn:aws:iam::111122223333:role/web'}
---
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  serviceAccountName: web
  containers:
  - {name: web, image: 'web:1', volumeMounts: [{name: secrets, mountPath: /mnt}]}
  volumes:
  - name: secrets
    csi:
      driver: secrets-store.csi.k8s.io
      readOnly: true
      volumeAttributes: {secretProviderClass: db}
";

#[rstest]
#[case::flag("", true, true)]
#[case::label(
    "labels: {init.bsycorp.com/secret-provider-classes: enabled}, ",
    false,
    true
)]
#[case::neither("", false, false)]
fn volumes_of_classes_are_replaced_where_the_flag_or_the_label_asks_for_it(
    #[case] label: &str,
    #[case] flag: bool,
    #[case] expected: bool,
) {
    let manifest = CLASS_MANIFEST.replace(
        "kind: Pod\nmetadata: {",
        &format!("kind: Pod\nmetadata: {{{label}"),
    );
    let mut flags = FLAGS.to_vec();
    flags.extend(flag.then_some("--secret-provider-classes"));
    let printed = Folder::with(&manifest).kees(&flags).succeeded().stdout;
    for text in ["CLASS_VOLUMES", "role/web", "kees-aws-token"] {
        let pod = printed.split("kind: Pod").nth(1).unwrap_or_default();
        assert_eq!(pod.contains(text), expected, "{text}: {printed}");
    }
    assert_eq!(
        printed.contains("driver: secrets-store.csi.k8s.io"),
        !expected
    );
}

#[test]
fn a_class_that_is_not_in_the_manifests_is_an_error() {
    let manifest = CLASS_MANIFEST.replace("metadata: {name: db}", "metadata: {name: other}");
    let flags = [FLAGS, &["--secret-provider-classes"]].concat();
    let ended = Folder::with(&manifest).kees(&flags);
    assert!(
        ended
            .stderr
            .contains("SecretProviderClass db does not exist in namespace default"),
        "{}",
        ended.stderr
    );
}

#[test]
fn pods_that_have_only_volumes_of_classes_need_no_env_label() {
    let flags = ["inject", "web.yaml", "--secret-provider-classes"];
    let printed = Folder::with(CLASS_MANIFEST).kees(&flags).succeeded().stdout;
    assert!(printed.contains("CLASS_VOLUMES"), "{printed}");

    let both = format!("{CLASS_MANIFEST}---\n{}", pod("annotated", &[PASSWORD]));
    let message = Folder::with(&both).kees(&flags).failed(64);
    assert!(message.contains("needs --env-label"), "{message}");
}

#[test]
fn a_pod_may_mount_the_secret_of_its_class_if_the_controller_writes_it() {
    let manifest = CLASS_MANIFEST.replace(
        "---\napiVersion: v1\nkind: ServiceAccount",
        "  secretObjects:\n  - {secretName: db, type: Opaque, data: [{objectName: team-a_db, key: db}]}\n\
         ---\napiVersion: v1\nkind: ServiceAccount",
    ) + "  - {name: synced, secret: {secretName: db}}\n";
    let folder = Folder::with(&manifest);
    let flags = ["inject", "web.yaml", "--secret-provider-classes"];
    let message = folder.kees(&flags).failed(65);
    assert!(message.contains("nobody writes it before"), "{message}");
    folder
        .kees(&[&flags[..], &["--secret-sync"]].concat())
        .succeeded();
}

#[test]
fn a_pod_template_without_metadata_gets_the_annotations_of_an_injected_pod() {
    let (before, spec) = CLASS_MANIFEST.split_once("kind: Pod\n").unwrap();
    let (_, spec) = spec.split_once("spec:\n").unwrap();
    let spec = spec.replace('\n', "\n    ");
    let manifest = format!(
        "{before}kind: Deployment\nmetadata: {{name: web}}\nspec:\n  template:\n    spec:\n    {spec}"
    );
    let flags = [FLAGS, &["--secret-provider-classes"]].concat();
    let printed = Folder::with(&manifest).kees(&flags).succeeded().stdout;
    let annotation = "    metadata:\n      annotations:\n        init.bsycorp.com/class-volumes:";
    assert!(printed.contains(annotation), "{printed}");
}
