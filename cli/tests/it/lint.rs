//! Tests of `kees lint`.

use insta::assert_snapshot;
use rstest::rstest;

use crate::folder::{Folder, PASSWORD, pod};

#[test]
fn every_error_is_listed_with_its_location() {
    let folder = Folder::with(include_str!("../manifests/errors.yaml"));
    folder.write("broken.yaml", "kind: Pod\nmetadata: [\n");
    assert_snapshot!(folder.kees(&["lint", "web.yaml", "broken.yaml"]).all());
}

/// YAML reads values without quotes as booleans and numbers.
#[rstest]
fn a_value_that_is_not_text_does_not_hide_other_errors(
    #[values("lint", "inject", "run")] command: &str,
) {
    let folder = Folder::with(include_str!("../manifests/untyped.yaml"));
    let ended = folder.kees(&[command, "web.yaml", "--env-label", "dev"]);
    assert_eq!(ended.status, 65, "{}", ended.all());
    let output = format!("{}{}", ended.stdout, ended.stderr);
    let errors: Vec<_> = output
        .lines()
        .filter_map(|line| line.strip_prefix("web.yaml:"))
        .collect();
    assert_snapshot!("values_that_are_not_text", errors.join("\n"));
}

#[test]
fn an_invalid_policy_file_does_not_hide_the_errors_of_manifests() {
    let folder = Folder::with(include_str!("../manifests/errors.yaml"));
    folder.write("policy.yaml", "rules: 1");
    folder.write("broken.yaml", "a: [\n---\nb: [\n");
    let ended = folder.kees(&["lint", "--policy", "policy.yaml", "web.yaml", "broken.yaml"]);
    assert_eq!(ended.status, 64, "{}", ended.all());
    assert_snapshot!(ended.stdout);
}

#[test]
fn warnings_are_not_errors() {
    let folder = Folder::with(&pod("a", &[&format!("{PASSWORD},sise=128")]));
    assert_snapshot!(folder.kees(&["lint", "web.yaml"]).all());
}

#[test]
fn the_report_can_be_json() {
    let folder = Folder::with(
        &(pod("good", &[PASSWORD])
            + &pod("bad", &["secret.bsycorp.com/x: kind=DYNAMIC,type=PASSWORD"])
            + &pod("out", &[PASSWORD, "init.bsycorp.com/inject: \"false\""])),
    );
    assert_snapshot!(folder.kees(&["lint", "web.yaml", "--output", "json"]).all());
}

#[test]
fn an_error_in_a_template_has_its_line_and_its_column() {
    let template = "init.bsycorp.com/template.app.conf: |\n      user=app\n      \
                    password={{ secret.dbpassword }}\n      key={{ secret['db-password'] | shout }}";
    let other = "init.bsycorp.com/template.b: \"{{ x\"";
    let placed = "init.bsycorp.com/file.db-pasword: path=../x,mode=0400";
    let folder = Folder::with(&pod("a", &[PASSWORD, template, other, placed]));
    let lint = folder.kees(&["lint", "web.yaml"]);
    assert_eq!(lint.status, 65);
    for expected in [
        "init.bsycorp.com/template.app.conf: line 3, column 32: the filter shout does not exist",
        "init.bsycorp.com/template.b: line 1, column 4: the template has an error in its syntax",
        "init.bsycorp.com/file.db-pasword: path=../x is wrong; use names that begin neither",
    ] {
        assert!(lint.stdout.contains(expected), "{}", lint.all());
    }
    assert_snapshot!(lint.all());
    let template = "init.bsycorp.com/template.app.conf: |\n      user=app\n      \
                    password={{ secret.dbpassword }}\n";
    let folder = Folder::with(&pod("a", &[PASSWORD, template]));
    let lint = folder.kees(&["lint", "web.yaml"]);
    let expected = "line 2, column 20: the pod has no secret dbpassword; did you mean db-password";
    assert!(lint.stdout.contains(expected), "{}", lint.all());
}

/// Two files may hold the same Deployment for two clusters.
#[test]
fn the_same_name_in_two_files_is_not_an_error() {
    let folder = Folder::with(&pod("a", &[PASSWORD]));
    folder.write("other.yaml", &pod("a", &[PASSWORD]));
    let files = ["web.yaml", "other.yaml"];
    let lint = folder.kees(&[&["lint"], &files[..]].concat()).succeeded();
    assert!(lint.stdout.starts_with("2 annotated workloads: 2 admitted"));
    let flags = ["--env-label", "dev"];
    let inject = folder.kees(&[&["inject"], &files[..], &flags].concat());
    let printed = inject.succeeded().stdout;
    assert_eq!(printed.matches("name: kees-init").count(), 2, "{printed}");
}

#[rstest]
#[case::no_spec("", "spec", "2")]
#[case::spec_of_nothing("spec:\n", "spec", "7:1")]
#[case::no_containers("spec: {restartPolicy: Never}\n", "spec.containers", "7:1")]
#[case::empty("spec: {containers: []}\n", "spec.containers", "7:8")]
fn an_annotated_pod_without_containers_is_an_error(
    #[case] spec: &str,
    #[case] missing: &str,
    #[case] position: &str,
    #[values("lint", "inject", "run")] command: &str,
) {
    let pod = pod("a", &[PASSWORD]);
    let (before, _) = pod.split_once("spec:").unwrap();
    let folder = Folder::with(&format!("{before}{spec}"));
    let flags = [command, "web.yaml", "--env-label", "dev"];
    let ended = folder.kees(&flags);
    assert_eq!(ended.status, 65, "{}", ended.all());
    let output = format!("{}{}", ended.stdout, ended.stderr);
    let error = format!(
        "web.yaml:{position}: Pod default/a: the pod has no {missing}; list its containers in \
         spec.containers\n"
    );
    assert!(output.starts_with(&error), "{output}");
}

#[rstest]
#[case(&[], "local mode is not allowed here")]
#[case(&["--policy", "strict.yaml"], "local mode is not allowed here")]
#[case(&["--policy", "open.yaml"], "")]
fn local_mode_is_allowed_only_by_the_policy(#[case] flags: &[&str], #[case] message: &str) {
    let folder = Folder::with(&pod(
        "a",
        &["init.bsycorp.com/local-mode: \"true\"", PASSWORD],
    ));
    folder.write(
        "strict.yaml",
        "rules: [{namespaces: ['*'], storagePrefix: /dev}]",
    );
    folder.write(
        "open.yaml",
        "rules: [{namespaces: ['*'], storagePrefix: /dev, localMode: true}]",
    );
    let ended = folder.kees(&[&["lint", "web.yaml"], flags].concat());
    assert_eq!(ended.status, if message.is_empty() { 0 } else { 65 });
    assert!(ended.stdout.contains(message), "{}", ended.all());
}

#[test]
fn the_example_is_admitted_if_the_policy_allows_local_mode() {
    let folder = Folder::new();
    folder.write(
        "open.yaml",
        "rules: [{namespaces: ['*'], storagePrefix: /dev/team-a, localMode: true}]",
    );
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/web.yaml");
    let ended = folder
        .kees(&["lint", "--policy", "open.yaml", example])
        .succeeded();
    assert!(
        ended
            .stdout
            .ends_with("\n2 annotated workloads: 2 admitted, 0 denied; 0 errors, 0 warnings\n"),
        "{}",
        ended.all()
    );
}

#[test]
fn with_a_policy_the_rule_of_each_pod_is_named() {
    let folder = Folder::with(
        "kind: Pod\nmetadata: {name: a, namespace: a, annotations: {secret.bsycorp.com/x: 'kind=DYNAMIC,type=UUID'}}\nspec: {containers: [{name: app}]}\n---\n\
         kind: Pod\nmetadata: {name: b, namespace: b, annotations: {secret.bsycorp.com/x: 'kind=DYNAMIC,type=UUID'}}\nspec: {containers: [{name: app}]}\n---\n\
         kind: Pod\nmetadata: {name: c, namespace: c, annotations: {secret.bsycorp.com/x: 'kind=DYNAMIC,type=UUID'}}\nspec: {containers: [{name: app}]}\n---\n\
         kind: Pod\nmetadata: {name: plain, namespace: a}\nspec: {containers: [{name: app}]}\n",
    );
    folder.write(
        "policy.yaml",
        "rules: [{name: first, namespaces: [a], storagePrefix: /a}, {namespaces: [b], mode: warn}]",
    );
    let ended = folder.kees(&["lint", "--policy", "policy.yaml", "web.yaml"]);
    assert_eq!(ended.status, 65, "{}", ended.all());
    for line in [
        "web.yaml:1: Pod a/a: policy: rule first allows it\n",
        "web.yaml:5: Pod b/b: policy: rule 2 would deny it, but only warns\n",
        "web.yaml:9: Pod c/c: policy: no rule applies, so the policy denies it\n",
    ] {
        assert!(ended.stdout.contains(line), "{}", ended.all());
    }
    let flags = ["lint", "--output", "json", "--policy", "policy.yaml"];
    let ended = folder.kees(&[&flags[..], &["web.yaml"]].concat());
    let report: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    let rules: Vec<_> = report["rules"].as_array().unwrap().iter().collect();
    assert_eq!(rules.len(), 3);
    assert_eq!(
        (&rules[0]["rule"], &rules[0]["outcome"]),
        (&"first".into(), &"allowed".into())
    );
    assert_eq!(
        (&rules[2]["rule"], &rules[2]["outcome"]),
        (&serde_json::Value::Null, &"denied".into())
    );
}

#[rstest]
#[case::warned(&[], 0, "1 admitted, 0 denied; 0 errors, 1 warning")]
#[case::strict(&["--strict"], 65, "0 admitted, 1 denied; 1 error, 0 warnings")]
fn strict_makes_warnings_errors(
    #[case] flags: &[&str],
    #[case] status: i32,
    #[case] summary: &str,
    #[values("foo=bar", "property=x")] pair: &str,
) {
    let folder = Folder::with(&pod("a", &[&format!("{PASSWORD},{pair}")]));
    let ended = folder.kees(&[&["lint", "web.yaml"], flags].concat());
    assert_eq!(ended.status, status, "{}", ended.all());
    assert!(ended.stdout.contains(summary), "{}", ended.all());
}

#[rstest]
fn a_strict_policy_makes_warnings_errors(#[values("lint", "inject", "run")] command: &str) {
    let folder = Folder::with(&pod("a", &[&format!("{PASSWORD},foo=bar")]));
    folder.write(
        "policy.yaml",
        "strict: true\nrules: [{namespaces: ['*'], storagePrefix: /dev}]",
    );
    let flags = ["--env-label", "dev", "--policy", "policy.yaml"];
    let ended = folder.kees(&[&[command, "web.yaml"], &flags[..]].concat());
    assert_eq!(ended.status, 65, "{}", ended.all());
    let message = "the key 'foo' is unknown, ignored; in strict mode, this warning is an error";
    assert!(ended.all().contains(message), "{}", ended.all());
}

#[test]
fn strict_makes_an_annotation_on_the_controller_an_error() {
    let folder = Folder::with(
        "kind: Job\nmetadata: {name: a, annotations: {secret.bsycorp.com/x: ''}}\nspec: {template: \
         {spec: {containers: [{name: app}]}}}\n",
    );
    folder.kees(&["lint", "web.yaml"]).succeeded();
    let ended = folder.kees(&["lint", "--strict", "web.yaml"]);
    assert_eq!(ended.status, 65, "{}", ended.all());
    let error =
        "web.yaml:2:35: Job default/a: secret.bsycorp.com/x: has no effect on the Job itself";
    assert!(ended.stdout.starts_with(error), "{}", ended.all());
}

#[rstest]
#[case(
    "secret.bsycorp.com/x: kind=DYNAMIC,type=PASSWORD,size=64,storagekey=other",
    "secret.bsycorp.com/x: the key 'storagekey' is unknown; did you mean storageKey=",
    "7:62",
    "storagekey"
)]
#[case(
    "init.bsycorp.com/storage-prefx: /dev",
    "init.bsycorp.com/storage-prefx: unknown; did you mean init.bsycorp.com/storage-prefix",
    "7:5",
    "init.bsycorp.com/storage-prefx"
)]
fn a_misspelled_key_or_option_is_an_error(
    #[case] annotation: &str,
    #[case] error: &str,
    #[case] position: &str,
    #[case] underlined: &str,
) {
    let folder = Folder::with(&pod("a", &[PASSWORD, annotation]));
    let ended = folder.kees(&["lint", "web.yaml"]);
    assert_eq!(ended.status, 65, "{}", ended.all());
    let error = format!("web.yaml:{position}: Pod default/a: {error}\n");
    assert!(ended.stdout.starts_with(&error), "{}", ended.all());
    let carets = format!(" {}\n", "^".repeat(underlined.len()));
    assert!(ended.stdout.contains(&carets), "{}", ended.all());
}

#[rstest]
#[case::alone(&[], "0 annotated workloads: 0 admitted, 0 denied; 0 errors, 1 warning")]
#[case::with_others(&[PASSWORD], "1 annotated workload: 1 admitted, 0 denied; 0 errors, 1 warning")]
fn a_misspelled_prefix_is_a_warning(#[case] others: &[&str], #[case] summary: &str) {
    let misspelled = "secrets.bsycorp.com/x: kind=DYNAMIC,type=PASSWORD,size=64";
    let folder = Folder::with(&pod("a", &[&[misspelled], others].concat()));
    let output = folder.kees(&["lint", "web.yaml"]).succeeded().stdout;
    let warning = "web.yaml:6:5: Pod default/a: warning: secrets.bsycorp.com/x: ignored; did you mean \
                   secret.bsycorp.com/x\n";
    assert!(output.starts_with(warning), "{output}");
    assert!(output.contains("^^^^^\n"), "{output}");
    assert!(output.ends_with(&format!("\n{summary}\n")), "{output}");
    let strict = folder.kees(&["lint", "--strict", "web.yaml"]);
    assert_eq!(strict.status, 65, "{}", strict.all());
}

/// The line, the column and the underlined text of the one error.
fn position(manifest: &str) -> (String, String) {
    let folder = Folder::with(manifest);
    let ended = folder.kees(&["lint", "web.yaml"]);
    assert_eq!(ended.status, 65, "{}", ended.all());
    let lines: Vec<_> = ended.stdout.lines().collect();
    let (position, _) = lines[0].split_once(": ").unwrap();
    let carets = lines[3].find('^').unwrap();
    let underlined = &lines[2][carets..];
    let length = lines[3].trim_end().len() - carets;
    (position.to_owned(), underlined[..length].to_owned())
}

#[rstest]
#[case::block("kind=DYNAMIC,type=PASSWORD,size=7", "6:54", "size=7")]
#[case::quoted("'kind=DYNAMIC,type=PASSWORD,size=7'", "6:55", "size=7")]
#[case::lines(
    "|\n      kind=DYNAMIC\n      type=PASSWORD\n      size=7",
    "9:7",
    "size=7"
)]
#[case::alias("*x", "6:5", "secret.bsycorp.com/x")]
fn the_wrong_part_of_an_annotation_is_underlined(
    #[case] value: &str,
    #[case] at: &str,
    #[case] underlined: &str,
) {
    let anchor = "x: &x kind=DYNAMIC,type=PASSWORD,size=7\n";
    let manifest = pod("a", &[&format!("secret.bsycorp.com/x: {value}")]);
    let manifest = manifest.replacen("---\n", anchor, 1);
    let expected = (format!("web.yaml:{at}"), underlined.to_owned());
    assert_eq!(position(&manifest), expected);
}

#[test]
fn an_annotation_in_a_list_has_its_own_position() {
    let manifest = "kind: List\nitems:\n- kind: Pod\n  metadata:\n    name: a\n    annotations:\n      \
                    secret.bsycorp.com/x: kind=DYNAMIC,type=PASSWORD\n  spec: {containers: [{name: app}]}\n";
    let expected = "kind=DYNAMIC,type=PASSWORD";
    let expected = ("web.yaml:7:29".to_owned(), expected.to_owned());
    assert_eq!(position(manifest), expected);
}

#[test]
fn an_annotation_in_json_has_its_own_position() {
    let manifest = r#"{"kind": "PodList", "items": [{"metadata": {"name": "a", "annotations": {
  "secret.bsycorp.com/x": "kind=DYNAMIC,type=PASSWORD,size=7"}}, "spec": {"containers": [{"name": "app"}]}}]}"#;
    let expected = ("web.yaml:2:55".to_owned(), "size=7".to_owned());
    assert_eq!(position(manifest), expected);
}

#[test]
fn a_value_of_local_mode_and_the_rest_of_the_line_are_not_shown() {
    let value = "kind=DYNAMIC,type=PASSWORD,size=7,localModeValue=bWFya2Vy,other=bWFya2Vy";
    let folder = Folder::with(&format!(
        "kind: Pod\nmetadata: {{name: a, annotations: {{a: marker, secret.bsycorp.com/x: '{value}', b: marker}}}}\n\
         spec: {{containers: [{{name: app, env: [{{name: A, value: marker}}]}}]}}\n"
    ));
    let ended = folder.kees(&["lint", "web.yaml"]);
    assert_eq!(ended.status, 65, "{}", ended.all());
    assert!(ended.stdout.contains("^^^^^^"), "{}", ended.all());
    for hidden in ["bWFya2Vy", "marker"] {
        assert!(!ended.all().contains(hidden), "{}", ended.all());
    }
}

#[test]
fn warnings_are_in_the_order_of_the_manifest() {
    let folder = Folder::with(&pod(
        "a",
        &[
            "secrets.bsycorp.com/db: kind=REFERENCE",
            "secret.bsycorp.com/x: kind=REFERENCE,unknown=1",
        ],
    ));
    let printed = folder.kees(&["lint", "web.yaml"]).succeeded().stdout;
    let lines: Vec<_> = printed
        .lines()
        .filter(|line| line.contains("warning: "))
        .collect();
    assert_eq!(lines.len(), 2, "{printed}");
    assert!(lines[0].starts_with("web.yaml:6:"), "{printed}");
    assert!(lines[1].starts_with("web.yaml:7:"), "{printed}");
}

#[test]
fn a_restart_of_a_pod_without_a_workload_is_warned_of() {
    let manifest = |head: &str| {
        format!(
            "{head}
  annotations:
    secret.bsycorp.com/db: kind=REFERENCE
    init.bsycorp.com/refresh: 5m
    init.bsycorp.com/on-change: restart
spec:
  containers: [{{name: app}}]
"
        )
    };
    let folder = Folder::with(&manifest("kind: Pod\nmetadata:\n  name: a"));
    let printed = folder.kees(&["lint", "web.yaml"]).succeeded().stdout;
    let expected = "web.yaml:7:5: Pod default/a: warning: init.bsycorp.com/on-change: the controller \
                    restarts Deployments, StatefulSets and DaemonSets, and this is a Pod";
    assert!(printed.contains(expected), "{printed}");

    let pod = manifest("metadata:").replace('\n', "\n    ");
    let deployment =
        format!("kind: Deployment\nmetadata:\n  name: a\nspec:\n  template:\n    {pod}");
    let folder = Folder::with(&deployment);
    let printed = folder.kees(&["lint", "web.yaml"]).succeeded().stdout;
    assert!(printed.contains("0 errors, 0 warnings"), "{printed}");
}

#[test]
fn a_probe_that_executes_a_command_gets_no_variables() {
    let folder = Folder::with(
        "kind: Pod
metadata:
  name: a
  annotations:
    secret.bsycorp.com/db: kind=REFERENCE
    init.bsycorp.com/env: DB=db
spec:
  containers:
    - name: app
      command: [server]
      livenessProbe: {exec: {command: [check]}}
      readinessProbe: {httpGet: {port: 80}}
",
    );
    let printed = folder.kees(&["lint", "web.yaml"]).succeeded().stdout;
    let expected = "web.yaml:11:7: Pod default/a: warning: spec.containers[app].livenessProbe: its \
                    command does not get the environment variables of the container";
    assert!(printed.contains(expected), "{printed}");
    assert!(printed.contains("0 errors, 1 warning"), "{printed}");
    let strict = folder.kees(&["lint", "web.yaml", "--strict"]);
    assert_eq!(strict.status, 65, "{}", strict.all());
}

#[test]
fn a_container_without_a_command_cannot_get_variables() {
    let folder = Folder::with(&pod(
        "a",
        &[
            "secret.bsycorp.com/db: kind=REFERENCE",
            "init.bsycorp.com/env: \"true\"",
        ],
    ));
    let ended = folder.kees(&["lint", "web.yaml"]);
    assert_eq!(ended.status, 65, "{}", ended.all());
    assert!(
        ended.stdout.contains("it has no command"),
        "{}",
        ended.all()
    );
}

#[rstest]
#[case::never("restartPolicy: Never", true)]
#[case::limited("{restartPolicy: Never, activeDeadlineSeconds: 60}", false)]
#[case::always("restartPolicy: Always", false)]
fn a_fast_start_that_is_never_given_up_is_warned_of(#[case] spec: &str, #[case] is_warned: bool) {
    let spec = spec.trim_matches(['{', '}']).replace(", ", "\n  ");
    let folder = Folder::with(&format!(
        "kind: Pod
metadata:
  name: a
  annotations:
    secret.bsycorp.com/db: kind=REFERENCE
    init.bsycorp.com/start: fast
spec:
  {spec}
  containers: [{{name: app}}]
"
    ));
    let printed = folder.kees(&["lint", "web.yaml"]).succeeded().stdout;
    let expected = "web.yaml:6:5: Pod default/a: warning: init.bsycorp.com/start: the pod has restartPolicy: Never";
    assert_eq!(printed.contains(expected), is_warned, "{printed}");
}

#[test]
fn a_template_that_needs_a_previous_value_is_warned_of() {
    let folder = Folder::with(&pod(
        "a",
        &[
            "secret.bsycorp.com/db: kind=REFERENCE,previous=true",
            "init.bsycorp.com/template.a: '{{ secret[\"db.previous\"] }}'",
        ],
    ));
    let printed = folder.kees(&["lint", "web.yaml"]).succeeded().stdout;
    let expected = "warning: init.bsycorp.com/template.a: secret[\"db.previous\"] is absent before the first rotation";
    assert!(printed.contains(expected), "{printed}");
}
