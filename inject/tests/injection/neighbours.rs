//! Pods together with other software of a cluster: sidecars, the autoscaler, quotas, webhooks that
//! change images, and Windows nodes.

use kees_inject::{Decision, SkipReason};
use rstest::rstest;
use serde_json::{Value, json};

use crate::pods::{
    decision, errors, init_container, injected, mounted, operations, pod, settings, variable,
    warnings,
};

/// A pod with an application and the proxy of a mesh, each with a uid.
fn with_proxy() -> Value {
    let mut pod = pod([]);
    pod["spec"]["containers"] = json!([
        {"name": "app", "image": "a", "securityContext": {"runAsUser": 1000}},
        {"name": "istio-proxy", "image": "p", "securityContext": {"runAsUser": 1337}},
    ]);
    pod
}

#[test]
fn a_container_of_a_mesh_or_agent_gets_no_mount_and_does_not_count_for_the_owner() {
    let injected = injected(&with_proxy(), &settings());
    assert_eq!(
        mounted(&injected, "containers"),
        ["app reads", "istio-proxy"]
    );
    let security = &init_container(&injected)["securityContext"];
    assert_eq!(security["runAsUser"], 1000);
    assert_eq!(variable(&injected, "FILE_MODE"), Some("0400"));
    assert_eq!(operations(&injected, &settings()), json!([]));
}

#[test]
fn a_container_of_a_mesh_gets_the_mount_if_the_pod_names_it() {
    let mut pod = with_proxy();
    pod["metadata"]["annotations"]["init.bsycorp.com/containers"] = "app,istio-proxy".into();
    let injected = injected(&pod, &settings());
    let both = ["app reads", "istio-proxy reads"];
    assert_eq!(mounted(&injected, "containers"), both);
    assert_eq!(variable(&injected, "FILE_MODE"), Some("0444"));
}

#[test]
fn the_operator_decides_which_containers_are_skipped() {
    let mut settings = settings();
    settings.skip_containers = "app".parse().unwrap();
    let injected = injected(&with_proxy(), &settings);
    assert_eq!(
        mounted(&injected, "containers"),
        ["app", "istio-proxy reads"]
    );
}

#[test]
fn the_reference_lists_every_container_that_is_skipped() {
    let page = include_str!("../../../docs/injection.md");
    let (_, table) = page.split_once("| added by | names |").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let mut listed: Vec<_> = table.split('`').skip(1).step_by(2).collect();
    let default = settings().skip_containers.to_string();
    let mut skipped: Vec<_> = default.split(',').collect();
    listed.sort_unstable();
    skipped.sort_unstable();
    assert_eq!(listed, skipped);
}

#[test]
fn a_pod_whose_containers_are_all_skipped_gets_a_warning() {
    let mut pod = pod([]);
    pod["spec"]["containers"] = json!([{"name": "vault-agent", "image": "a"}]);
    assert_eq!(
        warnings(&pod, &settings()),
        [
            "spec.containers: no container gets the files, because the operator skips containers of \
             these names; name those that need them in init.bsycorp.com/containers"
        ]
    );
    // The second call decides nothing anew.
    let injected = injected(&pod, &settings());
    assert_eq!(warnings(&injected, &settings()), Vec::<String>::new());
}

#[test]
fn no_volume_keeps_the_autoscaler_from_removing_the_node() {
    let injected = injected(&pod([]), &settings());
    for volume in injected["spec"]["volumes"].as_array().unwrap() {
        let directory = &volume["emptyDir"];
        assert!(
            directory.is_null()
                || (directory["medium"] == "Memory" && directory["sizeLimit"].is_string()),
            "{volume}"
        );
    }
    let mounts = init_container(&injected)["volumeMounts"]
        .as_array()
        .unwrap();
    let token = "/var/run/secrets/kubernetes.io/serviceaccount";
    assert!(mounts.iter().any(|mount| mount["mountPath"] == token));
}

const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#[rstest]
#[case::pinned("registry.example.com/kees-init@DIGEST", true)]
#[case::pinned_with_the_tag("registry.example.com/kees-init:0.1.0@DIGEST", true)]
#[case::a_mirror("mirror.example.com/kees-init:0.1.0", true)]
#[case::an_older_tag("registry.example.com/kees-init:0.0.9", false)]
#[case::another_repository("evil.example.com/kees-init@DIGEST", false)]
fn an_image_that_another_webhook_pinned_or_mirrored_stays(
    #[case] image: &str,
    #[case] stays: bool,
) {
    let mut settings = settings();
    settings.init_image_mirrors = vec!["mirror.example.com/kees-init".parse().unwrap()];
    let mut pod = injected(&pod([]), &settings);
    let image = image.replace("DIGEST", DIGEST);
    pod["spec"]["initContainers"][0]["image"] = image.as_str().into();
    assert_eq!(operations(&pod, &settings) == json!([]), stays);
    // It stays also if something else must be changed.
    pod["spec"]["initContainers"][0]["args"] = json!(["--store", "embedded"]);
    let after = injected_again(&pod, &settings);
    assert!(init_container(&after)["args"].is_null());
    let expected = if stays { &image } else { &settings.init_image };
    assert_eq!(init_container(&after)["image"], **expected);
}

fn injected_again(pod: &Value, settings: &kees_inject::InjectSettings) -> Value {
    let after = injected(pod, settings);
    assert_eq!(operations(&after, settings), json!([]));
    after
}

fn with_term(terms: &Value) -> Value {
    json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}})
}

fn os_in(values: &[&str]) -> Value {
    json!({"matchExpressions": [
        {"key": "disk", "operator": "In", "values": ["ssd"]},
        {"key": "kubernetes.io/os", "operator": "In", "values": values},
    ]})
}

#[rstest]
#[case::os(json!({"os": {"name": "windows"}}), true)]
#[case::selector(json!({"nodeSelector": {"kubernetes.io/os": "windows"}}), true)]
#[case::affinity(with_term(&json!([os_in(&["windows"])])), true)]
#[case::every_term(with_term(&json!([os_in(&["windows"]), os_in(&["windows"])])), true)]
#[case::one_term_of_two(with_term(&json!([os_in(&["windows"]), os_in(&["linux"])])), false)]
#[case::either(with_term(&json!([os_in(&["windows", "linux"])])), false)]
#[case::no_values(with_term(&json!([os_in(&[])])), false)]
#[case::no_terms(with_term(&json!([])), false)]
#[case::another_operator(with_term(&json!([{"matchExpressions": [{"key": "kubernetes.io/os", "operator": "NotIn", "values": ["windows"]}]}])), false)]
#[case::preferred_only(json!({"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": os_in(&["windows"])}]}}}), false)]
#[case::nulls(json!({"affinity": {"nodeAffinity": null}}), false)]
#[case::options_of_the_pod(json!({"securityContext": {"windowsOptions": {"runAsUserName": "u"}}}), true)]
#[case::options_of_a_container(json!({"containers": [{"name": "app", "image": "a", "securityContext": {"windowsOptions": {}}}]}), true)]
#[case::options_of_a_linux_pod(json!({"nodeSelector": {"kubernetes.io/os": "linux"}, "securityContext": {"windowsOptions": {}}}), false)]
fn a_windows_pod_is_recognized_by_what_decides_its_node(
    #[case] spec: Value,
    #[case] is_windows: bool,
) {
    let mut pod = pod([]);
    for (name, value) in spec.as_object().unwrap() {
        pod["spec"][name] = value.clone();
    }
    match decision(&pod, &settings()) {
        Decision::Skip {
            reason: SkipReason::Windows,
            warnings,
            ..
        } => assert!(is_windows && warnings.len() == 1),
        other => assert!(
            !is_windows && matches!(other, Decision::Patch { .. }),
            "{other:?}"
        ),
    }
}

#[rstest]
#[case::all(json!({"cpu": "500m"}), json!({"cpu": "200m"}), Some("500m"))]
#[case::not_all(json!({"cpu": "500m"}), json!({"memory": "1Gi"}), None)]
#[case::less_than_the_request(json!({"cpu": "5m"}), json!({"cpu": "5m"}), Some("5m"))]
fn the_init_container_has_a_cpu_limit_where_every_container_has_one(
    #[case] first: Value,
    #[case] second: Value,
    #[case] expected: Option<&str>,
) {
    let mut pod = pod([]);
    pod["spec"]["containers"] = json!([
        {"name": "a", "image": "a", "resources": {"limits": first}},
        {"name": "b", "image": "b", "resources": {"limits": second}},
    ]);
    let injected = injected(&pod, &settings());
    let resources = &init_container(&injected)["resources"];
    assert_eq!(resources["limits"]["cpu"].as_str(), expected);
    assert_eq!(resources["limits"]["memory"], "64Mi");
    let request = if expected == Some("5m") { "5m" } else { "10m" };
    assert_eq!(resources["requests"]["cpu"], request);
    assert_eq!(operations(&injected, &settings()), json!([]));
}

#[test]
fn a_cpu_limit_that_the_operator_sets_is_used_everywhere() {
    let mut settings = settings();
    settings.resources.limits.cpu = Some("250m".parse().unwrap());
    let mut pod = pod([]);
    pod["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "1"}});
    let injected = injected(&pod, &settings);
    assert_eq!(
        init_container(&injected)["resources"]["limits"]["cpu"],
        "250m"
    );
}

#[test]
fn a_limit_is_kept_if_a_container_without_one_comes_later() {
    let mut pod = pod([]);
    pod["spec"]["containers"][0]["resources"] =
        json!({"requests": {"cpu": "1"}, "limits": {"cpu": "2"}});
    let mut pod = injected(&pod, &settings());
    let containers = pod["spec"]["containers"].as_array_mut().unwrap();
    containers.push(json!({"name": "linkerd-proxy", "image": "p"}));
    assert_eq!(operations(&pod, &settings()), json!([]));
}

#[test]
fn a_skipped_container_may_not_mount_the_files_by_itself() {
    let mut pod = with_proxy();
    pod["spec"]["containers"][1]["volumeMounts"] =
        json!([{"name": "kees-secrets", "mountPath": "/x"}]);
    assert_eq!(errors(&pod, &settings()).len(), 1);
}
