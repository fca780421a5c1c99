//! The routes of the webhook's port: `POST /mutate` and `POST /mutate/classes`, an `AdmissionReview` in and one out.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::post,
};
use kees_inject::{InjectSettings, Outcome, ReviewResponse};
use prometheus_client::metrics::gauge::Gauge;
use tokio::{sync::watch, time::Instant};

use crate::{
    audit,
    body::BodyReader,
    memory::{Deadline, MemoryBudget, Reserved},
    metrics::Metrics,
    reviewer::{KnownCluster, Reviewer},
    slots::{AwaitedBody, ValidRequest},
};

/// The longest response that takes no memory from the budget. A patch usually has 3 KB.
const SHORT_RESPONSE: usize = 16 * 1024;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The routes. Each request is decided with the settings that `settings` holds at that time. The
/// body of a request must arrive within `body_timeout`.
///
/// A request for `POST /mutate` always gets status 200 and an `AdmissionReview`, also when its body
/// cannot be read. `POST /mutate/classes` is the same for pods whose volumes of classes are replaced, with the classes of
/// `cluster`. Any other request gets status 404 or 405.
pub fn router(
    settings: watch::Receiver<Arc<InjectSettings>>,
    cluster: KnownCluster,
    metrics: Metrics,
    body_timeout: Duration,
) -> Router {
    let memory = MemoryBudget::new();
    let mutate_state = Mutate {
        bodies: BodyReader::new(memory.clone()),
        body_timeout,
        reviewer: Reviewer::new(settings, cluster, metrics.clone()),
        memory,
        metrics,
    };
    Router::new()
        .route("/mutate", post(mutate))
        .route("/mutate/classes", post(mutate_for_classes))
        .fallback(not_found)
        .with_state(Arc::new(mutate_state))
}

#[derive(Debug)]
struct Mutate {
    bodies: BodyReader,
    body_timeout: Duration,
    reviewer: Reviewer,
    memory: MemoryBudget,
    metrics: Metrics,
}

/// Takes the whole request and not an extractor of its body: an extractor that fails would answer
/// with a status code instead of an `AdmissionReview`.
async fn mutate(State(state): State<Arc<Mutate>>, request: Request) -> Response {
    answer(&state, request, false).await
}

/// The same for a pod whose volumes of classes are replaced.
async fn mutate_for_classes(State(state): State<Arc<Mutate>>, request: Request) -> Response {
    answer(&state, request, true).await
}

async fn answer(state: &Mutate, request: Request, for_classes: bool) -> Response {
    let (response, memory) = state.respond(request, for_classes).await;
    let is_valid = response.outcome != Outcome::Malformed;
    let bytes = match memory {
        None => Bytes::from(response.json),
        Some(_) => Bytes::from_owner(LongResponse {
            json: response.json,
            _memory: memory,
        }),
    };
    let mut http = ([(CONTENT_TYPE, JSON)], bytes).into_response();
    if is_valid {
        http.extensions_mut().insert(ValidRequest);
    }
    http
}

/// A long response, and its memory until it is sent.
struct LongResponse {
    json: Vec<u8>,
    _memory: Option<Reserved>,
}

impl AsRef<[u8]> for LongResponse {
    fn as_ref(&self) -> &[u8] {
        &self.json
    }
}

async fn not_found() -> impl IntoResponse {
    (StatusCode::NOT_FOUND, "POST /mutate\n")
}

impl Mutate {
    /// The response, and the memory that it takes if it is long.
    async fn respond(
        &self,
        request: Request,
        for_classes: bool,
    ) -> (ReviewResponse, Option<Reserved>) {
        let started = Instant::now();
        let deadline = Deadline::after(self.body_timeout);
        let _in_flight = InFlight::new(&self.metrics.in_flight);
        let (head, body) = request.into_parts();
        let is_json = is_json(&head.headers);
        let awaiting = head.extensions.get::<AwaitedBody>().map(AwaitedBody::start);
        // A client can send many headers and then wait.
        drop(head);
        let body = self.bodies.read(body, deadline).await;
        drop(awaiting);
        let response = match body {
            Ok(body) => {
                let review = self.reviewer.review(body, is_json, for_classes, deadline);
                review.await
            }
            Err(error) => ReviewResponse::malformed(error.beginning(), &error.to_string()),
        };
        let (response, memory) = self.reserve(response);
        let took = started.elapsed();
        self.metrics.answered(&response, took);
        audit::log(&response, took);
        (response, memory)
    }

    /// Reserves memory for a long response, because a client may never read it. It does not wait:
    /// responses that wait take memory too.
    fn reserve(&self, mut response: ReviewResponse) -> (ReviewResponse, Option<Reserved>) {
        response.json.shrink_to_fit();
        if response.json.len() <= SHORT_RESPONSE {
            return (response, None);
        }
        let kib = MemoryBudget::kib(response.json.len());
        if let Some(memory) = self.memory.try_reserve(kib) {
            return (response, Some(memory));
        }
        let error = "the webhook has no memory for the response, because it is busy with others";
        let uid = response.uid.unwrap_or_default();
        (ReviewResponse::overloaded(&uid, error), None)
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
