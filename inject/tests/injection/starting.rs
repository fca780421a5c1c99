//! Pods with `start: fast`: a sidecar with a hook in place of the init container.

use rstest::rstest;
use serde_json::{Value, json};

use crate::pods::{errors, injected, mounted, operations, pod, settings, warnings};

const FAST: (&str, &str) = ("start", "fast");
const REFRESH: (&str, &str) = ("refresh", "5m");

fn init_containers(pod: &Value) -> &Vec<Value> {
    pod["spec"]["initContainers"].as_array().unwrap()
}

#[test]
fn the_init_container_of_a_fast_start_is_a_sidecar_with_a_hook() {
    let fast = injected(&pod([FAST]), &settings());
    let mut expected = injected(&pod([]), &settings())["spec"]["initContainers"][0].clone();
    expected["args"] = json!(["start"]);
    expected["restartPolicy"] = "Always".into();
    expected["lifecycle"] = json!({"postStart": {"exec": {"command": ["/kees-init", "wait"]}}});
    assert_eq!(init_containers(&fast), &[expected]);
    assert_eq!(mounted(&fast, "containers"), ["app reads"]);
    assert_eq!(operations(&fast, &settings()), json!([]));
    insta::assert_json_snapshot!(operations(&pod([FAST]), &settings()));
}

#[test]
fn the_default_start_is_that_of_a_pod_without_the_annotation() {
    let mut default = injected(&pod([("start", "init")]), &settings());
    let annotations = default["metadata"]["annotations"].as_object_mut().unwrap();
    annotations.remove("init.bsycorp.com/start");
    assert_eq!(default, injected(&pod([]), &settings()));
}

#[test]
fn the_sidecar_of_a_fast_start_refreshes_too() {
    let pod = injected(&pod([FAST, REFRESH]), &settings());
    let [container] = &init_containers(&pod)[..] else {
        panic!("{pod}");
    };
    assert_eq!(container["name"], "kees-init");
    let period = json!({"name": "REFRESH", "value": "5m"});
    let variables = container["env"].as_array().unwrap();
    assert!(variables.contains(&period), "{container}");
}

#[test]
fn a_container_with_variables_waits_for_the_files() {
    let mut pod = pod([FAST, ("env", "true")]);
    pod["spec"]["containers"][0]["command"] = json!(["web"]);
    let pod = injected(&pod, &settings());
    let command = &pod["spec"]["containers"][0]["command"];
    let expected = json!([
        "/bsycorp-init/.kees-init",
        "exec",
        "--wait",
        "120",
        "--",
        "web"
    ]);
    assert_eq!(command, &expected);
    assert_eq!(operations(&pod, &settings()), json!([]));
    // Another start does not wrap it twice.
    let mut other = pod.clone();
    other["metadata"]["annotations"]["init.bsycorp.com/start"] = json!("init");
    let other = injected(&other, &settings());
    let expected = json!(["/bsycorp-init/.kees-init", "exec", "--", "web"]);
    assert_eq!(other["spec"]["containers"][0]["command"], expected);
}

#[rstest]
#[case::none(json!(null))]
#[case::another_command(json!({"postStart": {"exec": {"command": ["/kees-init"]}}}))]
#[case::a_request(json!({"postStart": {"httpGet": {"port": 80}}}))]
#[case::another_hook(json!({"preStop": {"sleep": {"seconds": 5}}}))]
fn another_hook_is_replaced(#[case] lifecycle: Value) {
    let expected = injected(&pod([FAST]), &settings());
    let mut pod = expected.clone();
    pod["spec"]["initContainers"][0]["lifecycle"] = lifecycle;
    assert_eq!(injected(&pod, &settings()), expected);
}

#[test]
fn an_init_container_gets_no_hook() {
    let expected = injected(&pod([]), &settings());
    let mut pod = expected.clone();
    pod["spec"]["initContainers"][0]["lifecycle"] =
        json!({"postStart": {"exec": {"command": ["/kees-init", "wait"]}}});
    assert_eq!(injected(&pod, &settings()), expected);
}

#[rstest]
#[case::best_effort(json!({}), json!(null))]
#[case::burstable(
    json!({"requests": {"cpu": "1"}}),
    json!({"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}})
)]
#[case::a_cpu_limit(
    json!({"limits": {"cpu": "1"}}),
    json!({"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "500m", "memory": "64Mi"}})
)]
#[case::guaranteed(
    json!({"limits": {"cpu": "1", "memory": "1Gi"}}),
    json!({"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "100m", "memory": "64Mi"}})
)]
fn a_fast_start_keeps_the_class_of_the_pod(#[case] of_app: Value, #[case] expected: Value) {
    let mut pod = pod([FAST]);
    pod["spec"]["containers"][0]["resources"] = of_app;
    let pod = injected(&pod, &settings());
    assert_eq!(init_containers(&pod)[0]["resources"], expected);
    assert_eq!(operations(&pod, &settings()), json!([]));
}

#[test]
fn another_value_is_denied() {
    assert_eq!(
        errors(&pod([("start", "slow")]), &settings()),
        ["init.bsycorp.com/start: start=slow is wrong; use init or fast"]
    );
}

#[test]
fn a_pod_that_is_wired_by_hand_is_told_how_to_start_fast() {
    let mut pod = pod([FAST]);
    pod["spec"]["initContainers"] = json!([{"name": "init", "image": "kees-init:1"}]);
    assert_eq!(
        warnings(&pod, &settings()),
        [
            "init.bsycorp.com/start: has no effect on a pod that is wired by hand; give its init \
             container the argument start, restartPolicy: Always, and a postStart hook with /kees-init \
             wait"
        ]
    );
}
