//! Requests and answers, without a socket.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http_body_util::{BodyExt, Full, StreamBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body, Bytes, Frame, SizeHint},
};
use kees_inject::InjectSettings;
use kees_webhook::{BODY_LIMIT, Router, metrics::Metrics};
use rstest::rstest;
use serde_json::Value;
use support::{faulty_review, post, sound_review};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::Instant,
};

/// What the program has by default.
const BODY_TIMEOUT: Duration = Duration::from_secs(2);

fn router() -> (Router, Metrics) {
    let mut settings = InjectSettings::new("kees-init:0.1.0");
    settings
        .init_env
        .insert("ENV_LABEL".to_owned(), "dev".to_owned());
    let metrics = Metrics::new();
    // The receiver keeps what the sender said last.
    let (_, settings) = watch::channel(Arc::new(settings));
    (
        Router::new(settings, metrics.clone(), BODY_TIMEOUT),
        metrics,
    )
}

async fn answer<B: Body<Data = Bytes>>(request: Request<B>) -> (Response<()>, Value) {
    answer_of(&router().0, request).await
}

async fn answer_of<B: Body<Data = Bytes>>(
    router: &Router,
    request: Request<B>,
) -> (Response<()>, Value) {
    let (head, body) = router.answer(request).await.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (
        Response::from_parts(head, ()),
        serde_json::from_slice(&body).unwrap_or_default(),
    )
}

/// Status 200 and a review that refuses with code 400 and says `why`.
fn assert_malformed(answered: &(Response<()>, Value), why: &str) {
    let (head, review) = answered;
    assert_eq!(head.status(), StatusCode::OK);
    assert_eq!(head.headers()["content-type"], "application/json");
    assert_eq!(review["kind"], "AdmissionReview");
    assert_eq!(review["response"]["allowed"], false, "{review}");
    assert_eq!(review["response"]["status"]["code"], 400, "{review}");
    let message = review["response"]["status"]["message"].as_str().unwrap();
    assert!(message.contains(why), "{message}");
}

fn in_pieces(body: &[u8], size: usize) -> impl Body<Data = Bytes> + use<> {
    let pieces: Vec<_> = body
        .chunks(size)
        .map(|piece| Ok::<_, Infallible>(Frame::data(Bytes::copy_from_slice(piece))))
        .collect();
    StreamBody::new(Pieces(pieces.into_iter()))
}

/// A body that announces a length, sends the beginning of it, and nothing more.
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

impl Body for Stalled {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.unsent.min(16 * 1024);
        if piece == 0 {
            return Poll::Pending;
        }
        self.unsent -= piece;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![b' '; piece])))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.announced)
    }
}

/// A body whose pieces come when the test sends them.
struct Fed(mpsc::UnboundedReceiver<Bytes>);

impl Body for Fed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.0.poll_recv(context);
        piece.map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

/// Sends `number` requests whose bodies stall.
async fn stall(
    router: &Arc<Router>,
    metrics: &Metrics,
    number: usize,
    body: impl Fn() -> Stalled,
) -> JoinSet<Response<Full<Bytes>>> {
    let mut requests = JoinSet::new();
    for _ in 0..number {
        let (router, request) = (Arc::clone(router), post("").map(|_| body()));
        requests.spawn(async move { router.answer(request).await });
    }
    under_way(metrics, number).await;
    requests
}

/// Waits until so many requests are under way.
async fn under_way(metrics: &Metrics, number: usize) {
    let under_way = format!("kees_webhook_requests_in_flight {number}\n");
    while !metrics.render().unwrap().contains(&under_way) {
        tokio::task::yield_now().await;
    }
}

/// A stream of what an iterator has.
struct Pieces<I>(I);

impl<I: Iterator + Unpin> futures_core::Stream for Pieces<I> {
    type Item = I::Item;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<I::Item>> {
        Poll::Ready(self.0.next())
    }
}

#[tokio::test]
async fn a_sound_pod_is_patched() {
    let (head, review) = answer(post(sound_review())).await;
    assert_eq!(head.status(), StatusCode::OK);
    assert_eq!(
        review["response"]["uid"],
        "705ab4f5-6393-11e8-b7cc-42010a800002"
    );
    assert_eq!(review["response"]["allowed"], true, "{review}");
    assert_eq!(review["response"]["patchType"], "JSONPatch");
}

#[tokio::test]
async fn a_body_in_many_pieces_is_put_together() {
    let request = post("").map(|_| in_pieces(&sound_review(), 7));
    let (_, review) = answer(request).await;
    assert_eq!(review["response"]["allowed"], true, "{review}");
}

#[rstest]
#[case::one_byte_too_long(BODY_LIMIT + 1)]
#[case::longer_than_is_read(5 * BODY_LIMIT)]
#[tokio::test]
async fn a_body_that_is_too_long_is_refused_by_a_review(
    #[case] length: usize,
    #[values(true, false)] whole: bool,
) {
    let body = vec![b' '; length];
    let why = "the body is longer than 3145728 bytes";
    if whole {
        assert_malformed(&answer(post(body)).await, why);
    } else {
        assert_malformed(
            &answer(post("").map(|_| in_pieces(&body, 16_000))).await,
            why,
        );
    }
}

#[tokio::test]
async fn a_review_of_the_greatest_length_is_answered() {
    let mut body = sound_review();
    body.resize(BODY_LIMIT, b' ');
    let (_, review) = answer(post("").map(|_| in_pieces(&body, 16_000))).await;
    assert_eq!(review["response"]["allowed"], true, "{review}");
}

#[rstest]
#[tokio::test]
async fn a_review_that_is_too_long_is_refused_under_its_uid(#[values(true, false)] whole: bool) {
    let mut body = sound_review();
    body.resize(BODY_LIMIT + 1, b' ');
    let (_, review) = if whole {
        answer(post(body)).await
    } else {
        answer(post("").map(|_| in_pieces(&body, 16_000))).await
    };
    assert_eq!(
        review["response"]["uid"],
        "705ab4f5-6393-11e8-b7cc-42010a800002"
    );
}

#[tokio::test]
async fn the_uid_of_a_review_that_is_too_long_is_found_in_its_second_piece() {
    let mut body = sound_review();
    body.resize(BODY_LIMIT + 1, b' ');
    let rest = body.split_off(10);
    let pieces = [body, rest].map(|piece| Ok::<_, Infallible>(Frame::data(Bytes::from(piece))));
    let request = post("").map(|_| StreamBody::new(Pieces(pieces.into_iter())));
    assert_eq!(
        answer(request).await.1["response"]["uid"],
        "705ab4f5-6393-11e8-b7cc-42010a800002"
    );
}

#[tokio::test]
async fn a_truncated_body_is_refused_by_a_review() {
    let mut body = sound_review();
    body.truncate(body.len() / 2);
    assert_malformed(&answer(post(body)).await, "");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused_by_a_review() {
    let pieces = [
        Ok(Frame::data(Bytes::from_static(b"{"))),
        Err(std::io::ErrorKind::BrokenPipe),
    ];
    let request = post("").map(|_| StreamBody::new(Pieces(pieces.into_iter())));
    assert_malformed(&answer(request).await, "the body broke off");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_comes_is_refused_by_a_review() {
    assert_malformed(
        &answer(post("").map(|_| Stalled::after(0, 100))).await,
        "the body did not arrive in 2 s",
    );
}

#[rstest]
#[case::the_longest(BODY_LIMIT)]
#[case::too_long(BODY_LIMIT + 1)]
#[tokio::test(start_paused = true)]
async fn bodies_that_are_announced_and_do_not_come_keep_no_other_waiting(
    #[case] announced: usize,
    #[values(0, 1000)] sent: usize,
) {
    let (router, metrics) = router();
    let router = Arc::new(router);
    let stalled = stall(&router, &metrics, 500, || Stalled::after(sent, announced)).await;
    let started = Instant::now();
    let request = post("").map(|_| in_pieces(&sound_review(), 100));
    assert_allowed(router.answer(request).await).await;
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert_eq!(stalled.len(), 500);
}

#[tokio::test(start_paused = true)]
async fn bodies_that_came_nearly_whole_and_stall_make_room_while_an_answer_is_awaited() {
    let (router, metrics) = router();
    let router = Arc::new(router);
    let nearly = BODY_LIMIT - BODY_LIMIT / 50;
    let mut stalled = stall(&router, &metrics, 9, || Stalled::after(nearly, BODY_LIMIT)).await;
    tokio::time::advance(Duration::from_millis(100)).await;
    let started = Instant::now();
    let request = post("").map(|_| in_pieces(&sound_review(), 100));
    assert_allowed(router.answer(request).await).await;
    // All the memory was taken; what waited for it is still answered in `timeoutSeconds`.
    let waited = started.elapsed();
    assert!(
        !waited.is_zero() && waited < Duration::from_secs(3),
        "{waited:?}"
    );
    while let Some(response) = stalled.join_next().await {
        let (head, body) = response.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let review = serde_json::from_slice(&body).unwrap();
        let answered = (Response::from_parts(head, ()), review);
        assert_malformed(&answered, "the body did not arrive in 2 s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_waits_for_memory_in_vain_is_told_so() {
    let (router, metrics) = router();
    let router = Arc::new(router);
    let (feed, body) = mpsc::unbounded_channel();
    let request = post("").map(|_| Fed(body));
    let waiting = Arc::clone(&router);
    let waiting = tokio::spawn(async move { answer_of(&waiting, request).await });
    under_way(&metrics, 1).await;
    tokio::time::advance(Duration::from_secs(1)).await;
    let mut others = JoinSet::new();
    for _ in 0..9 {
        let router = Arc::clone(&router);
        let stalled = post("").map(|_| Stalled::after(BODY_LIMIT - 1, BODY_LIMIT));
        others.spawn(async move { router.answer(stalled).await });
    }
    under_way(&metrics, 10).await;
    feed.send(Bytes::from_static(b"{")).unwrap();
    let why = "the webhook had no memory for the body for 2 s";
    assert_malformed(&waiting.await.unwrap(), why);
}

async fn assert_allowed(response: Response<Full<Bytes>>) {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let review: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(review["response"]["allowed"], true, "{review}");
}

#[rstest]
#[case::plain("text/plain")]
#[case::yaml("application/yaml")]
#[case::nothing("")]
#[case::prefix("application/jsonp")]
#[tokio::test]
async fn a_body_of_another_content_type_is_refused_by_a_review(#[case] content_type: &str) {
    let mut request = post(sound_review());
    request
        .headers_mut()
        .insert("content-type", content_type.parse().unwrap());
    assert_malformed(&answer(request).await, "application/json");
}

#[rstest]
#[case::with_a_charset(Some("application/json; charset=utf-8"))]
#[case::in_capitals(Some("Application/JSON"))]
#[case::without_one(None)]
#[tokio::test]
async fn json_is_taken(#[case] content_type: Option<&str>) {
    let mut request = post(sound_review());
    request.headers_mut().remove("content-type");
    if let Some(content_type) = content_type {
        request
            .headers_mut()
            .insert("content-type", content_type.parse().unwrap());
    }
    assert_eq!(answer(request).await.1["response"]["allowed"], true);
}

#[rstest]
#[case(Method::GET, "/mutate", StatusCode::METHOD_NOT_ALLOWED)]
#[case(Method::PUT, "/mutate", StatusCode::METHOD_NOT_ALLOWED)]
#[case(Method::POST, "/", StatusCode::NOT_FOUND)]
#[case(Method::POST, "/mutate/", StatusCode::NOT_FOUND)]
#[case(Method::GET, "/metrics", StatusCode::NOT_FOUND)]
#[tokio::test]
async fn nothing_else_is_served(
    #[case] method: Method,
    #[case] path: &str,
    #[case] status: StatusCode,
) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .body(Full::<Bytes>::default());
    let (head, _) = answer(request.unwrap()).await;
    assert_eq!(head.status(), status);
    if status == StatusCode::METHOD_NOT_ALLOWED {
        assert_eq!(head.headers()["allow"], "POST");
    }
}

#[tokio::test]
async fn requests_are_counted_by_outcome() {
    let (router, metrics) = router();
    for body in [
        sound_review(),
        sound_review(),
        faulty_review(),
        b"{".to_vec(),
    ] {
        router.answer(post(body)).await;
    }
    let text = metrics.render().unwrap();
    for line in [
        "kees_webhook_requests_total{outcome=\"patched\",reason=\"\"} 2",
        "kees_webhook_requests_total{outcome=\"denied\",reason=\"\"} 1",
        "kees_webhook_requests_total{outcome=\"malformed\",reason=\"\"} 1",
        "kees_webhook_request_duration_seconds_count 4",
        "kees_webhook_requests_in_flight 0",
    ] {
        assert!(
            text.lines().any(|it| it == line),
            "{line} is not in\n{text}"
        );
    }
}
