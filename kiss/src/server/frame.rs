//! What surrounds every call, before and after its handler: the address of the caller, the deadline, the limits for
//! metadata and for calls at the same time, and the audit line of a call that no handler gets.
//!
//! A message that is too large or no protobuf, or a method that does not exist, is answered before a handler is
//! called. Here is the only place that sees all of these calls.

use std::{
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use hyper::{HeaderMap, Request, Response};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tonic::{Code, Status, body::Body, codegen::Service};

use super::{
    audit::{AuditLog, Call},
    client_address::{FORWARDED, Network, client_address},
    metrics::Metrics,
    operations::Deadline,
    status,
};

/// Services whose calls need no token, show nothing of a namespace, and are not audited.
const NOT_AUDITED: [&str; 3] = [
    "/grpc.health.v1.",
    "/grpc.reflection.v1.",
    "/grpc.reflection.v1alpha.",
];
/// What the paths of our calls begin with.
const PATH: &str = "/kiss.resources.KISS/";
/// What a header counts in addition to its name and value (RFC 9113, section 10.5.1).
const OVERHEAD: usize = 32;

/// The address of the connection's other end, which the listener adds to a request.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// What the frame needs.
pub struct FrameSettings {
    /// Proxies whose header is believed.
    pub proxies: Vec<Network>,
    /// The longest time of a call.
    pub longest: Duration,
    /// The most bytes of the metadata of a call.
    pub largest_metadata: usize,
    /// As many permits as there may be calls at the same time.
    pub places: Arc<Semaphore>,
    /// The audit log.
    pub audit: AuditLog,
    /// The counters.
    pub metrics: Metrics,
}

/// A call as it arrives, which the handler finds in the extensions of its request.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The caller's address.
    pub client: Option<IpAddr>,
    /// When the call arrived.
    pub begun: Instant,
    /// When it must end.
    pub deadline: Deadline,
    is_taken: Arc<AtomicBool>,
}

/// The place of a call among those that are open, which the handler finds in the extensions of its request. It is taken before
/// the message is read: otherwise whoever can connect could fill the memory of the server with messages, without a token.
#[derive(Debug, Clone)]
pub struct Place(#[expect(dead_code, reason = "the permit is held")] Arc<OwnedSemaphorePermit>);

impl Arrival {
    /// From now on the handler audits the call, even if the caller goes away.
    pub fn take(&self) {
        self.is_taken.store(true, Ordering::Release);
    }

    /// The handler cannot audit the call after all.
    pub fn give_back(&self) {
        self.is_taken.store(false, Ordering::Release);
    }
}

/// The frame around `S`, which has all services.
#[derive(Clone)]
pub struct Frame<S> {
    inner: S,
    settings: Arc<FrameSettings>,
}

impl<S> Frame<S> {
    /// A frame around `inner`.
    pub fn new(inner: S, settings: FrameSettings) -> Self {
        Self {
            inner,
            settings: Arc::new(settings),
        }
    }
}

impl<S> Service<Request<Body>> for Frame<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let path = request.uri().path();
        if NOT_AUDITED.iter().any(|service| path.starts_with(service)) {
            return Box::pin(self.inner.call(request));
        }
        let arrival = self.settings.arrival(&request);
        let deadline = arrival.deadline.clone();
        let unaudited = Unaudited::new(Arc::clone(&self.settings), path, arrival.clone());
        let (size, largest) = (size(request.headers()), self.settings.largest_metadata);
        if size > largest {
            let refused = metadata_is_too_large(size, largest).into_http();
            unaudited.answered(&refused);
            return Box::pin(async move { Ok(refused) });
        }
        let Ok(place) = Arc::clone(&self.settings.places).try_acquire_owned() else {
            let refused = too_many_calls().into_http();
            unaudited.answered(&refused);
            return Box::pin(async move { Ok(refused) });
        };
        request.extensions_mut().insert(arrival);
        request.extensions_mut().insert(Place(Arc::new(place)));
        let answer = self.inner.call(request);
        Box::pin(async move {
            let response = tokio::select! {
                biased;
                response = answer => with_code_of_grpc(response?),
                late = deadline.passed() => status::of_operation(&late).into_http(),
            };
            unaudited.answered(&response);
            Ok(response)
        })
    }
}

impl FrameSettings {
    fn arrival<B>(&self, request: &Request<B>) -> Arrival {
        let headers = request.headers();
        let forwarded: Vec<_> = headers
            .get_all(FORWARDED)
            .iter()
            .map(|value| value.to_str().unwrap_or_default())
            .collect();
        let peer = request.extensions().get::<Peer>().map(|Peer(peer)| *peer);
        let time = requested_time(headers).unwrap_or(self.longest);
        Arrival {
            client: client_address(peer, forwarded.into_iter(), &self.proxies),
            begun: Instant::now(),
            deadline: Deadline::after(time.min(self.longest)),
            is_taken: Arc::default(),
        }
    }
}

/// The bytes of metadata, as HTTP/2 counts them.
fn size(headers: &HeaderMap) -> usize {
    let sizes = headers.iter();
    sizes
        .map(|(name, value)| name.as_str().len() + value.len() + OVERHEAD)
        .sum()
}

/// The answer to a message that is too large has the code that other servers of gRPC have for it. Other answers stay as
/// they are. tonic's code is `OUT_OF_RANGE`, which no handler returns.
fn with_code_of_grpc(response: Response<Body>) -> Response<Body> {
    match Status::from_header_map(response.headers()) {
        Some(status) if status.code() == Code::OutOfRange => {
            Status::resource_exhausted(status.message()).into_http()
        }
        _ => response,
    }
}

fn metadata_is_too_large(size: usize, largest: usize) -> Status {
    Status::resource_exhausted(format!(
        "the metadata of the call has {size} bytes, and this server takes {largest}: the token is too large, because \
         its user has many groups; ask for a token with fewer groups, or raise --max-metadata of the server"
    ))
}

fn too_many_calls() -> Status {
    Status::resource_exhausted("the server has too many calls just now: try again")
}

/// A call that has no audit line yet. If it is dropped, the client has ended the call.
struct Unaudited {
    settings: Arc<FrameSettings>,
    arrival: Arrival,
    call: Call,
}

impl Unaudited {
    fn new(settings: Arc<FrameSettings>, path: &str, arrival: Arrival) -> Self {
        let method = path.strip_prefix(PATH).unwrap_or(path);
        let call = Call {
            method: method.to_owned().into(),
            client: arrival.client,
            ..Call::default()
        };
        Self {
            settings,
            arrival,
            call,
        }
    }

    /// The call is answered.
    fn answered(self, response: &Response<Body>) {
        // The status of a call that has no response message is among the headers.
        match Status::from_header_map(response.headers()) {
            Some(status) => self.audit(status.code(), Some(status.message())),
            None => self.audit(Code::Ok, None),
        }
    }

    fn audit(&self, code: Code, message: Option<&str>) {
        if self.arrival.is_taken.swap(true, Ordering::AcqRel) {
            return;
        }
        let took = self.arrival.begun.elapsed();
        let message = message.filter(|message| !message.is_empty());
        self.settings.audit.log(&self.call, code, message, took);
        self.settings.metrics.called(&self.call.method, code, took);
    }
}

impl Drop for Unaudited {
    fn drop(&mut self) {
        let message = "the client has ended the call before its request was complete";
        self.audit(Code::Cancelled, Some(message));
    }
}

/// The time that the caller gives the call (gRPC over HTTP/2, `grpc-timeout`).
fn requested_time(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if number.len() > 8 {
        return None;
    }
    let number: u64 = number.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
