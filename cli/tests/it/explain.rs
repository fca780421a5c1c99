//! Tests of `kees explain`.

use insta::assert_snapshot;
use rstest::rstest;
use serde_json::Value;

use crate::folder::{Folder, PASSWORD, pod};

const REFERENCE: &str = "secret.bsycorp.com/token: kind=REFERENCE,storageKey=partner/token";
const KEY: &str = "secret.bsycorp.com/key_public: kind=DYNAMIC,type=RSA,size=2048";

fn report(annotations: &[&str], flags: &[&str]) -> Value {
    let folder = Folder::with(&pod("a", annotations));
    folder.write(
        "creator.yaml",
        "rules: [{namespaces: ['*'], storagePrefix: /dev, create: creator}]",
    );
    let command = ["explain", "web.yaml", "--output", "json"];
    folder.kees(&[&command, flags].concat()).succeeded().json()
}

fn creators(report: &Value) -> Vec<&str> {
    let entries = report["workloads"][0]["entries"].as_array().unwrap();
    let creators = entries.iter().map(|entry| &entry["created_by"]);
    creators.map(|creator| creator.as_str().unwrap()).collect()
}

#[test]
fn each_entry_of_a_pod_is_explained() {
    let folder = Folder::with(&pod(
        "a",
        &[
            "init.bsycorp.com/storage-prefix: /dev/team-a",
            PASSWORD,
            REFERENCE,
            KEY,
        ],
    ));
    let flags = ["--env-label", "dev", "--aws-region", "eu-west-1"];
    assert_snapshot!(
        folder
            .kees(&[&["explain", "web.yaml"], &flags[..]].concat())
            .all()
    );
}

#[test]
fn templates_and_keystores_are_explained() {
    let annotations = [
        PASSWORD,
        "secret.bsycorp.com/key_private: kind=DYNAMIC,type=EC,size=256",
        "secret.bsycorp.com/certificate: kind=REFERENCE,storageKey=certificate",
        "init.bsycorp.com/template.app.conf: \"password={{ secret['db-password'] }}\"",
        "init.bsycorp.com/keystore.key.p12: key=key_private,certificate=certificate,password=db-password",
    ];
    let folder = Folder::with(&pod("a", &annotations));
    let explained = folder.kees(&["explain", "web.yaml", "--env-label", "dev"]);
    assert_snapshot!(explained.succeeded().stdout);
    let report = report(&annotations, &[]);
    let composed = &report["workloads"][0]["composed_files"];
    let paths = [0, 1].map(|index| composed[index]["path"].as_str().unwrap());
    assert_eq!(paths, ["/bsycorp-init/app.conf", "/bsycorp-init/key.p12"]);
}

#[rstest]
#[case::init(&[], &["init", "init", "by-hand"])]
#[case::controller(&["--policy", "creator.yaml"], &["controller", "controller", "by-hand"])]
fn the_policy_decides_who_creates(#[case] flags: &[&str], #[case] expected: &[&str]) {
    let report = report(&[PASSWORD, REFERENCE, KEY], flags);
    assert_eq!(creators(&report), expected, "{report}");
}

/// Each command stores the value where the pod reads it.
#[rstest]
#[case::dynamodb(&["--env-label", "dev"], "kees put /dev/team-a/partner/token --store dynamodb --env-label dev")]
#[case::no_label(&[], "kees put /dev/team-a/partner/token --store dynamodb --env-label ENV_LABEL")]
#[case::ssm(
    &["--store", "ssm", "--aws-region", "eu-west-1"],
    "kees put /dev/team-a/partner/token --store ssm --aws-region eu-west-1"
)]
fn what_people_store_has_the_command_that_stores_it(
    #[case] flags: &[&str],
    #[case] expected: &str,
) {
    let prefix = "init.bsycorp.com/storage-prefix: /dev/team-a";
    let report = report(&[prefix, REFERENCE], flags);
    let entry = &report["workloads"][0]["entries"][0];
    assert_eq!(entry["put_command"], expected);
}

const LEASE: &str = "lease.bsycorp.com/node: kind=INDEX,rangeStart=0,rangeEnd=9";

#[test]
fn a_lease_is_explained() {
    let prefix = "init.bsycorp.com/storage-prefix: /dev/team-a";
    let folder = Folder::with(&pod("a", &[prefix, LEASE]));
    let flags = ["explain", "web.yaml", "--env-label", "dev"];
    assert_snapshot!(folder.kees(&flags).all());
}

#[rstest]
#[case::local_mode("true", &[], "local-mode")]
#[case::remote_then_local("remote-then-local", &[], "local-mode-if-absent")]
#[case::on_a_laptop("false", &["--store", "embedded", "--init-env", "EMBEDDED_FILE=kees.sqlite"], "init")]
fn who_gives_a_number_depends_on_the_store_and_on_local_mode(
    #[case] mode: &str,
    #[case] flags: &[&str],
    #[case] expected: &str,
) {
    let mode = format!("init.bsycorp.com/local-mode: \"{mode}\"");
    let report = report(&[&mode, LEASE], flags);
    assert_eq!(creators(&report), [expected], "{report}");
}

#[test]
fn a_part_of_a_secret_has_no_command() {
    let flags = ["--store", "secretsmanager", "--aws-region", "eu-west-1"];
    let report = report(
        &["secret.bsycorp.com/x: kind=REFERENCE,property=user"],
        &flags,
    );
    let entry = &report["workloads"][0]["entries"][0];
    assert_eq!(entry["created_by"], "by-hand");
    assert_eq!(entry["put_command"], Value::Null);
}

#[test]
fn a_value_that_may_be_absent_has_a_local_value() {
    let mode = "init.bsycorp.com/local-mode: remote-then-local";
    let report = report(&[mode, PASSWORD], &[]);
    assert_eq!(creators(&report), ["local-mode-if-absent"]);
}

#[test]
fn a_pod_in_local_mode_needs_no_store_and_no_permissions() {
    let local = "init.bsycorp.com/local-mode: \"true\"";
    let report = report(&[local, PASSWORD], &[]);
    assert_eq!(creators(&report), ["local-mode"]);
    let workload = &report["workloads"][0];
    assert_eq!(workload["entries"][0]["store"], Value::Null);
    assert_eq!(workload["iam_statements"], serde_json::json!([]));
}

/// A controller creates, so the role of the pod only reads.
#[rstest]
#[case::init(&[], true)]
#[case::controller(&["--policy", "creator.yaml"], false)]
fn the_permissions_allow_what_the_init_container_does(
    #[case] flags: &[&str],
    #[case] creates: bool,
) {
    let report = report(&[PASSWORD], flags);
    let statements = report["workloads"][0]["iam_statements"].to_string();
    assert!(statements.contains("dynamodb:BatchGetItem"), "{statements}");
    assert_eq!(
        statements.contains("dynamodb:PutItem"),
        creates,
        "{statements}"
    );
}

#[test]
fn a_field_in_secrets_manager_is_a_member_of_one_secret() {
    let flags = ["--store", "secretsmanager", "--aws-region", "eu-west-1"];
    let report = report(&[KEY], &flags);
    let entry = &report["workloads"][0]["entries"][0];
    assert_eq!(entry["path"], "/key");
    assert_eq!(entry["member"], "public");
    assert_eq!(entry["stored_together"], serde_json::json!(["/key"]));
}

#[test]
fn an_error_of_one_pod_does_not_hide_the_others() {
    let short = "secret.bsycorp.com/x: kind=DYNAMIC,type=PASSWORD,size=7";
    let folder = Folder::with(&(pod("good", &[PASSWORD]) + &pod("bad", &[short])));
    let ended = folder.kees(&["explain", "web.yaml"]);
    assert_eq!(ended.status, 65, "{}", ended.all());
    assert!(ended.stdout.starts_with("Pod default/good  (web.yaml:2)\n"));
    assert!(
        ended
            .stderr
            .starts_with("web.yaml:16:54: Pod default/bad: ")
    );
}

#[test]
fn a_value_of_local_mode_is_not_printed() {
    let value = "kind=REFERENCE,localModeValue=bWFya2Vy";
    let annotation = format!("secret.bsycorp.com/x: {value}");
    let report = report(&[&annotation], &[]).to_string();
    assert!(!report.contains("bWFya2Vy") && !report.contains("marker"));
}

#[rstest]
#[case::none(&[], &[])]
#[case::refresh(&["init.bsycorp.com/refresh: 5m"], &[("kees-refresh", "reads the values again every 5m")])]
#[case::fast(
    &["init.bsycorp.com/start: fast"],
    &[("kees-init", "writes the files before the next container starts, then rests")]
)]
#[case::both(
    &["init.bsycorp.com/start: fast", "init.bsycorp.com/refresh: 5m"],
    &[("kees-init", "writes the files before the next container starts, then reads the values again every 5m")]
)]
fn the_sidecars_of_kees_are_explained(#[case] options: &[&str], #[case] expected: &[(&str, &str)]) {
    let report = report(&[options, &[PASSWORD]].concat(), &[]);
    let workload = &report["workloads"][0];
    let sidecars = workload["sidecars"].as_array().unwrap().iter();
    let sidecars: Vec<_> = sidecars
        .map(|one| {
            (
                one["container"].as_str().unwrap(),
                one["does"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(sidecars, expected);
    // They are not among the containers that read the files.
    let containers = workload["containers"].to_string();
    assert!(!containers.contains("kees-"), "{containers}");
}

const ROTATED: &str = "secret.bsycorp.com/db: \
    kind=DYNAMIC,type=PASSWORD,size=256,rotate=90d,retain=7d,previous=true";

#[rstest]
#[case::dynamodb(&["--env-label", "dev"], "/e/db.previous")]
#[case::versions(&["--store", "secretsmanager", "--aws-region", "eu-west-1"], "/e/db")]
fn a_previous_value_is_never_created(#[case] flags: &[&str], #[case] path: &str) {
    let report = report(&["init.bsycorp.com/storage-prefix: /e", ROTATED], flags);
    assert_eq!(creators(&report), ["init", "rotation"], "{report}");
    let previous = &report["workloads"][0]["entries"][1];
    assert_eq!(
        (&previous["path"], &previous["is_previous"]),
        (&path.into(), &true.into())
    );
    assert_eq!(
        previous["asks_for"],
        "the value of the previous generation, if there is one"
    );
}

#[test]
fn rotations_and_changes_are_explained() {
    let on_change = "init.bsycorp.com/on-change: http://127.0.0.1:8080/reload";
    let annotations = [ROTATED, "init.bsycorp.com/refresh: 5m", on_change];
    let folder = Folder::with(&pod("a", &annotations));
    let explained = folder.kees(&["explain", "web.yaml", "--env-label", "dev"]);
    let text = explained.succeeded().stdout;
    for line in [
        "  secret.bsycorp.com/db (previous)\n",
        "    rotated       every 90d, by kees-controller. The previous generation is kept for 7d\n",
        "    created by    a rotation. kees-init never creates it\n",
        "reads the values again every 5m; on-change: http://127.0.0.1:8080/reload\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
}
