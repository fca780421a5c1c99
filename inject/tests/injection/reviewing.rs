//! Reviews: from bytes to bytes.

use base64::Engine as _;
use kees_inject::{InjectSettings, Outcome, ReviewResponse, SkipReason, review};
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use crate::pods::{pod, settings, with_policy};

/// The review of the benchmarks.
const SMALL: &str = include_str!("../../benches/review-3k.json");

fn body(pod: &Value) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "operation": "CREATE",
            "namespace": "team-a",
            "object": pod,
        }
    })
}

fn answer(body: &Value, settings: &InjectSettings) -> (Outcome, Value) {
    let ReviewResponse { json, outcome, .. } = review(body.to_string().as_bytes(), settings);
    (outcome, serde_json::from_slice(&json).unwrap())
}

#[test]
fn a_patch_has_its_type_and_is_in_base64() {
    let (outcome, answer) = answer(&body(&pod([])), &settings());
    assert_eq!(outcome, Outcome::Patched);
    assert_eq!(answer["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(answer["kind"], "AdmissionReview");
    let response = &answer["response"];
    assert_eq!(response["uid"], "705ab4f5-6393-11e8-b7cc-42010a800002");
    assert_eq!(response["allowed"], true);
    assert_eq!(response["patchType"], "JSONPatch");
    let patch = base64::engine::general_purpose::STANDARD
        .decode(response["patch"].as_str().unwrap())
        .unwrap();
    let patch: Value = serde_json::from_slice(&patch).unwrap();
    assert_eq!(patch, crate::pods::operations(&pod([]), &settings()));
}

#[test]
fn a_denial_has_all_errors_in_its_message_and_in_its_causes() {
    let mut pod = pod([("storage-prefix", "/prod"), ("mount-path", "x\ny")]);
    pod["metadata"]["annotations"]["secret.bsycorp.com/signing"] =
        "kind=DYNAMIC,type=RSA,size=2048,hue=red".into();
    let policy = with_policy("rules: [{namespaces: ['*'], storagePrefix: '/dev/{namespace}'}]");
    let (outcome, answer) = answer(&body(&pod), &policy);
    assert_eq!(outcome, Outcome::Denied);
    assert!(
        !answer["response"]["status"]["message"]
            .as_str()
            .unwrap()
            .contains('\n')
    );
    insta::assert_json_snapshot!(answer);
}

#[test]
fn a_pod_that_is_already_injected_gets_no_patch() {
    let pod = crate::pods::injected(&pod([]), &settings());
    let (outcome, answer) = answer(&body(&pod), &settings());
    assert_eq!(outcome, Outcome::Unchanged);
    assert_eq!(
        answer["response"],
        json!({
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "allowed": true,
            "auditAnnotations": {"outcome": "unchanged", "entries": "db-password=/db-password"},
        })
    );
}

#[rstest]
#[case(json!({"operation": "UPDATE"}))]
#[case(json!({"operation": "DELETE", "object": null}))]
#[case(json!({"operation": "CONNECT"}))]
#[case(json!({"subResource": "status"}))]
#[case(json!({"resource": {"group": "", "version": "v1", "resource": "configmaps"}}))]
#[case(json!({"resource": {"group": "apps", "version": "v1", "resource": "pods"}}))]
#[case(json!({"resource": null, "object": 1}))]
fn other_requests_than_the_creation_of_a_pod_are_allowed(#[case] change: Value) {
    let mut body = body(&pod([("mount-path", "wrong")]));
    for (name, value) in change.as_object().unwrap() {
        body["request"][name] = value.clone();
    }
    let (outcome, answer) = answer(&body, &settings());
    assert_eq!(outcome, Outcome::Skipped(SkipReason::NotPodCreation));
    assert_eq!(
        answer["response"],
        json!({
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "allowed": true,
            "auditAnnotations": {"outcome": "skipped", "reason": "not_pod_creation"},
        })
    );
}

#[rstest]
#[case::of_the_request(json!("team-a"), json!("team-b"), "team-a")]
#[case::of_the_pod(json!(null), json!("team-b"), "team-b")]
#[case::empty(json!(""), json!(null), "default")]
fn the_namespace_is_that_of_the_request(
    #[case] request: Value,
    #[case] of_pod: Value,
    #[case] expected: &str,
) {
    let mut pod = pod([]);
    pod["metadata"]["namespace"] = of_pod;
    pod["metadata"]["generateName"] = "web-".into();
    let mut body = body(&pod);
    body["request"]["namespace"] = request;
    let policy = with_policy("rules: [{namespaces: ['*'], storagePrefix: '/{namespace}'}]");
    let response = review(body.to_string().as_bytes(), &policy);
    assert_eq!(response.outcome, Outcome::Patched);
    assert_eq!(response.namespace.as_deref(), Some(expected));
}

#[rstest]
#[case::another_version(json!({"apiVersion": "admission.k8s.io/v1beta1"}), "admission.k8s.io/v1beta1", "the apiVersion is not supported; send an AdmissionReview of admission.k8s.io/v1")]
#[case::another_group(json!({"apiVersion": "v1"}), "admission.k8s.io/v1", "the apiVersion is not supported; send an AdmissionReview of admission.k8s.io/v1")]
#[case::another_kind(json!({"kind": "Pod"}), "admission.k8s.io/v1", "the kind is not supported; send an AdmissionReview of admission.k8s.io/v1")]
fn an_unsupported_review_is_denied_with_its_uid(
    #[case] change: Value,
    #[case] version: &str,
    #[case] message: &str,
) {
    let mut body = body(&pod([]));
    for (name, value) in change.as_object().unwrap() {
        body[name] = value.clone();
    }
    let (outcome, answer) = answer(&body, &settings());
    assert_eq!(outcome, Outcome::Malformed);
    assert_eq!(answer["apiVersion"], version);
    assert_eq!(
        answer["response"]["uid"],
        "705ab4f5-6393-11e8-b7cc-42010a800002"
    );
    assert_eq!(answer["response"]["allowed"], false);
    assert_eq!(answer["response"]["status"]["code"], 400);
    assert_eq!(answer["response"]["status"]["message"], message);
}

#[rstest]
#[case::nothing(
    "",
    "",
    "the body is not an AdmissionReview: EOF while parsing a value at line 1 column 0"
)]
#[case::no_request(
    r#"{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}"#,
    "",
    "the review has no request"
)]
#[case::no_object(r#"{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "u", "operation": "CREATE", "resource": {"version": "v1", "resource": "pods"}}}"#, "u", "the request has no object")]
#[case::cut_off(
    r#"{"request": {"uid": "u", "#,
    "u",
    "the body is not an AdmissionReview: EOF while parsing a value at line 1 column 25"
)]
fn a_body_that_cannot_be_read_is_denied(
    #[case] body: &str,
    #[case] uid: &str,
    #[case] message: &str,
) {
    let response = review(body.as_bytes(), &settings());
    assert_eq!(response.outcome, Outcome::Malformed);
    let answer: Value = serde_json::from_slice(&response.json).unwrap();
    assert_eq!(
        answer["response"],
        json!({"uid": uid, "allowed": false, "status": {
            "status": "Failure", "message": message, "reason": "BadRequest", "code": 400
        }})
    );
}

#[test]
fn a_body_that_is_not_utf8_is_denied() {
    let mut body = SMALL.as_bytes().to_vec();
    let at = SMALL.find("web-7d9c6b5f48").unwrap();
    body[at] = 0xff;
    let response = review(&body, &settings());
    assert_eq!(response.outcome, Outcome::Malformed);
    let answer: Value = serde_json::from_slice(&response.json).unwrap();
    assert!(
        answer["response"]["status"]["message"]
            .as_str()
            .unwrap()
            .starts_with("the body is not UTF-8")
    );
    assert_eq!(
        answer["response"]["uid"],
        "5b1f3a52-3f0e-4a39-9a5f-6d3a8f0d5c11"
    );
}

#[rstest]
#[case::containers("/spec/containers", json!("CANARY"), "request.object.spec.containers: expected an array")]
#[case::a_container("/spec/containers/0", json!(["CANARY"]), "request.object.spec.containers[0]: expected an object")]
#[case::a_name("/spec/containers/0/name", json!(["CANARY"]), "request.object.spec.containers[0].name: expected a string")]
#[case::an_annotation("/metadata/annotations/init.bsycorp.com~1inject", json!(987_654), "request.object.metadata.annotations.init.bsycorp.com/inject: expected a string")]
#[case::annotations("/metadata/annotations", json!(["CANARY"]), "request.object.metadata.annotations: expected an object of strings")]
#[case::metadata("/metadata", json!(["CANARY"]), "request.object.metadata: expected an object")]
#[case::spec("/spec", json!([]), "request.object.spec: expected an object")]
#[case::a_uid("/spec/securityContext", json!({"runAsUser": "CANARY"}), "request.object.spec.securityContext.runAsUser: expected a whole number of 64 bits")]
#[case::a_large_uid("/spec/securityContext", json!({"runAsUser": 9_876_543_219_876_543_210_u64}), "request.object.spec.securityContext.runAsUser: expected a whole number of 64 bits")]
#[case::a_security_context("/spec/securityContext", json!([987_654]), "request.object.spec.securityContext: expected an object")]
#[case::an_amount("/spec/resources", json!({"limits": {"cpu": true}}), "request.object.spec.resources.limits.cpu: expected a quantity such as 10m or 64Mi")]
#[case::the_pod("", json!(["CANARY"]), "request.object: expected an object")]
#[case::words_of_the_parser("/spec/containers", json!("CANARY, expected CANARY at line 1 column 1"), "request.object.spec.containers: expected an array")]
fn a_pod_with_a_wrong_type_is_denied_with_the_place_and_without_the_value(
    #[case] place: &str,
    #[case] value: Value,
    #[case] message: &str,
) {
    let mut pod = pod([("inject", "true")]);
    pod["spec"]["securityContext"] = json!({});
    pod["spec"]["resources"] = json!({});
    *pod.pointer_mut(place).unwrap() = value;
    let (outcome, answer) = answer(&body(&pod), &settings());
    assert_eq!(outcome, Outcome::Malformed);
    assert_decode_error(&answer, &format!("not a pod: {message} at line 1 column "));
}

#[rstest]
#[case::array(json!([]), "expected an object")]
#[case::array_of_all_fields(json!(["admission.k8s.io/v1", "AdmissionReview", {"uid": "CANARY"}]), "expected an object")]
#[case::string(json!("CANARY"), "expected an object")]
#[case::number(json!(987_654), "expected an object")]
#[case::request(json!({"request": ["CANARY"]}), "request: expected an object")]
#[case::resource(json!({"request": {"resource": ["", "v1", "pods"]}}), "request.resource: expected an object")]
#[case::operation(json!({"request": {"operation": ["CANARY"]}}), "request.operation: expected a string")]
fn a_body_with_a_wrong_type_is_denied_with_the_place_and_without_the_value(
    #[case] body: Value,
    #[case] message: &str,
) {
    let (outcome, answer) = answer(&body, &settings());
    assert_eq!(outcome, Outcome::Malformed);
    assert_decode_error(
        &answer,
        &format!("the body is not an AdmissionReview: {message} at line 1 column "),
    );
}

#[test]
fn text_that_is_not_a_pod_is_an_error_with_the_place() {
    for (json, message) in [
        ("[]", "not a pod: expected an object at line 1 column 2"),
        (
            "{\"spec\":\n{\"containers\": \"CANARY\"}}",
            "not a pod: spec.containers: expected an array at line 2 column 23",
        ),
    ] {
        let error = kees_inject::PodView::from_json(json).err().unwrap();
        assert_eq!(error.to_string(), message);
        assert!(!format!("{error:?}").contains("CANARY"));
    }
}

#[test]
fn a_duplicate_member_is_denied_with_the_place() {
    let body = br#"{"request": {"uid": "CANARY", "uid": "CANARY"}}"#;
    let response = review(body, &settings());
    let answer: Value = serde_json::from_slice(&response.json).unwrap();
    assert_decode_error(
        &answer,
        "the body is not an AdmissionReview: request: expected each member once at line 1 column ",
    );
}

/// Checks that the message has this beginning and ends with a column, and that it contains nothing
/// from the body and no Rust names.
fn assert_decode_error(answer: &Value, beginning: &str) {
    let message = answer["response"]["status"]["message"].as_str().unwrap();
    let column = message.strip_prefix(beginning);
    let column = column.unwrap_or_else(|| panic!("{message}"));
    assert!(column.parse::<usize>().is_ok(), "{message}");
    for word in ["CANARY", "98765", "struct", "View", "i64"] {
        assert!(!message.contains(word), "{message}");
    }
}

#[test]
fn warnings_are_short_and_few() {
    let mut pod = pod([]);
    for n in 0..100 {
        let key = format!("init.bsycorp.com/{}\u{7}{n}", "ä".repeat(n));
        pod["metadata"]["annotations"][key] = "".into();
    }
    let response = review(body(&pod).to_string().as_bytes(), &settings());
    let answer: Value = serde_json::from_slice(&response.json).unwrap();
    let warnings = answer["response"]["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), response.warnings);
    let texts: Vec<_> = warnings
        .iter()
        .map(|warning| warning.as_str().unwrap())
        .collect();
    assert!(
        texts
            .iter()
            .all(|text| text.len() <= 256 && !text.contains(char::is_control))
    );
    assert!(texts.iter().map(|text| text.len()).sum::<usize>() <= 4096);
    assert!(
        texts
            .last()
            .unwrap()
            .ends_with("more warnings; see `kees lint`"),
        "{texts:?}"
    );
}

#[test]
fn the_review_of_the_benchmark_has_six_entries() {
    assert!((3300..3600).contains(&SMALL.len()), "{}", SMALL.len());
    let review: Value = serde_json::from_str(SMALL).unwrap();
    let annotations = review["request"]["object"]["metadata"]["annotations"]
        .as_object()
        .unwrap();
    let entries = annotations
        .keys()
        .filter(|key| key.starts_with("secret.") || key.starts_with("resource."));
    assert_eq!(entries.count(), 6);
    assert_eq!(
        kees_inject::review(SMALL.as_bytes(), &settings()).outcome,
        Outcome::Patched
    );
}

#[test]
fn no_response_repeats_the_value_of_an_annotation() {
    const CANARY: &str = "Y2FuYXJ5LWNhbmFyeQ==";
    let mut with_value = pod([]);
    with_value["metadata"]["annotations"]["resource.bsycorp.com/a"] =
        format!("localModeValue={CANARY}").into();
    let mut broken = pod([]);
    broken["metadata"]["annotations"]["resource.bsycorp.com/a"] =
        format!("localModeValue=!{CANARY}").into();
    for pod in [with_value, broken] {
        let response = review(body(&pod).to_string().as_bytes(), &settings());
        assert!(!String::from_utf8(response.json).unwrap().contains(CANARY));
    }
}

/// The API server adds each key to the name of the webhook, and drops a key that is no qualified
/// name.
#[test]
fn the_keys_of_audit_annotations_are_valid() {
    let pods = [pod([]), pod([("mount-path", "wrong")])];
    for pod in pods {
        let (_, answer) = answer(&body(&pod), &settings());
        for key in answer["response"]["auditAnnotations"]
            .as_object()
            .unwrap()
            .keys()
        {
            assert!(key.bytes().all(|b| b.is_ascii_lowercase()), "{key}");
        }
    }
}

#[test]
fn an_audit_record_has_a_limited_length() {
    let mut pod = pod([]);
    for i in 0..200 {
        let key = format!("secret.bsycorp.com/{}{i}", "n".repeat(50));
        pod["metadata"]["annotations"][key] = "kind=DYNAMIC,type=PASSWORD,size=256".into();
    }
    let text = "\n".repeat(10_000);
    pod["metadata"]["generateName"] = text.clone().into();
    pod["metadata"]["ownerReferences"] =
        json!([{"kind": "ReplicaSet", "name": text, "controller": true}]);
    let mut body = body(&pod);
    body["request"]["userInfo"] = json!({"username": text});
    let audit = review(body.to_string().as_bytes(), &settings()).audit;
    assert!(audit.entries.len() < 4_200, "{}", audit.entries.len());
    assert!(audit.entries.ends_with(" more"), "{}", audit.entries);
    for text in [audit.user, audit.owner, audit.generate_name] {
        let text = text.unwrap();
        assert!(!text.contains('\n') && text.len() < 600, "{text}");
    }
}

#[test]
fn debug_output_shows_no_values_of_a_pod() {
    const CANARY: &str = "canary";
    let mut pod = pod([]);
    pod["spec"]["containers"][0]["env"] = json!([
        {"name": "AWS_ROLE_ARN", "value": CANARY},
        {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": format!("/var/run/secrets/{CANARY}/token")},
    ]);
    pod["spec"]["containers"][0]["volumeMounts"] = json!([
        {"name": "aws-iam-token", "mountPath": format!("/var/run/secrets/{CANARY}"), "readOnly": true},
    ]);
    let decision = crate::pods::decision(&pod, &settings());
    let response = review(body(&pod).to_string().as_bytes(), &settings());
    assert_eq!(response.outcome, Outcome::Patched);
    assert!(
        crate::pods::operations(&pod, &settings())
            .to_string()
            .contains(CANARY)
    );
    assert!(!format!("{decision:?} {response:?}").contains(CANARY));
}

proptest! {
    #[test]
    fn any_bytes_get_a_review_as_response(bytes in any::<Vec<u8>>()) {
        let response = review(&bytes, &settings());
        prop_assert_eq!(response.outcome, Outcome::Malformed);
        let answer: Value = serde_json::from_slice(&response.json).unwrap();
        prop_assert_eq!(&answer["response"]["allowed"], false);
    }

    #[test]
    fn a_review_with_any_byte_changed_gets_a_response(at in 0..SMALL.len(), byte in any::<u8>(), cut in 0..SMALL.len()) {
        let mut bytes = SMALL.as_bytes().to_vec();
        bytes[at] = byte;
        for body in [&bytes[..], &bytes[..cut]] {
            let answer: Value = serde_json::from_slice(&review(body, &settings()).json).unwrap();
            prop_assert_eq!(&answer["kind"], "AdmissionReview");
        }
    }
}
