//! Tests of `kees run`.

use std::{collections::BTreeSet, fs};

use insta::assert_snapshot;
use rstest::rstest;

use crate::folder::{Folder, PASSWORD, pod};

const WEB: &str = include_str!("../manifests/web.yaml");

/// The entries of a JSON report, each as `NAME ORIGIN`.
fn origins(report: &serde_json::Value) -> Vec<String> {
    let workloads = report["workloads"].as_array().unwrap();
    let entries = workloads
        .iter()
        .flat_map(|w| w["entries"].as_array().unwrap());
    let text = |entry: &serde_json::Value, key: &str| entry[key].as_str().unwrap().to_owned();
    entries
        .map(|entry| format!("{} {}", text(entry, "name"), text(entry, "origin")))
        .collect()
}

#[test]
fn a_run_writes_the_files_and_reports_their_folders() {
    let folder = Folder::with(WEB);
    assert_snapshot!(folder.kees(&["run", "web.yaml"]).all());
    let secrets = folder.read("out/team-a/deployment-web/bsycorp-init/secrets.properties");
    let names: Vec<_> = secrets
        .lines()
        .map(|line| line.split('=').next().unwrap())
        .collect();
    assert_eq!(names, ["db-password", "session-key"]);
    assert_eq!(
        folder.read("out/team-a/pod-report/bsycorp-init/resources.properties"),
        "db-url=bG9jYWxob3N0OjU0MzI=\n"
    );
    assert_eq!(
        folder.read("out/team-a/pod-report/bsycorp-init/db-url"),
        "localhost:5432"
    );
}

#[test]
fn a_second_run_finds_what_the_first_created() {
    let folder = Folder::with(WEB);
    let list = "out/team-a/deployment-web/bsycorp-init/secrets.properties";
    folder.kees(&["run", "web.yaml"]).succeeded();
    let first = folder.read(list);
    fs::remove_dir_all(folder.path("out/team-a")).unwrap();
    assert_snapshot!(folder.kees(&["run", "web.yaml"]).all());
    assert_eq!(folder.read(list), first);
}

#[test]
fn the_report_can_be_json() {
    let folder = Folder::with(WEB);
    assert_snapshot!(folder.kees(&["run", "web.yaml", "--output", "json"]).all());
}

#[test]
fn new_folders_are_private_and_ignored_by_git() {
    let manifest = WEB.replace(
        "\n  containers:",
        "\n  securityContext: {runAsUser: 1000}\n  containers:",
    );
    let folder = Folder::with(&manifest);
    folder.kees(&["run", "web.yaml"]).succeeded();
    assert_eq!(folder.mode("out"), 0o700);
    assert_eq!(folder.mode("out/team-a"), 0o700);
    assert_eq!(folder.mode("out/kees.sqlite"), 0o600);
    assert_eq!(folder.read("out/.gitignore"), "*\n");
    for within in ["team-a", "team-a/deployment-web", "team-a/pod-report"] {
        assert!(folder.exists(&format!("out/{within}")));
        assert!(!folder.exists(&format!("out/{within}/.gitignore")));
    }
    // Only the bare pod declares a uid.
    assert_eq!(
        folder.mode("out/team-a/pod-report/bsycorp-init/db-url"),
        0o400
    );
    assert_eq!(
        folder.mode("out/team-a/deployment-web/bsycorp-init/secrets.properties"),
        0o444
    );
}

#[rstest]
#[case::empty(&[], "")]
#[case::foreign(&["default/mine", "main.c"], "pod-a/")]
fn an_existing_folder_is_not_changed_and_new_folders_in_it_are_private(
    #[case] before: &[&str],
    #[case] made: &str,
) {
    let folder = Folder::with(&pod("a", &[PASSWORD]));
    fs::create_dir(folder.path("mine")).unwrap();
    for file in before {
        folder.write(&format!("mine/{file}"), "");
    }
    let modes = || {
        let there = ["mine", "mine/default"].into_iter();
        there
            .filter(|path| folder.exists(path))
            .map(|path| folder.mode(path))
            .collect::<Vec<_>>()
    };
    let modes_before = modes();
    let flags = ["run", "web.yaml", "--out", "mine"];
    folder.kees(&flags).succeeded();
    assert_eq!(modes()[..modes_before.len()], modes_before);
    assert_eq!(folder.mode("mine/default/pod-a"), 0o700);
    assert_eq!(folder.mode("mine/kees.sqlite"), 0o600);
    assert_eq!(
        folder.read(&format!("mine/default/{made}.gitignore")),
        "*\n"
    );
    assert_eq!(folder.read("mine/.gitignore"), "/kees.sqlite*\n");
    assert!(!folder.exists("out"));

    // The user's own .gitignore is not changed.
    folder.write("mine/.gitignore", "*.o\n");
    folder.kees(&flags).succeeded();
    assert_eq!(folder.read("mine/.gitignore"), "*.o\n");
}

#[test]
fn a_folder_without_the_store_gets_no_gitignore() {
    let local = "init.bsycorp.com/local-mode: \"true\"";
    let folder = Folder::with(&pod("a", &[PASSWORD, local]));
    folder.kees(&["run", "web.yaml", "--out", "."]).succeeded();
    assert_eq!(folder.read("default/.gitignore"), "*\n");
    assert!(!folder.exists(".gitignore"));
}

#[test]
fn a_manifest_can_come_from_standard_input() {
    let folder = Folder::new();
    let ended = folder
        .kees_reading(&pod("a", &[PASSWORD]), &["run", "-", "--namespace", "dev"])
        .succeeded();
    assert!(folder.exists("out/dev/pod-a/bsycorp-init/secrets.properties"));
    assert!(!ended.stdout.contains("kees run -\n"), "{}", ended.stdout);
}

#[test]
fn every_kind_that_creates_pods_is_run() {
    let folder = Folder::with(include_str!("../manifests/kinds.yaml"));
    let report = folder
        .kees(&["run", "web.yaml", "--output", "json"])
        .succeeded()
        .json();
    let folders: Vec<_> = report["workloads"]
        .as_array()
        .unwrap()
        .iter()
        .map(|workload| workload["folder"].as_str().unwrap().to_owned())
        .collect();
    assert_snapshot!(folders.join("\n"), @r"
    out/default/pod-bare
    out/default/deployment-a
    out/default/statefulset-a
    out/default/daemonset-a
    out/default/replicaset-a
    out/default/replicationcontroller-a
    out/default/job-migrate
    out/default/cronjob-a
    out/default/podtemplate-a
    out/default/rollout-a
    out/other/pod-in-a-list
    out/default/deployment-in-a-list
    out/default/pod-of-a-pod-list
    ");
    // All of them use one path, so only the first run creates the value.
    let created = origins(&report);
    assert_eq!(created[0], "db-password created");
    assert!(
        created[1..]
            .iter()
            .all(|origin| origin == "db-password found")
    );
    let values: BTreeSet<_> = folders
        .iter()
        .map(|at| folder.read(&format!("{at}/bsycorp-init/secrets.properties")))
        .collect();
    assert_eq!(values.len(), 1);
}

#[test]
fn every_error_of_every_document_is_reported_at_once_and_nothing_is_run() {
    let folder = Folder::with(include_str!("../manifests/errors.yaml"));
    folder.write("broken.yaml", "kind: Pod\nmetadata: [\n");
    assert_snapshot!(
        folder
            .kees(&["run", "web.yaml", "broken.yaml", "absent.yaml"])
            .all()
    );
    assert!(!folder.exists("out"));
}

#[rstest]
#[case("kind: ConfigMap\nmetadata: {name: a}\n", "")]
#[case("kind: AllowList\nitems: [a]\n", "")]
#[case("kind: allow-list\nitems: [a]\n", "")]
#[case("kind: AllowList\nitems: [{name: a}]\n", "")]
#[case("", "")]
#[case("kind: Pod\nmetadata: {name: a}\nspec: {containers: []}\n", "")]
#[case(
    "kind: Job\nmetadata: {name: a, annotations: {secret.bsycorp.com/x: ''}}\nspec: {template: {spec: {}}}\n",
    "web.yaml:1: Job default/a: warning: secret.bsycorp.com/x: has no effect on the Job itself; move \
     it to the annotations of the pod template\n"
)]
fn a_manifest_without_annotated_pods_is_reported(#[case] manifest: &str, #[case] first: &str) {
    let folder = Folder::with(manifest);
    let ended = folder.kees(&["run", "web.yaml"]).succeeded();
    assert_eq!(ended.stdout, "");
    assert_eq!(
        ended.stderr,
        format!(
            "{first}nothing to do: no pod has an annotation that begins with secret.bsycorp.com/, \
             resource.bsycorp.com/ or lease.bsycorp.com/\n"
        )
    );
    assert!(!folder.exists("out"));
}

#[test]
fn a_pod_that_opted_out_is_skipped() {
    let manifest = pod("a", &[PASSWORD, "init.bsycorp.com/inject: \"false\""]);
    let ended = Folder::with(&manifest)
        .kees(&["run", "web.yaml"])
        .succeeded();
    assert_eq!(
        ended.stdout,
        "web.yaml:2: Pod default/a: skipped: init.bsycorp.com/inject is \"false\"\n"
    );
}

#[test]
fn an_error_of_one_pod_does_not_stop_the_others() {
    let manifest = pod("first", &["secret.bsycorp.com/other-team: kind=REFERENCE"])
        + &pod("second", &[PASSWORD]);
    let folder = Folder::with(&manifest);
    let ended = folder.kees(&["run", "web.yaml", "--timeout", "1"]);
    assert!(ended.stdout.contains("Pod default/second"), "{ended:?}");
    let message = ended.failed(75);
    assert!(
        message.starts_with(
            "web.yaml:2: Pod default/first: secret.bsycorp.com/other-team (embedded \
             /other-team): absent"
        ) && message.contains("store a value there"),
        "{message}"
    );
    assert!(folder.exists("out/default/pod-second/bsycorp-init/secrets.properties"));
    assert!(!folder.exists("out/default/pod-first/bsycorp-init/secrets.properties"));
}

#[test]
fn a_policy_file_has_the_same_effect_as_on_a_cluster() {
    let folder = Folder::with(
        &(pod(
            "mine",
            &[
                "init.bsycorp.com/storage-prefix: /dev/default/web",
                PASSWORD,
            ],
        ) + &pod(
            "foreign",
            &["init.bsycorp.com/storage-prefix: /dev/defaults", PASSWORD],
        ) + &pod(
            "local",
            &["init.bsycorp.com/local-mode: \"true\"", PASSWORD],
        )),
    );
    folder.write(
        "policy.yaml",
        "rules:\n- namespaces: [default]\n  storagePrefix: /{cluster}/{namespace}\n",
    );
    let flags = [
        "run",
        "web.yaml",
        "--policy",
        "policy.yaml",
        "--cluster",
        "dev",
    ];
    assert_snapshot!(folder.kees(&flags).failed(65));
    folder.kees(&["run", "web.yaml"]).succeeded();
}

#[test]
fn a_lease_in_local_mode_depends_on_the_name_of_the_pod() {
    let lease = [
        "init.bsycorp.com/local-mode: \"true\"",
        "init.bsycorp.com/storage-prefix: local",
        "lease.bsycorp.com/slot: kind=INDEX,rangeStart=0,rangeEnd=999",
    ];
    let folder = Folder::with(&pod("test-pod-name", &lease));
    folder.kees(&["run", "web.yaml"]).succeeded();
    // The original has this test vector.
    assert_eq!(
        folder.read("out/default/pod-test-pod-name/bsycorp-init/leases.properties"),
        "slot=NDMw\n"
    );
}

/// A laptop has no kees-controller, so the run gives each pod a number.
#[test]
fn the_pods_of_a_laptop_get_different_numbers_and_keep_them() {
    let lease = ["lease.bsycorp.com/slot: kind=INDEX,rangeStart=0,rangeEnd=1"];
    let folder = Folder::with(&format!("{}---\n{}", pod("a", &lease), pod("b", &lease)));
    let numbers = || {
        let read = |pod| folder.read(&format!("out/default/pod-{pod}/bsycorp-init/slot"));
        [read("a"), read("b")]
    };
    folder.kees(&["run", "web.yaml"]).succeeded();
    let first = numbers();
    assert!(first == ["0", "1"] || first == ["1", "0"], "{first:?}");
    folder.kees(&["run", "web.yaml"]).succeeded();
    assert_eq!(numbers(), first);
}

#[rstest]
#[case("json", "{\n")]
#[case("env", "db_password='")]
#[case("properties", "db-password=")]
fn the_format_flag_wins_over_the_annotation(#[case] format: &str, #[case] begins: &str) {
    let manifest = pod("a", &[PASSWORD, "init.bsycorp.com/format: files"]);
    let folder = Folder::with(&manifest);
    let ended = folder
        .kees(&["run", "web.yaml", "--format", format])
        .succeeded();
    let list = folder.read("out/default/pod-a/bsycorp-init/secrets.properties");
    assert!(list.starts_with(begins), "{list}");
    assert_eq!(
        ended.stderr,
        format!(
            "web.yaml:2: Pod default/a: warning: init.bsycorp.com/format: has no effect: FORMAT is \
             {format}\n"
        )
    );
}

#[test]
fn files_are_written_below_the_mount_path_of_the_pod() {
    let manifest = pod(
        "a",
        &[
            PASSWORD,
            "init.bsycorp.com/format: files",
            "init.bsycorp.com/mount-path: /etc/app",
        ],
    );
    let folder = Folder::with(&manifest);
    folder.kees(&["run", "web.yaml"]).succeeded();
    assert_eq!(
        folder.read("out/default/pod-a/etc/app/db-password").len(),
        32
    );
}

#[test]
fn two_workloads_of_the_same_name_are_an_error() {
    let plain = "---\nkind: Pod\nmetadata: {name: plain}\n".repeat(2);
    let folder = Folder::with(&(pod("a", &[PASSWORD]) + &pod("a", &[PASSWORD]) + &plain));
    assert_eq!(
        folder.kees(&["run", "web.yaml"]).failed(65),
        "web.yaml:12: Pod default/a: web.yaml:2 has a workload of the same kind, namespace and name; \
         rename one of them\nnothing was written: 1 error\n"
    );
}

#[test]
fn a_duplicate_is_reported_beside_other_errors() {
    let no_size = "secret.bsycorp.com/x: kind=DYNAMIC,type=PASSWORD";
    let folder = Folder::with(&(pod("a", &[PASSWORD]) + &pod("a", &[no_size])));
    let stderr = folder.kees(&["run", "web.yaml"]).failed(65);
    let lines: Vec<_> = stderr.lines().collect();
    assert_eq!(lines.len(), 3, "{stderr}");
    assert!(lines[1].contains("secret.bsycorp.com/x: size= is missing"));
    assert!(lines[0].contains("web.yaml:2 has a workload of the same kind"));
}

#[test]
fn a_folder_that_cannot_be_created_does_not_stop_other_workloads() {
    let other = pod("b", &[PASSWORD]).replace("name: b\n", "name: b\n  namespace: other\n");
    let folder = Folder::with(&(pod("a", &[PASSWORD]) + &other));
    folder.write("out/default", "a file");
    let stderr = folder.kees(&["run", "web.yaml"]).failed(73);
    assert!(
        stderr.starts_with("web.yaml:2: Pod default/a: out/default/pod-a cannot be created: "),
        "{stderr}"
    );
    assert!(folder.exists("out/other/pod-b/bsycorp-init/secrets.properties"));
}

#[rstest]
#[case(&["run"], "FILE")]
#[case(&["run", "web.yaml", "--store", "s3"], "'s3' is not a store; use dynamodb, secretsmanager, ssm or embedded")]
#[case(&["run", "web.yaml", "--store", "memory"], "use embedded")]
#[case(&["run", "web.yaml", "--store", "dynamodb"], "needs --env-label")]
#[case(&["run", "web.yaml", "--timeout", "soon"], "use a number of seconds from 0.001 to 86400")]
#[case(&["run", "web.yaml", "--policy", "none.yaml"], "the policy file none.yaml cannot be read")]
#[case(&["run", "none.yaml"], "none.yaml: cannot be read: No such file")]
#[case(&["run", "web.yaml", "--init-env", "STORE=dynamodb"], "--init-env cannot set STORE")]
#[case(&["run", "web.yaml", "--policy", "web.yaml"], "the policy file web.yaml is invalid: ")]
#[case(&["run", "web.yaml", "--wired-image", "("], "not a regular expression: unclosed group")]
#[case(&["walk"], "unrecognized subcommand")]
#[case(&["run", "web.yaml", "--aws-endpoint", "localhost:8000"], "'localhost:8000' for '--aws-endpoint <URL>': it does not begin with http:// or https://")]
#[case(&["run", "web.yaml", "--aws-region", "eu west"], "'eu west' for '--aws-region <REGION>': it is not the name of a Region")]
#[case(&["run", "web.yaml", "--aws-sts-endpoint", "sts"], "'sts' for '--aws-sts-endpoint <URL>'")]
#[case(&["run", "web.yaml", "--init-env", "AWS_STS_ENDPOINT=sts"], "AWS_STS_ENDPOINT (--aws-sts-endpoint) is 'sts'")]
fn wrong_usage_exits_with_64_and_a_correction(#[case] arguments: &[&str], #[case] message: &str) {
    let folder = Folder::with(&pod("a", &[PASSWORD]));
    let output = folder.kees(arguments).failed(64);
    assert!(output.contains(message), "{output}");
    assert!(!folder.exists("out"));
}

#[rstest]
#[case::label(&["run", "--store", "dynamodb", "--aws-region", "eu-west-1"], "the store dynamodb needs --env-label")]
#[case::cluster(&["run", "--policy", "policy.yaml"], "the policy uses {cluster}, and the cluster has no name; give --cluster")]
#[case::inject(&["inject", "--env-label", "dev", "--policy", "policy.yaml"], "the policy uses {cluster}")]
#[case::lint(&["lint", "--policy", "policy.yaml"], "the policy uses {cluster}")]
fn a_missing_setting_is_reported_once(#[case] arguments: &[&str], #[case] message: &str) {
    let folder = Folder::with(&(pod("a", &[PASSWORD]) + &pod("b", &[PASSWORD])));
    folder.write(
        "policy.yaml",
        "rules:\n- namespaces: ['*']\n  storagePrefix: /{cluster}/{namespace}\n",
    );
    let ended = folder.kees(&[arguments, &["web.yaml"]].concat());
    assert_eq!(ended.status, 64, "{}", ended.all());
    let output = format!("{}{}", ended.stdout, ended.stderr);
    assert!(output.starts_with(message), "{output}");
    let summary =
        |line: &&str| line.starts_with("nothing was written") || line.starts_with("0 ann");
    let errors = output.lines().filter(|line| !summary(line)).count();
    assert_eq!(errors, 1, "{output}");
}

#[rstest]
#[case("AWS_ENDPOINT", "localhost:8000", 64)]
#[case("AWS_REGION", "eu west", 64)]
#[case("AWS_ENDPOINT", "", 0)]
#[case("STORE", "", 0)]
fn a_variable_is_checked_like_its_flag_and_counts_as_absent_if_empty(
    #[case] name: &str,
    #[case] value: &str,
    #[case] status: i32,
) {
    let folder = Folder::with(&pod("a", &[PASSWORD]));
    let ended = folder.kees_with(&[(name, value)], &["run", "web.yaml"]);
    assert_eq!(ended.status, status, "{}", ended.all());
}

#[test]
fn a_folder_that_cannot_be_created_exits_with_73() {
    let folder = Folder::with(&pod("a", &[PASSWORD]));
    folder.write("out", "a file");
    let message = folder.kees(&["run", "web.yaml"]).failed(73);
    assert!(message.starts_with("out cannot be created: "), "{message}");
}

#[rstest]
#[case("", "secret.bsycorp.com/db-password")]
#[case(
    "secret.example.org/x: kind=DYNAMIC,type=PASSWORD,size=64",
    "x created"
)]
fn the_domain_of_the_annotations_can_be_changed(#[case] annotation: &str, #[case] expected: &str) {
    let annotations = if annotation.is_empty() {
        PASSWORD
    } else {
        annotation
    };
    let folder = Folder::with(&pod("a", &[annotations]));
    let flags = [
        "run",
        "web.yaml",
        "--output",
        "json",
        "--annotation-domain",
        "example.org",
    ];
    let report = folder.kees(&flags).succeeded().json();
    if annotation.is_empty() {
        assert_eq!(origins(&report).len(), 0, "{expected} is another domain's");
    } else {
        assert_eq!(origins(&report), [expected]);
    }
}
