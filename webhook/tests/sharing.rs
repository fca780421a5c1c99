//! Pods that want different contents in one Kubernetes Secret, with a Kubernetes API of the test.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use hyper::StatusCode;
use kees_webhook::PodSource;
use serde_json::{Value, json};
use support::{
    Certificates, Client, Http, Running, admin,
    class_api::{ClassApi, PODS},
    eventually, metric, review,
};

/// A server that knows the pods of `api`, and a client of it.
struct Webhook {
    running: Running,
    client: tokio::sync::Mutex<Client>,
}

impl Webhook {
    async fn start(api: &ClassApi) -> Self {
        let (certificates, certificate) = Certificates::new();
        let running = Running::start_with_pods(&certificates, PodSource::new(api.client()));
        let client = Client::connect(running.address, Http::One, &certificate);
        let client = tokio::sync::Mutex::new(client.await.unwrap());
        Self { running, client }
    }

    async fn readiness(&self) -> StatusCode {
        admin(self.running.admin, "/readyz").await.unwrap().0
    }

    async fn ready(&self) {
        eventually("the webhook is ready", || async {
            (self.readiness().await == StatusCode::OK).then_some(())
        })
        .await;
    }

    /// Why the pod `second` is denied, which wants another value than [`first`].
    async fn denial(&self) -> Option<String> {
        let mut review: Value = serde_json::from_slice(&review(&annotations("b/token"))).unwrap();
        review["request"]["object"]["metadata"]["name"] = "second".into();
        let (status, review) = self.client.lock().await.mutate(review.to_string()).await;
        assert_eq!(status, StatusCode::OK);
        let response = &review["response"];
        let message = response["status"]["message"].as_str().map(str::to_owned);
        assert_eq!(
            response["allowed"] == false,
            message.is_some(),
            "{response}"
        );
        message
    }

    async fn is_denied(&self, expected: bool) {
        eventually("the webhook knows the pods", || async {
            (self.denial().await.is_some() == expected).then_some(())
        })
        .await;
    }
}

fn annotations(key: &str) -> Value {
    json!({
        "secret.bsycorp.com/token": format!("kind=REFERENCE,storageKey={key}"),
        "init.bsycorp.com/sync": "shared",
    })
}

/// The pod `first`, as the API server has it.
fn first() -> Value {
    json!({
        "metadata": {"annotations": annotations("a/token"), "labels": {"pod-template-hash": "7f9c"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-7f9c", "uid": "1", "controller": true}]},
        "spec": {"containers": [{"name": "app", "image": "app:1"}]},
        "status": {"phase": "Running"},
    })
}

#[tokio::test]
async fn a_pod_is_denied_while_another_one_with_other_contents_lives() {
    let api = ClassApi::new();
    api.put(PODS, "first", first());
    let webhook = Webhook::start(&api).await;
    webhook.ready().await;
    let denial = webhook.denial().await.unwrap();
    let expected = "pod second (Pod second) and pod first (Deployment web) ask for one Secret, shared, with different contents: \
                    the key token is /b/token (dynamodb) here and /a/token (dynamodb) there";
    assert!(denial.contains(expected), "{denial}");
    let known = metric(webhook.running.admin, "kees_webhook_synced_pods").await;
    assert!((known - 1.0).abs() < f64::EPSILON);
    let queries = std::mem::take(&mut api.state().pod_queries);
    // 250 pods with the longest annotations took 230 MB.
    assert!(queries.iter().any(|query| query.contains("limit=16")));
    for query in &queries {
        assert!(
            query.contains("labelSelector=init.bsycorp.com%2Fsecret-sync%3Dtrue"),
            "{query}"
        );
        assert!(
            query.contains("fieldSelector=status.phase%21%3DSucceeded"),
            "{query}"
        );
    }
    assert!(!queries.is_empty());

    let mut ending = first();
    ending["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    api.put(PODS, "first", ending);
    webhook.is_denied(false).await;
    api.put(PODS, "first", first());
    webhook.is_denied(true).await;
    let mut ended = first();
    ended["status"]["phase"] = "Succeeded".into();
    api.put(PODS, "first", ended);
    webhook.is_denied(false).await;
    api.put(PODS, "first", first());
    webhook.is_denied(true).await;
    api.delete(PODS, "first");
    webhook.is_denied(false).await;
}

#[tokio::test]
async fn the_webhook_is_ready_when_the_pods_are_listed() {
    let api = ClassApi::new();
    api.paused.send_replace(true);
    api.put(PODS, "first", first());
    let webhook = Webhook::start(&api).await;
    assert_eq!(webhook.readiness().await, StatusCode::SERVICE_UNAVAILABLE);
    api.paused.send_replace(false);
    webhook.ready().await;
    assert!(webhook.denial().await.is_some());
}

#[tokio::test]
async fn without_the_pods_the_webhook_admits_and_counts_the_errors() {
    let api = ClassApi::new();
    api.state().status.insert(PODS, StatusCode::FORBIDDEN);
    api.put(PODS, "first", first());
    let webhook = Webhook::start(&api).await;
    webhook.ready().await;
    assert_eq!(webhook.denial().await, None);
    let errors = metric(webhook.running.admin, "kees_webhook_pod_watch_errors_total").await;
    assert!(errors > 0.0);
    api.state().status.clear();
    webhook.is_denied(true).await;

    // When the permission is taken away, it does not hold pods that may have ended.
    api.state().status.insert(PODS, StatusCode::FORBIDDEN);
    api.close_watches();
    webhook.is_denied(false).await;
    api.state().status.clear();
    webhook.is_denied(true).await;
}
