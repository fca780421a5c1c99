//! Pods that are skipped.

use kees_inject::{Decision, SkipReason};
use rstest::rstest;
use serde_json::{Value, json};

use crate::pods::{decision, pod, settings, warnings, with_policy};

fn reason(pod: &Value) -> Option<SkipReason> {
    match decision(pod, &settings()) {
        Decision::Skip { reason, .. } => Some(reason),
        _ => None,
    }
}

#[rstest]
#[case("secret.bsycorp.com/a", true)]
#[case("resource.bsycorp.com/a", true)]
#[case("lease.bsycorp.com/a", true)]
#[case("init.bsycorp.com/a", false)]
#[case("secret.example.com/a", false)]
#[case("secret.bsycorp.com", false)]
#[case("xsecret.bsycorp.com/a", false)]
fn a_pod_is_handled_if_an_annotation_has_a_prefix_of_kees(
    #[case] key: &str,
    #[case] handled: bool,
) {
    let mut pod = pod([]);
    pod["metadata"]["annotations"] = json!({key: ""});
    assert_eq!(reason(&pod) != Some(SkipReason::NotAnnotated), handled);
}

#[test]
fn with_another_domain_other_pods_are_handled() {
    let mut settings = settings();
    settings.domain = "example.com".parse().unwrap();
    let skipped = decision(&pod([]), &settings);
    assert!(matches!(
        skipped,
        Decision::Skip {
            reason: SkipReason::NotAnnotated,
            ..
        }
    ));
}

#[rstest]
#[case("false", true)]
#[case("true", false)]
#[case("False", false)]
#[case(" false", false)]
fn a_pod_opts_out_only_with_false(#[case] word: &str, #[case] out: bool) {
    assert_eq!(
        reason(&pod([("inject", word)])) == Some(SkipReason::OptedOut),
        out
    );
}

#[test]
fn a_pod_that_opted_out_is_not_checked() {
    let mut pod = pod([("inject", "false"), ("mount-path", "relative")]);
    pod["spec"]["volumes"] = json!([{"name": "kees-secrets"}]);
    assert_eq!(reason(&pod), Some(SkipReason::OptedOut));
}

#[test]
fn a_mirror_pod_is_skipped() {
    let mut pod = pod([]);
    pod["metadata"]["annotations"]["kubernetes.io/config.mirror"] = "3f2a".into();
    assert_eq!(reason(&pod), Some(SkipReason::Mirror));
}

#[rstest]
#[case(json!({"os": {"name": "windows"}}))]
#[case(json!({"nodeSelector": {"kubernetes.io/os": "windows", "disk": "ssd"}}))]
fn a_windows_pod_is_skipped_with_a_warning(#[case] spec: Value) {
    let mut pod = pod([]);
    for (name, value) in spec.as_object().unwrap() {
        pod["spec"][name] = value.clone();
    }
    assert_eq!(reason(&pod), Some(SkipReason::Windows));
    assert_eq!(
        warnings(&pod, &settings()),
        ["spec.os: kees has no init container for Windows, so nothing is injected"]
    );
}

#[rstest]
#[case("kees-init")]
#[case("kees-init:1")]
#[case("registry.example.com:5000/a/kees-init@sha256:00")]
#[case("kees-init:5000/other")]
fn an_image_named_kees_init_is_wired_by_hand(#[case] image: &str) {
    let mut pod = pod([]);
    pod["spec"]["initContainers"] = json!([{"name": "x", "image": image}]);
    assert_eq!(reason(&pod), Some(SkipReason::WiredByHand));
}

#[rstest]
#[case("my-kees-init")]
#[case("kees-init-2:1")]
#[case("kees-init/other")]
#[case("bsycorp/kubernetes-secret/init:1")]
fn another_image_is_not_wired_by_hand(#[case] image: &str) {
    let mut pod = pod([]);
    pod["spec"]["initContainers"] = json!([{"name": "x", "image": image}]);
    assert_eq!(reason(&pod), None);
}

#[test]
fn the_expression_of_the_operator_matches_the_image_of_the_original() {
    let mut settings = settings();
    settings.wired_image = "bsycorp/kubernetes-secret/init".parse().unwrap();
    let mut pod = pod([]);
    pod["spec"]["initContainers"] =
        json!([{"name": "x", "image": "bsycorp/kubernetes-secret/init:1"}]);
    let skipped = decision(&pod, &settings);
    assert!(matches!(
        skipped,
        Decision::Skip {
            reason: SkipReason::WiredByHand,
            ..
        }
    ));
}

const TEAM_A: &str = "rules: [{namespaces: [team-a], storagePrefix: '/dev/{namespace}'}]";

#[rstest]
#[case(json!({}), json!([]), Some("it is missing, and the pod's own init container would use /"))]
#[case(json!({"init.bsycorp.com/storage-prefix": "/dev/team-a"}), json!([]), None)]
#[case(json!({"init.bsycorp.com/storage-prefix": "/prod"}), json!([]), Some("/prod is not at or below"))]
#[case(json!({}), json!([{"name": "STORAGE_PREFIX", "value": "/dev/team-a/web"}]), None)]
#[case(
    json!({"init.bsycorp.com/storage-prefix": "/dev/team-a"}),
    json!([{"name": "STORAGE_PREFIX", "value": "/prod"}]),
    Some("/prod is not at or below")
)]
fn the_policy_applies_to_a_pod_that_is_wired_by_hand(
    #[case] annotations: Value,
    #[case] env: Value,
    #[case] denied: Option<&str>,
) {
    let mut pod = pod([]);
    for (key, value) in annotations.as_object().unwrap() {
        pod["metadata"]["annotations"][key] = value.clone();
    }
    pod["spec"]["initContainers"] = json!([{"name": "x", "image": "kees-init:1", "env": env}]);
    match (decision(&pod, &with_policy(TEAM_A)), denied) {
        (Decision::Skip { reason, .. }, None) => assert_eq!(reason, SkipReason::WiredByHand),
        (Decision::Deny { errors, .. }, Some(words)) => {
            assert!(errors[0].to_string().contains(words), "{errors:?}");
        }
        (other, _) => panic!("{other:?}"),
    }
}

#[test]
fn the_files_of_a_pod_that_is_wired_by_hand_are_those_of_its_environment() {
    let mut pod = pod([("local-mode", "true")]);
    let annotations = &mut pod["metadata"]["annotations"];
    annotations["lease.bsycorp.com/a"] = "kind=INDEX,rangeStart=1,rangeEnd=2".into();
    annotations["resource.bsycorp.com/a"] = "localModeValue=YQ==".into();
    let mut settings = settings();
    settings.policy = kees_inject::Policy::permissive();
    pod["spec"]["initContainers"] = json!([{"name": "x", "image": "kees-init:1"}]);
    assert!(
        matches!(decision(&pod, &settings), Decision::Deny { .. }),
        "one file for both"
    );

    pod["spec"]["initContainers"][0]["env"] =
        json!([{"name": "LEASES_FILE_PATH", "value": "/leases"}]);
    assert!(matches!(decision(&pod, &settings), Decision::Skip { .. }));
}
