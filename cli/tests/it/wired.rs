//! Pods whose author wired the init container by hand, as the original's users do.

use rstest::rstest;

use crate::folder::Folder;

/// A pod written for the original, with `env` of its init container.
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
fn it_runs_with_its_own_settings_on_the_store_of_this_run(#[case] env: &str, #[case] list: &str) {
    let folder = Folder::with(&wired(env));
    folder.kees(&["run", "web.yaml"]).succeeded();
    let list = folder.read(&format!("out/default/pod-old/{list}"));
    assert!(list.starts_with("db-password="), "{list}");
}

#[rstest]
#[case(
    "    - {name: STORE, value: secretsmanager}",
    "STORE is secretsmanager, and this run uses embedded alone; give --store or --stores as well"
)]
#[case(
    "    - {name: SECRETS_FILE, value: /a/../../../../etc/list}",
    "SECRETS_FILE is /a/../../../../etc/list, which leads out of the container; remove the '..'"
)]
#[case(
    "    - {name: CREATE, valueFrom: {configMapKeyRef: {name: a, key: b}}}",
    "CREATE of secrets comes from the cluster, which is not asked here; give it as a plain value"
)]
#[case(
    "    - {name: CREATE, value: perhaps}",
    "CREATE (--create) is 'perhaps': use init, creator, never"
)]
fn what_cannot_be_run_here_is_said(#[case] env: &str, #[case] message: &str) {
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
fn everything_that_is_wrong_with_it_is_said_at_once() {
    let env = "    - {name: FILE_MODE, value: '0777'}
    - {name: TIMEOUT, value: soon}
    - {name: STORE, value: dynamodb}
    - {name: POD_NAME, valueFrom: {configMapKeyRef: {name: a, key: b}}}
    - {name: LEASES_FILE, value: /../list}";
    let amiss = [
        "POD_NAME of secrets comes from the cluster",
        "STORE is dynamodb, and this run uses embedded alone",
        "FILE_MODE (--file-mode) is '0777'",
        "TIMEOUT (--timeout) is 'soon'",
        "LEASES_FILE is /../list, which leads out of the container",
    ];
    let annotations = "    secret.bsycorp.com/no-size: kind=DYNAMIC,type=PASSWORD
    secret.bsycorp.com/db";
    let annotated = wired(env).replace("    secret.bsycorp.com/db", annotations);
    let size = "secret.bsycorp.com/no-size: size= is missing";
    for (manifest, expected) in [
        (wired(env), amiss.to_vec()),
        (annotated, [&[size], &amiss[..]].concat()),
    ] {
        let said = Folder::with(&manifest)
            .kees(&["run", "web.yaml"])
            .failed(64);
        let mut lines: Vec<_> = said.lines().collect();
        let last = lines.pop().unwrap();
        assert_eq!(
            last,
            format!("nothing was written: {} faults", expected.len())
        );
        assert_eq!(lines.len(), expected.len(), "{said}");
        for (line, begins) in lines.iter().zip(expected) {
            let begins = format!("web.yaml:1: Pod default/old: {begins}");
            assert!(line.starts_with(&begins), "{begins} is not there:\n{said}");
        }
    }
}

#[test]
fn it_is_checked_and_printed_unchanged() {
    let folder = Folder::with(&wired(""));
    let lint = folder.kees(&["lint", "web.yaml"]).succeeded().stdout;
    assert!(lint.starts_with("1 annotated workload: 1 sound"), "{lint}");
    let printed = folder.kees(&["inject", "web.yaml", "--env-label", "dev"]);
    let printed = printed.succeeded().stdout;
    assert!(!printed.contains("kees-secrets"), "{printed}");
}
