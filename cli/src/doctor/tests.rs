//! `kees doctor` against an API server that is a list of objects. The objects of the manifests are
//! tested with a real one in the end-to-end tests.

use std::{collections::BTreeMap, sync::Arc};

use http::{Request, Response};
use kube::{Client, client::Body};
use serde_json::{Value, json};
use tower::service_fn;

use super::*;
use crate::args::Cli;

/// What the API server responds: by method and path.
#[derive(Clone)]
struct FakeApi(BTreeMap<String, (u16, Value)>);

const OBJECTS: &str = "/apis/admissionregistration.k8s.io/v1";
const CONFIGURATION: &str =
    "GET /apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/kees";
const POLICY: &str = "GET /apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/kees";
const BINDING: &str =
    "GET /apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/kees";
const DEPLOYMENT: &str = "GET /apis/apps/v1/namespaces/kees-system/deployments/kees-webhook";
const ENDPOINTS: &str = "GET /apis/discovery.k8s.io/v1/namespaces/kees-system/endpointslices";
const CONFIG_MAP: &str = "GET /api/v1/namespaces/kees-system/configmaps/kees-policy";
const PODS: &str = "POST /api/v1/namespaces/default/pods";
const WRONG_PODS: &str = "POST wrong /api/v1/namespaces/default/pods";
const SETTINGS: &str = "GET /api/v1/namespaces/kees-system/configmaps/kees-settings";
const CONTROLLER: &str = "GET /apis/apps/v1/namespaces/kees-system/deployments/kees-controller";
const CLASSES: &str = "GET /apis/secrets-store.csi.x-k8s.io/v1";
const ACCESS: &str = "POST /apis/authorization.k8s.io/v1/subjectaccessreviews";
const METRICS: &str =
    "GET /api/v1/namespaces/kees-system/pods/http:kees-webhook-1:8080/proxy/metrics";

impl FakeApi {
    /// A complete installation.
    fn installed() -> Self {
        let labels = json!({"app.kubernetes.io/version": "0.1.0"});
        let annotated =
            "object.metadata.annotations.exists(k, k.startsWith(\"secret.bsycorp.com/\"))";
        let mut api = Self(BTreeMap::new());
        api.ok("GET /version", json!({"major": "1", "minor": "33+", "gitVersion": "v1.33.1-eks-1", "gitCommit": "", "gitTreeState": "", "buildDate": "", "goVersion": "", "compiler": "", "platform": ""}));
        let resources = [
            "mutatingwebhookconfigurations",
            "validatingadmissionpolicies",
            "validatingadmissionpolicybindings",
        ];
        let resources = resources.map(|name| json!({"name": name, "singularName": "", "namespaced": false, "kind": "Any", "verbs": []}));
        api.ok(&format!("GET {OBJECTS}"), json!({"kind": "APIResourceList", "groupVersion": "admissionregistration.k8s.io/v1", "resources": resources}));
        api.ok(
            "GET /api/v1/namespaces/kees-system",
            json!({"metadata": {"name": "kees-system"}}),
        );
        api.ok("GET /api/v1/namespaces", json!({"metadata": {}, "items": [
            {"metadata": {"name": "default", "labels": {"kubernetes.io/metadata.name": "default"}}},
            {"metadata": {"name": "kube-system", "labels": {"kubernetes.io/metadata.name": "kube-system"}}},
        ]}));
        api.ok(CONFIGURATION, json!({"metadata": {"name": "kees", "labels": labels}, "webhooks": [{
            "name": "kees.bsycorp.com", "admissionReviewVersions": ["v1"], "sideEffects": "None",
            "failurePolicy": "Fail",
            "clientConfig": {"service": {"namespace": "kees-system", "name": "kees-webhook"}, "caBundle": "Y2E="},
            "matchConditions": [{"name": "annotated", "expression": annotated}],
        }]}));
        api.ok(
            POLICY,
            json!({"metadata": {"name": "kees", "labels": labels}, "spec": {
                "variables": [{"name": "entries", "expression": annotated}],
            }}),
        );
        api.ok(
            BINDING,
            json!({"metadata": {"name": "kees"}, "spec": {
                "policyName": "kees", "validationActions": ["Deny"],
            }}),
        );
        api.ok(DEPLOYMENT, json!({"metadata": {"name": "kees-webhook"}, "status": {"availableReplicas": 2, "updatedReplicas": 2}, "spec": {
            "replicas": 2, "selector": {}, "template": {"spec": {
                "serviceAccountName": "kees-webhook",
                "containers": [{"name": "webhook", "image": "kees-webhook:0.1.0", "envFrom": [{"configMapRef": {"name": "kees-settings"}}]}],
                "volumes": [{"name": "policy", "configMap": {"name": "kees-policy"}}],
            }},
        }}));
        api.ok(
            SETTINGS,
            json!({"metadata": {}, "data": {"INIT_IMAGE": "kees-init:0.1.0"}}),
        );
        api.ok(CONFIG_MAP, json!({"metadata": {}, "data": {"policy.yaml": "rules:\n- namespaces: [\"*\"]\n  storagePrefix: /{namespace}\n"}}));
        api.ok(
            ENDPOINTS,
            json!({"metadata": {}, "items": [{"metadata": {}, "addressType": "IPv4", "endpoints": [
                {"addresses": ["10.0.0.1"], "conditions": {"ready": true}},
                {"addresses": ["10.0.0.2"], "conditions": {"ready": true}},
                {"addresses": ["10.0.0.3"], "conditions": {"ready": false}},
            ]}]}),
        );
        api.ok(
            "GET /api/v1/namespaces/kees-system/pods",
            json!({"metadata": {}, "items": [{"metadata": {"name": "kees-webhook-1"}}]}),
        );
        api.ok(
            METRICS,
            json!("kees_webhook_build_info{version=\"0.1.0\"} 1\n"),
        );
        api.ok(PODS, json!({"metadata": {"name": "kees-doctor"}, "spec": {"containers": [], "initContainers": [{"name": "kees-init"}]}}));
        api.error(WRONG_PODS, 403, "admission webhook \"kees.bsycorp.com\" denied the request: secret.bsycorp.com/kees-doctor: the size is missing");
        api
    }

    /// A complete installation that fills volumes of classes, and writes Secrets.
    fn with_classes() -> Self {
        let mut api = Self::installed();
        api.change(
            SETTINGS,
            "/data",
            json!({"SECRET_PROVIDER_CLASSES": "true", "SECRET_SYNC": "true"}),
        );
        api.ok(
            CONTROLLER,
            json!({"metadata": {"name": "kees-controller"}, "spec": {
                "selector": {}, "template": {"spec": {
                    "serviceAccountName": "kees-controller",
                    "containers": [{"name": "controller", "args": ["--secret-sync"]}],
                }},
            }}),
        );
        api.ok(CLASSES, json!({"kind": "APIResourceList", "groupVersion": "secrets-store.csi.x-k8s.io/v1", "resources": [
            {"name": "secretproviderclasses", "singularName": "", "namespaced": true, "kind": "SecretProviderClass", "verbs": []},
        ]}));
        api.ok(
            ACCESS,
            json!({"metadata": {}, "spec": {}, "status": {"allowed": true}}),
        );
        api
    }

    /// Takes a permission from a ServiceAccount.
    fn deny(&mut self, account: &str, verb: &str, resource: &str) {
        self.ok(
            &format!("{ACCESS} {account} {verb} {resource}"),
            json!({"metadata": {}, "spec": {}, "status": {"allowed": false}}),
        );
    }

    fn ok(&mut self, request: &str, response: Value) {
        self.0.insert(request.to_owned(), (200, response));
    }

    fn error(&mut self, request: &str, code: u16, message: &str) {
        let reason = if code == 403 { "Forbidden" } else { "Other" };
        let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": reason, "code": code});
        self.0.insert(request.to_owned(), (code, status));
    }

    fn missing(&mut self, request: &str) {
        self.0.remove(request);
    }

    fn change(&mut self, request: &str, pointer: &str, value: Value) {
        let (_, object) = self.0.get_mut(request).unwrap();
        *object.pointer_mut(pointer).unwrap() = value;
    }

    /// A client of this API server.
    fn client(self) -> Client {
        let api = Arc::new(self);
        let service = service_fn(move |request: Request<Body>| {
            let api = Arc::clone(&api);
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect_bytes().await?;
                let body = String::from_utf8_lossy(&body).into_owned();
                Ok::<_, kube::Error>(api.respond(&head, &body))
            }
        });
        Client::new(service, "default")
    }

    fn respond(&self, head: &http::request::Parts, body: &str) -> Response<Body> {
        // A pod that is really created would be a bug.
        let is_dry_run = head
            .uri
            .query()
            .is_some_and(|query| query.contains("dryRun=All"));
        assert!(head.method == "GET" || is_dry_run || body.contains("AccessReview"));
        let wrong = if body.contains("type=PASSWORD\"") {
            "wrong "
        } else {
            ""
        };
        let request = format!("{} {wrong}{}", head.method, head.uri.path());
        let not_found = (
            404,
            json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": format!("{request} not found"), "reason": "NotFound", "code": 404}),
        );
        let asked = self.0.get(&format!("{request} {}", access(body)));
        let answer = asked.or_else(|| self.0.get(&request));
        let (code, response) = answer.unwrap_or(&not_found);
        let text = match response {
            Value::String(text) => text.clone(),
            object => object.to_string(),
        };
        Response::builder()
            .status(*code)
            .header(
                "date",
                k8s_openapi::jiff::fmt::rfc2822::to_string(&now()).unwrap(),
            )
            .body(Body::from(text.into_bytes()))
            .unwrap()
    }
}

/// What a review of access asks: the user, the verb and the resource.
fn access(body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let spec = &body["spec"];
    let attributes = &spec["resourceAttributes"];
    let texts = [&spec["user"], &attributes["verb"], &attributes["resource"]];
    texts
        .map(|text| text.as_str().unwrap_or_default())
        .join(" ")
}

fn now() -> k8s_openapi::jiff::Zoned {
    k8s_openapi::jiff::Timestamp::now().to_zoned(k8s_openapi::jiff::tz::TimeZone::UTC)
}

/// The report of `kees doctor` with these arguments.
fn report(api: FakeApi, arguments: &[&str]) -> Report {
    let arguments = ["kees", "doctor"].iter().chain(arguments);
    let cli = Cli::read(arguments.map(std::convert::Into::into)).unwrap();
    let crate::args::Command::Doctor(args) = cli.command else {
        panic!("the command is doctor")
    };
    block_on(async {
        let client = api.client();
        let version = client.apiserver_version().await.unwrap();
        Ok(checks(&args, &client, &version).await)
    })
    .unwrap()
}

/// The checks that did not pass, one a line.
fn findings(api: FakeApi) -> String {
    let report = report(api, &[]);
    assert_eq!(report.status(), 1, "{}", report.text());
    let checks = report.checks.iter();
    let checks = checks.filter(|check| check.status != check::Status::Passed);
    let lines: Vec<_> = checks
        .map(|check| {
            format!(
                "{} {}: {}",
                check.status.as_str(),
                check.name,
                check.message
            )
        })
        .collect();
    lines.join("\n")
}

#[test]
fn a_complete_installation_passes_every_check() {
    let report = report(FakeApi::installed(), &[]);
    assert_eq!(report.status(), 0, "{}", report.text());
    insta::assert_snapshot!(report.text());
}

#[test]
fn the_report_as_json_has_the_same_checks() {
    let report = report(FakeApi::installed(), &["--output", "json"]);
    let json: Value = serde_json::from_str(&report.json()).unwrap();
    assert_eq!(json["passed"], true);
    let names = json["checks"].as_array().unwrap().iter();
    let names: Vec<_> = names.map(|check| check["name"].as_str().unwrap()).collect();
    let expected: Vec<_> = report
        .checks
        .iter()
        .map(|check| check.name.as_str())
        .collect();
    assert_eq!(names, expected);
    assert!(
        json["checks"][0]["link"]
            .as_str()
            .unwrap()
            .ends_with("#api-server")
    );
}

#[test]
fn nothing_is_installed() {
    let mut api = FakeApi::installed();
    api.0
        .retain(|request, _| !request.contains("kees") || request.contains("/namespaces/default/"));
    api.ok(ENDPOINTS, json!({"metadata": {}, "items": []}));
    api.ok(PODS, json!({"metadata": {}, "spec": {"containers": []}}));
    insta::assert_snapshot!(findings(api));
}

#[test]
fn a_webhook_configuration_that_was_deleted_is_named() {
    let mut api = FakeApi::installed();
    api.missing(CONFIGURATION);
    api.error(PODS, 403, "pods \"kees-doctor\" is forbidden: ValidatingAdmissionPolicy 'kees' with binding 'kees' denied request: this pod has kees annotations but no kees-init container: the kees webhook was not called");
    insta::assert_snapshot!(findings(api));
}

#[test]
fn a_ca_bundle_that_does_not_fit_is_named() {
    let mut api = FakeApi::installed();
    api.error(PODS, 500, "Internal error occurred: failed calling webhook \"kees.bsycorp.com\": failed to call webhook: Post \"https://kees-webhook.kees-system.svc:443/mutate?timeout=3s\": tls: failed to verify certificate: x509: certificate signed by unknown authority");
    insta::assert_snapshot!(findings(api));
}

#[test]
fn a_webhook_that_the_control_plane_cannot_reach_is_named_with_the_security_group_of_eks() {
    let mut api = FakeApi::installed();
    api.error(PODS, 500, "Internal error occurred: failed calling webhook \"kees.bsycorp.com\": failed to call webhook: Post \"https://kees-webhook.kees-system.svc:443/mutate?timeout=3s\": context deadline exceeded");
    insta::assert_snapshot!(findings(api));
}

#[test]
fn a_deployment_that_is_scaled_to_zero_is_named() {
    let mut api = FakeApi::installed();
    api.change(DEPLOYMENT, "/spec/replicas", json!(0));
    api.change(DEPLOYMENT, "/status/availableReplicas", json!(null));
    api.change(ENDPOINTS, "/items/0/endpoints", json!([]));
    api.error(PODS, 500, "Internal error occurred: failed calling webhook \"kees.bsycorp.com\": failed to call webhook: Post \"https://kees-webhook.kees-system.svc:443/mutate?timeout=3s\": no endpoints available for service \"kees-webhook\"");
    insta::assert_snapshot!(findings(api));
}

#[test]
fn objects_that_are_missing_or_changed_are_named() {
    let mut api = FakeApi::installed();
    api.missing(BINDING);
    api.change(
        CONFIGURATION,
        "/webhooks/0/clientConfig/caBundle",
        json!(""),
    );
    api.change(CONFIGURATION, "/webhooks/0/failurePolicy", json!("Ignore"));
    api.change(
        CONFIGURATION,
        "/metadata/labels/app.kubernetes.io~1version",
        json!("0.0.9"),
    );
    api.change(
        POLICY,
        "/spec/variables/0/expression",
        json!("k.startsWith('secret.example.com/')"),
    );
    api.change(CONFIG_MAP, "/data/policy.yaml", json!("rules: []\n"));
    api.ok(
        WRONG_PODS,
        json!({"metadata": {}, "spec": {"containers": []}}),
    );
    insta::assert_snapshot!(findings(api));
}

#[test]
fn webhooks_for_classes_are_a_part_of_the_configuration() {
    let with = |name: &str, bundle: &str| {
        let mut api = FakeApi::installed();
        let (_, configuration) = api.0.get_mut(CONFIGURATION).unwrap();
        let mut webhook = configuration["webhooks"][0].clone();
        webhook["name"] = name.into();
        webhook["clientConfig"]["caBundle"] = bundle.into();
        configuration["webhooks"]
            .as_array_mut()
            .unwrap()
            .push(webhook);
        let report = report(api, &[]);
        (report.status(), report.text())
    };
    assert_eq!(with("classes-of-pod.kees.bsycorp.com", "Y2E=").0, 0);
    let (status, text) = with("classes-of-pod.kees.bsycorp.com", "");
    assert_eq!(status, 1);
    assert!(
        text.contains("a webhook for SecretProviderClass objects has no caBundle"),
        "{text}"
    );
    let (status, text) = with("other.kees.bsycorp.com", "Y2E=");
    assert_eq!(status, 1);
    assert!(
        text.contains("it does not have exactly one webhook"),
        "{text}"
    );
}

#[test]
fn a_namespace_that_the_webhook_leaves_out_is_a_warning() {
    let mut api = FakeApi::installed();
    let selector = json!({"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system"]}]});
    let (_, configuration) = api.0.get_mut(CONFIGURATION).unwrap();
    configuration["webhooks"][0]["namespaceSelector"] = selector;
    let report = report(api, &[]);
    assert_eq!(report.status(), 0);
    assert!(
        report
            .text()
            .contains("warning  namespace-exclusions: pods in kube-system are not injected"),
        "{}",
        report.text()
    );
}

#[test]
fn a_policy_that_denies_the_test_namespace_is_a_warning() {
    let mut api = FakeApi::installed();
    api.error(PODS, 403, "admission webhook \"kees.bsycorp.com\" denied the request: policy: the policy has no rule for ServiceAccount default in namespace default; ask the operator for one");
    let report = report(api, &[]);
    assert_eq!(report.status(), 0);
    assert!(
        report.text().contains("with --test-namespace"),
        "{}",
        report.text()
    );
}

#[test]
fn the_denial_of_an_installation_with_another_name_is_recognised() {
    let mut api = FakeApi::installed();
    let name = "team-a.bsycorp.com";
    api.change(CONFIGURATION, "/webhooks/0/name", json!(name));
    api.error(WRONG_PODS, 403, &format!("admission webhook \"{name}\" denied the request: secret.bsycorp.com/kees-doctor: size= is missing"));
    let report = report(api, &[]);
    assert_eq!(report.status(), 0, "{}", report.text());
}

#[test]
fn a_certificate_for_another_name_is_named() {
    let mut api = FakeApi::installed();
    api.error(PODS, 500, "Internal error occurred: failed calling webhook \"kees.bsycorp.com\": failed to call webhook: Post \"https://kees-webhook.kees-system.svc:443/mutate?timeout=3s\": tls: failed to verify certificate: x509: certificate is valid for other.example.com, not kees-webhook.kees-system.svc");
    let findings = findings(api);
    let remedy = "the webhook needs a certificate for the name kees-webhook.kees-system.svc";
    assert!(findings.contains(remedy), "{findings}");
    assert!(!findings.contains("caBundle"), "{findings}");
}

#[test]
fn a_rollout_that_does_not_finish_is_a_warning() {
    let mut api = FakeApi::installed();
    api.change(DEPLOYMENT, "/status/updatedReplicas", json!(1));
    let report = report(api, &[]);
    assert_eq!(report.status(), 0);
    let warning = "warning  deployment: 2 of 2 replicas are available, and 1 of 2 have the current";
    assert!(report.text().contains(warning), "{}", report.text());
}

#[test]
fn a_rule_against_opting_out_that_the_webhook_configuration_undoes_is_a_warning() {
    let mut api = FakeApi::installed();
    let policy = "rules:\n- namespaces: [\"*\"]\n  optOut: false\n";
    api.change(CONFIG_MAP, "/data/policy.yaml", json!(policy));
    assert!(!report(api.clone(), &[]).text().contains("warning  "));

    let (_, configuration) = api.0.get_mut(CONFIGURATION).unwrap();
    let conditions = configuration["webhooks"][0]["matchConditions"].as_array_mut();
    conditions
        .unwrap()
        .push(json!({"name": "not-opted-out", "expression": "false"}));
    let report = report(api, &[]);
    assert_eq!(report.status(), 0);
    let warning = "warning  policy-file: a rule in the ConfigMap kees-policy has optOut: false";
    assert!(report.text().contains(warning), "{}", report.text());
}

#[test]
fn what_the_user_may_not_read_is_skipped() {
    let mut api = FakeApi::installed();
    for request in [
        CONFIGURATION,
        POLICY,
        BINDING,
        DEPLOYMENT,
        ENDPOINTS,
        PODS,
        "GET /api/v1/namespaces",
    ] {
        api.error(request, 403, "is forbidden: User \"dev\" cannot do this");
    }
    let report = report(api, &[]);
    assert_eq!(report.status(), 0);
    insta::assert_snapshot!(report.text());
}

#[test]
fn before_installing_permissions_and_apis_are_checked() {
    let mut api = FakeApi::installed();
    api.ok(&format!("POST {OBJECTS}/mutatingwebhookconfigurations"), json!({"metadata": {}, "webhooks": [{
        "name": "a.b.c", "admissionReviewVersions": [], "sideEffects": "None", "clientConfig": {},
        "matchConditions": [{"name": "never", "expression": "false"}],
    }]}));
    let reviews = "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    api.ok(
        reviews,
        json!({"metadata": {}, "spec": {}, "status": {"allowed": true}}),
    );
    insta::assert_snapshot!(report(api.clone(), &["--pre"]).text());

    api.change("GET /version", "/minor", json!("29"));
    api.change("GET /version", "/gitVersion", json!("v1.29.4"));
    api.change(&format!("GET {OBJECTS}"), "/resources", json!([]));
    api.ok(
        reviews,
        json!({"metadata": {}, "spec": {}, "status": {"allowed": false}}),
    );
    let report = report(api, &["--pre", "--namespace", "other"]);
    assert_eq!(report.status(), 1);
    insta::assert_snapshot!(report.text());
}

const WEBHOOK_ACCOUNT: &str = "system:serviceaccount:kees-system:kees-webhook";
const CONTROLLER_ACCOUNT: &str = "system:serviceaccount:kees-system:kees-controller";

#[test]
fn an_installation_with_classes_and_secrets_passes_every_check() {
    let report = report(FakeApi::with_classes(), &[]);
    assert_eq!(report.status(), 0, "{}", report.text());
    insta::assert_snapshot!(report.text());
}

#[test]
fn what_classes_and_secrets_need_is_not_checked_where_they_are_off() {
    let mut api = FakeApi::with_classes();
    api.change(
        SETTINGS,
        "/data",
        json!({"SECRET_PROVIDER_CLASSES": "false"}),
    );
    api.change(
        CONTROLLER,
        "/spec/template/spec/containers/0/args",
        json!([]),
    );
    let checks = report(api, &[]).checks;
    let names: Vec<_> = checks.iter().map(|check| check.name.as_str()).collect();
    for name in ["class-definition", "class-permissions", "secret-sync"] {
        assert!(!names.contains(&name), "{names:?}");
    }
}

#[test]
fn a_missing_definition_and_missing_permissions_are_named_with_the_remedy() {
    let mut api = FakeApi::with_classes();
    api.missing(CLASSES);
    for verb in ["list", "watch"] {
        api.deny(WEBHOOK_ACCOUNT, verb, "secretproviderclasses");
    }
    api.deny(WEBHOOK_ACCOUNT, "get", "serviceaccounts");
    api.deny(CONTROLLER_ACCOUNT, "update", "secrets");
    api.deny(CONTROLLER_ACCOUNT, "watch", "secretproviderclasses");
    insta::assert_snapshot!(findings(api));
}

#[test]
fn a_definition_of_another_kind_of_the_group_is_not_that_of_classes() {
    let mut api = FakeApi::with_classes();
    api.change(
        CLASSES,
        "/resources/0/name",
        json!("secretproviderclasspodstatuses"),
    );
    let findings = findings(api);
    assert!(
        findings.starts_with("failed class-definition: "),
        "{findings}"
    );
}

#[test]
fn a_webhook_that_relies_on_a_controller_that_writes_no_secrets_is_named() {
    let mut api = FakeApi::with_classes();
    api.change(
        CONTROLLER,
        "/spec/template/spec/containers/0/args",
        json!([]),
    );
    let without_flag = findings(api.clone());
    api.missing(CONTROLLER);
    assert_eq!(findings(api), without_flag);
    insta::assert_snapshot!(without_flag);
}

#[test]
fn permissions_that_the_user_may_not_ask_for_are_skipped() {
    let mut api = FakeApi::with_classes();
    api.error(ACCESS, 403, "is forbidden: User \"dev\" cannot create it");
    api.error(CLASSES, 403, "is forbidden: User \"dev\" cannot read it");
    let report = report(api, &[]);
    assert_eq!(report.status(), 0, "{}", report.text());
    let skipped = report.checks.iter();
    let skipped = skipped.filter(|check| check.status == check::Status::Skipped);
    let names: Vec<_> = skipped.map(|check| check.name.as_str()).collect();
    assert_eq!(
        names,
        ["class-definition", "class-permissions", "secret-sync"]
    );
}

#[test]
fn a_webhook_that_may_not_compare_pods_with_secrets_is_named() {
    let mut api = FakeApi::with_classes();
    api.deny(WEBHOOK_ACCOUNT, "watch", "pods");
    let findings = findings(api);
    let expected = "failed secret-sync: the ServiceAccount kees-system/kees-webhook may not watch pods in all namespaces";
    assert!(findings.starts_with(expected), "{findings}");
    assert!(findings.contains("manifests/webhook-sync"), "{findings}");
}
