//! Tests of `kees lint` with SecretProviderClass objects.

use insta::assert_snapshot;

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
    let lint = folder.kees(&["lint", "web.yaml"]);
    assert_eq!(lint.status, 0);
    assert_snapshot!(lint.all());
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
