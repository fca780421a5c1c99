//! Pods with volumes of `SecretProviderClass` objects, with a Kubernetes API of the test.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use http_body_util::{BodyExt, Full};
use hyper::{Request, StatusCode};
use kees_webhook::ClassSource;
use serde_json::{Value, json};
use support::{
    Certificates, Client, Http, Running, admin,
    class_api::{ACCOUNTS, CLASSES, ClassApi},
    eventually, metric, valid_review,
};

/// A class of AWS's provider with one object.
fn class(object: &str) -> Value {
    let objects = format!("- {{objectName: {object}, objectType: secretsmanager}}");
    json!({"spec": {"provider": "aws", "parameters": {"objects": objects, "region": "eu-west-1"}}})
}

/// A review of a pod with a volume of the class `db`.
fn review(labels: &Value) -> Value {
    let mut review: Value = serde_json::from_slice(&valid_review()).unwrap();
    let pod = &mut review["request"]["object"];
    pod["metadata"]["annotations"].take();
    pod["metadata"]["labels"] = labels.clone();
    pod["spec"]["volumes"] = json!([{"name": "secrets", "csi": {
        "driver": "secrets-store.csi.k8s.io",
        "readOnly": true,
        "volumeAttributes": {"secretProviderClass": "db"},
    }}]);
    review
}

/// A server with classes from `api`, and a client of it.
struct Webhook {
    running: Running,
    client: tokio::sync::Mutex<Client>,
}

impl Webhook {
    async fn start(api: &ClassApi) -> Self {
        let (certificates, certificate) = Certificates::new();
        let running = Running::start_with_classes(&certificates, ClassSource::new(api.client()));
        let client = Client::connect(running.address, Http::One, &certificate);
        let client = tokio::sync::Mutex::new(client.await.unwrap());
        Self { running, client }
    }

    async fn ready(&self) {
        eventually("the webhook is ready", || async {
            (self.readiness().await.0 == StatusCode::OK).then_some(())
        })
        .await;
    }

    async fn readiness(&self) -> (StatusCode, String) {
        admin(self.running.admin, "/readyz").await.unwrap()
    }

    /// The response about a pod, by this path.
    async fn post(&self, path: &str, review: &Value) -> Value {
        let request = Request::post(format!("https://localhost{path}?timeout=3s"))
            .header("host", "localhost")
            .header("content-type", "application/json")
            .body(Full::new(review.to_string().into()))
            .unwrap();
        let response = self.client.lock().await.send(request).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let review: Value = serde_json::from_slice(&body).unwrap();
        review["response"].clone()
    }

    /// The `CLASS_VOLUMES` of the patch for a pod with a volume of the class `db`.
    async fn class_volumes(&self) -> Result<String, String> {
        let response = self.post("/mutate/classes", &review(&json!({}))).await;
        if response["allowed"] == false {
            return Err(response["status"]["message"].as_str().unwrap().to_owned());
        }
        Ok(patch(&response))
    }
}

/// The patch of a response as text; empty without one.
fn patch(response: &Value) -> String {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    let patch = response["patch"].as_str().unwrap_or_default();
    String::from_utf8(BASE64_STANDARD.decode(patch).unwrap()).unwrap()
}

#[tokio::test]
async fn a_volume_is_replaced_as_its_class_says_now() {
    let api = ClassApi::new();
    api.put(CLASSES, "db", class("team-a/db"));
    let webhook = Webhook::start(&api).await;
    webhook.ready().await;
    let patch = webhook.class_volumes().await.unwrap();
    assert!(patch.contains("team-a/db"), "{patch}");
    assert!(
        patch.contains("arn:aws:iam::111122223333:role/web"),
        "{patch}"
    );
    let known = "kees_webhook_secret_provider_classes";
    assert!((metric(webhook.running.admin, known).await - 1.0).abs() < f64::EPSILON);

    api.put(CLASSES, "db", class("team-a/edited"));
    api.put(ACCOUNTS, "default", json!({"metadata": {}}));
    eventually("the changes are seen", || async {
        let patch = webhook.class_volumes().await.unwrap();
        let is_new = patch.contains("team-a/edited") && !patch.contains("AWS_ROLE_ARN");
        is_new.then_some(())
    })
    .await;
    api.delete(CLASSES, "db");
    let error = eventually("the deletion is seen", || async {
        webhook.class_volumes().await.err()
    })
    .await;
    assert!(
        error.contains("SecretProviderClass db does not exist in namespace team-a; create it."),
        "{error}"
    );
}

#[tokio::test]
async fn the_path_or_the_label_asks_for_it() {
    let api = ClassApi::new();
    api.put(CLASSES, "db", class("team-a/db"));
    let webhook = Webhook::start(&api).await;
    webhook.ready().await;
    let label = |value: &str| json!({"init.bsycorp.com/secret-provider-classes": value});
    for (path, labels, expected) in [
        ("/mutate", json!({}), false),
        ("/mutate", label("enabled"), true),
        ("/mutate/classes", json!({}), true),
        ("/mutate/classes", label("disabled"), false),
    ] {
        let response = webhook.post(path, &review(&labels)).await;
        assert_eq!(response["allowed"], true);
        let patch = patch(&response);
        assert_eq!(
            patch.contains("CLASS_VOLUMES"),
            expected,
            "{path} {labels}: {patch}"
        );
    }
}

#[tokio::test]
async fn a_class_that_was_created_a_moment_ago_is_asked_for_once() {
    let api = ClassApi::new();
    api.delete(ACCOUNTS, "default");
    let webhook = Webhook::start(&api).await;
    webhook.ready().await;
    let error = webhook.class_volumes().await.unwrap_err();
    assert!(
        error.contains("SecretProviderClass db does not exist"),
        "{error}"
    );
    api.put_unseen(CLASSES, "db", class("team-a/db"));
    let role = json!({"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/late"});
    api.put_unseen(
        ACCOUNTS,
        "default",
        json!({"metadata": {"annotations": role}}),
    );
    let patch = webhook.class_volumes().await.unwrap();
    assert!(
        patch.contains("team-a/db") && patch.contains("role/late"),
        "{patch}"
    );
    let folder = |plural| format!("namespaces/team-a/{plural}");
    let asked = std::mem::take(&mut api.state().asked);
    let asked: Vec<_> = asked
        .iter()
        .map(|path| path.split_once("v1/").unwrap().1)
        .collect();
    let class = format!("{}/db", folder(CLASSES));
    assert_eq!(
        asked,
        [
            class.clone(),
            class,
            format!("{}/default", folder(ACCOUNTS))
        ]
    );
    for (result, expected) in [("found", 2.0), ("missing", 1.0), ("error", 0.0)] {
        let name = format!("kees_webhook_class_lookups_total{{result=\"{result}\"}}");
        let count: f64 = metric(webhook.running.admin, &name).await;
        assert!((count - expected).abs() < f64::EPSILON, "{result}: {count}");
    }
    // It does not wait longer than the API server does for the webhook.
    api.paused.send_replace(true);
    api.state().unseen_are_gone();
    let error = webhook.class_volumes().await.unwrap_err();
    assert!(
        error.contains(
            "SecretProviderClass db cannot be read: the API server did not answer within 1 s"
        ),
        "{error}"
    );
}

#[tokio::test]
async fn the_api_server_is_not_asked_for_what_cannot_be_the_name_of_a_class() {
    let api = ClassApi::new();
    // The path of a request for the first name ends with that of the class db.
    api.put_unseen(CLASSES, "db", class("team-a/db"));
    let webhook = Webhook::start(&api).await;
    webhook.ready().await;
    let long = "a".repeat(254);
    for name in [
        "../../team-b/secretproviderclasses/db",
        "db?watch=true",
        "db/status",
        "..",
        "Db",
        &long,
    ] {
        let mut review = review(&json!({}));
        let attributes = "/request/object/spec/volumes/0/csi/volumeAttributes";
        *review.pointer_mut(attributes).unwrap() = json!({"secretProviderClass": name});
        let response = webhook.post("/mutate/classes", &review).await;
        let message = response["status"]["message"].as_str().unwrap();
        assert!(
            message.contains("does not exist in namespace team-a"),
            "{message}"
        );
    }
    assert_eq!(api.state().asked, Vec::<String>::new());
}

#[tokio::test]
async fn the_webhook_is_ready_when_both_lists_are_complete() {
    let api = ClassApi::new();
    api.paused.send_replace(true);
    api.state().status.insert(ACCOUNTS, StatusCode::FORBIDDEN);
    api.put(CLASSES, "db", class("team-a/db"));
    let webhook = Webhook::start(&api).await;
    assert_eq!(
        webhook.readiness().await,
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "the SecretProviderClass objects are not listed yet\n".to_owned()
        )
    );
    api.paused.send_replace(false);
    let reason = eventually("the list is denied", || async {
        let (_, reason) = webhook.readiness().await;
        reason.contains("may not").then_some(reason)
    })
    .await;
    assert!(reason.starts_with("the ServiceAccount may not list and watch ServiceAccounts; apply manifests/secret-provider-class"), "{reason}");
    api.state().status.clear();
    webhook.ready().await;
    assert!(webhook.class_volumes().await.is_ok());
}

#[tokio::test]
async fn a_cluster_without_the_kind_serves_annotated_pods_and_waits_for_it() {
    let api = ClassApi::new();
    api.state().status.insert(CLASSES, StatusCode::NOT_FOUND);
    let webhook = Webhook::start(&api).await;
    webhook.ready().await;
    let annotated: Value = serde_json::from_slice(&valid_review()).unwrap();
    let response = webhook.post("/mutate", &annotated).await;
    assert_eq!(response["allowed"], true);
    assert!(
        webhook
            .class_volumes()
            .await
            .unwrap_err()
            .contains("does not exist")
    );
    api.state().status.clear();
    api.put(CLASSES, "db", class("team-a/db"));
    eventually("the classes are listed", || {
        let admin = webhook.running.admin;
        async move {
            let known = metric(admin, "kees_webhook_secret_provider_classes").await;
            (known > 0.0).then_some(())
        }
    })
    .await;
    assert!(webhook.class_volumes().await.is_ok());
    assert!(
        metric(
            webhook.running.admin,
            "kees_webhook_class_watch_errors_total"
        )
        .await
            > 0.0
    );
}

#[tokio::test]
async fn a_class_that_is_too_long_denies_its_pods_and_parameters_that_are_not_read_do_not_count() {
    let api = ClassApi::new();
    let mut long = class("team-a/db");
    long["spec"]["parameters"]["note"] = "x".repeat(600 << 10).into();
    api.put(CLASSES, "db", long.clone());
    let webhook = Webhook::start(&api).await;
    webhook.ready().await;
    assert!(webhook.class_volumes().await.is_ok());
    let objects = long["spec"]["parameters"]["objects"].as_str().unwrap();
    long["spec"]["parameters"]["objects"] = format!("{objects}\n{}", "#".repeat(600 << 10)).into();
    api.put(CLASSES, "db", long);
    let error = eventually("the class is too long", || async {
        webhook.class_volumes().await.err()
    })
    .await;
    let expected = "SecretProviderClass db cannot be read: its spec has ";
    assert!(
        error.contains(expected) && error.contains("524288 at most; make several classes"),
        "{error}"
    );
}

#[tokio::test]
async fn classes_that_do_not_fit_into_the_memory_are_asked_for() {
    let api = ClassApi::new();
    for number in 0..30 {
        let mut class = class("team-a/other");
        let objects = class["spec"]["parameters"]["objects"].as_str().unwrap();
        let objects = format!("{objects}\n{}", "#".repeat(400 << 10));
        class["spec"]["parameters"]["objects"] = objects.into();
        // They come before the class of the pod.
        api.put(CLASSES, &format!("a-{number}"), class);
    }
    let mut long = class("team-a/db");
    let objects = long["spec"]["parameters"]["objects"].as_str().unwrap();
    long["spec"]["parameters"]["objects"] = format!("{objects}\n{}", "#".repeat(400 << 10)).into();
    api.put(CLASSES, "db", long);
    let webhook = Webhook::start(&api).await;
    webhook.ready().await;
    let known = "kees_webhook_secret_provider_classes";
    assert!((metric(webhook.running.admin, known).await - 25.0).abs() < f64::EPSILON);
    let patch = webhook.class_volumes().await.unwrap();
    assert!(patch.contains("team-a/db"), "{patch}");
    assert_eq!(api.state().asked.len(), 1);
}
