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
fn it_is_checked_and_printed_unchanged() {
    let folder = Folder::with(&wired(""));
    let lint = folder.kees(&["lint", "web.yaml"]).succeeded().stdout;
    assert!(lint.starts_with("1 annotated workload: 1 sound"), "{lint}");
    let printed = folder.kees(&["inject", "web.yaml", "--env-label", "dev"]);
    let printed = printed.succeeded().stdout;
    assert!(!printed.contains("kees-secrets"), "{printed}");
}
