//! One connection: TLS handshake, requests over HTTP/1.1 or HTTP/2, and its end.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use rustls::ServerConfig;
use tokio::{
    net::TcpStream,
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    Limits, Router,
    metrics::Metrics,
    slots::{Activity, Slot},
};

/// Flow control of HTTP/2: what a client may send ahead, for each stream and for all together.
/// Most reviews have a few KB; this bounds the memory that a connection can take.
const WINDOW: u32 = 256 * 1024;

/// Requests at the same time on one HTTP/2 connection.
const STREAMS: u32 = 128;

/// The most that the headers of a request may take, in bytes.
const HEADERS: u32 = 16 * 1024;

/// What all connections of a server share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) router: Router,
    pub(crate) metrics: Metrics,
    pub(crate) limits: Limits,
    /// Becomes true when connections shall end.
    pub(crate) ending: watch::Receiver<bool>,
}

/// Serves `stream` until the client leaves, nothing has happened for long, the slot is given to
/// another, or the server ends.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    stream: TcpStream,
    tls: Arc<ServerConfig>,
    slot: Slot,
) {
    let _open = Open::new(&shared.metrics);
    let deadline = Instant::now() + shared.limits.first_request_timeout;
    let handshake = tokio::select! {
        result = timeout_at(deadline, handshake(stream, tls)) => result,
        () = slot.activity.unwanted() => return,
    };
    match handshake {
        Ok(Ok(stream)) => exchange(&shared, stream, &slot.activity, deadline).await,
        Ok(Err(error)) => {
            shared.metrics.handshake_failures.inc();
            tracing::debug!(%error, "handshake failed");
        }
        Err(_) => {
            shared.metrics.handshake_failures.inc();
            tracing::debug!("handshake took too long");
        }
    }
}

type TlsStream = tokio_rustls::server::TlsStream<TcpStream>;

async fn handshake(stream: TcpStream, tls: Arc<ServerConfig>) -> io::Result<TlsStream> {
    stream.set_nodelay(true)?;
    TlsAcceptor::from(tls).accept(stream).await
}

async fn exchange(
    shared: &Arc<Shared>,
    stream: TlsStream,
    activity: &Arc<Activity>,
    deadline: Instant,
) {
    let service = service_fn(|request| {
        let shared = Arc::clone(shared);
        let under_way = activity.start();
        async move {
            let (response, is_review) = shared.router.exchange(request).await;
            if is_review {
                under_way.of_use();
            }
            drop(under_way);
            Ok::<_, Infallible>(response)
        }
    });
    let builder = builder(&shared.limits);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut ending = shared.ending.clone();
    let at_once = tokio::select! {
        result = connection.as_mut() => return ended(result),
        () = idle(activity, deadline, &shared.limits) => !activity.was_of_use(),
        () = activity.unwanted() => true,
        // An error means that the server is gone.
        _ = ending.wait_for(|ending| *ending) => false,
    };
    // A client that has nothing to lose may not hold its slot by not taking part in the farewell.
    let grace = if at_once && activity.is_idle() {
        Duration::ZERO
    } else {
        shared.limits.drain_timeout
    };
    // HTTP/2: GOAWAY; HTTP/1.1: `connection: close`. What is under way is answered.
    connection.as_mut().graceful_shutdown();
    ended(timeout(grace, connection).await.unwrap_or(Ok(())));
}

fn ended(result: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = result {
        tracing::trace!(error, "connection ended");
    }
}

/// Resolves when no request has come until `deadline`, or later when none was under way or came for
/// an idle timeout, or up to twice as long.
async fn idle(activity: &Activity, deadline: Instant, limits: &Limits) {
    sleep_until(deadline).await;
    let mut before = 0;
    while !activity.is_idle() || activity.requests() != before {
        before = activity.requests();
        sleep(limits.idle_timeout).await;
    }
}

fn builder(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // It also runs between two requests, so it must not be shorter than a client's patience.
        .header_read_timeout(limits.idle_timeout)
        .max_buf_size(64 * 1024);
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADERS)
        .max_send_buf_size(64 * 1024)
        .keep_alive_interval(limits.ping_interval)
        .keep_alive_timeout(limits.ping_timeout);
    builder
}

/// Counts a connection that is open, however it ends.
struct Open<'a>(&'a Metrics);

impl<'a> Open<'a> {
    fn new(metrics: &'a Metrics) -> Self {
        metrics.connections.inc();
        Self(metrics)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.connections.dec();
    }
}
