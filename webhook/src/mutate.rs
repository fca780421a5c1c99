//! The route of the webhook's port: `POST /mutate`, an `AdmissionReview` in and one out.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::post,
};
use kees_inject::{InjectSettings, Outcome, ReviewResponse, review};
use prometheus_client::metrics::gauge::Gauge;
use tokio::{sync::watch, time::Instant};

use crate::{audit, body::BodyReader, metrics::Metrics, slots::ValidRequest};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The routes. Each request is decided with the settings that `settings` holds at that time. The
/// body of a request must arrive within `body_timeout`.
///
/// A request for `POST /mutate` always gets status 200 and an `AdmissionReview`, also when its body
/// cannot be read. Any other request gets status 404 or 405.
pub fn router(
    settings: watch::Receiver<Arc<InjectSettings>>,
    metrics: Metrics,
    body_timeout: Duration,
) -> Router {
    let reviewer = Reviewer {
        settings,
        metrics,
        bodies: BodyReader::new(body_timeout),
    };
    Router::new()
        .route("/mutate", post(mutate))
        .fallback(not_found)
        .with_state(Arc::new(reviewer))
}

#[derive(Debug)]
struct Reviewer {
    settings: watch::Receiver<Arc<InjectSettings>>,
    metrics: Metrics,
    bodies: BodyReader,
}

/// Takes the whole request and not an extractor of its body: an extractor that fails would answer
/// with a status code instead of an `AdmissionReview`.
async fn mutate(State(reviewer): State<Arc<Reviewer>>, request: Request) -> Response {
    let response = reviewer.review(request).await;
    let is_valid = response.outcome != Outcome::Malformed;
    let mut http = ([(CONTENT_TYPE, JSON)], response.json).into_response();
    if is_valid {
        http.extensions_mut().insert(ValidRequest);
    }
    http
}

async fn not_found() -> impl IntoResponse {
    (StatusCode::NOT_FOUND, "POST /mutate\n")
}

impl Reviewer {
    async fn review(&self, request: Request) -> ReviewResponse {
        let started = Instant::now();
        let _in_flight = InFlight::new(&self.metrics.in_flight);
        let (head, body) = request.into_parts();
        let response = match self.bodies.read(body).await {
            Ok(body) if is_json(&head.headers) => review(&body.bytes, &self.settings.borrow()),
            Ok(body) => ReviewResponse::malformed(
                &body.bytes,
                "the content type is not application/json; send an AdmissionReview as JSON",
            ),
            Err(error) => ReviewResponse::malformed(error.beginning(), &error.to_string()),
        };
        let took = started.elapsed();
        self.metrics.answered(&response, took);
        audit::log(&response, took);
        response
    }
}

/// Whether the content type is JSON or absent.
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

/// Counts an open request until this is dropped.
struct InFlight<'a>(&'a Gauge);

impl<'a> InFlight<'a> {
    fn new(gauge: &'a Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}
