//! Tests of `kees export` with SecretProviderClass objects: a role may read what the classes of its pods name, or what
//! `classObjects` of the policy file allows, and nothing else.

use insta::assert_snapshot;
use rstest::rstest;
use serde_json::Value;

use crate::{
    export::{assert_all, policy},
    folder::{Folder, PASSWORD},
    iam::Request,
};

const MANIFEST: &str = "\
apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClass
metadata: {name: db, namespace: team-a}
spec:
  provider: aws
  parameters:
    region: eu-west-1
    failoverRegion: eu-west-2
    objects: |
      - objectName: team-a/user
        objectType: secretsmanager
      - objectName: team-a/password
        objectType: secretsmanager
        objectAlias: password
        failoverObject: {objectName: backup/password}
      - objectName: arn:aws:secretsmanager:eu-west-1:444455556666:secret:shared/key-a1B2c3
        objectAlias: key
        failoverObject: {objectName: 'arn:aws:secretsmanager:eu-west-2:444455556666:secret:shared/key-d4E5f6'}
---
apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClass
metadata: {name: settings, namespace: team-a}
spec:
  provider: aws
  parameters:
    objects: |
      - {objectName: /team-a/url, objectType: ssmparameter}
      - {objectName: plain, objectType: ssmparameter}
  secretObjects:
  - {secretName: settings, type: Opaque, data: [{objectName: plain, key: plain}]}
---
apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClass
metadata: {name: unused, namespace: team-a}
spec:
  provider: aws
  parameters:
    objects: |
      - {objectName: team-a/unused, objectType: secretsmanager}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: team-a}
spec:
  template:
    spec:
      serviceAccountName: web
      containers: [{name: app, image: app}]
      volumes:
      - name: db
        csi:
          driver: secrets-store.csi.k8s.io
          readOnly: true
          volumeAttributes: {secretProviderClass: db}
      - name: settings
        csi:
          driver: secrets-store.csi.k8s.io
          readOnly: true
          volumeAttributes: {secretProviderClass: settings}
";

const PLACE: [&str; 4] = ["--aws-region", "eu-west-1", "--account", "111122223333"];

/// What a program calls to read a secret with this ARN.
fn secret(arn: &str) -> Vec<Request> {
    let actions = ["GetSecretValue", "DescribeSecret"];
    actions
        .map(|action| Request::new(&format!("secretsmanager:{action}"), arn))
        .to_vec()
}

fn parameter(name: &str) -> Vec<Request> {
    let arn = format!("arn:aws:ssm:eu-west-1:111122223333:parameter{name}");
    vec![Request::new("ssm:GetParameters", &arn)]
}

/// The ARN of a secret of the account, which exists.
fn arn(region: &str, name: &str) -> String {
    format!("arn:aws:secretsmanager:{region}:111122223333:secret:{name}-a1B2c3")
}

#[test]
fn a_role_reads_what_the_classes_of_its_pods_name() {
    let folder = Folder::with(MANIFEST);
    let arguments = [&["export", "iam-policy", "web.yaml"][..], &PLACE].concat();
    // No pod has values in the table, so no --env-label is needed.
    let printed = folder.kees(&arguments);
    assert_snapshot!(printed.all());
    let policy: Value = serde_json::from_str(&printed.succeeded().stdout).unwrap();
    for arn in [
        &arn("eu-west-1", "team-a/user"),
        &arn("eu-west-2", "team-a/user"),
        &arn("eu-west-2", "backup/password"),
        "arn:aws:secretsmanager:eu-west-1:444455556666:secret:shared/key-a1B2c3",
        "arn:aws:secretsmanager:eu-west-2:444455556666:secret:shared/key-d4E5f6",
        // It does not exist yet.
        "arn:aws:secretsmanager:eu-west-1:111122223333:secret:team-a/user",
    ] {
        assert_all(&policy, &secret(arn), true);
    }
    for arn in [
        &arn("eu-west-3", "team-a/user"),
        &arn("eu-west-1", "backup/password"),
        &arn("eu-west-1", "team-a/unused"),
        &arn("eu-west-1", "team-a/user2"),
        "arn:aws:secretsmanager:eu-west-1:111122223333:secret:shared/key-a1B2c3",
    ] {
        assert_all(&policy, &secret(arn), false);
    }
    let batch = Request::new("secretsmanager:BatchGetSecretValue", "*");
    assert_all(&policy, &[batch], true);
    assert_all(&policy, &parameter("/team-a/url"), true);
    assert_all(&policy, &parameter("/plain"), true);
    assert_all(&policy, &parameter("/team-a/url2"), false);
    let user = arn("eu-west-1", "team-a/user");
    for action in ["CreateSecret", "PutSecretValue", "DeleteSecret"] {
        let request = Request::new(&format!("secretsmanager:{action}"), &user);
        assert_all(&policy, &[request], false);
    }
}

#[test]
fn terraform_and_cloudformation_have_the_objects_of_classes() {
    let folder = Folder::with(MANIFEST);
    let terraform = ["export", "terraform", "web.yaml", "--module", "web"];
    assert_snapshot!("terraform", folder.kees(&terraform).all());
    let cloudformation = ["export", "cloudformation", "web.yaml"];
    assert_snapshot!("cloudformation", folder.kees(&cloudformation).all());
}

#[test]
fn annotations_and_classes_are_in_one_policy_and_need_the_table() {
    let annotated = MANIFEST.replace(
        "  template:\n    spec:",
        &format!(
            "  template:\n    metadata:\n      annotations:\n        {PASSWORD}\n        \
             init.bsycorp.com/storage-prefix: /dev/team-a\n    spec:"
        ),
    );
    let folder = Folder::with(&annotated);
    let arguments = [&["export", "iam-policy", "web.yaml"][..], &PLACE].concat();
    let message = folder.kees(&arguments).failed(64);
    assert!(message.contains("needs --env-label"), "{message}");
    let policy = policy(&folder, &["web.yaml"]);
    assert_all(&policy, &secret(&arn("eu-west-1", "team-a/user")), true);
    assert!(policy.to_string().contains("dynamodb:GetItem"), "{policy}");
}

#[test]
fn a_pod_that_stays_with_the_driver_needs_nothing() {
    let manifest = MANIFEST.replace(
        "  template:\n    spec:",
        "  template:\n    metadata: {labels: {init.bsycorp.com/secret-provider-classes: disabled}}\n    spec:",
    );
    let arguments = [&["export", "iam-policy", "web.yaml"][..], &PLACE].concat();
    Folder::with(&manifest).kees(&arguments).failed(65);
}

#[test]
fn a_class_that_is_not_in_the_manifests_is_a_warning() {
    let manifest = MANIFEST.replace("metadata: {name: settings,", "metadata: {name: other,");
    let arguments = [&["export", "iam-policy", "web.yaml"][..], &PLACE].concat();
    let printed = Folder::with(&manifest).kees(&arguments).succeeded();
    assert!(!printed.stdout.contains("ssm:"), "{}", printed.stdout);
    let warning = "warning: the class settings is not in the manifests, so its objects are not exported; add the";
    assert!(printed.stderr.contains(warning), "{}", printed.stderr);
}

#[test]
fn pods_alone_and_classes_alone_are_an_error_that_says_what_is_missing() {
    let nothing = "or a volume of a SecretProviderClass in the manifests";
    let arguments = [&["export", "iam-policy", "web.yaml"][..], &PLACE].concat();
    let without = |kind: &str| {
        let documents = MANIFEST.split("---\n");
        let documents: Vec<_> = documents.filter(|one| !one.contains(kind)).collect();
        let folder = Folder::with(&documents.join("---\n"));
        folder.kees(&arguments).failed(65)
    };
    let pods = without("kind: SecretProviderClass");
    assert!(pods.contains(nothing), "{pods}");
    assert!(
        pods.contains("warning: the class settings is not in the manifests"),
        "{pods}"
    );
    let classes = without("kind: Deployment");
    assert!(classes.contains(nothing), "{classes}");
}

#[test]
fn the_errors_of_classes_and_of_the_policy_file_are_reported() {
    let manifest = MANIFEST.replace("objectName: plain,", "");
    let folder = Folder::with(&manifest);
    folder.write(
        "policy.yaml",
        "rules: [{namespaces: ['*'], classObjects: ['{namespace}/*']}]",
    );
    let policy = ["web.yaml", "--policy", "policy.yaml"];
    let arguments = [&["export", "iam-policy"][..], &policy, &PLACE].concat();
    let message = folder.kees(&arguments).failed(65);
    assert!(
        message.contains("SecretProviderClass team-a/settings: spec.parameters.objects: line 2"),
        "{message}"
    );
    let denied = "spec.volumes[db]: the policy does not allow the object backup/password";
    assert!(message.contains(denied), "{message}");
}

#[test]
fn the_controller_reads_the_classes_with_secrets_if_it_writes_them() {
    let folder = Folder::with(MANIFEST);
    let controller = ["web.yaml", "--for", "controller"];
    let syncs = policy(&folder, &[&controller[..], &["--secret-sync"]].concat());
    assert_all(&syncs, &parameter("/plain"), true);
    assert_all(&syncs, &secret(&arn("eu-west-1", "team-a/user")), false);
    let arguments = [&["export", "iam-policy"][..], &controller, &PLACE].concat();
    let message = folder.kees(&arguments).failed(65);
    assert!(
        message.contains("nothing in AWS is to be allowed"),
        "{message}"
    );
}

const POLICY: &str = "
rules:
- namespaces: [team-a]
  classObjects:
  - shared
  - '{namespace}/*'
  - '/{cluster}/{namespace}/?'
  - 'arn:aws:secretsmanager:*:444455556666:secret:{namespace}/*'
  - 'arn:aws:ssm:eu-west-2:*:parameter/shared/url'
  - 'team-{a,b}/*'
  - 'arn:aws:*'
- namespaces: [team-b]
  storagePrefix: /{cluster}/{namespace}
  classObjects: ['{serviceAccount}/*']
- namespaces: [team-c]
  storagePrefix: /{cluster}/{namespace}
";

fn of_namespace(flags: &[&str]) -> crate::folder::Ended {
    let folder = Folder::new();
    folder.write("policy.yaml", POLICY);
    let common = [
        "export",
        "iam-policy",
        "--policy",
        "policy.yaml",
        "--cluster",
        "dev",
    ];
    folder.kees(&[&common[..], flags, &PLACE].concat())
}

#[test]
fn a_namespace_has_the_class_objects_of_the_policy_file() {
    let printed = of_namespace(&["--namespace", "team-a"]);
    assert_snapshot!(printed.all());
    let policy: Value = serde_json::from_str(&printed.succeeded().stdout).unwrap();
    for arn in [
        &arn("eu-west-1", "shared"),
        &arn("eu-west-1", "team-a/db"),
        &arn("eu-west-1", "/dev/team-a/x"),
        "arn:aws:secretsmanager:eu-west-2:444455556666:secret:team-a/db-a1B2c3",
    ] {
        assert_all(&policy, &secret(arn), true);
    }
    for arn in [
        &arn("eu-west-2", "team-a/db"),
        &arn("eu-west-1", "shared2"),
        &arn("eu-west-1", "team-ab/db"),
        &arn("eu-west-1", "team-b/db"),
        &arn("eu-west-1", "/dev/team-a/xy"),
        "arn:aws:secretsmanager:eu-west-2:444455556666:secret:team-b/db-a1B2c3",
    ] {
        assert_all(&policy, &secret(arn), false);
    }
    for (name, allowed) in [
        ("/shared", true),
        ("/team-a/db", true),
        ("/dev/team-a/x", true),
        ("/dev/team-a/xy", false),
        ("/shared/url", false),
    ] {
        assert_all(&policy, &parameter(name), allowed);
    }
    let other = "arn:aws:ssm:eu-west-2:777788889999:parameter/shared/url";
    assert_all(&policy, &[Request::new("ssm:GetParameters", other)], true);
}

#[rstest]
#[case::without_class_objects(&["--namespace", "team-c", "--env-label", "dev"], false)]
#[case::of_a_service_account(&["--namespace", "team-b", "--service-account", "web", "--env-label", "dev"], true)]
#[case::of_a_controller_without_sync(
    &["--namespace", "team-b", "--service-account", "web", "--env-label", "dev", "--for", "controller"],
    false
)]
#[case::of_a_controller_with_sync(
    &["--namespace", "team-b", "--service-account", "web", "--env-label", "dev", "--for", "controller", "--secret-sync"],
    true
)]
fn only_those_who_read_classes_may_read_their_objects(
    #[case] flags: &[&str],
    #[case] expected: bool,
) {
    let policy: Value = serde_json::from_str(&of_namespace(flags).succeeded().stdout).unwrap();
    assert_all(&policy, &secret(&arn("eu-west-1", "web/db")), expected);
    assert_all(&policy, &parameter("/web/db"), expected);
    assert_all(&policy, &parameter("/webb/db"), false);
}

#[test]
fn what_a_namespace_needs_besides_its_class_objects_is_asked_for() {
    let message = of_namespace(&["--namespace", "team-b"]).failed(64);
    assert!(
        message.contains("depend on the ServiceAccount"),
        "{message}"
    );
    let subject = ["--namespace", "team-b", "--service-account", "web"];
    let message = of_namespace(&subject).failed(64);
    assert!(message.contains("needs --env-label"), "{message}");
}
