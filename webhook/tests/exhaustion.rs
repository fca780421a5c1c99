//! Clients that make the webhook keep bodies and responses, and long decisions.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::{sync::mpsc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    http::Response,
};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Body as _, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use kees_webhook::Limits;
use rstest::rstest;
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use support::{
    BODY_TIMEOUT, CONDITION_TIMEOUT, Certificates, Client, Http, Running, eventually, in_flight,
    long_review, metric, post, router, tls, valid_review,
};
use tokio::{io::AsyncWriteExt as _, net::TcpStream, task::spawn_blocking, time::timeout};
use tokio_rustls::client::TlsStream;
use tower::ServiceExt as _;

/// Less than what a client leaves unread here, and more than what the operating system buffers.
const RESPONSE: usize = 400_000;

/// A review whose response is longer than [`RESPONSE`]: each container gets a mount.
fn review_with_long_response() -> Vec<u8> {
    let mut review: Value = serde_json::from_slice(&valid_review()).unwrap();
    let containers: Vec<_> = (0..3000)
        .map(|n| json!({"name": format!("c{n}")}))
        .collect();
    review["request"]["object"]["spec"]["containers"] = containers.into();
    review.to_string().into_bytes()
}

async fn send(router: Router, body: impl Into<Bytes>) -> Response<Body> {
    let request = post(body).map(Body::new);
    router.oneshot(request).await.unwrap()
}

async fn parsed(response: Response<Body>) -> Value {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap()
}

/// The message of a denial; empty if the pod is allowed.
fn message(review: &Value) -> &str {
    review["response"]["status"]["message"]
        .as_str()
        .unwrap_or_default()
}

/// Runs `test` with one thread for long decisions, which is occupied until the sender that `test`
/// gets is dropped.
fn while_a_decision_takes_long<F: Future>(test: impl FnOnce(mpsc::Sender<()>) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    runtime.block_on(async {
        let (release, occupied) = mpsc::channel();
        drop(spawn_blocking(move || occupied.recv()));
        timeout(CONDITION_TIMEOUT, test(release)).await.unwrap()
    });
}

#[test]
fn a_short_review_does_not_wait_for_a_long_one() {
    while_a_decision_takes_long(|release| async move {
        let (router, metrics) = router();
        let long = tokio::spawn(send(router.clone(), long_review()));
        in_flight(&metrics, 1).await;
        let short = parsed(send(router, valid_review()).await).await;
        assert_eq!(short["response"]["allowed"], true, "{short}");
        assert!(!long.is_finished());
        drop(release);
        let long = parsed(long.await.unwrap()).await;
        assert_eq!(long["response"]["allowed"], true, "{long}");
    });
}

#[test]
fn a_long_review_that_waits_too_long_for_another_is_denied_with_its_uid() {
    while_a_decision_takes_long(|release| async move {
        let (router, metrics) = router();
        let first = tokio::spawn(send(router.clone(), long_review()));
        in_flight(&metrics, 1).await;
        let mut body: Value = serde_json::from_slice(&long_review()).unwrap();
        // The object comes after the uid, as the API server sends it.
        let object = body["request"].as_object_mut().unwrap().remove("object");
        let text = body.to_string();
        let (begin, end) = text.split_at(text.len() - 2);
        let body = format!("{begin},\"object\":{}{end}", object.unwrap());
        tokio::time::pause();
        let second = tokio::spawn(send(router, body));
        in_flight(&metrics, 2).await;
        // Timers are rounded to milliseconds.
        tokio::time::advance(2 * BODY_TIMEOUT).await;
        let second = parsed(second.await.unwrap()).await;
        assert_eq!(
            message(&second),
            "the webhook was busy with other long bodies for 2 s"
        );
        assert_eq!(
            second["response"]["uid"],
            "705ab4f5-6393-11e8-b7cc-42010a800002"
        );
        drop(release);
        first.await.unwrap();
    });
}

#[tokio::test(start_paused = true)]
async fn responses_that_nobody_reads_take_a_limited_amount_of_memory() {
    let (router, _) = router();
    let body = Bytes::from(review_with_long_response());
    let mut unread = Vec::new();
    loop {
        let response = send(router.clone(), body.clone()).await;
        if response.body().size_hint().lower() < RESPONSE as u64 {
            let review = parsed(response).await;
            let expected = "the webhook has no memory for the response";
            assert!(message(&review).starts_with(expected), "{review}");
            break;
        }
        unread.push(response);
        assert!(unread.len() * RESPONSE < 16 << 20, "too many responses");
    }
    // A short response needs none of this memory.
    let short = parsed(send(router.clone(), valid_review()).await).await;
    assert_eq!(short["response"]["allowed"], true, "{short}");
    drop(unread);
    let long = parsed(send(router, body).await).await;
    assert_eq!(long["response"]["allowed"], true);
}

/// Limits that close a connection soon after its client stops reading, and for no other reason.
fn limits() -> Limits {
    Limits {
        response_timeout: Duration::from_millis(100),
        first_request_timeout: 100 * CONDITION_TIMEOUT,
        idle_timeout: 100 * CONDITION_TIMEOUT,
        body_timeout: CONDITION_TIMEOUT,
        drain_delay: Duration::ZERO,
        ..Limits::default()
    }
}

/// Opens a connection and sends requests on it, of which it reads no response.
async fn send_without_reading(
    server: &Running,
    certificate: &CertificateDer<'static>,
) -> TlsStream<TcpStream> {
    let mut stream = tls(server.address, Http::One, certificate).await.unwrap();
    let body = review_with_long_response();
    let head = format!(
        "POST /mutate HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    // Several responses are longer than the buffers of the operating system. The server then reads
    // no further request, or has closed the connection already.
    for _ in 0..16 {
        let sent = async {
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&body).await
        };
        if !matches!(timeout(Duration::from_secs(1), sent).await, Ok(Ok(()))) {
            break;
        }
    }
    stream
}

/// Waits until the server has so many connections.
async fn connections(server: &Running, number: f64) {
    eventually("connections are closed", || async {
        let open = metric(server.admin, "kees_webhook_connections").await;
        (open <= number).then_some(())
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_connection_is_closed_if_its_client_does_not_read_responses(
    #[values(Http::One, Http::Two)] other: Http,
) {
    let (certificates, certificate) = Certificates::new();
    let server = Running::start_with(&certificates, None, limits()).await;
    let mut other = Client::connect(server.address, other, &certificate)
        .await
        .unwrap();
    let (_, response) = other.mutate(review_with_long_response()).await;
    assert_eq!(response["response"]["allowed"], true);
    let unread = send_without_reading(&server, &certificate).await;
    connections(&server, 1.0).await;
    // This client read its response.
    let (_, response) = other.mutate(valid_review()).await;
    assert_eq!(response["response"]["allowed"], true);
    drop(unread);
    server.stop().await;
}

#[tokio::test]
async fn an_http2_connection_is_closed_if_its_client_leaves_no_window_for_the_response() {
    let (certificates, certificate) = Certificates::new();
    let server = Running::start_with(&certificates, None, limits()).await;
    let stream = tls(server.address, Http::Two, &certificate).await.unwrap();
    let (mut sender, connection) = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(0)
        .handshake::<_, Full<Bytes>>(TokioIo::new(stream))
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let response = sender.send_request(post(valid_review())).await.unwrap();
    let ended = timeout(CONDITION_TIMEOUT, connection).await.unwrap();
    // The server does not wait for the client, so this can be an error.
    let _ = ended.unwrap();
    drop(response);
    server.stop().await;
}
