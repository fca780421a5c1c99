//! Requests to the routers of both ports, without a socket.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    http::{Method, Request, Response, StatusCode},
};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, SizeHint};
use kees_webhook::{BODY_LIMIT, admin, health::Health, metrics::Metrics};
use rstest::rstest;
use serde_json::Value;
use support::{in_flight, invalid_review, long_review, router, valid_review};
use tokio::{sync::mpsc, task::JoinSet, time::Instant};
use tower::ServiceExt as _;

/// Sends a request to a new router.
async fn respond(request: Request<Body>) -> (Response<()>, Value) {
    respond_with(router().0, request).await
}

async fn respond_with(router: Router, request: Request<Body>) -> (Response<()>, Value) {
    parsed(router.oneshot(request).await.unwrap()).await
}

/// Splits a response into its head and its body, which is null if it is not JSON.
async fn parsed(response: Response<Body>) -> (Response<()>, Value) {
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (
        Response::from_parts(head, ()),
        serde_json::from_slice(&body).unwrap_or_default(),
    )
}

/// `POST /mutate` with this body.
fn post(body: impl Into<Body>) -> Request<Body> {
    support::post("").map(|_| body.into())
}

/// Asserts status 200 and a review that denies with code 400 and the message `expected`.
fn assert_malformed(response: &(Response<()>, Value), expected: &str) {
    let (head, review) = response;
    assert_eq!(head.status(), StatusCode::OK);
    assert_eq!(head.headers()["content-type"], "application/json");
    assert_eq!(review["kind"], "AdmissionReview");
    assert_eq!(review["response"]["allowed"], false, "{review}");
    assert_eq!(review["response"]["status"]["code"], 400, "{review}");
    let message = review["response"]["status"]["message"].as_str().unwrap();
    assert!(message.contains(expected), "{message}");
}

/// A body that arrives in frames of `size` bytes.
fn in_frames(body: &[u8], size: usize) -> Body {
    frames(body.chunks(size).map(|frame| Ok(frame.to_vec())))
}

/// A body of these frames.
fn frames(frames: impl IntoIterator<Item = io::Result<Vec<u8>>>) -> Body {
    let frames: Vec<_> = frames
        .into_iter()
        .map(|frame| frame.map(|frame| Frame::data(Bytes::from(frame))))
        .collect();
    Body::new(StreamBody::new(Frames(frames.into_iter())))
}

/// A body that announces a length, sends the beginning, and then stops.
struct Stalled {
    announced: u64,
    unsent: usize,
}

impl Stalled {
    fn after(bytes: usize, announced: usize) -> Self {
        Self {
            announced: announced as u64,
            unsent: bytes,
        }
    }
}

impl HttpBody for Stalled {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = self.unsent.min(16 * 1024);
        if frame == 0 {
            return Poll::Pending;
        }
        self.unsent -= frame;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![b' '; frame])))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.announced)
    }
}

/// A body whose frames arrive when the test sends them.
struct Fed(mpsc::UnboundedReceiver<Bytes>);

impl HttpBody for Fed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = self.0.poll_recv(context);
        frame.map(|frame| frame.map(|frame| Ok(Frame::data(frame))))
    }
}

/// Sends `number` requests whose bodies stall.
async fn stall(
    router: &Router,
    metrics: &Metrics,
    number: usize,
    body: impl Fn() -> Stalled,
) -> JoinSet<Response<Body>> {
    let mut requests = JoinSet::new();
    for _ in 0..number {
        let (router, request) = (router.clone(), post(Body::new(body())));
        requests.spawn(async move { router.oneshot(request).await.unwrap() });
    }
    in_flight(metrics, number).await;
    requests
}

/// A stream of the items of an iterator.
struct Frames<I>(I);

impl<I: Iterator + Unpin> futures_core::Stream for Frames<I> {
    type Item = I::Item;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<I::Item>> {
        Poll::Ready(self.0.next())
    }
}

#[tokio::test]
async fn a_valid_pod_is_patched() {
    let (head, review) = respond(post(valid_review())).await;
    assert_eq!(head.status(), StatusCode::OK);
    assert_eq!(
        review["response"]["uid"],
        "705ab4f5-6393-11e8-b7cc-42010a800002"
    );
    assert_eq!(review["response"]["allowed"], true, "{review}");
    assert_eq!(review["response"]["patchType"], "JSONPatch");
}

#[tokio::test]
async fn a_body_in_many_frames_is_put_together() {
    let request = post(in_frames(&valid_review(), 7));
    let (_, review) = respond(request).await;
    assert_eq!(review["response"]["allowed"], true, "{review}");
}

#[rstest]
#[case::one_byte_too_long(BODY_LIMIT + 1)]
#[case::longer_than_is_discarded(5 * BODY_LIMIT)]
#[tokio::test]
async fn a_body_that_is_too_long_is_denied_by_a_review(
    #[case] length: usize,
    #[values(true, false)] whole: bool,
) {
    let body = vec![b' '; length];
    let expected = "the body is longer than the limit of 3145728 bytes";
    let body = if whole {
        body.into()
    } else {
        in_frames(&body, 16_000)
    };
    assert_malformed(&respond(post(body)).await, expected);
}

#[tokio::test]
async fn a_review_of_the_maximum_length_is_decided() {
    let mut body = valid_review();
    body.resize(BODY_LIMIT, b' ');
    let (_, review) = respond(post(in_frames(&body, 16_000))).await;
    assert_eq!(review["response"]["allowed"], true, "{review}");
}

#[rstest]
#[tokio::test]
async fn the_response_to_a_review_that_is_too_long_has_its_uid(#[values(true, false)] whole: bool) {
    let mut body = valid_review();
    body.resize(BODY_LIMIT + 1, b' ');
    let body = if whole {
        body.into()
    } else {
        in_frames(&body, 16_000)
    };
    let (_, review) = respond(post(body)).await;
    assert_eq!(
        review["response"]["uid"],
        "705ab4f5-6393-11e8-b7cc-42010a800002"
    );
}

#[tokio::test]
async fn the_uid_of_a_review_that_is_too_long_is_found_in_its_second_frame() {
    let mut body = valid_review();
    body.resize(BODY_LIMIT + 1, b' ');
    let rest = body.split_off(10);
    let request = post(frames([Ok(body), Ok(rest)]));
    assert_eq!(
        respond(request).await.1["response"]["uid"],
        "705ab4f5-6393-11e8-b7cc-42010a800002"
    );
}

#[tokio::test]
async fn a_truncated_review_is_denied_by_a_review() {
    let mut body = valid_review();
    body.truncate(body.len() / 2);
    assert_malformed(&respond(post(body)).await, "");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_denied_by_a_review() {
    let request = post(frames([
        Ok(b"{".to_vec()),
        Err(io::ErrorKind::BrokenPipe.into()),
    ]));
    assert_malformed(
        &respond(request).await,
        "the body ended before it was complete",
    );
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_arrives_is_denied_by_a_review() {
    assert_malformed(
        &respond(post(Body::new(Stalled::after(0, 100)))).await,
        "the body did not arrive within 2 s",
    );
}

#[rstest]
#[case::the_longest(BODY_LIMIT)]
#[case::too_long(BODY_LIMIT + 1)]
#[tokio::test(start_paused = true)]
async fn bodies_that_are_announced_and_do_not_arrive_delay_no_other_body(
    #[case] announced: usize,
    #[values(0, 1000)] sent: usize,
) {
    let (router, metrics) = router();
    let stalled = stall(&router, &metrics, 500, || Stalled::after(sent, announced)).await;
    let started = Instant::now();
    let request = post(in_frames(&valid_review(), 100));
    assert_allowed(&respond_with(router, request).await);
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert_eq!(stalled.len(), 500);
}

#[tokio::test(start_paused = true)]
async fn bodies_that_stall_near_their_end_release_their_memory_before_a_client_times_out() {
    let (router, metrics) = router();
    let nearly = BODY_LIMIT - BODY_LIMIT / 50;
    let mut stalled = stall(&router, &metrics, 2, || Stalled::after(nearly, BODY_LIMIT)).await;
    tokio::time::advance(Duration::from_millis(100)).await;
    // A short body needs none of their memory.
    let started = Instant::now();
    let request = post(in_frames(&valid_review(), 100));
    assert_allowed(&respond_with(router.clone(), request).await);
    assert_eq!(started.elapsed(), Duration::ZERO);
    let request = post(in_frames(&long_review(), 10_000));
    assert_allowed(&respond_with(router, request).await);
    // The request waited for memory, and still gets its response within `timeoutSeconds`.
    let waited = started.elapsed();
    assert!(
        !waited.is_zero() && waited < Duration::from_secs(3),
        "{waited:?}"
    );
    while let Some(response) = stalled.join_next().await {
        let response = parsed(response.unwrap()).await;
        assert_malformed(&response, "the body did not arrive within 2 s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_gets_no_memory_is_denied_by_a_review() {
    let (router, metrics) = router();
    let (feed, body) = mpsc::unbounded_channel();
    let request = post(Body::new(Fed(body)));
    let waiting = tokio::spawn(respond_with(router.clone(), request));
    in_flight(&metrics, 1).await;
    tokio::time::advance(Duration::from_secs(1)).await;
    let mut others = JoinSet::new();
    for _ in 0..9 {
        let stalled = post(Body::new(Stalled::after(BODY_LIMIT - 1, BODY_LIMIT)));
        others.spawn(router.clone().oneshot(stalled));
    }
    in_flight(&metrics, 10).await;
    feed.send(Bytes::from(vec![b' '; 100_000])).unwrap();
    let expected = "the webhook had no memory for the body for 2 s";
    assert_malformed(&waiting.await.unwrap(), expected);
}

fn assert_allowed((_, review): &(Response<()>, Value)) {
    assert_eq!(review["response"]["allowed"], true, "{review}");
}

#[rstest]
#[case::plain("text/plain")]
#[case::yaml("application/yaml")]
#[case::nothing("")]
#[case::prefix("application/jsonp")]
#[tokio::test]
async fn a_body_of_another_content_type_is_denied_by_a_review(#[case] content_type: &str) {
    let mut request = post(valid_review());
    request
        .headers_mut()
        .insert("content-type", content_type.parse().unwrap());
    assert_malformed(&respond(request).await, "application/json");
}

#[rstest]
#[case::with_a_charset(Some("application/json; charset=utf-8"))]
#[case::in_capitals(Some("Application/JSON"))]
#[case::without_one(None)]
#[tokio::test]
async fn json_is_accepted(#[case] content_type: Option<&str>) {
    let mut request = post(valid_review());
    request.headers_mut().remove("content-type");
    if let Some(content_type) = content_type {
        request
            .headers_mut()
            .insert("content-type", content_type.parse().unwrap());
    }
    assert_eq!(respond(request).await.1["response"]["allowed"], true);
}

#[rstest]
#[case(Method::GET, "/mutate", StatusCode::METHOD_NOT_ALLOWED)]
#[case(Method::PUT, "/mutate", StatusCode::METHOD_NOT_ALLOWED)]
#[case(Method::POST, "/", StatusCode::NOT_FOUND)]
#[case(Method::POST, "/mutate/", StatusCode::NOT_FOUND)]
#[case(Method::GET, "/metrics", StatusCode::NOT_FOUND)]
#[tokio::test]
async fn other_paths_and_methods_are_rejected(
    #[case] method: Method,
    #[case] path: &str,
    #[case] status: StatusCode,
) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .body(Body::empty());
    let (head, _) = respond(request.unwrap()).await;
    assert_eq!(head.status(), status);
    if status == StatusCode::METHOD_NOT_ALLOWED {
        assert_eq!(head.headers()["allow"], "POST");
    }
}

#[tokio::test]
async fn requests_are_counted_by_outcome() {
    let (router, metrics) = router();
    for body in [
        valid_review(),
        valid_review(),
        dry_run(),
        invalid_review(),
        b"{".to_vec(),
    ] {
        respond_with(router.clone(), post(body)).await;
    }
    let text = metrics.render().unwrap();
    for line in [
        "kees_webhook_requests_total{outcome=\"patched\",reason=\"\",dry_run=\"false\"} 2",
        "kees_webhook_requests_total{outcome=\"patched\",reason=\"\",dry_run=\"true\"} 1",
        "kees_webhook_requests_total{outcome=\"denied\",reason=\"annotation\",dry_run=\"false\"} 1",
        "kees_webhook_requests_total{outcome=\"malformed\",reason=\"\",dry_run=\"false\"} 1",
        "kees_webhook_request_duration_seconds_count 5",
        "kees_webhook_requests_in_flight 0",
    ] {
        assert!(
            text.lines().any(|it| it == line),
            "{line} is not in\n{text}"
        );
    }
}

/// A review of a valid pod that is not created.
fn dry_run() -> Vec<u8> {
    let mut review: Value = serde_json::from_slice(&valid_review()).unwrap();
    review["request"]["dryRun"] = true.into();
    review.to_string().into_bytes()
}

#[tokio::test]
async fn a_scrape_says_whether_the_process_is_ready() {
    let health = ready();
    let router = admin::router(Metrics::new(), Arc::clone(&health));
    let (_, text) = admin_response(&router, Method::GET, "/metrics").await;
    assert!(text.contains("\nkees_webhook_ready 1\n"), "{text}");
    health.drain();
    let (_, text) = admin_response(&router, Method::GET, "/metrics").await;
    assert!(text.contains("\nkees_webhook_ready 0\n"), "{text}");
}

#[rstest]
#[case("/healthz", "ok\n")]
#[case("/readyz", "ok\n")]
#[case("/metrics", "# HELP kees_webhook_")]
#[tokio::test]
async fn the_admin_router_serves_get_and_head(#[case] path: &str, #[case] expected: &str) {
    let router = admin::router(Metrics::new(), ready());
    for (method, expected) in [(Method::GET, expected), (Method::HEAD, "")] {
        let (status, text) = admin_response(&router, method, path).await;
        assert_eq!(status, StatusCode::OK);
        assert!(text.starts_with(expected), "{text}");
    }
    let (status, _) = admin_response(&router, Method::POST, path).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn the_admin_router_serves_no_other_path() {
    let router = admin::router(Metrics::new(), ready());
    let (status, _) = admin_response(&router, Method::GET, "/mutate").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_admin_router_says_why_the_process_is_not_ready() {
    let health = ready();
    health.drain();
    let router = admin::router(Metrics::new(), health);
    let response = admin_response(&router, Method::GET, "/readyz").await;
    let expected = (StatusCode::SERVICE_UNAVAILABLE, "draining\n".to_owned());
    assert_eq!(response, expected);
    let (status, _) = admin_response(&router, Method::GET, "/healthz").await;
    assert_eq!(status, StatusCode::OK);
}

fn ready() -> Arc<Health> {
    let health = Health::new();
    health.certificate_replaced(i64::MAX, None);
    Arc::new(health)
}

async fn admin_response(router: &Router, method: Method, path: &str) -> (StatusCode, String) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .body(Body::empty());
    let response = router.clone().oneshot(request.unwrap()).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}
