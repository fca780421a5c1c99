//! From a request to its answer, without a socket: `POST /mutate`, and nothing else.

use std::{sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::{Body, Bytes},
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
};
use kees_inject::{InjectSettings, Outcome, ReviewResponse, review};
use tokio::{sync::watch, time::Instant};

use crate::{body::Bodies, metrics::Metrics};

/// Answers requests. Shared by all connections.
#[derive(Debug)]
pub struct Router {
    settings: watch::Receiver<Arc<InjectSettings>>,
    metrics: Metrics,
    bodies: Bodies,
}

impl Router {
    /// Answers by the settings that `settings` holds at the time of each request. A body may take
    /// `body_timeout` to arrive.
    pub fn new(
        settings: watch::Receiver<Arc<InjectSettings>>,
        metrics: Metrics,
        body_timeout: Duration,
    ) -> Self {
        Self {
            settings,
            metrics,
            bodies: Bodies::new(body_timeout),
        }
    }

    /// Answers one request.
    ///
    /// A request for `POST /mutate` always gets status 200 and an `AdmissionReview`, also where
    /// its body cannot be read; every other request gets 404 or 405.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes>,
    {
        self.exchange(request).await.0
    }

    /// Answers one request, and says whether it was a review that could be read.
    pub(crate) async fn exchange<B>(&self, request: Request<B>) -> (Response<Full<Bytes>>, bool)
    where
        B: Body<Data = Bytes>,
    {
        // The API server adds `?timeout=3s`.
        if request.uri().path() != "/mutate" {
            return (plain(StatusCode::NOT_FOUND, "POST /mutate\n"), false);
        }
        if request.method() != Method::POST {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "POST /mutate\n");
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("POST"));
            return (response, false);
        }
        let reply = self.mutate(request).await;
        let is_review = reply.outcome != Outcome::Malformed;
        let mut response = Response::new(Full::new(Bytes::from(reply.json)));
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        (response, is_review)
    }

    async fn mutate<B>(&self, request: Request<B>) -> ReviewResponse
    where
        B: Body<Data = Bytes>,
    {
        let started = Instant::now();
        let _in_flight = InFlight::new(&self.metrics);
        let (head, body) = request.into_parts();
        let reply = match self.bodies.read(body).await {
            Ok(body) if is_json(&head.headers) => review(&body.bytes, &self.settings.borrow()),
            Ok(body) => ReviewResponse::malformed(
                &body.bytes,
                "the content type is not application/json; send an AdmissionReview as JSON",
            ),
            Err(error) => ReviewResponse::malformed(error.beginning(), &error.to_string()),
        };
        let took = started.elapsed();
        self.metrics.answered(&reply, took);
        log(&reply, took);
        reply
    }
}

/// Whether the body is said to be JSON, or nothing is said about it.
fn is_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_none_or(|value| {
        let media_type = value
            .as_bytes()
            .split(|byte| *byte == b';')
            .next()
            .unwrap_or_default();
        media_type
            .trim_ascii()
            .eq_ignore_ascii_case(b"application/json")
    })
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

/// The most bytes of a uid or a namespace that are logged: Kubernetes has names of 63 at most.
const LOGGED_LIMIT: usize = 64;

/// All that is ever logged of a request. Both log formats escape control characters.
fn log(reply: &ReviewResponse, took: Duration) {
    let ReviewResponse {
        json: _,
        outcome,
        faults,
        warnings,
        namespace,
        uid,
    } = reply;
    let (uid, namespace) = (cut(uid.as_deref()), cut(namespace.as_deref()));
    let outcome_name = outcome.as_str();
    let micros = took.as_micros();
    match outcome {
        Outcome::Denied | Outcome::Malformed => {
            tracing::info!(
                uid,
                namespace,
                outcome = outcome_name,
                faults,
                warnings,
                micros,
                "review"
            );
        }
        Outcome::Skipped(reason) => {
            let reason = reason.as_str();
            tracing::debug!(
                uid,
                namespace,
                outcome = outcome_name,
                reason,
                warnings,
                micros,
                "review"
            );
        }
        Outcome::Patched | Outcome::Unchanged => {
            tracing::debug!(
                uid,
                namespace,
                outcome = outcome_name,
                warnings,
                micros,
                "review"
            );
        }
    }
}

fn cut(text: Option<&str>) -> Option<&str> {
    let text = text?;
    text.get(..text.floor_char_boundary(LOGGED_LIMIT))
}

/// Counts a request that is under way, however it ends.
struct InFlight<'a>(&'a Metrics);

impl<'a> InFlight<'a> {
    fn new(metrics: &'a Metrics) -> Self {
        metrics.in_flight.inc();
        Self(metrics)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.dec();
    }
}
