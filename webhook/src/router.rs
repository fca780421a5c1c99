//! From a request to its answer, without a socket: `POST /mutate`, and nothing else.

use std::{sync::Arc, time::Duration};

use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::{Body, Bytes},
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
};
use kees_inject::{Outcome, Reply, Settings, review};
use tokio::{
    sync::{Semaphore, SemaphorePermit, watch},
    time::{Instant, timeout},
};

use crate::metrics::Metrics;

/// The most bytes that a review may have: what the API server takes of an object, and room for
/// the envelope.
pub const BODY_LIMIT: usize = 3 * 1024 * 1024;

/// The most bytes of a body that is too long to be read and dropped, so that the sender gets to
/// see the answer.
const DROPPED_LIMIT: usize = 4 * BODY_LIMIT;

/// How long a body may take to arrive. The API server itself waits 30 s at most for the answer.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The memory for bodies that are being put together from several pieces, in KiB; more wait.
const BODY_BUDGET: u32 = 24 * 1024;

/// Answers requests. Shared by all connections.
#[derive(Debug)]
pub struct Router {
    settings: watch::Receiver<Arc<Settings>>,
    metrics: Metrics,
    budget: Semaphore,
}

impl Router {
    /// Answers by the settings that `settings` holds at the time of each request.
    pub fn new(settings: watch::Receiver<Arc<Settings>>, metrics: Metrics) -> Self {
        Self {
            settings,
            metrics,
            budget: Semaphore::new(BODY_BUDGET as usize),
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
        // The API server adds `?timeout=3s`.
        if request.uri().path() != "/mutate" {
            return plain(StatusCode::NOT_FOUND, "POST /mutate\n");
        }
        if request.method() != Method::POST {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "POST /mutate\n");
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("POST"));
            return response;
        }
        let reply = self.mutate(request).await;
        let mut response = Response::new(Full::new(Bytes::from(reply.json)));
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }

    async fn mutate<B>(&self, request: Request<B>) -> Reply
    where
        B: Body<Data = Bytes>,
    {
        let started = Instant::now();
        let _in_flight = InFlight::new(&self.metrics);
        let (head, body) = request.into_parts();
        let body = timeout(BODY_TIMEOUT, self.read(body)).await;
        let reply = match body.unwrap_or_else(|_| Err(Unreadable::new("did not arrive in 10 s"))) {
            Ok(body) if is_json(&head.headers) => review(&body.bytes, &self.settings.borrow()),
            Ok(body) => Reply::malformed(
                &body.bytes,
                "the content type is not application/json; send an AdmissionReview as JSON",
            ),
            Err(unreadable) => Reply::malformed(&unreadable.beginning, &unreadable.message),
        };
        let took = started.elapsed();
        self.metrics.answered(&reply, took);
        log(&reply, took);
        reply
    }

    /// The whole body. Most reviews come as one piece, which is used where it lies.
    async fn read<B>(&self, body: B) -> Result<Whole<'_>, Unreadable>
    where
        B: Body<Data = Bytes>,
    {
        let mut body = std::pin::pin!(body);
        let length = body.size_hint().upper();
        if length.is_some_and(|length| length > DROPPED_LIMIT as u64) {
            return Err(Unreadable::too_long(&[]));
        }
        let first = piece(&mut body).await?.unwrap_or_default();
        if body.is_end_stream() {
            return Whole::checked(first, None);
        }
        let expected = length.map_or(BODY_LIMIT, |n| usize::try_from(n).unwrap_or(BODY_LIMIT));
        let permit = self.reserve(expected.min(BODY_LIMIT)).await;
        let mut whole = Vec::with_capacity(expected.min(BODY_LIMIT).min(64 * 1024));
        whole.extend_from_slice(&first);
        drop(first);
        let mut seen = whole.len();
        while let Some(piece) = piece(&mut body).await? {
            seen += piece.len();
            if seen > DROPPED_LIMIT {
                break;
            }
            let room = (BODY_LIMIT + 1).saturating_sub(whole.len());
            whole.extend_from_slice(&piece[..piece.len().min(room)]);
        }
        Whole::checked(Bytes::from(whole), permit)
    }

    /// Waits for memory for a body of `bytes`.
    async fn reserve(&self, bytes: usize) -> Option<SemaphorePermit<'_>> {
        let kibibytes = u32::try_from(bytes.div_ceil(1024)).unwrap_or(BODY_BUDGET);
        // The semaphore is never closed, so there is always a permit in the end.
        self.budget
            .acquire_many(kibibytes.min(BODY_BUDGET))
            .await
            .ok()
    }
}

/// A body as a whole, with the memory that was reserved for it.
struct Whole<'a> {
    bytes: Bytes,
    _permit: Option<SemaphorePermit<'a>>,
}

impl<'a> Whole<'a> {
    fn checked(bytes: Bytes, permit: Option<SemaphorePermit<'a>>) -> Result<Self, Unreadable> {
        if bytes.len() > BODY_LIMIT {
            return Err(Unreadable::too_long(&bytes));
        }
        Ok(Self {
            bytes,
            _permit: permit,
        })
    }
}

/// A body that cannot be read.
struct Unreadable {
    /// Enough of it to look for the request's uid.
    beginning: Bytes,
    message: String,
}

impl Unreadable {
    fn new(what: &str) -> Self {
        Self {
            beginning: Bytes::new(),
            message: format!("the body {what}"),
        }
    }

    fn too_long(bytes: &[u8]) -> Self {
        Self {
            // A copy, so that the rest is freed.
            beginning: Bytes::copy_from_slice(&bytes[..bytes.len().min(4096)]),
            message: format!("the body is longer than {BODY_LIMIT} bytes, the most that is taken"),
        }
    }
}

/// The next piece of the body; `None` at its end.
async fn piece<B>(body: &mut std::pin::Pin<&mut B>) -> Result<Option<Bytes>, Unreadable>
where
    B: Body<Data = Bytes>,
{
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Err(_)) => return Err(Unreadable::new("broke off")),
            // Trailers say nothing here.
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
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
fn log(reply: &Reply, took: Duration) {
    let Reply {
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
