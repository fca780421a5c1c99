//! Pods that are already injected: the second call of an admission, or an injected manifest.

use kees_inject::{PodView, RunAs};
use rstest::rstest;
use serde_json::{Value, json};

use crate::pods::{errors, init_container, injected, mounted, operations, pod, settings, variable};

/// A pod with the defaults that the API server fills in between two calls.
fn with_defaults(mut pod: Value) -> Value {
    for list in ["containers", "initContainers"] {
        for container in pod["spec"][list].as_array_mut().unwrap() {
            container["terminationMessagePath"] = "/dev/termination-log".into();
            if container.get("terminationMessagePolicy").is_none() {
                container["terminationMessagePolicy"] = "File".into();
            }
            container["imagePullPolicy"] = "IfNotPresent".into();
            if container.get("resources").is_none() {
                container["resources"] = json!({});
            }
        }
    }
    for variable in pod["spec"]["initContainers"][0]["env"]
        .as_array_mut()
        .unwrap()
    {
        if let Some(field) = variable.pointer_mut("/valueFrom/fieldRef") {
            field["apiVersion"] = "v1".into();
        }
    }
    pod["spec"]["volumes"][0]["downwardAPI"]["defaultMode"] = 420.into();
    pod["spec"]["volumes"][0]["downwardAPI"]["items"][0]["fieldRef"]["apiVersion"] = "v1".into();
    pod
}

#[test]
fn a_second_call_changes_nothing() {
    let pod = with_defaults(injected(&pod([]), &settings()));
    assert_eq!(operations(&pod, &settings()), json!([]));
}

#[test]
fn amounts_are_compared_by_value() {
    let mut pod = pod([]);
    pod["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "1"}});
    let mut pod = injected(&pod, &settings());
    init_container(&pod);
    pod["spec"]["volumes"][1]["emptyDir"]["sizeLimit"] = "4096Ki".into();
    pod["spec"]["initContainers"][0]["resources"]["limits"]["memory"] = "65536Ki".into();
    assert_eq!(operations(&pod, &settings()), json!([]));
    pod["spec"]["initContainers"][0]["resources"]["limits"]["memory"] = "65537Ki".into();
    assert_ne!(operations(&pod, &settings()), json!([]));
}

#[rstest]
#[case::a_limit_range(RunAs::default(), |c: &mut Value| c["resources"] = json!({"limits": {"cpu": "1"}, "requests": {"cpu": "10m"}}))]
#[case::always_pull_images(RunAs::default(), |c: &mut Value| c["imagePullPolicy"] = "Always".into())]
#[case::openshift(RunAs::Unset, |c: &mut Value| c["securityContext"]["runAsUser"] = 1_000_650_000.into())]
#[case::resize_policies(RunAs::default(), |c: &mut Value| c["resizePolicy"] = json!([{"resourceName": "cpu", "restartPolicy": "NotRequired"}]))]
#[case::the_identity_webhook(RunAs::default(), |c: &mut Value| {
    c["env"].as_array_mut().unwrap().extend([
        json!({"name": "AWS_STS_REGIONAL_ENDPOINTS", "value": "regional"}),
        json!({"name": "AWS_DEFAULT_REGION", "value": "eu-west-1"}),
        json!({"name": "AWS_ROLE_ARN", "value": "arn:aws:iam::111122223333:role/web"}),
        json!({"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"}),
    ]);
    c["volumeMounts"].as_array_mut().unwrap().push(json!({"name": "aws-iam-token", "mountPath": "/var/run/secrets/eks.amazonaws.com/serviceaccount", "readOnly": true}));
})]
fn what_other_plugins_add_to_the_init_container_is_kept(
    #[case] run_as: RunAs,
    #[case] add: fn(&mut Value),
) {
    let mut settings = settings();
    settings.run_as = run_as;
    let before = injected(&pod([]), &settings);
    let mut pod = before.clone();
    add(&mut pod["spec"]["initContainers"][0]);
    assert_ne!(pod, before);
    assert_eq!(operations(&pod, &settings), json!([]));
    // It is also kept if something else must be changed.
    pod["spec"]["initContainers"][0]["image"] = "evil:1".into();
    let mut expected = pod.clone();
    expected["spec"]["initContainers"][0]["image"] = settings.init_image.clone().into();
    let after = injected(&pod, &settings);
    assert_eq!(operations(&after, &settings), json!([]));
    assert_eq!(
        init_container(&after)["resources"],
        init_container(&expected)["resources"]
    );
    assert_eq!(
        init_container(&after)["securityContext"],
        init_container(&expected)["securityContext"]
    );
}

#[rstest]
#[case("subPath")]
#[case("subPathExpr")]
fn a_mount_of_the_files_with_an_empty_sub_path_is_kept(#[case] field: &str) {
    let mut pod = injected(&pod([]), &settings());
    pod["spec"]["containers"][0]["volumeMounts"][0][field] = "".into();
    assert_eq!(operations(&pod, &settings()), json!([]));
}

#[test]
fn an_identity_that_is_added_late_reaches_the_init_container() {
    let mut pod = injected(&pod([]), &settings());
    pod["spec"]["containers"][0]["env"] = json!([
        {"name": "AWS_ROLE_ARN", "value": "arn:aws:iam::111122223333:role/web"},
        {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"},
    ]);
    let mounts = pod["spec"]["containers"][0]["volumeMounts"]
        .as_array_mut()
        .unwrap();
    mounts.push(json!({"name": "aws-iam-token", "mountPath": "/var/run/secrets/eks.amazonaws.com/serviceaccount", "readOnly": true}));
    assert_eq!(operations(&pod, &settings()).as_array().unwrap().len(), 1);
    let pod = injected(&pod, &settings());
    assert_eq!(
        variable(&pod, "AWS_WEB_IDENTITY_TOKEN_FILE"),
        Some("/var/run/secrets/eks.amazonaws.com/serviceaccount/token")
    );
    assert_eq!(operations(&pod, &settings()), json!([]));
}

#[test]
fn a_container_that_another_webhook_adds_later_reads_no_files() {
    let mut pod = injected(&pod([]), &settings());
    let proxy = json!({"name": "proxy", "image": "mesh:1", "volumeMounts": []});
    pod["spec"]["containers"]
        .as_array_mut()
        .unwrap()
        .push(proxy.clone());
    pod["spec"]["initContainers"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "mesh", "image": "m"}));
    assert_eq!(operations(&pod, &settings()), json!([]));
    assert_eq!(mounted(&pod, "containers"), ["app reads", "proxy"]);
}

#[test]
fn a_proxy_that_mounts_the_files_itself_is_denied_if_the_containers_are_named() {
    let mut pod = injected(&pod([("containers", "app")]), &settings());
    let mount = pod["spec"]["containers"][0]["volumeMounts"][0].clone();
    let proxy = json!({"name": "proxy", "volumeMounts": [mount]});
    pod["spec"]["containers"]
        .as_array_mut()
        .unwrap()
        .push(proxy);
    assert_eq!(
        errors(&pod, &settings()),
        [
            "spec.containers[proxy]: it mounts kees-secrets, which is reserved for kees; remove the mount, \
          because kees adds its own"
        ]
    );
}

#[test]
fn a_named_container_that_lost_its_mount_gets_it_back() {
    let mut pod = injected(&pod([("containers", "app")]), &settings());
    pod["spec"]["containers"][0]
        .as_object_mut()
        .unwrap()
        .remove("volumeMounts");
    assert_eq!(
        mounted(&injected(&pod, &settings()), "containers"),
        ["app reads"]
    );
}

#[rstest]
#[case("first", 1, &["kees-init", "a", "b"])]
#[case("last", 0, &["a", "b", "kees-init"])]
#[case("after=a", 0, &["a", "kees-init", "b"])]
#[case("before=b", 2, &["a", "kees-init", "b"])]
fn the_init_container_is_moved_back_to_its_place(
    #[case] order: &str,
    #[case] at: usize,
    #[case] expected: &[&str],
) {
    let mut pod = injected(&pod([("order", "first")]), &settings());
    pod["metadata"]["annotations"]["init.bsycorp.com/order"] = order.into();
    let containers = pod["spec"]["initContainers"].as_array_mut().unwrap();
    containers.extend([
        json!({"name": "a", "image": "a"}),
        json!({"name": "b", "image": "b"}),
    ]);
    let existing = containers.remove(0);
    containers.insert(at, existing);
    assert_eq!(operations(&pod, &settings()).as_array().unwrap().len(), 1);
    let pod = injected(&pod, &settings());
    assert_eq!(mounted(&pod, "initContainers"), expected);
    assert_eq!(operations(&pod, &settings()), json!([]));
}

#[test]
fn a_manifest_that_an_older_version_injected_is_updated() {
    let mut old = settings();
    old.version = "0.0.9".to_owned();
    old.init_image = "registry.example.com/kees-init:0.0.9".to_owned();
    old.volume_size = kees_inject::Quantity::mebi(8);
    let pod = injected(&pod([]), &old);
    assert_eq!(
        injected(&pod, &settings()),
        injected(&self::pod([]), &settings())
    );
}

#[test]
fn a_container_with_a_value_that_cannot_be_decoded_is_replaced() {
    let honest = injected(&pod([]), &settings());
    // serde_json skips a number that it cannot represent, but cannot decode it.
    let forged = honest.to_string().replacen(
        r#""name":"kees-init""#,
        r#""name":"kees-init","x":1e999"#,
        1,
    );
    let view = PodView::from_json(&forged).unwrap();
    let decision = kees_inject::decide(&view, "team-a", &settings());
    let kees_inject::Decision::Patch { operations, .. } = decision else {
        panic!("{decision:?}")
    };
    let operations: Value = serde_json::from_str(operations.as_json()).unwrap();
    let container = &honest["spec"]["initContainers"][0];
    assert_eq!(
        operations,
        json!([{"op": "replace", "path": "/spec/initContainers/0", "value": container}])
    );
}

/// A number belongs to a pod by its uid, so that a new pod of the same name does not take it.
#[test]
fn a_pod_with_a_lease_has_its_uid_also_after_a_second_call() {
    let mut pod = pod([]);
    pod["metadata"]["annotations"]["lease.bsycorp.com/node"] =
        "kind=INDEX,rangeStart=0,rangeEnd=9".into();
    let uid = |pod: &Value| {
        let env = init_container(pod)["env"].as_array().unwrap();
        let uid = env.iter().find(|variable| variable["name"] == "POD_UID");
        uid.map(|uid| uid["valueFrom"]["fieldRef"]["fieldPath"].clone())
    };
    let before = injected(&pod, &settings());
    assert_eq!(uid(&before), Some("metadata.uid".into()));
    assert_eq!(
        operations(&with_defaults(before.clone()), &settings()),
        json!([])
    );
    let mut without = before;
    let env = without["spec"]["initContainers"][0]["env"].as_array_mut();
    env.unwrap()
        .retain(|variable| variable["name"] != "POD_UID");
    assert_eq!(uid(&without), None);
    assert_eq!(
        uid(&injected(&without, &settings())),
        Some("metadata.uid".into())
    );
}
