//! The policies of the page docs/kiss.md allow what kiss stores for a namespace, and nothing of another one.

use rstest::rstest;

use crate::folder::Folder;

const PAGE: &str = include_str!("../../../docs/kiss.md");

/// ARNs of the names of kiss 0.1.
const OURS: &str =
    "arn:aws:secretsmanager:eu-west-1:111122223333:secret:k8s-secret-payments-db-AbCdEf";
const THEIRS: &str =
    "arn:aws:secretsmanager:eu-west-1:111122223333:secret:k8s-secret-others-db-AbCdEf";

/// The policies of the page, in their order.
fn policies() -> Vec<String> {
    let (_, section) = PAGE.split_once("\n## With kees\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let blocks = section.split("```").skip(1).step_by(2);
    let policies = blocks.filter_map(|block| block.strip_prefix("yaml\n"));
    let policies: Vec<_> = policies
        .map(|block| {
            let indent = block.len() - block.trim_start().len();
            let lines = block
                .lines()
                .map(|line| line.get(indent..).unwrap_or_default());
            lines.map(|line| line.to_owned() + "\n").collect()
        })
        .collect();
    assert_eq!(policies.len(), 2);
    policies
}

/// A pod with a reference and a volume of a class, in the namespace `payments`.
fn manifest(reference: &str, object: &str) -> String {
    format!(
        "---
apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClass
metadata: {{name: db, namespace: payments}}
spec:
  provider: aws
  parameters:
    region: eu-west-1
    objects: |
      - {{objectName: \"{object}\", objectType: secretsmanager}}
---
apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: payments
  annotations:
    secret.bsycorp.com/db: kind=REFERENCE,storageKey={reference}
spec:
  containers: [{{name: app, image: app}}]
  volumes:
  - name: secrets
    csi: {{driver: secrets-store.csi.k8s.io, readOnly: true, volumeAttributes: {{secretProviderClass: db}}}}
"
    )
}

#[rstest]
#[case::path(0, "db-password", "/k8s-secret/payments/db-password", None)]
#[case::path_of_another(0, "db", "/k8s-secret/others/db", Some("/k8s-secret/others/db"))]
#[case::path_with_the_same_beginning(
    0,
    "db",
    "/k8s-secret/payments-eu/db",
    Some("/k8s-secret/payments-eu/db")
)]
#[case::reference_to_an_arn(0, OURS, "/k8s-secret/payments/db", Some(OURS))]
#[case::names_of_the_original(1, OURS, "k8s-secret-payments-db", None)]
#[case::arns_of_the_original(1, OURS, OURS, None)]
#[case::name_of_another(1, OURS, "k8s-secret-others-db", Some("k8s-secret-others-db"))]
#[case::arn_of_another(1, THEIRS, OURS, Some(THEIRS))]
#[case::object_of_another(1, OURS, THEIRS, Some(THEIRS))]
fn the_policies_of_the_page_allow_the_secrets_of_the_namespace_alone(
    #[case] policy: usize,
    #[case] reference: &str,
    #[case] object: &str,
    #[case] denied: Option<&str>,
) {
    let folder = Folder::with(&manifest(reference, object));
    folder.write("policy.yaml", &policies()[policy]);
    let lint = [
        "lint",
        "--policy",
        "policy.yaml",
        "--store",
        "secretsmanager",
        "web.yaml",
    ];
    let lint = folder.kees(&[&lint[..], &["--aws-region", "eu-west-1"]].concat());
    match denied {
        None => assert_eq!(lint.status, 0, "{}", lint.all()),
        Some(name) => {
            assert_eq!(lint.status, 65, "{}", lint.all());
            assert!(lint.stdout.contains(name), "{}", lint.all());
            assert!(lint.stdout.contains("1 error"), "{}", lint.all());
        }
    }
}

/// The prefix and `classObjects` allow the same.
#[test]
fn the_exported_role_names_each_resource_once() {
    let folder = Folder::new();
    folder.write("policy.yaml", &policies()[0]);
    let (_, command) = PAGE.split_once("\nkees export terraform ").unwrap();
    let (command, _) = command.split_once(" > payments.tf\n").unwrap();
    let command = command.replace("\\\n", " ");
    let arguments: Vec<_> = command.split_whitespace().collect();
    let arguments = [&["export", "terraform"], &arguments[..]].concat();
    let exported = folder.kees(&arguments).succeeded().stdout;
    for arn in [
        "arn:aws:secretsmanager:eu-west-1:111122223333:secret:/k8s-secret/payments/*",
        "arn:aws:ssm:eu-west-1:111122223333:parameter/k8s-secret/payments/*",
    ] {
        assert_eq!(exported.matches(arn).count(), 1, "{exported}");
    }
}

/// A reference is read at the path at which kiss stores.
#[test]
fn a_reference_is_read_below_the_path_of_the_namespace() {
    let folder = Folder::with(&manifest("db-password", "/k8s-secret/payments/other"));
    folder.write("policy.yaml", &policies()[0]);
    let explain = [
        "explain",
        "--policy",
        "policy.yaml",
        "--store",
        "secretsmanager",
        "web.yaml",
    ];
    let explained = folder.kees(&[&explain[..], &["--aws-region", "eu-west-1"]].concat());
    let explained = explained.succeeded().stdout;
    assert!(
        explained.contains("/k8s-secret/payments/db-password"),
        "{explained}"
    );
}
