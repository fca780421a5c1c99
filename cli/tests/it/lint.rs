//! `kees lint`

use insta::assert_snapshot;
use rstest::rstest;

use crate::folder::{Folder, PASSWORD, pod};

#[test]
fn every_fault_is_listed_with_its_place() {
    let folder = Folder::with(include_str!("../manifests/faulty.yaml"));
    folder.write("broken.yaml", "kind: Pod\nmetadata: [\n");
    assert_snapshot!(folder.kees(&["lint", "web.yaml", "broken.yaml"]).all());
}

#[test]
fn warnings_are_no_faults() {
    let folder = Folder::with(&pod("a", &[&format!("{PASSWORD},sise=128")]));
    assert_snapshot!(folder.kees(&["lint", "web.yaml"]).all());
}

#[test]
fn findings_are_json_too() {
    let folder = Folder::with(
        &(pod("good", &[PASSWORD])
            + &pod("bad", &["secret.bsycorp.com/x: kind=DYNAMIC,type=PASSWORD"])
            + &pod("out", &[PASSWORD, "init.bsycorp.com/inject: \"false\""])),
    );
    assert_snapshot!(folder.kees(&["lint", "web.yaml", "--output", "json"]).all());
}

/// The same Deployment for two clusters, or in two overlays.
#[test]
fn a_name_that_stands_in_two_files_is_no_fault() {
    let folder = Folder::with(&pod("a", &[PASSWORD]));
    folder.write("other.yaml", &pod("a", &[PASSWORD]));
    let files = ["web.yaml", "other.yaml"];
    let lint = folder.kees(&[&["lint"], &files[..]].concat()).succeeded();
    assert!(lint.stdout.starts_with("2 annotated workloads: 2 sound"));
    let flags = ["--env-label", "dev"];
    let inject = folder.kees(&[&["inject"], &files[..], &flags].concat());
    let printed = inject.succeeded().stdout;
    assert_eq!(printed.matches("name: kees-init").count(), 2, "{printed}");
}

#[rstest]
#[case::no_spec("", "spec")]
#[case::spec_of_nothing("spec:\n", "spec")]
#[case::no_containers("spec: {restartPolicy: Never}\n", "spec.containers")]
#[case::empty("spec: {containers: []}\n", "spec.containers")]
fn an_annotated_pod_without_containers_is_refused(
    #[case] spec: &str,
    #[case] missing: &str,
    #[values("lint", "inject", "run")] command: &str,
) {
    let pod = pod("a", &[PASSWORD]);
    let (before, _) = pod.split_once("spec:").unwrap();
    let folder = Folder::with(&format!("{before}{spec}"));
    let flags = [command, "web.yaml", "--env-label", "dev"];
    let ended = folder.kees(&flags);
    assert_eq!(ended.status, 65, "{}", ended.all());
    let said = format!("{}{}", ended.stdout, ended.stderr);
    let fault = format!(
        "web.yaml:2: Pod default/a: the pod has no {missing}; describe its containers in \
         spec.containers\n"
    );
    assert!(said.starts_with(&fault), "{said}");
}

#[rstest]
#[case(&[], "local mode is not allowed here")]
#[case(&["--policy", "strict.yaml"], "local mode is not allowed here")]
#[case(&["--policy", "open.yaml"], "")]
fn local_mode_is_the_policys_to_allow(#[case] flags: &[&str], #[case] message: &str) {
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
fn the_projects_own_examples_are_sound_where_local_mode_is_allowed() {
    let folder = Folder::new();
    folder.write(
        "open.yaml",
        "rules: [{namespaces: ['*'], storagePrefix: /dev/team-a, localMode: true}]",
    );
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/web.yaml");
    let ended = folder
        .kees(&["lint", "--policy", "open.yaml", example])
        .succeeded();
    assert_eq!(
        ended.stdout,
        "2 annotated workloads: 2 sound, 0 refused; 0 faults, 0 warnings\n"
    );
}
