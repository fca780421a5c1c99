//! The AWS identity of a pod: what is copied to the init container, and what is not.

use rstest::rstest;
use serde_json::{Value, json};

use crate::pods::{errors, init_container, injected, operations, pod, settings, variable};

const IRSA: &str = "/var/run/secrets/eks.amazonaws.com/serviceaccount";

fn with_identity() -> Value {
    let mut pod = pod([]);
    pod["spec"]["containers"] = json!([
        {"name": "plain", "image": "a"},
        {"name": "app", "image": "a",
         "env": [
            {"name": "AWS_ROLE_ARN", "value": "arn:aws:iam::111122223333:role/web"},
            {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"},
            {"name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "value": "http://169.254.170.23/v1/credentials"},
            {"name": "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "value": "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token"},
            {"name": "AWS_ENDPOINT_URL", "value": "https://not.copied.example.com"}],
         "volumeMounts": [
            {"name": "aws-iam-token", "mountPath": "/var/run/secrets/eks.amazonaws.com/serviceaccount", "readOnly": true},
            {"name": "eks-pod-identity-token", "mountPath": "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount", "readOnly": true}]},
    ]);
    pod
}

#[test]
fn the_identity_of_an_application_container_is_copied() {
    let pod = injected(&with_identity(), &settings());
    assert_eq!(
        variable(&pod, "AWS_ROLE_ARN"),
        Some("arn:aws:iam::111122223333:role/web")
    );
    assert_eq!(
        variable(&pod, "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        Some("http://169.254.170.23/v1/credentials")
    );
    assert_eq!(variable(&pod, "AWS_ENDPOINT_URL"), None);
    let mounts: Vec<_> = init_container(&pod)["volumeMounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| &m["name"])
        .collect();
    assert_eq!(
        mounts,
        [
            "kees-podinfo",
            "kees-secrets",
            "kees-podinfo",
            "aws-iam-token",
            "eks-pod-identity-token"
        ]
    );
}

#[rstest]
#[case("env")]
#[case("volumeMounts")]
fn half_an_identity_is_not_copied(#[case] without: &str) {
    let mut pod = with_identity();
    pod["spec"]["containers"][1]
        .as_object_mut()
        .unwrap()
        .remove(without);
    let pod = injected(&pod, &settings());
    assert_eq!(variable(&pod, "AWS_ROLE_ARN"), None);
    assert_eq!(
        init_container(&pod)["volumeMounts"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
}

#[test]
fn a_variable_of_the_operator_replaces_the_copied_one() {
    let mut settings = settings();
    settings
        .init_env
        .insert("AWS_ROLE_ARN".to_owned(), "arn:operator".to_owned());
    let pod = injected(&with_identity(), &settings);
    let env = init_container(&pod)["env"].as_array().unwrap();
    let roles: Vec<_> = env.iter().filter(|v| v["name"] == "AWS_ROLE_ARN").collect();
    assert_eq!(
        roles,
        [&json!({"name": "AWS_ROLE_ARN", "value": "arn:operator"})]
    );
}

/// A pod with a container that reads no files and has what looks like an identity of IRSA.
fn with_lookalike(change: impl FnOnce(&mut Value)) -> Value {
    let mut pod = pod([("containers", "app")]);
    let token = json!({"serviceAccountToken": {"audience": "sts.amazonaws.com", "path": "token"}});
    pod["spec"]["volumes"] = json!([{"name": "aws-iam-token", "projected": {"sources": [token]}}]);
    let other = json!({
        "name": "other",
        "image": "a",
        "env": [
            {"name": "AWS_ROLE_ARN", "value": "arn:aws:iam::111122223333:role/web"},
            {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": format!("{IRSA}/token")},
        ],
        "volumeMounts": [{"name": "aws-iam-token", "mountPath": IRSA}],
    });
    pod["spec"]["containers"]
        .as_array_mut()
        .unwrap()
        .push(other);
    change(&mut pod);
    pod
}

#[test]
fn an_identity_is_always_mounted_whole_and_read_only() {
    let pod = with_lookalike(|pod| {
        let mount = &mut pod["spec"]["containers"][1]["volumeMounts"][0];
        mount["readOnly"] = false.into();
        mount["mountPropagation"] = "Bidirectional".into();
        mount["recursiveReadOnly"] = "IfPossible".into();
    });
    let pod = injected(&pod, &settings());
    assert_eq!(
        init_container(&pod)["volumeMounts"][3],
        json!({"name": "aws-iam-token", "mountPath": IRSA, "readOnly": true})
    );
    assert_eq!(operations(&pod, &settings()), json!([]));
}

#[rstest]
#[case("subPath")]
#[case("subPathExpr")]
fn an_identity_with_an_empty_sub_path_is_mounted_whole(#[case] field: &str) {
    let pod = with_lookalike(|pod| {
        pod["spec"]["containers"][1]["volumeMounts"][0][field] = "".into();
    });
    let pod = injected(&pod, &settings());
    assert_eq!(
        init_container(&pod)["volumeMounts"][3],
        json!({"name": "aws-iam-token", "mountPath": IRSA, "readOnly": true})
    );
}

#[rstest]
#[case::the_annotations("/podinfo")]
#[case::the_annotations_with_a_slash("/podinfo/")]
#[case::the_file_of_annotations("/podinfo/annotations")]
#[case::the_files("/bsycorp-init")]
#[case::the_files_with_a_slash("/bsycorp-init/")]
#[case::below_the_files("//bsycorp-init/./x")]
#[case::the_missing_token("/var/run/secrets/kubernetes.io/serviceaccount/")]
#[case::above_the_missing_token("/var/run/secrets/kubernetes.io")]
#[case::below_the_missing_token("/var/run/secrets/kubernetes.io/serviceaccount/x")]
#[case::above_every_token("/var/run/secrets/")]
#[case::out_of_the_folder("/var/run/secrets/x/../kubernetes.io/serviceaccount")]
#[case::up_and_down("/var/run/secrets/../../../podinfo")]
#[case::relative("podinfo")]
#[case::relative_in_the_folder("var/run/secrets/x")]
#[case::everything("/")]
#[case::the_program("/kees-init")]
#[case::a_profile_of_the_sdk("/.aws")]
#[case::beside_the_folder("/var/run/secretsx")]
fn an_identity_outside_a_folder_of_its_own_is_denied(#[case] at: &str) {
    let pod = with_lookalike(|pod| {
        let other = &mut pod["spec"]["containers"][1];
        other["volumeMounts"][0]["mountPath"] = at.into();
        other["env"][1]["value"] = format!("/{}/token", at.trim_matches('/')).into();
    });
    let errors = errors(&pod, &settings());
    let expected = format!(
        "spec.containers[other].volumeMounts[aws-iam-token]: {at} is not allowed for it; mount it in a \
         folder of its own below /var/run/secrets, such as {IRSA} (kees-init uses aws-iam-token only in the form \
         that EKS gives it)"
    );
    assert_eq!(errors[0], expected);
}

#[rstest]
#[case::there(IRSA)]
#[case::above("/var/run/secrets/eks.amazonaws.com")]
#[case::below("/var/run/secrets/eks.amazonaws.com/serviceaccount/x")]
fn an_identity_at_the_mount_path_is_denied(#[case] path: &str) {
    let mut pod = with_lookalike(|_| ());
    pod["metadata"]["annotations"]["init.bsycorp.com/mount-path"] = path.into();
    assert_eq!(
        errors(&pod, &settings()),
        [format!(
            "spec.containers[other].volumeMounts[aws-iam-token]: {IRSA} overlaps with {path}, where \
             kees-init mounts kees-secrets; use another path (kees-init uses aws-iam-token only in the form that \
             EKS gives it)"
        )]
    );
}

#[test]
fn an_identity_inside_another_is_denied() {
    let mut pod = with_identity();
    let at = format!("{IRSA}/x");
    let app = &mut pod["spec"]["containers"][1];
    app["volumeMounts"][1]["mountPath"] = at.clone().into();
    app["env"][3]["value"] = format!("{at}/token").into();
    let [error] = &errors(&pod, &settings())[..] else {
        panic!("one error")
    };
    assert!(
        error.contains(&format!(
            "{at} overlaps with {IRSA}, where kees-init mounts aws-iam-token"
        )),
        "{error}"
    );
}

#[rstest]
#[case::a_part(
    |pod: &mut Value| pod["spec"]["containers"][1]["volumeMounts"][0]["subPath"] = "x".into(),
    "spec.containers[other].volumeMounts[aws-iam-token]: only a part of it is mounted; mount the whole volume, without subPath"
)]
#[case::a_part_by_expression(
    |pod: &mut Value| pod["spec"]["containers"][1]["volumeMounts"][0]["subPathExpr"] = "$(X)".into(),
    "spec.containers[other].volumeMounts[aws-iam-token]: only a part of it is mounted; mount the whole volume, without subPath"
)]
#[case::a_folder_of_the_node(
    |pod: &mut Value| pod["spec"]["volumes"][0] = json!({"name": "aws-iam-token", "hostPath": {"path": "/etc"}}),
    "spec.volumes[aws-iam-token]: it is not a projected volume; make it one, or rename it"
)]
#[case::a_token_by_way_of_another_folder(
    |pod: &mut Value| pod["spec"]["containers"][1]["env"][1]["value"] = format!("/x/..{IRSA}/token").into(),
    "spec.containers[other].env[AWS_WEB_IDENTITY_TOKEN_FILE]: the token must be a file below /var/run/secrets/eks.amazonaws.com/serviceaccount; name one, without '..' and '$'"
)]
#[case::a_token_by_a_variable(
    |pod: &mut Value| pod["spec"]["containers"][1]["env"][1]["value"] = format!("{IRSA}/$(AWS_ROLE_ARN)").into(),
    "spec.containers[other].env[AWS_WEB_IDENTITY_TOKEN_FILE]: the token must be a file below /var/run/secrets/eks.amazonaws.com/serviceaccount; name one, without '..' and '$'"
)]
#[case::a_folder_for_a_token(
    |pod: &mut Value| pod["spec"]["containers"][1]["env"][1]["value"] = IRSA.into(),
    "spec.containers[other].env[AWS_WEB_IDENTITY_TOKEN_FILE]: the token must be a file below /var/run/secrets/eks.amazonaws.com/serviceaccount; name one, without '..' and '$'"
)]
fn what_only_looks_like_an_identity_is_denied(
    #[case] change: fn(&mut Value),
    #[case] message: &str,
) {
    assert_eq!(
        errors(&with_lookalike(change), &settings()),
        [format!(
            "{message} (kees-init uses aws-iam-token only in the form that EKS gives it)"
        )]
    );
}

/// An injected pod whose init container got an identity that is mounted elsewhere.
fn with_forged_identity() -> (Value, &'static str) {
    let mut pod = injected(&with_lookalike(|_| ()), &settings());
    let at = "/var/run/secrets/kubernetes.io/serviceaccount/x";
    let own = &mut pod["spec"]["initContainers"][0];
    own["volumeMounts"][3]["mountPath"] = at.into();
    let env = own["env"].as_array_mut().unwrap();
    let token = env
        .iter_mut()
        .find(|v| v["name"] == "AWS_WEB_IDENTITY_TOKEN_FILE");
    token.unwrap()["value"] = format!("{at}/token").into();
    (pod, at)
}

#[test]
fn a_forged_identity_in_the_init_container_is_checked_too() {
    let (mut pod, at) = with_forged_identity();
    pod["spec"]["containers"][1]["env"] = json!([]);
    let error = &errors(&pod, &settings())[0];
    assert!(
        error.starts_with(&format!(
            "spec.initContainers[kees-init].volumeMounts[aws-iam-token]: {at} is not allowed for it"
        )),
        "{error}"
    );
}

#[test]
fn a_forged_identity_in_the_init_container_is_replaced_by_a_valid_one() {
    let (pod, _) = with_forged_identity();
    assert_eq!(
        injected(&pod, &settings()),
        injected(&with_lookalike(|_| ()), &settings())
    );
}

#[test]
fn a_forged_mount_in_the_init_container_is_removed_if_its_token_is_elsewhere() {
    let mut pod = injected(&with_lookalike(|_| ()), &settings());
    pod["spec"]["containers"][1]["env"] = json!([]);
    pod["spec"]["initContainers"][0]["volumeMounts"][3]["mountPath"] = "/podinfo".into();
    let pod = injected(&pod, &settings());
    assert_eq!(variable(&pod, "AWS_ROLE_ARN"), None);
    assert_eq!(
        init_container(&pod)["volumeMounts"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
}

/// An injected pod whose init container got variables.
fn with_variables(mut pod: Value, variables: &[(&str, &str)]) -> Value {
    pod = injected(&pod, &settings());
    let env = pod["spec"]["initContainers"][0]["env"]
        .as_array_mut()
        .unwrap();
    env.extend(
        variables
            .iter()
            .map(|(name, value)| json!({"name": name, "value": value})),
    );
    pod
}

#[test]
fn a_region_of_the_identity_webhook_is_kept() {
    let added = [
        ("AWS_STS_REGIONAL_ENDPOINTS", "regional"),
        ("AWS_DEFAULT_REGION", "eu-west-1"),
        ("AWS_REGION", "eu-west-1"),
    ];
    let pod = with_variables(with_lookalike(|_| ()), &added);
    assert_eq!(operations(&pod, &settings()), json!([]));
    for (name, value) in added {
        assert_eq!(variable(&pod, name), Some(value));
    }
}

#[rstest]
#[case::a_host("AWS_REGION", "example.com/")]
#[case::a_host_and_a_fragment("AWS_DEFAULT_REGION", "example.com#")]
#[case::a_dot("AWS_REGION", "eu.west")]
#[case::a_variable("AWS_REGION", "$(AWS_ROLE_ARN)")]
#[case::more_than_a_label(
    "AWS_REGION",
    "a123456789a123456789a123456789a123456789a123456789a123456789abcd"
)]
#[case::another_word("AWS_STS_REGIONAL_ENDPOINTS", "https://example.com")]
#[case::an_endpoint("AWS_ENDPOINT_URL", "https://example.com")]
#[case::an_endpoint_of_sts("AWS_ENDPOINT_URL_STS", "https://example.com")]
#[case::a_relative_address("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x")]
#[case::a_profile(
    "AWS_CONFIG_FILE",
    "/var/run/secrets/eks.amazonaws.com/serviceaccount/config"
)]
#[case::a_proxy("HTTPS_PROXY", "http://example.com")]
fn a_variable_that_could_redirect_requests_is_removed(#[case] name: &str, #[case] value: &str) {
    let honest = injected(&with_lookalike(|_| ()), &settings());
    let pod = with_variables(with_lookalike(|_| ()), &[(name, value)]);
    assert_eq!(injected(&pod, &settings()), honest);
}

#[test]
fn a_region_without_an_identity_is_removed() {
    let added = [
        ("AWS_REGION", "eu-west-1"),
        ("AWS_STS_REGIONAL_ENDPOINTS", "regional"),
    ];
    let pod = with_variables(pod([]), &added);
    assert_eq!(
        injected(&pod, &settings()),
        injected(&self::pod([]), &settings())
    );
}

#[test]
fn the_region_of_the_operator_replaces_that_of_the_identity_webhook() {
    let mut settings = settings();
    settings
        .init_env
        .insert("AWS_REGION".to_owned(), "ap-southeast-2".to_owned());
    let pod = with_variables(with_lookalike(|_| ()), &[("AWS_REGION", "eu-west-1")]);
    let pod = injected(&pod, &settings);
    let env = init_container(&pod)["env"].as_array().unwrap();
    let regions: Vec<_> = env.iter().filter(|v| v["name"] == "AWS_REGION").collect();
    assert_eq!(
        regions,
        [&json!({"name": "AWS_REGION", "value": "ap-southeast-2"})]
    );
}

/// A pod that gets its credentials at `address`.
fn with_agent_at(address: &str) -> Value {
    let mut pod = with_identity();
    pod["spec"]["containers"][1]["env"][2]["value"] = address.into();
    pod
}

#[rstest]
#[case("http://169.254.170.23/v1/credentials")]
#[case("http://[fd00:ec2::23]/v1/credentials")]
fn an_address_of_eks_is_copied(#[case] address: &str) {
    let pod = injected(&with_agent_at(address), &settings());
    let taken = variable(&pod, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    assert_eq!(taken, Some(address));
    assert_eq!(operations(&pod, &settings()), json!([]));
}

#[rstest]
#[case("https://example.com/v1/credentials")]
#[case("http://127.0.0.1/v1/credentials")]
#[case("http://169.254.170.23.example.com/")]
#[case("http://169.254.170.23@example.com/")]
#[case("http://169.254.170.23:8080/")]
#[case("https://169.254.170.23/")]
#[case("$(AWS_ROLE_ARN)")]
fn another_address_is_denied_unless_the_operator_sets_it(#[case] address: &str) {
    let denied = "spec.containers[app].env[AWS_CONTAINER_CREDENTIALS_FULL_URI]: it is not an address of EKS \
                   Pod Identity; use http://169.254.170.23/v1/credentials or, with IPv6, \
                   http://[fd00:ec2::23]/v1/credentials (kees-init uses eks-pod-identity-token only in the form \
                   that EKS gives it)";
    assert_eq!(errors(&with_agent_at(address), &settings()), [denied]);

    let mut own = injected(&with_identity(), &settings());
    own["spec"]["containers"][1]["env"] = json!([]);
    let env = own["spec"]["initContainers"][0]["env"]
        .as_array_mut()
        .unwrap();
    let variable = env
        .iter_mut()
        .find(|v| v["name"] == "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    variable.unwrap()["value"] = address.into();
    let denied = denied.replace("containers[app]", "initContainers[kees-init]");
    assert_eq!(errors(&own, &settings()), [denied]);

    let mut settings = settings();
    settings.init_env.insert(
        "AWS_CONTAINER_CREDENTIALS_FULL_URI".to_owned(),
        "http://127.0.0.1:81/operator".to_owned(),
    );
    let pod = injected(&with_agent_at(address), &settings);
    assert_eq!(
        self::variable(&pod, "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        Some("http://127.0.0.1:81/operator")
    );
    assert_eq!(operations(&pod, &settings), json!([]));
}
