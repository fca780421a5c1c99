//! What is added to a pod.

use kees_inject::{PullPolicy, RunAs};
use rstest::rstest;
use serde_json::{Value, json};

use crate::pods::{
    init_container, injected, mounted, operations, pod, settings, variable, warnings, with_policy,
};

#[test]
fn a_bare_pod_gets_volumes_mounts_and_an_init_container() {
    insta::assert_json_snapshot!(operations(&pod([]), &settings()));
}

#[test]
fn a_pod_that_has_lists_of_its_own_keeps_them() {
    let mut pod = pod([
        ("order", "after=mesh"),
        ("mount-path", "/run/kees"),
        ("format", "env"),
    ]);
    pod["spec"]["volumes"] = json!([{"name": "tmp", "emptyDir": {}}]);
    pod["spec"]["initContainers"] = json!([
        {"name": "mesh", "image": "mesh:1"},
        {"name": "migrate", "image": "app:1", "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}]},
    ]);
    pod["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "tmp", "mountPath": "/tmp"}]);
    insta::assert_json_snapshot!(operations(&pod, &settings()));
}

#[test]
fn the_init_container_has_the_settings_and_the_rule() {
    let mut settings = with_policy(
        "rules:
        - namespaces: ['team-*']
          storagePrefix: /{cluster}/{namespace}/{serviceAccount}
          stores: [secretsmanager]
          create: never
          localMode: true
          instanceMetadata: true
          resources: {requests: {cpu: 50m}, limits: {memory: 128Mi, cpu: 1}}",
    );
    settings.cluster = Some("dev".to_owned());
    settings.stores = vec![kees_common::StoreName::SecretsManager];
    settings.image_pull_policy = Some(PullPolicy::IfNotPresent);
    settings.run_as = "none".parse().unwrap();
    settings
        .init_env
        .insert("HTTPS_PROXY".to_owned(), "http://proxy:3128".to_owned());
    settings
        .init_env
        .insert("KMS_KEY_ID".to_owned(), String::new());
    let mut pod = pod([]);
    pod["spec"]["serviceAccountName"] = "web".into();
    pod["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "1"}});
    insta::assert_json_snapshot!(init_container(&injected(&pod, &settings)));
}

#[test]
fn the_end_of_the_log_is_the_termination_message_of_the_init_container() {
    let pod = injected(&pod([]), &settings());
    assert_eq!(
        init_container(&pod)["terminationMessagePolicy"],
        "FallbackToLogsOnError"
    );
}

#[test]
fn only_the_lists_of_the_pod_are_changed() {
    let mut pod = pod([]);
    pod["spec"]["fieldOfTheFuture"] = json!({"ä": [1, null, 1.5e3]});
    pod["metadata"]["annotations"]["other"] = "\u{1f600} \" \\ \n".into();
    pod["spec"]["containers"][0]["lifecycle"] = json!({"preStop": {"sleep": {"seconds": 5}}});
    let mut after = injected(&pod, &settings());
    for name in ["volumes", "initContainers"] {
        after["spec"].as_object_mut().unwrap().remove(name);
    }
    after["spec"]["containers"][0]
        .as_object_mut()
        .unwrap()
        .remove("volumeMounts");
    let annotations = after["metadata"]["annotations"].as_object_mut().unwrap();
    assert_eq!(
        annotations.remove("init.bsycorp.com/injected"),
        Some("0.1.0".into())
    );
    assert_eq!(after, pod);
}

#[rstest]
#[case("first", &["kees-init", "a reads", "b reads"])]
#[case("last", &["a", "b", "kees-init"])]
#[case("before=b", &["a", "kees-init", "b reads"])]
#[case("after=a", &["a", "kees-init", "b reads"])]
#[case("after=b", &["a", "b", "kees-init"])]
fn containers_after_the_init_container_read_the_files(
    #[case] order: &str,
    #[case] expected: &[&str],
) {
    let mut pod = pod([("order", order)]);
    pod["spec"]["initContainers"] = json!([{"name": "a", "image": "a"}, {"name": "b", "image": "b", "restartPolicy": "Always"}]);
    let pod = injected(&pod, &settings());
    assert_eq!(mounted(&pod, "initContainers"), expected);
    assert_eq!(mounted(&pod, "containers"), ["app reads"]);
}

#[test]
fn only_the_named_containers_read_the_files() {
    let mut pod = pod([("containers", "app, migrate")]);
    pod["spec"]["initContainers"] =
        json!([{"name": "migrate", "image": "a"}, {"name": "x", "image": "b"}]);
    pod["spec"]["containers"] =
        json!([{"name": "proxy", "image": "p"}, {"name": "app", "image": "a"}]);
    let pod = injected(&pod, &settings());
    assert_eq!(
        mounted(&pod, "initContainers"),
        ["kees-init", "migrate reads", "x"]
    );
    assert_eq!(mounted(&pod, "containers"), ["proxy", "app reads"]);
}

/// `runAsUser`, `runAsGroup` and `FILE_MODE` of the init container.
fn file_owner(pod: &Value, run_as: RunAs) -> (Option<u64>, Option<u64>, String) {
    let mut settings = settings();
    settings.run_as = run_as;
    let pod = injected(pod, &settings);
    let security = &init_container(&pod)["securityContext"];
    assert_eq!(security["runAsNonRoot"], true);
    let mode = variable(&pod, "FILE_MODE").unwrap().to_owned();
    (
        security["runAsUser"].as_u64(),
        security["runAsGroup"].as_u64(),
        mode,
    )
}

#[rstest]
#[case::all_declare_one_uid(json!({}), json!({"runAsUser": 1000, "runAsGroup": 2000}), (Some(1000), Some(2000), "0400"))]
#[case::the_pod_declares_it(json!({"runAsUser": 1000}), json!({}), (Some(1000), None, "0400"))]
#[case::the_container_wins(json!({"runAsUser": 1000}), json!({"runAsUser": 7}), (Some(7), None, "0400"))]
#[case::one_uid_with_fs_group(json!({"runAsUser": 1000, "fsGroup": 5}), json!({}), (Some(1000), None, "0400"))]
#[case::root_is_never_used(json!({"runAsUser": 0, "fsGroup": 5}), json!({}), (Some(65532), Some(65532), "0440"))]
#[case::root_without_fs_group(json!({"runAsUser": 0}), json!({}), (Some(65532), Some(65532), "0444"))]
#[case::fs_group(json!({"fsGroup": 5}), json!({}), (Some(65532), Some(65532), "0440"))]
#[case::nothing(json!({}), json!({}), (Some(65532), Some(65532), "0444"))]
fn the_mode_is_the_narrowest_that_the_application_can_read(
    #[case] of_pod: Value,
    #[case] of_container: Value,
    #[case] (uid, gid, mode): (Option<u64>, Option<u64>, &str),
) {
    let mut pod = pod([]);
    pod["spec"]["securityContext"] = of_pod;
    pod["spec"]["containers"][0]["securityContext"] = of_container;
    assert_eq!(
        file_owner(&pod, RunAs::default()),
        (uid, gid, mode.to_owned())
    );
}

#[test]
fn two_different_uids_are_not_used() {
    let mut pod = pod([]);
    pod["spec"]["containers"] = json!([
        {"name": "a", "securityContext": {"runAsUser": 1}},
        {"name": "b", "securityContext": {"runAsUser": 2}},
    ]);
    assert_eq!(file_owner(&pod, RunAs::default()).2, "0444");
    // Only containers that read the files count.
    pod["metadata"]["annotations"]["init.bsycorp.com/containers"] = "b".into();
    assert_eq!(
        file_owner(&pod, RunAs::default()),
        (Some(2), None, "0400".to_owned())
    );
}

#[test]
fn no_uid_is_set_if_the_operator_sets_none() {
    assert_eq!(
        file_owner(&pod([]), RunAs::Unset),
        (None, None, "0444".to_owned())
    );
}

#[rstest]
#[case("0444", None)]
#[case("0640", None)]
#[case(
    "0400",
    Some(
        "init.bsycorp.com/file-mode: a container may be unable to read files of mode 0400; 0440 is enough"
    )
)]
fn a_mode_of_the_pod_is_used_with_a_warning(#[case] mode: &str, #[case] warning: Option<&str>) {
    let mut pod = pod([("file-mode", mode)]);
    pod["spec"]["securityContext"] = json!({"fsGroup": 5});
    assert_eq!(file_owner(&pod, RunAs::default()).2, mode);
    assert_eq!(warnings(&pod, &settings()), Vec::from_iter(warning));
}

#[rstest]
#[case(None, Some("true"))]
#[case(Some(""), Some("true"))]
#[case(Some("false"), Some("false"))]
fn the_nodes_identity_is_off_unless_the_operator_allows_it(
    #[case] given: Option<&str>,
    #[case] expected: Option<&str>,
) {
    let mut settings = settings();
    if let Some(given) = given {
        settings
            .init_env
            .insert("AWS_EC2_METADATA_DISABLED".to_owned(), given.to_owned());
    }
    assert_eq!(
        variable(&injected(&pod([]), &settings), "AWS_EC2_METADATA_DISABLED"),
        expected
    );
}
