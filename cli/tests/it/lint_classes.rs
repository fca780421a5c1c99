//! Tests of `kees lint` with SecretProviderClass objects.

use insta::assert_snapshot;
use rstest::rstest;

use crate::folder::Folder;

const VALID: &str = "\
apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClass
metadata: {name: db, namespace: team-a}
spec:
  provider: aws
  parameters:
    region: eu-west-1
    objects: |
      - objectName: db/user
        objectType: secretsmanager
  secretObjects:
  - secretName: db
    type: Opaque
    data:
    - {objectName: db_user, key: user}
";

/// A pod with a volume of a class, and further lines of its `csi`.
fn pod(class: &str, csi: &str) -> String {
    format!(
        "---
apiVersion: v1
kind: Pod
metadata: {{name: web, namespace: team-a}}
spec:
  containers: [{{name: app, image: app}}]
  volumes:
  - name: secrets
    csi:
      driver: secrets-store.csi.k8s.io
{csi}      volumeAttributes:
        secretProviderClass: {class}
"
    )
}

#[test]
fn a_class_and_a_pod_without_errors_are_counted() {
    let folder = Folder::with(&(VALID.to_owned() + &pod("db", "      readOnly: true\n")));
    let lint = folder.kees(&["lint", "--secret-sync", "web.yaml"]);
    assert_eq!(lint.status, 0);
    assert_snapshot!(lint.all());
    let lint = folder.kees(&["lint", "web.yaml"]);
    assert_eq!(lint.status, 0);
    let warning = "web.yaml:22:3: Pod team-a/web: warning: spec.volumes: SecretProviderClass db: its secretObjects have no \
                   effect";
    assert!(lint.stdout.contains(warning), "{}", lint.all());
}

#[test]
fn every_error_of_a_class_is_at_its_place() {
    let class = "\
apiVersion: v1
kind: List
items:
- apiVersion: secrets-store.csi.x-k8s.io/v1
  kind: SecretProviderClass
  metadata: {name: db, namespace: team-a}
  spec:
    provider: aws
    parameters:
      region: eu-west-1
      failoverRegion: eu-west-1
      objects: |
        - objectName: db/user
          objectType: secretsmanager
        - objectName: db/password
          objectType: ssm
        - objectName: db_user
          objectType: ssmparameter
        - objectName: arn:aws:secretsmanager:eu-west-2:111122223333:secret:s
          objectAlias: s
          jmesPath:
          - path: user-name
            objectAlias: t
        - objectName: t
          objectType: secretsmanager
          filePermission: 0400
    secretObjects:
    - secretName: db
      type: kubernetes.io/tls
      data:
      - {objectName: db_user, key: user}
- apiVersion: secrets-store.csi.x-k8s.io/v1
  kind: SecretProviderClass
  metadata: {name: other}
  spec:
    provider: aws
    parameters: {usePodIdentity: true}
- apiVersion: secrets-store.csi.x-k8s.io/v1
  kind: SecretProviderClass
  metadata: {name: foreign}
  spec:
    provider: azure
    parameters: {objects: \"array: x\"}
";
    let lint = Folder::with(class).kees(&["lint", "web.yaml"]);
    assert_eq!(lint.status, 65);
    assert_snapshot!(lint.all());
}

#[test]
fn every_error_of_a_volume_is_at_its_place() {
    let attributes = pod("database", "      readOnly: true\n")
        + "        pathTranslation: '--'\n        objects: |\n          - objectName: x\n";
    let valid = VALID.replace("{name: db,", "{name: database,");
    let other = valid
        .replace("team-a", "team-b")
        .replace("database", "elsewhere");
    let folder = Folder::with(
        &[
            &valid,
            &pod("database", "      readOnly: false\n"),
            &pod("\"\"", "      readOnly: true\n").replace("web", "none"),
            &pod("databse", "      readOnly: true\n").replace("web", "typo"),
            &pod("elsewhere", "      readOnly: true\n").replace("web", "namespace"),
            &pod("unknown", "      readOnly: true\n").replace("web", "unknown"),
            &attributes.replace("web", "attributes"),
            "---\n",
            &other,
        ]
        .concat(),
    );
    let lint = folder.kees(&["lint", "web.yaml"]);
    assert_eq!(lint.status, 65);
    assert_snapshot!(lint.all());
}

#[test]
fn the_report_of_classes_can_be_json() {
    let folder = Folder::with(VALID);
    folder.write(
        "bad.yaml",
        &VALID.replace("objectName: db/user", "objectName: ''"),
    );
    let lint = folder.kees(&["lint", "web.yaml", "bad.yaml", "--format", "json"]);
    assert_snapshot!(lint.all());
}

const POLICY: &str = "\
rules:
- name: b
  namespaces: [team-b]
  storagePrefix: /{namespace}
- name: teams
  namespaces: [team-*]
  storagePrefix: /{namespace}
  classObjects: ['{namespace}/*', 'db/u*']
";

/// A class with two secrets, the second of them in two Regions.
const TWO: &str = "\
apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClass
metadata: {name: db, namespace: team-a}
spec:
  provider: aws
  parameters:
    region: eu-west-1
    failoverRegion: eu-west-2
    objects: |
      - objectName: db/user
        objectType: secretsmanager
      - objectName: db/password
        objectType: secretsmanager
        objectAlias: password
        failoverObject: {objectName: backup/password}
";

/// A folder with this manifest and this policy.
fn with_policy(manifest: &str, policy: &str) -> Folder {
    let folder = Folder::with(manifest);
    folder.write("policy.yaml", policy);
    folder
}

const WITH_POLICY: &[&str] = &["lint", "--policy", "policy.yaml", "web.yaml"];

#[test]
fn objects_that_the_policy_does_not_allow_are_errors_of_the_pod() {
    let pod = pod("db", "      readOnly: true\n");
    let lint = with_policy(&(TWO.to_owned() + &pod), POLICY).kees(WITH_POLICY);
    assert_eq!(lint.status, 65);
    assert_snapshot!(lint.all());

    let allowed = POLICY.replace("'db/u*'", "'db/*', backup/password");
    let lint = with_policy(&(TWO.to_owned() + &pod), &allowed).kees(WITH_POLICY);
    assert_eq!(lint.status, 0, "{}", lint.all());
}

#[rstest]
#[case::a_rule_without_class_objects("team-a", "team-b", "", 65, "(rule b)")]
#[case::no_rule("team-a", "other", "", 65, "the policy has no rule")]
#[case::a_rule_that_warns(
    "- name: teams",
    "- mode: warn\n  name: teams",
    "",
    0,
    "warning: spec.volumes[secrets]: the policy would deny this: the policy does not allow the object db/password"
)]
#[case::a_pod_that_stays_with_the_driver(
    "",
    "",
    "labels: {init.bsycorp.com/secret-provider-classes: disabled}, ",
    0,
    "0 errors"
)]
#[case::a_label_that_is_wrong(
    "",
    "",
    "labels: {init.bsycorp.com/secret-provider-classes: enable}, ",
    65,
    "use enabled or disabled"
)]
fn the_rule_and_the_label_decide_as_in_the_webhook(
    #[case] from: &str,
    #[case] to: &str,
    #[case] label: &str,
    #[case] status: i32,
    #[case] expected: &str,
) {
    let manifest = TWO.to_owned() + &pod("db", "      readOnly: true\n");
    let manifest = manifest.replace(
        "kind: Pod\nmetadata: {",
        &format!("kind: Pod\nmetadata: {{{label}"),
    );
    let replaced = |text: &str| match from {
        "" => text.to_owned(),
        from => text.replace(from, to),
    };
    let lint = with_policy(&replaced(&manifest), &replaced(POLICY)).kees(WITH_POLICY);
    assert_eq!(lint.status, status, "{}", lint.all());
    assert!(lint.stdout.contains(expected), "{}", lint.all());
}

#[test]
fn the_policy_is_checked_also_for_the_other_volumes_of_a_pod_with_an_unknown_class() {
    let pod = pod("db", "      readOnly: true\n")
        + "  - name: other\n    csi:\n      driver: secrets-store.csi.k8s.io\n      readOnly: true\n      \
           volumeAttributes: {secretProviderClass: of-the-cluster}\n";
    let lint = with_policy(&(TWO.to_owned() + &pod), POLICY).kees(WITH_POLICY);
    assert_eq!(lint.status, 65, "{}", lint.all());
    assert!(
        lint.stdout
            .contains("Pod team-a/web: spec.volumes[secrets]: the policy does not allow the object db/password"),
        "{}",
        lint.all()
    );
    assert!(!lint.stdout.contains("of-the-cluster"), "{}", lint.all());
}

#[test]
fn an_error_of_a_class_is_reported_once_with_a_policy() {
    let class = TWO.replace(
        "objectType: secretsmanager\n      - ",
        "objectType: ssm\n      - ",
    );
    let lint = with_policy(&(class + &pod("db", "      readOnly: true\n")), POLICY);
    let lint = lint.kees(WITH_POLICY);
    assert_eq!(lint.status, 65);
    assert!(
        lint.stdout
            .contains("1 workload: 0 admitted, 1 denied; 1 error, 0 warnings"),
        "{}",
        lint.all()
    );
}

#[rstest]
#[case::of_the_objects(
    "objectType: secretsmanager",
    "objectType: ssm",
    "",
    "0 admitted, 1 denied"
)]
#[case::of_an_annotated_pod(
    "objectType: secretsmanager",
    "objectType: ssm",
    "annotations: {secret.bsycorp.com/a: kind=REFERENCE}, ",
    "0 admitted, 1 denied"
)]
#[case::of_the_type("provider: aws", "provider: [aws]", "", "0 admitted, 1 denied")]
#[case::only_of_the_secrets("type: Opaque", "type: ''", "", "0 admitted, 0 denied")]
#[case::of_a_pod_that_stays_with_the_driver(
    "objectType: secretsmanager",
    "objectType: ssm",
    "labels: {init.bsycorp.com/secret-provider-classes: disabled}, ",
    "0 admitted, 0 denied"
)]
fn a_pod_whose_class_has_an_error_is_denied(
    #[case] right: &str,
    #[case] wrong: &str,
    #[case] metadata: &str,
    #[case] counts: &str,
) {
    let pod = pod("db", "      readOnly: true\n")
        .replace("metadata: {", &format!("metadata: {{{metadata}"));
    let lint = Folder::with(&(VALID.replace(right, wrong) + &pod));
    let lint = lint.kees(&["lint", "web.yaml"]);
    assert_eq!(lint.status, 65, "{}", lint.all());
    assert!(lint.stdout.contains(counts), "{}", lint.all());
    assert!(lint.stdout.contains("; 1 error,"), "{}", lint.all());
}

#[test]
fn a_secret_that_only_the_class_of_the_pod_creates_is_an_error_without_secret_sync() {
    let pod =
        pod("db", "      readOnly: true\n") + "  - {name: synced, secret: {secretName: db}}\n";
    let folder = Folder::with(&(VALID.to_owned() + &pod));
    let lint = folder.kees(&["lint", "web.yaml"]);
    assert_eq!(lint.status, 65);
    assert!(
        lint.stdout.contains(
            "web.yaml:29:6: Pod team-a/web: spec.volumes[synced]: the Secret db is one of the secretObjects"
        ),
        "{}",
        lint.all()
    );
    let lint = folder.kees(&["lint", "--secret-sync", "web.yaml"]);
    assert_eq!(lint.status, 0, "{}", lint.all());
}

/// A class with so many objects that its text has about that many bytes.
fn large(name: &str, kibibytes: usize) -> String {
    let beginning = VALID.split("      - objectName").next().unwrap();
    let objects = (0..2 * kibibytes).map(|number| {
        // The name of the object is the path of its file too.
        let objects = format!("{number:04}-{}", "x".repeat(210));
        format!("      - {{objectName: '{objects}', objectType: secretsmanager}}\n")
    });
    let class = beginning.to_owned() + &objects.collect::<String>();
    class.replace("name: db", &format!("name: {name}")) + "---\n"
}

#[test]
fn a_class_whose_text_is_too_long_for_the_init_container_is_an_error() {
    let class = large("large", 140);
    let lint = Folder::with(&(class + &pod("large", "      readOnly: true\n")));
    let lint = lint.kees(&["lint", "web.yaml"]);
    assert_eq!(lint.status, 65);
    let beginning = "web.yaml:8:5: SecretProviderClass team-a/large: spec.parameters.objects: what the classes ask for has ";
    assert!(lint.stdout.starts_with(beginning), "{}", lint.stdout.len());
    let remedy = "and the init container takes 130048; use fewer objects, or several pods\n";
    assert!(lint.stdout.contains(remedy), "{}", lint.stdout.len());
    assert!(lint.stdout.contains("1 error,"), "{}", lint.stdout.len());
}

#[test]
fn classes_that_are_too_long_together_are_an_error_of_the_pod() {
    let classes = large("one", 70) + &large("two", 70);
    let both = pod("one", "      readOnly: true\n")
        + "  - name: other\n    csi:\n      driver: secrets-store.csi.k8s.io\n      readOnly: true\n      \
           volumeAttributes: {secretProviderClass: two}\n";
    let one = pod("one", "      readOnly: true\n").replace("web", "one");
    let lint = Folder::with(&(classes + &both + &one)).kees(&["lint", "web.yaml"]);
    assert_eq!(lint.status, 65);
    let errors: Vec<_> = lint
        .stdout
        .lines()
        .filter(|line| line.contains("Pod team-a/"))
        .collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(
        errors[0].contains("Pod team-a/web: spec.volumes: what the classes ask for has "),
        "{errors:?}"
    );
}
