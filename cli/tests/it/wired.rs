//! Pods whose author wired the init container by hand, as users of the original kees do.

use rstest::rstest;

use crate::folder::Folder;

/// A pod for the original kees. `env` is added to the variables of its init container.
fn wired(env: &str) -> String {
    format!(
        "kind: Pod
metadata:
  name: old
  annotations:
    init.bsycorp.com/storage-prefix: /dev/old
    secret.bsycorp.com/db-password: kind=DYNAMIC,type=PASSWORD,size=256
spec:
  initContainers:
  - name: secrets
    image: bsycorp/kees-init:0.1.5
    env:
    - {{name: ENV_LABEL, value: dev}}
{env}
  containers:
  - {{name: app, image: app:1}}
"
    )
}

#[rstest]
#[case("", "bsycorp-init/secrets.properties")]
#[case(
    "    - {name: DIR, value: /data}\n    - {name: SECRETS_FILE, value: $(DIR)/list}",
    "data/list"
)]
#[case(
    "    - {name: STORE, value: embedded}\n    - {name: OTHER, valueFrom: {secretKeyRef: {name: a, key: b}}}",
    "bsycorp-init/secrets.properties"
)]
fn a_wired_pod_runs_with_its_own_settings_and_the_store_of_the_run(
    #[case] env: &str,
    #[case] list: &str,
) {
    let folder = Folder::with(&wired(env));
    folder.kees(&["run", "web.yaml"]).succeeded();
    let list = folder.read(&format!("out/default/pod-old/{list}"));
    assert!(list.starts_with("db-password="), "{list}");
}

#[rstest]
#[case(
    "    - {name: STORE, value: secretsmanager}",
    "STORE is secretsmanager, but this run uses only embedded; name it in --store or --stores"
)]
#[case(
    "    - {name: SECRETS_FILE, value: /a/../../../../etc/list}",
    "SECRETS_FILE is /a/../../../../etc/list, which leads out of the container; remove the '..'"
)]
#[case(
    "    - {name: CREATE, valueFrom: {configMapKeyRef: {name: a, key: b}}}",
    "CREATE of the container secrets comes from the cluster, which this command does not ask; set a plain value"
)]
#[case(
    "    - {name: CREATE, value: perhaps}",
    "CREATE (--create) is 'perhaps': use init, creator, never"
)]
fn settings_that_cannot_be_used_here_are_errors(#[case] env: &str, #[case] message: &str) {
    let folder = Folder::with(&wired(env));
    let ended = folder.kees(&["run", "web.yaml"]);
    assert_ne!(ended.status, 0);
    assert_eq!(
        ended.stderr.lines().next().unwrap(),
        format!("web.yaml:1: Pod default/old: {message}")
    );
    assert!(!folder.exists("out"));
}

#[test]
fn all_errors_of_the_wiring_are_reported_at_once() {
    let env = "    - {name: FILE_MODE, value: '0777'}
    - {name: TIMEOUT, value: soon}
    - {name: STORE, value: dynamodb}
    - {name: POD_NAME, valueFrom: {configMapKeyRef: {name: a, key: b}}}
    - {name: LEASES_FILE, value: /../list}";
    let errors = [
        "POD_NAME of the container secrets comes from the cluster",
        "STORE is dynamodb, but this run uses only embedded",
        "FILE_MODE (--file-mode) is '0777'",
        "TIMEOUT (--timeout) is 'soon'",
        "LEASES_FILE is /../list, which leads out of the container",
    ];
    let annotations = "    secret.bsycorp.com/no-size: kind=DYNAMIC,type=PASSWORD
    secret.bsycorp.com/db";
    let annotated = wired(env).replace("    secret.bsycorp.com/db", annotations);
    let size = "secret.bsycorp.com/no-size: size= is missing";
    for (manifest, expected) in [
        (wired(env), errors.to_vec()),
        (annotated, [&errors[..], &[size]].concat()),
    ] {
        let stderr = Folder::with(&manifest)
            .kees(&["run", "web.yaml"])
            .failed(64);
        let mut lines: Vec<_> = stderr.lines().collect();
        let last = lines.pop().unwrap();
        assert_eq!(
            last,
            format!("nothing was written: {} errors", expected.len())
        );
        assert_eq!(lines.len(), expected.len(), "{stderr}");
        for (line, begins) in lines.iter().zip(expected) {
            let position = if begins == size { "6:33" } else { "1" };
            let begins = format!("web.yaml:{position}: Pod default/old: {begins}");
            assert!(
                line.starts_with(&begins),
                "{begins} is not there:\n{stderr}"
            );
        }
    }
}

#[test]
fn a_wired_pod_is_checked_and_printed_unchanged() {
    let folder = Folder::with(&wired(""));
    let lint = folder.kees(&["lint", "web.yaml"]).succeeded().stdout;
    assert!(
        lint.starts_with("1 annotated workload: 1 admitted"),
        "{lint}"
    );
    let printed = folder.kees(&["inject", "web.yaml", "--env-label", "dev"]);
    let printed = printed.succeeded().stdout;
    assert!(!printed.contains("kees-secrets"), "{printed}");
}
