//! Tests of what `kees lint` reads: files, folders, patterns, standard input, and kinds of objects.

use std::time::{Duration, Instant};

use rstest::rstest;

use crate::folder::{Folder, PASSWORD, pod};

const SHORT: &str = "secret.bsycorp.com/x: kind=DYNAMIC,type=PASSWORD,size=7";

/// A folder with pods, files without pods, and files that are not read.
fn tree() -> Folder {
    let folder = Folder::new();
    folder.write("k8s/a.yaml", &pod("a", &[PASSWORD]));
    folder.write("k8s/deep/b.yml", &pod("b", &[PASSWORD]));
    folder.write(
        "k8s/deep/c.json",
        r#"{"kind": "Service", "metadata": {"name": "c"}}"#,
    );
    folder.write("k8s/values.yaml", "replicas: 3\nimage: app\n");
    folder.write("k8s/readme.md", "- [");
    folder.write("k8s/.hidden/x.yaml", "a: [");
    folder
}

#[rstest]
#[case::folder(&["k8s"], 2, 2)]
#[case::twice(&["k8s", "k8s/a.yaml"], 2, 2)]
#[case::pattern(&["k8s/**/*.yml"], 1, 0)]
#[case::several_patterns(&["k8s/*.yaml", "k8s/deep/?.json"], 1, 2)]
#[case::file(&["k8s/values.yaml", "k8s/a.yaml"], 1, 1)]
fn folders_and_patterns_are_read(
    #[case] arguments: &[&str],
    #[case] pods: usize,
    #[case] without_pods: usize,
) {
    let flags = ["lint", "--output", "json"];
    let report = tree()
        .kees(&[&flags, arguments].concat())
        .succeeded()
        .json();
    assert_eq!(report["admitted"].as_array().unwrap().len(), pods);
    assert_eq!(
        report["without_pods"].as_array().unwrap().len(),
        without_pods,
        "{report}"
    );
}

#[test]
fn files_without_pods_are_counted() {
    let printed = tree().kees(&["lint", "k8s"]).succeeded().stdout;
    assert!(
        printed.ends_with("passed over: 2 files without pods\n"),
        "{printed}"
    );
}

#[rstest]
#[case::no_match("k8s/*.toml", "k8s/*.toml: matches no file")]
#[case::no_manifest("empty", "empty: has no file that ends in .yaml")]
#[case::absent("absent.yaml", "absent.yaml: cannot be read")]
#[case::pattern("k8s/[", "k8s/[: is not a valid pattern")]
fn an_argument_that_names_no_file_is_an_error(#[case] argument: &str, #[case] message: &str) {
    let folder = tree();
    folder.write("empty/readme.md", "");
    let ended = folder.kees(&["lint", argument, "k8s"]);
    assert_eq!(ended.status, 64, "{}", ended.all());
    assert!(ended.stdout.starts_with(message), "{}", ended.all());
    // The other files are still checked.
    assert!(ended.stdout.contains("2 admitted"), "{}", ended.all());
}

#[rstest]
fn an_empty_standard_input_is_an_error(
    #[values("", "\n \n")] input: &str,
    #[values("lint", "run", "inject")] command: &str,
) {
    let ended = Folder::new().kees_reading(input, &[command, "--env-label", "dev", "-"]);
    assert_eq!(ended.status, 64, "{}", ended.all());
    let message = "standard input: is empty; the command before it has printed nothing";
    assert!(ended.all().contains(message), "{}", ended.all());
}

#[test]
fn more_than_1024_documents_are_read() {
    let manifest = pod("a", &[PASSWORD]).repeat(1500) + &pod("b", &[SHORT]);
    let ended = Folder::new().kees_reading(&manifest, &["lint", "-"]);
    assert_eq!(ended.status, 65);
    assert!(
        ended
            .stdout
            .contains("1501 annotated workloads: 1500 admitted, 1 denied"),
        "{}",
        ended.stdout
    );
    let line = 1500 * manifest.lines().count() / 1501 + 6;
    let position = format!("standard input:{line}:54: ");
    assert!(ended.stdout.starts_with(&position), "{}", ended.stdout);
}

/// The time for one error does not depend on the number of the others.
#[test]
fn thousands_of_errors_in_one_file_are_reported_quickly() {
    let manifest = pod("a", &[SHORT]).repeat(3000);
    let start = Instant::now();
    let ended = Folder::new().kees_reading(&manifest, &["lint", "-"]);
    assert_eq!(ended.stdout.matches("size=7 is wrong").count(), 3000);
    assert!(
        start.elapsed() < Duration::from_secs(30),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn errors_in_json_of_one_line_are_reported_quickly() {
    let annotations =
        serde_json::json!({"secret.bsycorp.com/x": "kind=DYNAMIC,type=PASSWORD,size=7"});
    let pods = (0..2000).map(|number| {
        serde_json::json!({
            "kind": "Pod",
            "metadata": {"name": format!("a{number}"), "annotations": annotations},
            "spec": {"containers": [{"name": "app"}]},
        })
    });
    let list = serde_json::json!({"kind": "List", "items": pods.collect::<Vec<_>>()});
    let start = Instant::now();
    let ended = Folder::new().kees_reading(&list.to_string(), &["lint", "-"]);
    assert_eq!(ended.stdout.matches("size=7 is wrong").count(), 2000);
    assert!(
        start.elapsed() < Duration::from_secs(30),
        "{:?}",
        start.elapsed()
    );
}

/// Each file has an error, is refused quickly, and does not hide the errors of the other file.
#[rstest]
#[case::no_yaml("a: [\n", "1:4: not valid YAML: ")]
#[case::binary("a: \u{0}\u{1}", ":")]
#[case::anchors(&bomb(), "its anchors stand for more than 100000 nodes")]
#[case::merge_keys(&merges(), "its anchors stand for more than 100000 nodes")]
#[case::template(
    "kind: Pod\nmetadata:\n  name: {{ .Release.Name }}\n",
    "3:10: not valid YAML: "
)]
#[case::template_of_helm(
    "a: 1\n{{- range .Values.pods }}\n",
    "give the output of helm template instead"
)]
#[case::large(&"# 123456789\n".repeat(2 << 20), "is larger than 16 MiB")]
#[case::deep(&"[".repeat(100_000), "not valid YAML: ")]
fn a_file_that_cannot_be_read_does_not_hide_others(#[case] text: &str, #[case] message: &str) {
    let folder = Folder::new();
    folder.write("bad.yaml", text);
    folder.write("good.yaml", &pod("a", &[SHORT]));
    let start = Instant::now();
    let ended = folder.kees(&["lint", "bad.yaml", "good.yaml"]);
    assert!(start.elapsed() < Duration::from_secs(20));
    assert!(ended.stdout.starts_with("bad.yaml:"), "{}", ended.stdout);
    assert!(ended.stdout.contains(message), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("good.yaml:6:54: "),
        "{}",
        ended.stdout
    );
}

/// A list of lists that stands for 10 to the power of 9 elements.
fn bomb() -> String {
    let levels = (1..9).map(|level| {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        format!("a{level}: &a{level} [{aliases}]\n")
    });
    "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned() + &levels.collect::<String>()
}

/// The same with merge keys.
fn merges() -> String {
    let levels = (1..9).map(|level| {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        format!("a{level}: &a{level} {{<<: [{aliases}], b{level}: 1}}\n")
    });
    "a0: &a0 {b0: 1}\n".to_owned() + &levels.collect::<String>()
}

#[test]
fn a_document_of_a_file_with_an_error_has_its_own_lines() {
    let manifest = format!("a: [\n{}{}", pod("a", &[SHORT]), pod("b", &[SHORT]));
    let ended = Folder::with(&manifest).kees(&["lint", "web.yaml"]);
    for position in ["web.yaml:1:4: ", "web.yaml:7:54: ", "web.yaml:17:54: "] {
        assert!(ended.stdout.contains(position), "{}", ended.stdout);
    }
}

/// The places of pod templates in custom resources.
#[rstest]
#[case::rollout("Rollout", &["spec", "template"])]
#[case::job_set("JobSet", &["spec", "replicatedJobs", "0", "template", "spec", "template"])]
#[case::scaled_job("ScaledJob", &["spec", "jobTargetRef", "template"])]
#[case::pytorch_job("PyTorchJob", &["spec", "pytorchReplicaSpecs", "Master", "template"])]
#[case::spark("SparkApplication", &["spec", "driver", "template"])]
fn the_pod_templates_of_custom_resources_are_found(#[case] kind: &str, #[case] place: &[&str]) {
    let template = serde_json::json!({
        "metadata": {"annotations": {"secret.bsycorp.com/x": "kind=DYNAMIC,type=PASSWORD,size=7"}},
        "spec": {"containers": [{"name": "app"}]},
    });
    let mut object = place.iter().rev().fold(template, |inner, key| match *key {
        "0" => serde_json::json!([inner]),
        key => serde_json::json!({key: inner}),
    });
    object["kind"] = kind.into();
    object["metadata"] = serde_json::json!({"name": "a"});
    let ended = Folder::with(&object.to_string()).kees(&["lint", "web.yaml"]);
    assert_eq!(ended.status, 65, "{}", ended.all());
    let error = format!("{kind} default/a: secret.bsycorp.com/x: size=7 is wrong");
    assert!(ended.stdout.contains(&error), "{}", ended.stdout);
}

/// A `SparkApplication` whose driver and executor are annotated without pod templates.
const SPARK: &str = "\
apiVersion: sparkoperator.k8s.io/v1beta2
kind: SparkApplication
metadata: {name: pi, namespace: team-a}
spec:
  driver:
    serviceAccount: spark
    annotations:
      secret.bsycorp.com/x: kind=DYNAMIC,type=PASSWORD,size=7
  executor:
    annotations:
      secret.bsycorp.com/y: kind=DYNAMIC,type=PASSWORD,size=256
      secret.bsycorp.com/z: true
    template:
      metadata:
        annotations:
          secret.bsycorp.com/w: kind=DYNAMIC,type=RANDOM,size=7
";

#[test]
fn the_annotations_of_a_spark_application_are_found() {
    let ended = Folder::with(SPARK).kees(&["lint", "web.yaml"]);
    assert_eq!(ended.status, 65, "{}", ended.all());
    for error in [
        "web.yaml:8:56: SparkApplication team-a/pi: secret.bsycorp.com/x: size=7 is wrong",
        "web.yaml:12:29: SparkApplication team-a/pi: secret.bsycorp.com/z: the value is not text",
        "web.yaml:16:58: SparkApplication team-a/pi: secret.bsycorp.com/w: size=7 is wrong",
    ] {
        assert!(ended.stdout.contains(error), "{error}\n{}", ended.stdout);
    }
    assert!(
        ended
            .stdout
            .contains("2 annotated workloads: 0 admitted, 2 denied; 3 errors, 0 warnings"),
        "{}",
        ended.stdout
    );
}

#[test]
fn the_schedule_of_a_spark_application_is_checked_too() {
    let scheduled = SPARK
        .replace("kind: Spark", "kind: ScheduledSpark")
        .replace("spec:\n", "spec:\n template:\n");
    let ended = Folder::with(&scheduled).kees(&["lint", "web.yaml"]);
    let error =
        "web.yaml:9:56: ScheduledSparkApplication team-a/pi: secret.bsycorp.com/x: size=7 is";
    assert!(ended.stdout.contains(error), "{}", ended.stdout);
}

#[test]
fn the_policy_sees_the_service_account_of_a_spark_application() {
    let manifest = SPARK
        .split("  executor")
        .next()
        .unwrap()
        .replace("size=7", "size=256");
    let folder = Folder::with(&manifest);
    folder.write(
        "policy.yaml",
        "rules:\n- {namespaces: [team-a], serviceAccounts: [spark], storagePrefix: /dev/a}\n",
    );
    let lint = ["lint", "--policy", "policy.yaml", "web.yaml"];
    let printed = folder.kees(&lint).succeeded().stdout;
    assert!(printed.contains("policy: rule 1 allows it"), "{printed}");
    folder.kees(&["run", "web.yaml"]).succeeded();
    assert!(folder.exists("out/team-a/sparkapplication-pi/bsycorp-init/secrets.properties"));
    // There is no pod template that could be changed.
    let inject = folder.kees(&["inject", "--env-label", "dev", "web.yaml"]);
    assert_eq!(inject.status, 65);
    let error = "SparkApplication team-a/pi: its pods are annotated outside of a pod template";
    assert!(inject.stderr.contains(error), "{}", inject.stderr);
}

#[test]
fn several_pod_templates_of_one_object_are_checked_and_run() {
    let manifest = "kind: JobSet\nmetadata: {name: a}\nspec:\n  replicatedJobs:\n".to_owned()
        + &["one", "two"]
            .map(|name| {
                format!(
                    "  - name: {name}\n    template: {{spec: {{template: {{metadata: {{annotations: \
                     {{secret.bsycorp.com/{name}: 'kind=DYNAMIC,type=PASSWORD,size=64'}}}}, spec: \
                     {{containers: [{{name: app}}]}}}}}}}}\n"
                )
            })
            .concat();
    let folder = Folder::with(&manifest);
    let lint = folder.kees(&["lint", "web.yaml"]).succeeded().stdout;
    assert!(
        lint.starts_with("2 annotated workloads: 2 admitted"),
        "{lint}"
    );
    folder.kees(&["run", "web.yaml"]).succeeded();
    for (index, name) in ["one", "two"].iter().enumerate() {
        let path = format!(
            "out/default/jobset-a-replicatedjobs-{index}-template-template/bsycorp-init/secrets.properties"
        );
        assert!(folder.read(&path).contains(name), "{path}");
    }
}

#[rstest]
#[case::values("replicas: 3\n", 0)]
#[case::list("- hosts: all\n", 0)]
#[case::chart("apiVersion: v2\nname: web\nversion: 0.1.0\n", 0)]
#[case::kustomization("resources: [web.yaml]\n", 0)]
#[case::no_kind("metadata: {name: a}\n", 65)]
#[case::list_of_objects("- kind: Pod\n", 65)]
#[case::text("text\n", 65)]
fn a_document_that_is_no_object_is_passed_over_unless_it_may_be_one(
    #[case] manifest: &str,
    #[case] status: i32,
) {
    let ended = Folder::with(manifest).kees(&["lint", "web.yaml"]);
    assert_eq!(ended.status, status, "{}", ended.all());
}
