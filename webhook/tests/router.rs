//! Requests and answers, without a socket.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::{convert::Infallible, sync::Arc};

use http_body_util::{BodyExt, Full, StreamBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body, Bytes, Frame},
};
use kees_inject::Settings;
use kees_webhook::{Router, metrics::Metrics, router::BODY_LIMIT};
use rstest::rstest;
use serde_json::Value;
use support::{faulty_review, post, sound_review};
use tokio::sync::watch;

fn router() -> (Router, Metrics) {
    let mut settings = Settings::new("kees-init:0.1.0");
    settings
        .init_env
        .insert("ENV_LABEL".to_owned(), "dev".to_owned());
    let metrics = Metrics::new();
    // The receiver keeps what the sender said last.
    let (_, settings) = watch::channel(Arc::new(settings));
    (Router::new(settings, metrics.clone()), metrics)
}

async fn answer<B: Body<Data = Bytes>>(request: Request<B>) -> (Response<()>, Value) {
    let (head, body) = router().0.answer(request).await.into_parts();
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

/// A stream of what an iterator has.
struct Pieces<I>(I);

impl<I: Iterator + Unpin> futures_core::Stream for Pieces<I> {
    type Item = I::Item;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<I::Item>> {
        std::task::Poll::Ready(self.0.next())
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

#[tokio::test]
async fn a_review_that_is_too_long_is_refused_under_its_uid() {
    let mut body = sound_review();
    body.resize(BODY_LIMIT + 1, b' ');
    let (_, review) = answer(post(body)).await;
    assert_eq!(
        review["response"]["uid"],
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
    struct Never;

    impl Body for Never {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            std::task::Poll::Pending
        }
    }

    assert_malformed(
        &answer(post("").map(|_| Never)).await,
        "the body did not arrive in 10 s",
    );
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
