//! Pods whose authors try to get what the operator does not allow.

use rstest::rstest;
use serde_json::{Value, json};

use crate::pods::{
    errors, init_container, injected, operations, pod, settings, variable, with_policy,
};

/// An injected pod with a change, as a pod author could write it.
fn forged(change: impl FnOnce(&mut Value)) -> Value {
    let mut pod = injected(&pod([]), &settings());
    change(&mut pod);
    pod
}

#[rstest]
#[case::image(|c: &mut Value| c["image"] = "evil:1".into())]
#[case::command(|c: &mut Value| c["command"] = json!(["sh", "-c", "cat /bsycorp-init/*"]))]
#[case::args(|c: &mut Value| c["args"] = json!(["--help"]))]
#[case::a_variable(|c: &mut Value| c["env"].as_array_mut().unwrap().push(json!({"name": "AWS_ENDPOINT", "value": "http://evil"})))]
#[case::a_variable_twice(|c: &mut Value| c["env"].as_array_mut().unwrap().push(json!({"name": "STORAGE_PREFIX", "value": "/prod"})))]
#[case::another_value(|c: &mut Value| c["env"][3]["value"] = "example.com".into())]
#[case::variables_from_elsewhere(|c: &mut Value| c["envFrom"] = json!([{"configMapRef": {"name": "x"}}]))]
#[case::a_working_directory(|c: &mut Value| c["workingDir"] = "/bsycorp-init".into())]
#[case::root(|c: &mut Value| c["securityContext"]["runAsUser"] = 0.into())]
#[case::privileges(|c: &mut Value| c["securityContext"]["privileged"] = true.into())]
#[case::no_seccomp(|c: &mut Value| c["securityContext"]["seccompProfile"]["type"] = "Unconfined".into())]
#[case::a_sidecar(|c: &mut Value| c["restartPolicy"] = "Always".into())]
#[case::a_hook(|c: &mut Value| c["lifecycle"] = json!({"postStart": {"exec": {"command": ["x"]}}}))]
#[case::a_mount(|c: &mut Value| c["volumeMounts"].as_array_mut().unwrap().push(json!({"name": "host", "mountPath": "/host"})))]
#[case::the_real_token(|c: &mut Value| c["volumeMounts"][2]["name"] = "kube-api-access".into())]
#[case::part_of_a_volume(|c: &mut Value| c["volumeMounts"][1]["subPath"] = "x".into())]
#[case::propagation(|c: &mut Value| c["volumeMounts"][1]["mountPropagation"] = "Bidirectional".into())]
#[case::never_pulled(|c: &mut Value| c["imagePullPolicy"] = "Never".into())]
#[case::a_field_of_the_future(|c: &mut Value| c["newField"] = json!({"x": 1}))]
#[case::a_log_elsewhere(|c: &mut Value| c["terminationMessagePath"] = "/bsycorp-init/x".into())]
#[case::another_policy_of_the_log(|c: &mut Value| c["terminationMessagePolicy"] = "File".into())]
#[case::other_amounts(|c: &mut Value| c["securityContext"]["capabilities"]["add"] = json!(["SYS_PTRACE"]))]
fn a_forged_init_container_is_replaced(#[case] forge: fn(&mut Value)) {
    let honest = injected(&pod([]), &settings());
    let pod = forged(|pod| forge(&mut pod["spec"]["initContainers"][0]));
    assert_ne!(
        init_container(&pod),
        init_container(&honest),
        "the case forges nothing"
    );
    assert_eq!(injected(&pod, &settings()), honest);
}

#[rstest]
#[case::on_disk(|pod: &mut Value| pod["spec"]["volumes"][1]["emptyDir"] = json!({}))]
#[case::without_a_limit(|pod: &mut Value| { pod["spec"]["volumes"][1]["emptyDir"].as_object_mut().unwrap().remove("sizeLimit"); })]
#[case::other_annotations(|pod: &mut Value| pod["spec"]["volumes"][0]["downwardAPI"]["items"][0]["fieldRef"]["fieldPath"] = "metadata.labels".into())]
#[case::a_writable_mount(|pod: &mut Value| { pod["spec"]["containers"][0]["volumeMounts"][0].as_object_mut().unwrap().remove("readOnly"); })]
#[case::a_mount_elsewhere(|pod: &mut Value| pod["spec"]["containers"][0]["volumeMounts"][0]["mountPath"] = "/x".into())]
#[case::part_of_the_volume(|pod: &mut Value| pod["spec"]["containers"][0]["volumeMounts"][0]["subPath"] = "x".into())]
#[case::part_by_expression(|pod: &mut Value| pod["spec"]["containers"][0]["volumeMounts"][0]["subPathExpr"] = "$(X)".into())]
#[case::another_version(|pod: &mut Value| pod["metadata"]["annotations"]["init.bsycorp.com/injected"] = "9".into())]
#[case::no_volumes(|pod: &mut Value| { pod["spec"].as_object_mut().unwrap().remove("volumes"); })]
#[case::null_volumes(|pod: &mut Value| pod["spec"]["volumes"] = Value::Null)]
fn forged_volumes_and_mounts_are_replaced(#[case] forge: fn(&mut Value)) {
    let pod = forged(forge);
    let honest = injected(&self::pod([]), &settings());
    assert_ne!(pod, honest, "the case forges nothing");
    assert_eq!(injected(&pod, &settings()), honest);
}

#[rstest]
#[case::a_volume_of_the_node(|pod: &mut Value| pod["spec"]["volumes"][1] = json!({"name": "kees-secrets", "hostPath": {"path": "/etc"}}))]
#[case::a_secret(|pod: &mut Value| pod["spec"]["volumes"][0] = json!({"name": "kees-podinfo", "secret": {"secretName": "x"}}))]
#[case::a_volume_twice(|pod: &mut Value| { let volume = pod["spec"]["volumes"][1].clone(); pod["spec"]["volumes"].as_array_mut().unwrap().push(volume); })]
#[case::a_second_init_container(|pod: &mut Value| { let existing = pod["spec"]["initContainers"][0].clone(); pod["spec"]["initContainers"].as_array_mut().unwrap().push(existing); })]
#[case::two_mounts(|pod: &mut Value| pod["spec"]["containers"][0]["volumeMounts"].as_array_mut().unwrap().push(json!({"name": "kees-secrets", "mountPath": "/y"})))]
#[case::a_mount_of_the_annotations(|pod: &mut Value| pod["spec"]["containers"][0]["volumeMounts"][0]["name"] = "kees-podinfo".into())]
fn what_cannot_be_replaced_is_denied(#[case] forge: fn(&mut Value)) {
    let errors = errors(&forged(forge), &settings());
    assert!(
        errors
            .iter()
            .all(|error| error.contains("reserved for kees")),
        "{errors:?}"
    );
}

#[test]
fn a_forged_container_cannot_keep_a_prefix_that_is_not_allowed() {
    let policy = with_policy("rules: [{namespaces: ['*'], storagePrefix: '/dev/{namespace}'}]");
    let pod = injected(&pod([("storage-prefix", "/prod")]), &settings());
    assert_eq!(variable(&pod, "STORAGE_PREFIX"), Some("/prod"));
    let errors = errors(&pod, &policy);
    assert!(
        errors[0].contains("/prod is not at or below /dev/team-a"),
        "{errors:?}"
    );
}

/// In Secrets Manager, each path below it would be an ARN, of any account and Region.
#[test]
fn an_arn_is_no_prefix() {
    let arn = "arn:aws:secretsmanager:us-east-1:999999999999:secret:prod";
    let errors = errors(&pod([("storage-prefix", arn)]), &settings());
    assert!(
        errors[0].contains("an ARN cannot be a prefix"),
        "{errors:?}"
    );
}

#[test]
fn a_value_of_the_pod_author_cannot_refer_to_a_variable() {
    let mut pod = pod([
        ("storage-prefix", "/dev/$(AWS_ROLE_ARN)"),
        ("mount-path", "/x/$(POD_NAME)"),
    ]);
    pod["metadata"]["annotations"]["init.bsycorp.com/order"] = "first".into();
    let pod = injected(&pod, &settings());
    assert_eq!(
        variable(&pod, "STORAGE_PREFIX"),
        Some("/dev/$$(AWS_ROLE_ARN)")
    );
    assert_eq!(
        variable(&pod, "SECRETS_FILE"),
        Some("/x/$$(POD_NAME)/secrets.properties")
    );
    assert_eq!(
        init_container(&pod)["volumeMounts"][1]["mountPath"],
        "/x/$(POD_NAME)"
    );
}

#[test]
fn the_operator_cannot_set_a_decided_variable() {
    let mut settings = settings();
    settings
        .init_env
        .insert("STORAGE_PREFIX".to_owned(), "/prod".to_owned());
    let pod = injected(&pod([("storage-prefix", "/dev")]), &settings);
    let env = init_container(&pod)["env"].as_array().unwrap();
    let prefixes: Vec<_> = env
        .iter()
        .filter(|v| v["name"] == "STORAGE_PREFIX")
        .collect();
    assert_eq!(
        prefixes,
        [&json!({"name": "STORAGE_PREFIX", "value": "/dev"})]
    );
}

#[test]
fn text_with_special_characters_is_kept() {
    let mut settings = settings();
    settings.version = "1\"\\\n".to_owned();
    settings.init_image = "kees-init:\u{e4}\u{1}".to_owned();
    let after = injected(&pod([]), &settings);
    assert_eq!(init_container(&after)["image"], "kees-init:\u{e4}\u{1}");
    assert_eq!(
        after["metadata"]["annotations"]["init.bsycorp.com/injected"],
        "1\"\\\n"
    );
    assert_eq!(operations(&after, &settings), json!([]));
}

#[test]
fn root_is_removed_if_the_operator_sets_no_uid() {
    let mut settings = settings();
    settings.run_as = kees_inject::RunAs::Unset;
    let honest = injected(&pod([]), &settings);
    let mut pod = honest.clone();
    pod["spec"]["initContainers"][0]["securityContext"]["runAsUser"] = 0.into();
    assert_eq!(injected(&pod, &settings), honest);
}

/// Pods of up to three megabytes, the limit of the API server, that could make the response larger.
#[rstest]
#[case::many_containers(|pod: &mut Value| {
    pod["metadata"]["annotations"]["init.bsycorp.com/mount-path"] = format!("/{}", "x".repeat(500)).into();
    pod["spec"]["containers"] = (0..150_000).map(|_| json!({"name": "a"})).collect();
})]
#[case::many_mounts_in_the_way(|pod: &mut Value| {
    pod["metadata"]["annotations"]["init.bsycorp.com/mount-path"] = "/x".into();
    pod["spec"]["containers"][0]["name"] = "n".repeat(1_000_000).into();
    pod["spec"]["containers"][0]["volumeMounts"] = (0..50_000).map(|_| json!({"name": "v", "mountPath": "/x"})).collect();
})]
#[case::many_errors(|pod: &mut Value| {
    for n in 0..4000 {
        pod["metadata"]["annotations"][format!("secret.bsycorp.com/{n}")] = "kind=".into();
    }
})]
#[case::many_keys(|pod: &mut Value| pod["metadata"]["annotations"]["secret.bsycorp.com/db-password"] = "x,".repeat(100_000).into())]
#[case::many_annotations(|pod: &mut Value| {
    for n in 0..100_000 {
        pod["metadata"]["annotations"][format!("lease.bsycorp.com/{n}")] = "".into();
    }
})]
#[case::many_names(|pod: &mut Value| {
    pod["metadata"]["annotations"]["init.bsycorp.com/containers"] = (0..40_000).map(|n| n.to_string()).collect::<Vec<_>>().join(",").into();
    pod["spec"]["initContainers"] = (0..4000).map(|n| json!({"name": n.to_string()})).collect();
})]
fn a_pod_made_to_exhaust_the_webhook_is_denied_with_a_short_message(#[case] swell: fn(&mut Value)) {
    let mut pod = pod([]);
    swell(&mut pod);
    let body = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "operation": "CREATE",
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "object": pod,
        }
    });
    let response = kees_inject::review(body.to_string().as_bytes(), &settings());
    assert_eq!(response.outcome, kees_inject::Outcome::Denied);
    assert!(
        response.json.len() < 200_000,
        "{} bytes",
        response.json.len()
    );
}
