//! One connection: the TLS handshake, requests over HTTP/1.1 or HTTP/2, and the end.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use axum::{
    Router,
    http::{Request, Response},
};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::watch,
    task::yield_now,
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::{
    Limits,
    handshake::{HandshakeError, RejectionWarning},
    metrics::ConnectionMetrics,
    slots::{Activity, AwaitedBody, Slot, ValidRequest},
    unsent::{Unsent, WatchedBody},
};

/// The flow control window of HTTP/2, for each stream and for the whole connection. Most reviews
/// have a few KB. The window bounds the memory that a connection can take. HTTP/2 allows no smaller
/// one for a whole connection.
const WINDOW: u32 = 65_535;

/// The most requests at the same time on one HTTP/2 connection. A client that has more opens another
/// connection.
const STREAMS: u32 = 8;

/// The most bytes of the headers of one HTTP/2 request.
const HEADERS: u32 = 8 * 1024;

/// The most bytes that are buffered for reading from or writing to one connection, by HTTP and by
/// TLS each.
const BUFFER: usize = 16 * 1024;

/// What the connections of one port share.
#[derive(Debug)]
pub(crate) struct Shared<H> {
    pub(crate) handshake: H,
    pub(crate) router: Router,
    pub(crate) limits: Limits,
    pub(crate) metrics: ConnectionMetrics,
    pub(crate) rejections: RejectionWarning,
}

/// What happens on a connection before HTTP begins.
pub(crate) trait Handshake: Send + Sync + 'static {
    /// The connection that carries HTTP.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Performs the handshake and chooses the protocol.
    fn perform(
        &self,
        stream: TcpStream,
    ) -> impl Future<Output = io::Result<(Self::Stream, Protocol)>> + Send;
}

/// The version of HTTP that a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// No TLS, and HTTP/1.1 alone.
#[derive(Debug)]
pub(crate) struct Plain;

impl Handshake for Plain {
    type Stream = TcpStream;

    async fn perform(&self, stream: TcpStream) -> io::Result<(TcpStream, Protocol)> {
        Ok((stream, Protocol::Http1))
    }
}

/// TLS with the certificate that is current when the connection opens. The client chooses the
/// protocol by ALPN.
#[derive(Debug)]
pub(crate) struct Tls(pub(crate) watch::Receiver<Option<Arc<ServerConfig>>>);

impl Handshake for Tls {
    type Stream = TlsStream<TcpStream>;

    async fn perform(&self, stream: TcpStream) -> io::Result<(Self::Stream, Protocol)> {
        stream.set_nodelay(true)?;
        // `HandshakeError` knows this kind of error.
        let config = self.0.borrow().clone().ok_or(io::ErrorKind::NotConnected)?;
        let mut stream = TlsAcceptor::from(config).accept(stream).await?;
        stream.get_mut().1.set_buffer_limit(Some(BUFFER));
        let protocol = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Protocol::Http2,
            _ => Protocol::Http1,
        };
        Ok((stream, protocol))
    }
}

/// Serves `stream` until the client closes it, a timeout passes, or the connection is evicted. When
/// the server drains, the connection ends after its open requests.
pub(crate) async fn serve<H: Handshake>(
    shared: Arc<Shared<H>>,
    stream: TcpStream,
    slot: Slot,
    draining: CancellationToken,
) {
    let _open = Open::new(&shared.metrics);
    let deadline = Instant::now() + shared.limits.first_request_timeout;
    let handshake = tokio::select! {
        result = timeout_at(deadline, shared.handshake.perform(stream)) => result,
        () = slot.activity.evicted() => return,
    };
    match handshake.unwrap_or_else(|timeout| Err(timeout.into())) {
        Ok((stream, protocol)) => {
            let http = http(protocol, &shared.limits);
            serve_http(&shared, &http, stream, &slot.activity, deadline, draining).await;
        }
        Err(error) => {
            let reason = HandshakeError::of(&error);
            shared.metrics.handshake_failed(reason);
            shared.rejections.note(reason);
            tracing::debug!(reason = reason.as_str(), %error, "TLS handshake failed");
        }
    }
}

async fn serve_http<H: Handshake>(
    shared: &Shared<H>,
    http: &auto::Builder<TokioExecutor>,
    stream: H::Stream,
    activity: &Arc<Activity>,
    deadline: Instant,
    draining: CancellationToken,
) {
    let limits = &shared.limits;
    let unsent = Arc::new(Unsent::default());
    let service = service_fn(|request| {
        let (activity, unsent) = (Arc::clone(activity), Arc::clone(&unsent));
        respond(shared.router.clone(), activity, unsent, request)
    });
    let connection = http.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        result = connection.as_mut() => return log_end(result),
        () = idle(activity, deadline, limits) => {}
        () = activity.evicted() => if activity.is_aborted() { return },
        () = draining.cancelled() => {}
        // What is not sent is dropped: the client does not read it.
        () = unsent.stalled(limits.response_timeout) => return,
    }
    // HTTP/2 sends GOAWAY. HTTP/1.1 closes an idle connection, and adds `connection: close` to the
    // response of an open request.
    connection.as_mut().graceful_shutdown();
    let grace = if draining.is_cancelled() || !activity.is_idle() {
        limits.drain_timeout
    } else {
        // One poll sends what ends the connection. The slot must not depend on the client.
        Duration::ZERO
    };
    log_end(timeout(grace, connection).await.unwrap_or(Ok(())));
}

fn log_end(result: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = result {
        tracing::trace!(error, "connection failed");
    }
}

async fn respond(
    router: Router,
    activity: Arc<Activity>,
    unsent: Arc<Unsent>,
    mut request: Request<Incoming>,
) -> Result<Response<WatchedBody>, Infallible> {
    let open_request = activity.start_request();
    request.extensions_mut().insert(AwaitedBody(activity));
    // A client that sends many requests at once gets one response in each turn of the connections.
    yield_now().await;
    let response = router.oneshot(request).await?;
    if response.extensions().get::<ValidRequest>().is_some() {
        open_request.mark_valid();
    }
    Ok(response.map(|body| unsent.watch(body)))
}

/// Resolves when no request has started before `deadline`, or later when no request was open or
/// started for one idle timeout. That takes up to two idle timeouts to notice.
async fn idle(activity: &Activity, deadline: Instant, limits: &Limits) {
    sleep_until(deadline).await;
    let mut requests = 0;
    while !activity.is_idle() || activity.requests() != requests {
        requests = activity.requests();
        sleep(limits.idle_timeout).await;
    }
}

fn http(protocol: Protocol, limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // It also runs between two requests, where the idle timeout applies.
        .header_read_timeout(limits.idle_timeout)
        .max_buf_size(BUFFER);
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADERS)
        .max_send_buf_size(BUFFER)
        .keep_alive_interval(limits.ping_interval)
        .keep_alive_timeout(limits.ping_timeout);
    match protocol {
        Protocol::Http1 => builder.http1_only(),
        Protocol::Http2 => builder.http2_only(),
    }
}

/// Counts a connection until this is dropped.
struct Open<'a>(&'a ConnectionMetrics);

impl<'a> Open<'a> {
    fn new(metrics: &'a ConnectionMetrics) -> Self {
        metrics.open.inc();
        Self(metrics)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.dec();
    }
}
