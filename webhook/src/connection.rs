//! One connection: TLS handshake, requests over HTTP/1.1 or HTTP/2, and its end.

use std::{
    convert::Infallible,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use rustls::ServerConfig;
use tokio::{
    net::TcpStream,
    sync::watch,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use crate::{Limits, Router, metrics::Metrics};

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

/// Serves `stream` until the client leaves, nothing has happened for long, or the server ends.
pub(crate) async fn serve(shared: Arc<Shared>, stream: TcpStream, tls: Arc<ServerConfig>) {
    let _open = Open::new(&shared.metrics);
    let handshake = handshake(stream, tls);
    match timeout(shared.limits.handshake_timeout, handshake).await {
        Ok(Ok(stream)) => exchange(&shared, stream).await,
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

async fn exchange(shared: &Arc<Shared>, stream: TlsStream) {
    let requests = Requests::default();
    let service = service_fn(|request| {
        let shared = Arc::clone(shared);
        let under_way = requests.start();
        async move {
            let response = shared.router.answer(request).await;
            drop(under_way);
            Ok::<_, Infallible>(response)
        }
    });
    let builder = builder(&shared.limits);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut ending = shared.ending.clone();
    let ended = tokio::select! {
        result = connection.as_mut() => Some(result),
        () = requests.idle(&shared.limits) => None,
        // An error means that the server is gone.
        _ = ending.wait_for(|ending| *ending) => None,
    };
    let ended = if let Some(result) = ended {
        result
    } else {
        // HTTP/2: GOAWAY; HTTP/1.1: `connection: close`. What is under way is answered.
        connection.as_mut().graceful_shutdown();
        timeout(shared.limits.drain_timeout, connection)
            .await
            .unwrap_or(Ok(()))
    };
    if let Err(error) = ended {
        tracing::trace!(error, "connection ended");
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
        .keep_alive_timeout(limits.handshake_timeout);
    builder
}

/// Counts the requests of a connection, to tell when it is idle.
#[derive(Debug, Default, Clone)]
struct Requests(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    started: AtomicU64,
    finished: AtomicU64,
}

impl Requests {
    fn start(&self) -> UnderWay {
        self.0.started.fetch_add(1, Ordering::Relaxed);
        UnderWay(self.clone())
    }

    /// Resolves when no request was under way or came for an idle timeout, or up to twice as long.
    async fn idle(&self, limits: &Limits) {
        let mut before = None;
        loop {
            let started = self.0.started.load(Ordering::Relaxed);
            let finished = self.0.finished.load(Ordering::Relaxed);
            if started == finished && before == Some(started) {
                return;
            }
            before = Some(started);
            sleep(limits.idle_timeout).await;
        }
    }
}

/// A request that is under way, until it is dropped.
struct UnderWay(Requests);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.0.finished.fetch_add(1, Ordering::Relaxed);
    }
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
