//! The AWS identity of a pod: what is taken over into our container, and what is not.

use rstest::rstest;
use serde_json::{Value, json};

use crate::pods::{faults, injected, operations, ours, pod, settings, variable};

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
    let mounts: Vec<_> = ours(&pod)["volumeMounts"]
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
            "kees-no-token",
            "aws-iam-token",
            "eks-pod-identity-token"
        ]
    );
}

#[rstest]
#[case("env")]
#[case("volumeMounts")]
fn half_an_identity_is_none(#[case] without: &str) {
    let mut pod = with_identity();
    pod["spec"]["containers"][1]
        .as_object_mut()
        .unwrap()
        .remove(without);
    let pod = injected(&pod, &settings());
    assert_eq!(variable(&pod, "AWS_ROLE_ARN"), None);
    assert_eq!(ours(&pod)["volumeMounts"].as_array().unwrap().len(), 3);
}

#[test]
fn the_operators_variable_wins_over_the_copied_one() {
    let mut settings = settings();
    settings
        .init_env
        .insert("AWS_ROLE_ARN".to_owned(), "arn:operator".to_owned());
    let pod = injected(&with_identity(), &settings);
    let env = ours(&pod)["env"].as_array().unwrap();
    let roles: Vec<_> = env.iter().filter(|v| v["name"] == "AWS_ROLE_ARN").collect();
    assert_eq!(
        roles,
        [&json!({"name": "AWS_ROLE_ARN", "value": "arn:operator"})]
    );
}

/// A pod in which a container that reads no files has what looks like an identity of IRSA.
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
fn an_identity_is_mounted_whole_and_to_be_read_alone_whatever_the_pod_says() {
    let pod = with_lookalike(|pod| {
        let mount = &mut pod["spec"]["containers"][1]["volumeMounts"][0];
        mount["readOnly"] = false.into();
        mount["mountPropagation"] = "Bidirectional".into();
        mount["recursiveReadOnly"] = "IfPossible".into();
    });
    let pod = injected(&pod, &settings());
    assert_eq!(
        ours(&pod)["volumeMounts"][3],
        json!({"name": "aws-iam-token", "mountPath": IRSA, "readOnly": true})
    );
    assert_eq!(operations(&pod, &settings()), json!([]));
}

#[rstest]
#[case("subPath")]
#[case("subPathExpr")]
fn an_identity_with_an_empty_part_is_mounted_whole(#[case] field: &str) {
    let pod = with_lookalike(|pod| {
        pod["spec"]["containers"][1]["volumeMounts"][0][field] = "".into();
    });
    let pod = injected(&pod, &settings());
    assert_eq!(
        ours(&pod)["volumeMounts"][3],
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
fn an_identity_is_mounted_nowhere_but_in_a_folder_of_its_own(#[case] at: &str) {
    let pod = with_lookalike(|pod| {
        let other = &mut pod["spec"]["containers"][1];
        other["volumeMounts"][0]["mountPath"] = at.into();
        other["env"][1]["value"] = format!("/{}/token", at.trim_matches('/')).into();
    });
    let faults = faults(&pod, &settings());
    let expected = format!(
        "spec.containers[other].volumeMounts[aws-iam-token]: {at} is no folder for it; mount it in one of \
         its own below /var/run/secrets, such as {IRSA} (kees-init takes over aws-iam-token only as EKS makes it)"
    );
    assert_eq!(faults[0], expected);
}

#[rstest]
#[case::there(IRSA)]
#[case::above("/var/run/secrets/eks.amazonaws.com")]
#[case::below("/var/run/secrets/eks.amazonaws.com/serviceaccount/x")]
fn an_identity_where_the_files_appear_is_refused(#[case] path: &str) {
    let mut pod = with_lookalike(|_| ());
    pod["metadata"]["annotations"]["init.bsycorp.com/mount-path"] = path.into();
    assert_eq!(
        faults(&pod, &settings()),
        [format!(
            "spec.containers[other].volumeMounts[aws-iam-token]: {IRSA} and {path}, where kees-init mounts \
             kees-secrets, lie in one another; use another path (kees-init takes over aws-iam-token only as EKS \
             makes it)"
        )]
    );
}

#[test]
fn an_identity_within_another_is_refused() {
    let mut pod = with_identity();
    let at = format!("{IRSA}/x");
    let app = &mut pod["spec"]["containers"][1];
    app["volumeMounts"][1]["mountPath"] = at.clone().into();
    app["env"][3]["value"] = format!("{at}/token").into();
    let [fault] = &faults(&pod, &settings())[..] else {
        panic!("one fault")
    };
    assert!(
        fault.contains(&format!(
            "{at} and {IRSA}, where kees-init mounts aws-iam-token"
        )),
        "{fault}"
    );
}

#[rstest]
#[case::a_part(
    |pod: &mut Value| pod["spec"]["containers"][1]["volumeMounts"][0]["subPath"] = "x".into(),
    "spec.containers[other].volumeMounts[aws-iam-token]: a part of it is mounted; mount the whole volume, without subPath"
)]
#[case::a_part_by_expression(
    |pod: &mut Value| pod["spec"]["containers"][1]["volumeMounts"][0]["subPathExpr"] = "$(X)".into(),
    "spec.containers[other].volumeMounts[aws-iam-token]: a part of it is mounted; mount the whole volume, without subPath"
)]
#[case::a_folder_of_the_node(
    |pod: &mut Value| pod["spec"]["volumes"][0] = json!({"name": "aws-iam-token", "hostPath": {"path": "/etc"}}),
    "spec.volumes[aws-iam-token]: it is no projected volume; make it one, or give it another name"
)]
#[case::a_token_by_way_of_another_folder(
    |pod: &mut Value| pod["spec"]["containers"][1]["env"][1]["value"] = format!("/x/..{IRSA}/token").into(),
    "spec.containers[other].env[AWS_WEB_IDENTITY_TOKEN_FILE]: the token must be a file below /var/run/secrets/eks.amazonaws.com/serviceaccount; name one, with neither '..' nor '$'"
)]
#[case::a_token_by_a_variable(
    |pod: &mut Value| pod["spec"]["containers"][1]["env"][1]["value"] = format!("{IRSA}/$(AWS_ROLE_ARN)").into(),
    "spec.containers[other].env[AWS_WEB_IDENTITY_TOKEN_FILE]: the token must be a file below /var/run/secrets/eks.amazonaws.com/serviceaccount; name one, with neither '..' nor '$'"
)]
#[case::a_folder_for_a_token(
    |pod: &mut Value| pod["spec"]["containers"][1]["env"][1]["value"] = IRSA.into(),
    "spec.containers[other].env[AWS_WEB_IDENTITY_TOKEN_FILE]: the token must be a file below /var/run/secrets/eks.amazonaws.com/serviceaccount; name one, with neither '..' nor '$'"
)]
fn what_only_looks_like_an_identity_is_refused(
    #[case] change: fn(&mut Value),
    #[case] message: &str,
) {
    assert_eq!(
        faults(&with_lookalike(change), &settings()),
        [format!(
            "{message} (kees-init takes over aws-iam-token only as EKS makes it)"
        )]
    );
}

/// An injected pod whose `kees-init` somebody gave an identity that is mounted elsewhere.
fn with_identity_slipped_in() -> (Value, &'static str) {
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
fn an_identity_slipped_into_our_container_is_looked_at_as_well() {
    let (mut pod, at) = with_identity_slipped_in();
    pod["spec"]["containers"][1]["env"] = json!([]);
    let fault = &faults(&pod, &settings())[0];
    assert!(
        fault.starts_with(&format!(
            "spec.initContainers[kees-init].volumeMounts[aws-iam-token]: {at} is no folder for it"
        )),
        "{fault}"
    );
}

#[test]
fn an_identity_slipped_into_our_container_gives_way_to_a_sound_one() {
    let (pod, _) = with_identity_slipped_in();
    assert_eq!(
        injected(&pod, &settings()),
        injected(&with_lookalike(|_| ()), &settings())
    );
}

#[test]
fn a_mount_slipped_into_our_container_goes_where_its_token_is_elsewhere() {
    let mut pod = injected(&with_lookalike(|_| ()), &settings());
    pod["spec"]["containers"][1]["env"] = json!([]);
    pod["spec"]["initContainers"][0]["volumeMounts"][3]["mountPath"] = "/podinfo".into();
    let pod = injected(&pod, &settings());
    assert_eq!(variable(&pod, "AWS_ROLE_ARN"), None);
    assert_eq!(ours(&pod)["volumeMounts"].as_array().unwrap().len(), 3);
}

/// A pod that was injected, and to whose `kees-init` somebody adds variables then.
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
fn a_region_that_the_identity_webhook_adds_stays() {
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
fn a_variable_that_could_lead_elsewhere_goes(#[case] name: &str, #[case] value: &str) {
    let honest = injected(&with_lookalike(|_| ()), &settings());
    let pod = with_variables(with_lookalike(|_| ()), &[(name, value)]);
    assert_eq!(injected(&pod, &settings()), honest);
}

#[test]
fn a_region_without_an_identity_goes() {
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
fn the_operators_region_wins_over_the_identity_webhooks() {
    let mut settings = settings();
    settings
        .init_env
        .insert("AWS_REGION".to_owned(), "ap-southeast-2".to_owned());
    let pod = with_variables(with_lookalike(|_| ()), &[("AWS_REGION", "eu-west-1")]);
    let pod = injected(&pod, &settings);
    let env = ours(&pod)["env"].as_array().unwrap();
    let regions: Vec<_> = env.iter().filter(|v| v["name"] == "AWS_REGION").collect();
    assert_eq!(
        regions,
        [&json!({"name": "AWS_REGION", "value": "ap-southeast-2"})]
    );
}

/// A pod whose identity is handed out at `address`.
fn handed_out_at(address: &str) -> Value {
    let mut pod = with_identity();
    pod["spec"]["containers"][1]["env"][2]["value"] = address.into();
    pod
}

#[rstest]
#[case("http://169.254.170.23/v1/credentials")]
#[case("http://[fd00:ec2::23]/v1/credentials")]
fn an_address_of_eks_is_taken_over(#[case] address: &str) {
    let pod = injected(&handed_out_at(address), &settings());
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
fn another_address_is_refused_unless_the_operator_gives_it(#[case] address: &str) {
    let refused = "spec.containers[app].env[AWS_CONTAINER_CREDENTIALS_FULL_URI]: it is no address of EKS Pod \
                   Identity; use http://169.254.170.23/v1/credentials or, with IPv6, \
                   http://[fd00:ec2::23]/v1/credentials (kees-init takes over eks-pod-identity-token only as \
                   EKS makes it)";
    assert_eq!(faults(&handed_out_at(address), &settings()), [refused]);

    let mut own = injected(&with_identity(), &settings());
    own["spec"]["containers"][1]["env"] = json!([]);
    let env = own["spec"]["initContainers"][0]["env"]
        .as_array_mut()
        .unwrap();
    let variable = env
        .iter_mut()
        .find(|v| v["name"] == "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    variable.unwrap()["value"] = address.into();
    let refused = refused.replace("containers[app]", "initContainers[kees-init]");
    assert_eq!(faults(&own, &settings()), [refused]);

    let mut settings = settings();
    settings.init_env.insert(
        "AWS_CONTAINER_CREDENTIALS_FULL_URI".to_owned(),
        "http://127.0.0.1:81/operator".to_owned(),
    );
    let pod = injected(&handed_out_at(address), &settings);
    assert_eq!(
        self::variable(&pod, "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        Some("http://127.0.0.1:81/operator")
    );
    assert_eq!(operations(&pod, &settings), json!([]));
}
