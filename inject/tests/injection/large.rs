//! Pods that are larger than a pod can be: they are denied without being held in memory.

use kees_inject::{Outcome, review};
use rstest::rstest;
use serde_json::{Value, json};

use crate::pods::{errors, injected, operations, pod, settings};

/// The most elements of a list.
const ELEMENTS: usize = 4096;

fn elements(count: usize, element: &Value) -> Value {
    vec![element.clone(); count].into()
}

#[rstest]
#[case::volumes("volumes", "spec.volumes")]
#[case::containers("containers", "spec.containers")]
#[case::init_containers("initContainers", "spec.initContainers")]
#[case::ephemeral_containers("ephemeralContainers", "spec.ephemeralContainers")]
fn a_list_that_is_too_long_is_denied_with_its_length(#[case] list: &str, #[case] place: &str) {
    let mut pod = pod([]);
    pod["spec"][list] = elements(10_000, &json!({}));
    assert_eq!(
        errors(&pod, &settings()),
        [format!(
            "{place}: the list has 10000 elements; use at most {ELEMENTS}"
        )]
    );
}

#[rstest]
#[case::volumes("volumes")]
#[case::containers("containers")]
#[case::init_containers("initContainers")]
fn a_list_of_the_largest_length_is_allowed(#[case] list: &str) {
    let mut pod = pod([]);
    pod["spec"][list] = elements(ELEMENTS, &json!({"name": "x"}));
    operations(&pod, &settings());
}

#[test]
fn mounts_that_are_too_many_are_denied() {
    let mount = json!({"name": "x", "mountPath": "/x"});
    let mut of_one = pod([]);
    of_one["spec"]["containers"][0]["volumeMounts"] = elements(ELEMENTS + 1, &mount);
    assert_eq!(
        errors(&of_one, &settings()),
        ["spec.containers[app].volumeMounts: the list has 4097 elements; use at most 4096"]
    );
    let mut of_all = pod([]);
    let container = json!({"name": "app", "volumeMounts": elements(ELEMENTS, &mount)});
    of_all["spec"]["initContainers"] = elements(4, &container);
    operations(&of_all, &settings());
    of_all["spec"]["initContainers"] = elements(6, &container);
    assert_eq!(
        errors(&of_all, &settings()),
        [
            "spec.initContainers: the containers have more than 16384 volume mounts together; use \
             fewer"
        ]
    );
}

#[test]
fn an_entry_after_more_annotations_than_kubernetes_allows_is_not_overlooked() {
    let mut pod = pod([]);
    let text = pod.to_string().replace(
        "\"secret.bsycorp.com/db-password\"",
        &format!(
            "\"a\":\"{}\",\"secret.bsycorp.com/db-password\"",
            "x".repeat(300_000)
        ),
    );
    pod = serde_json::from_str(&text).unwrap();
    let errors = errors(&pod, &settings());
    assert!(
        errors[0].ends_with("bytes together; Kubernetes allows 262144"),
        "{errors:?}"
    );
}

#[test]
fn more_annotations_than_a_pod_can_have_are_denied() {
    let mut pod = pod([]);
    for n in 0..ELEMENTS {
        pod["metadata"]["annotations"][format!("a{n}")] = "".into();
    }
    assert_eq!(
        errors(&pod, &settings()),
        ["metadata.annotations: the list has 4097 elements; use at most 4096"]
    );
}

#[test]
fn a_service_account_with_a_name_that_is_too_long_is_denied() {
    let mut pod = pod([]);
    pod["spec"]["serviceAccountName"] = "x".repeat(254).into();
    assert_eq!(
        errors(&pod, &settings()),
        ["spec.serviceAccountName: the name has 254 bytes; use at most 253"]
    );
}

#[rstest]
#[case::arguments(|pod: &mut Value| pod["spec"]["initContainers"][0]["args"] = elements(100_000, &json!("")))]
#[case::variables(|pod: &mut Value| pod["spec"]["initContainers"][0]["env"] = elements(100_000, &json!({"name": "A", "value": "a"})))]
#[case::resources(|pod: &mut Value| {
    let amounts: serde_json::Map<_, _> = (0..10_000).map(|n| (format!("example.com/{n}"), json!("1"))).collect();
    pod["spec"]["initContainers"][0]["resources"]["limits"] = amounts.into();
})]
#[case::files(|pod: &mut Value| pod["spec"]["volumes"][0]["downwardAPI"]["items"] = elements(100_000, &json!({})))]
#[case::sources(|pod: &mut Value| pod["spec"]["volumes"][0]["projected"] = json!({"sources": elements(100_000, &json!({}))}))]
fn what_is_larger_than_anything_that_is_injected_is_replaced(#[case] swell: fn(&mut Value)) {
    let honest = injected(&pod([]), &settings());
    let mut pod = honest.clone();
    swell(&mut pod);
    assert_eq!(injected(&pod, &settings()), honest);
}

#[test]
fn the_last_variable_of_a_name_counts() {
    let credentials = |role: &str| json!({"name": "AWS_ROLE_ARN", "value": role});
    let token = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token";
    let mut pod = pod([]);
    pod["spec"]["volumes"] = json!([{"name": "aws-iam-token", "projected": {"sources": []}}]);
    pod["spec"]["containers"][0]["volumeMounts"] = json!([{
        "name": "aws-iam-token",
        "mountPath": "/var/run/secrets/eks.amazonaws.com/serviceaccount"
    }]);
    pod["spec"]["containers"][0]["env"] = json!([
        credentials("first"),
        {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": token},
        credentials("last"),
    ]);
    let pod = injected(&pod, &settings());
    assert_eq!(crate::pods::variable(&pod, "AWS_ROLE_ARN"), Some("last"));
}

fn body(request: &Value) -> String {
    let mut body = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "a-1",
            "operation": "CREATE",
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "object": pod([]),
        }
    });
    for (key, value) in request.as_object().unwrap() {
        body["request"][key] = value.clone();
    }
    body.to_string()
}

#[rstest]
#[case::uid(json!({"uid": "u".repeat(1_000_000)}), "the uid is longer than 128 bytes")]
#[case::namespace(json!({"namespace": "n".repeat(1_000_000)}), "the namespace is longer than 253 bytes")]
#[case::object(json!({"object": {"spec": "x".repeat(1_000_000)}}), "not a pod: request.object.spec: expected an object at line 1 column ")]
#[case::list(json!({"object": {"spec": {"volumes": "x".repeat(1_000_000)}}}), "not a pod: request.object.spec.volumes: expected an array at line 1 column ")]
#[case::annotations(json!({"object": {"metadata": {"annotations": "x".repeat(1_000_000)}}}), "not a pod: request.object.metadata.annotations: expected an object of strings at line 1 column ")]
#[case::boolean(json!({"object": {"spec": {"containers": [{"volumeMounts": [{"readOnly": "x".repeat(1_000_000)}]}]}}}), "not a pod: request.object.spec.containers[0].volumeMounts[0].readOnly: expected a boolean at line 1 column ")]
#[case::number(json!({"object": {"spec": {"securityContext": {"runAsUser": "x".repeat(1_000_000)}}}}), "not a pod: request.object.spec.securityContext.runAsUser: expected a whole number of 64 bits at line 1 column ")]
#[case::key(json!({"object": {"metadata": {"annotations": {"k".repeat(1_000_000): 1}}}}), "not a pod: request.object.metadata.annotations.kkk")]
#[case::key_of_control_characters(json!({"object": {"metadata": {"annotations": {"\u{1}".repeat(150_000): 1}}}}), r"not a pod: request.object.metadata.annotations.\u{1}\u{1}")]
fn a_response_does_not_repeat_a_long_text(#[case] request: Value, #[case] message: &str) {
    let response = review(body(&request).as_bytes(), &settings());
    assert_eq!(response.outcome, Outcome::Malformed);
    assert!(response.json.len() < 2000, "{} bytes", response.json.len());
    let json: Value = serde_json::from_slice(&response.json).unwrap();
    let text = json["response"]["status"]["message"].as_str().unwrap();
    assert!(text.starts_with(message), "{text}");
}

#[test]
fn a_long_api_version_is_not_repeated() {
    let body = body(&json!({})).replace("io/v1\"", &format!("io/{}\"", "v".repeat(1_000_000)));
    let response = review(body.as_bytes(), &settings());
    assert_eq!(response.outcome, Outcome::Malformed);
    assert!(response.json.len() < 1000, "{} bytes", response.json.len());
}
