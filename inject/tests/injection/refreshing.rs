//! Pods whose files are refreshed: the sidecar.

use kees_inject::InjectSettings;
use rstest::rstest;
use serde_json::{Value, json};

use crate::pods::{errors, injected, mounted, operations, pod, settings, warnings, with_policy};

const REFRESH: (&str, &str) = ("refresh", "5m");

fn init_containers(pod: &Value) -> &Vec<Value> {
    pod["spec"]["initContainers"].as_array().unwrap()
}

fn names(pod: &Value) -> Vec<&str> {
    let containers = init_containers(pod).iter();
    containers
        .map(|container| container["name"].as_str().unwrap())
        .collect()
}

fn sidecar(pod: &Value) -> &Value {
    let mut containers = init_containers(pod).iter();
    containers
        .find(|container| container["name"] == "kees-refresh")
        .unwrap()
}

/// A pod with two init containers, of which one is a sidecar.
fn with_init_containers(order: &str) -> Value {
    let mut pod = pod([REFRESH, ("order", order)]);
    pod["spec"]["initContainers"] = json!([
        {"name": "proxy", "image": "proxy:1", "restartPolicy": "Always"},
        {"name": "migrate", "image": "app:1"},
    ]);
    pod
}

#[test]
fn the_sidecar_has_the_variables_and_volumes_of_the_init_container() {
    let pod = injected(
        &pod([REFRESH, ("refresh-metrics-port", "9090")]),
        &settings(),
    );
    assert_eq!(names(&pod), ["kees-init", "kees-refresh"]);
    let mut expected = init_containers(&pod)[0].clone();
    expected["name"] = "kees-refresh".into();
    expected["args"] = json!(["refresh"]);
    expected["restartPolicy"] = "Always".into();
    assert_eq!(sidecar(&pod), &expected);
    insta::assert_json_snapshot!(operations(
        &crate::pods::pod([REFRESH, ("refresh-metrics-port", "9090")]),
        &settings()
    ));
}

#[test]
fn a_pod_without_the_annotation_gets_no_sidecar() {
    let pod = injected(&pod([]), &settings());
    assert_eq!(names(&pod), ["kees-init"]);
    assert!(!pod.to_string().contains("REFRESH"), "{pod}");
}

#[rstest]
#[case("first", ["kees-init", "kees-refresh", "proxy reads", "migrate reads"])]
#[case("after=proxy", ["proxy", "kees-init", "kees-refresh", "migrate reads"])]
#[case("last", ["proxy", "migrate", "kees-init", "kees-refresh"])]
fn the_sidecar_comes_after_the_init_container(#[case] order: &str, #[case] expected: [&str; 4]) {
    let pod = injected(&with_init_containers(order), &settings());
    assert_eq!(mounted(&pod, "initContainers"), expected);
    assert_eq!(mounted(&pod, "containers"), ["app reads"]);
    assert_eq!(operations(&pod, &settings()), json!([]));
}

#[rstest]
#[case::the_sidecar_before_the_init_container(|list: &mut Vec<Value>| list.swap(1, 2))]
#[case::the_sidecar_first(|list: &mut Vec<Value>| list[..3].rotate_right(1))]
#[case::another_one_between(|list: &mut Vec<Value>| list.swap(2, 3))]
#[case::both_at_the_end(|list: &mut Vec<Value>| list[1..].rotate_left(2))]
#[case::no_sidecar(|list: &mut Vec<Value>| drop(list.remove(2)))]
fn containers_that_another_plugin_moved_are_put_in_their_places(
    #[case] change: fn(&mut Vec<Value>),
) {
    let expected = injected(&with_init_containers("after=proxy"), &settings());
    let mut moved = expected.clone();
    change(moved["spec"]["initContainers"].as_array_mut().unwrap());
    assert_ne!(moved, expected);
    assert_eq!(injected(&moved, &settings()), expected);
}

#[test]
fn the_sidecar_of_a_pod_that_is_not_refreshed_any_more_is_removed() {
    let mut pod = injected(&pod([REFRESH]), &settings());
    let annotations = pod["metadata"]["annotations"].as_object_mut().unwrap();
    annotations.remove("init.bsycorp.com/refresh");
    assert_eq!(names(&injected(&pod, &settings())), ["kees-init"]);
}

#[test]
fn a_sidecar_that_differs_is_replaced() {
    let expected = injected(&pod([REFRESH]), &settings());
    for (field, value) in [
        ("image", json!("evil:1")),
        ("args", json!(["refresh", "--store", "embedded"])),
        ("command", json!(["sh"])),
        ("restartPolicy", Value::Null),
        ("env", json!([])),
    ] {
        let mut pod = expected.clone();
        pod["spec"]["initContainers"][1][field] = value;
        assert_eq!(injected(&pod, &settings()), expected, "{field}");
    }
    // The init container has no arguments and ends.
    for (field, value) in [
        ("args", json!(["refresh"])),
        ("restartPolicy", json!("Always")),
    ] {
        let mut pod = expected.clone();
        pod["spec"]["initContainers"][0][field] = value;
        assert_eq!(injected(&pod, &settings()), expected, "{field}");
    }
}

#[rstest]
#[case::a_limit_range(|c: &mut Value| c["resources"]["limits"] = json!({"cpu": "1"}))]
#[case::always_pull_images(|c: &mut Value| c["imagePullPolicy"] = "Always".into())]
#[case::resize_policies(|c: &mut Value| c["resizePolicy"] = json!([{"resourceName": "cpu", "restartPolicy": "NotRequired"}]))]
#[case::a_digest(|c: &mut Value| c["image"] = format!("registry.example.com/kees-init@sha256:{}", "0".repeat(64)).into())]
fn what_other_plugins_add_to_the_sidecar_is_kept(#[case] add: fn(&mut Value)) {
    let mut pod = injected(&pod([REFRESH]), &settings());
    add(&mut pod["spec"]["initContainers"][1]);
    assert_eq!(operations(&pod, &settings()), json!([]));
}

#[rstest]
#[case::best_effort(json!({}), json!(null))]
#[case::burstable(
    json!({"requests": {"cpu": "1"}}),
    json!({"requests": {"cpu": "1m", "memory": "16Mi"}, "limits": {"memory": "16Mi"}})
)]
#[case::a_cpu_limit(
    json!({"limits": {"cpu": "1"}}),
    json!({"requests": {"cpu": "1m", "memory": "16Mi"}, "limits": {"cpu": "100m", "memory": "16Mi"}})
)]
#[case::guaranteed(
    json!({"limits": {"cpu": "1", "memory": "1Gi"}}),
    json!({"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "10m", "memory": "16Mi"}})
)]
fn the_sidecar_keeps_the_class_of_the_pod(#[case] of_app: Value, #[case] expected: Value) {
    let mut pod = pod([REFRESH]);
    pod["spec"]["containers"][0]["resources"] = of_app;
    let pod = injected(&pod, &settings());
    assert_eq!(sidecar(&pod)["resources"], expected);
    assert_eq!(operations(&pod, &settings()), json!([]));
}

#[rstest]
#[case(
    "1s",
    "1s is shorter than 30s, the shortest period here, because every pod that reads so often uses up \
     the store's limit of calls, which all pods share; use 30s or more"
)]
#[case(
    "5",
    "refresh=5 is wrong; use a number with s, m or h, from 1s to 24h, such as 5m"
)]
fn a_period_that_is_too_short_or_no_period_is_denied(#[case] period: &str, #[case] expected: &str) {
    assert_eq!(
        errors(&pod([("refresh", period)]), &settings()),
        [format!("init.bsycorp.com/refresh: {expected}")]
    );
}

#[test]
fn the_operator_sets_the_shortest_period_and_the_memory() {
    let settings = InjectSettings {
        refresh_minimum: "1s".parse().unwrap(),
        refresh_memory: "24Mi".parse().unwrap(),
        ..settings()
    };
    let mut pod = pod([("refresh", "1s")]);
    pod["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "1"}});
    let pod = injected(&pod, &settings);
    assert_eq!(sidecar(&pod)["resources"]["limits"]["memory"], "24Mi");
}

#[test]
fn in_local_mode_no_value_changes() {
    let settings = with_policy("rules: [{namespaces: ['*'], localMode: true}]");
    let pod = pod([REFRESH, ("local-mode", "true")]);
    assert_eq!(names(&injected(&pod, &settings)), ["kees-init"]);
    assert_eq!(
        warnings(&pod, &settings),
        ["init.bsycorp.com/refresh: has no effect: in local mode no value changes"]
    );
}

#[test]
fn a_port_of_metrics_needs_a_refresh() {
    let pod = pod([("refresh-metrics-port", "9090")]);
    assert_eq!(
        warnings(&pod, &settings()),
        ["init.bsycorp.com/refresh-metrics-port: has no effect without refresh"]
    );
    assert!(
        !injected(&pod, &settings())
            .to_string()
            .contains("REFRESH_METRICS_PORT")
    );
}

#[test]
fn the_name_of_the_sidecar_is_reserved_in_a_refreshed_pod() {
    let with_name = |options: &[(&'static str, &'static str)]| {
        let mut pod = pod(options.iter().copied());
        let other = json!({"name": "kees-refresh", "image": "other:1"});
        pod["spec"]["containers"]
            .as_array_mut()
            .unwrap()
            .push(other);
        pod
    };
    assert_eq!(
        errors(&with_name(&[REFRESH]), &settings()),
        ["spec.containers[kees-refresh]: the name kees-refresh is reserved for kees; rename it"]
    );
    assert_eq!(
        names(&injected(&with_name(&[]), &settings())),
        ["kees-init"]
    );
}

#[test]
fn a_pod_that_is_wired_by_hand_gets_no_sidecar_and_warnings() {
    let mut pod = pod([REFRESH]);
    pod["spec"]["initContainers"] = json!([{
        "name": "init", "image": "kees-init:1",
        "volumeMounts": [{"name": "files", "mountPath": "/bsycorp-init"}],
    }]);
    pod["spec"]["containers"][0]["volumeMounts"] = json!([
        {"name": "files", "mountPath": "/all", "readOnly": true},
        {"name": "files", "mountPath": "/one", "readOnly": true, "subPath": "secrets.properties"},
        {"name": "other", "mountPath": "/other", "subPath": "x"},
    ]);
    assert_eq!(
        warnings(&pod, &settings()),
        [
            "init.bsycorp.com/refresh: adds no sidecar to a pod that is wired by hand; add one, and set \
             REFRESH on it and on the init container",
            "spec.containers[app].volumeMounts[files]: a mount with subPath keeps the first files when \
             they are refreshed; mount the whole volume",
        ]
    );
}

/// A refreshed pod that shares its processes, with this `on-change`.
fn signalled(on_change: &str) -> Value {
    let mut pod = pod([REFRESH, ("on-change", on_change)]);
    pod["spec"]["shareProcessNamespace"] = true.into();
    pod["spec"]["securityContext"] = json!({"runAsUser": 1000});
    pod
}

#[rstest]
#[case("signal=HUP")]
#[case("signal=HUP,process=nginx")]
#[case("http://127.0.0.1:8080/reload")]
#[case("restart")]
fn the_sidecar_is_told_what_to_do_on_a_change(#[case] on_change: &str) {
    let pod = signalled(on_change);
    assert_eq!(warnings(&pod, &settings()), [""; 0]);
    let pod = injected(&pod, &settings());
    let env = sidecar(&pod)["env"].as_array().unwrap();
    let variable = env.iter().find(|variable| variable["name"] == "ON_CHANGE");
    assert_eq!(variable.unwrap()["value"], on_change);
}

#[test]
fn a_signal_needs_shared_processes() {
    let mut pod = signalled("signal=HUP,process=nginx");
    pod["spec"]["shareProcessNamespace"] = false.into();
    assert_eq!(
        errors(&pod, &settings()),
        [
            "init.bsycorp.com/on-change: a signal needs spec.shareProcessNamespace: true, because the \
             sidecar sees no process of another container without it; set it, or use \
             http://127.0.0.1:PORT/PATH"
        ]
    );
}

#[test]
fn among_several_containers_the_process_is_named() {
    let mut pod = signalled("signal=HUP");
    let second = json!({"name": "second", "image": "other:1"});
    pod["spec"]["containers"]
        .as_array_mut()
        .unwrap()
        .push(second);
    assert_eq!(
        errors(&pod, &settings()),
        [
            "init.bsycorp.com/on-change: the pod has 2 containers besides those of kees, so the process \
             must be named; use signal=HUP,process=NAME"
        ]
    );
    pod["metadata"]["annotations"]["init.bsycorp.com/on-change"] = "signal=HUP,process=app".into();
    assert_eq!(names(&injected(&pod, &settings())).len(), 2);
}

#[test]
fn a_signal_to_another_user_is_denied_if_both_are_known() {
    let mut pod = signalled("signal=HUP");
    pod["spec"]["securityContext"] = json!({"runAsUser": 0});
    assert_eq!(
        errors(&pod, &settings()),
        [
            "init.bsycorp.com/on-change: the sidecar runs as uid 65532, and may signal only processes of \
             that uid, but no container that gets the files runs as it; give all of them the same \
             runAsUser, which is not 0"
        ]
    );
    pod["spec"]["securityContext"] = json!({});
    assert_eq!(
        warnings(&pod, &settings()),
        [
            "init.bsycorp.com/on-change: the sidecar runs as uid 65532 and may signal only processes of \
             that uid; set runAsUser on the containers that get the files, so that the sidecar runs as \
             the same user"
        ]
    );
}

#[test]
fn on_change_needs_a_refresh() {
    let pod = pod([("on-change", "signal=HUP")]);
    assert_eq!(
        warnings(&pod, &settings()),
        ["init.bsycorp.com/on-change: has no effect without refresh"]
    );
}

#[rstest]
#[case("ReplicaSet", &[])]
#[case("StatefulSet", &[])]
#[case("DaemonSet", &[])]
#[case("Job", &[
    "init.bsycorp.com/on-change: the controller restarts Deployments, StatefulSets and DaemonSets, and this \
     pod belongs to a Job"
])]
fn a_restart_of_a_job_is_warned_of(#[case] kind: &str, #[case] expected: &[&str]) {
    let mut pod = pod([REFRESH, ("on-change", "restart")]);
    pod["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "v1", "kind": kind, "name": "web", "uid": "1", "controller": true}]);
    assert_eq!(warnings(&pod, &settings()), expected);
}

#[test]
fn another_host_than_the_pod_is_denied() {
    let errors = errors(&signalled("http://169.254.169.254:80/"), &settings());
    assert_eq!(errors.len(), 1);
    assert!(errors[0].contains("a URL of the pod itself"), "{errors:?}");
}
