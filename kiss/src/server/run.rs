//! The life of the server: serve until a signal, then finish the open calls.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse as _, Response},
    routing::get,
};
use kees_server::Reload;
use tokio::{net::TcpListener, sync::watch, task::JoinSet, time::timeout};
use tonic::{service::Routes, transport::Server};

use super::{
    bindings::WatchedBindings,
    cloud::Cloud,
    listen::{TlsError, TlsFiles, connections},
    metrics::Metrics,
    service::{Parts, Service},
    token::{KeyCache, KeySource},
};
use crate::proto::{DESCRIPTOR, kiss_server::KissServer};

/// The media type of [`Metrics::render`].
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How much more metadata HTTP/2 reads than a call may have. What is larger is refused by the implementation of
/// HTTP/2, without a message and an audit line, so the limit of this server is the smaller one.
const METADATA_IN_HTTP2: u32 = 4;

/// How the server serves.
#[derive(Debug, Clone)]
pub struct ServeSettings {
    /// The certificate. `None`: no TLS.
    pub tls: Option<TlsFiles>,
    /// The time between two checks of the certificate's files.
    pub reload_interval: Duration,
    /// The most connections at the same time.
    pub max_connections: usize,
    /// The most calls of one connection at the same time.
    pub max_streams: u32,
    /// The most bytes of the metadata of a call.
    pub max_metadata: u32,
    /// How long open calls may go on after the signal.
    pub drain_timeout: Duration,
}

/// The server cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The certificate cannot be used.
    #[error("TLS cannot be set up")]
    Tls(#[from] TlsError),
    /// The transport has failed.
    #[error("the server has failed")]
    Transport(#[from] tonic::transport::Error),
    /// The reflection service has failed.
    #[error("the reflection service cannot be set up")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Serves the calls on `listener`, and the kubelet and Prometheus on `admin`, until `stop` resolves.
///
/// # Errors
/// The certificate cannot be used.
pub async fn serve<S: KeySource, C: Cloud>(
    listener: TcpListener,
    admin: TcpListener,
    parts: Parts<S, WatchedBindings, C>,
    settings: ServeSettings,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    // Dropping the set at the end of this function ends its tasks.
    let mut tasks = JoinSet::new();
    let tls = match settings.tls {
        None => None,
        Some(files) => {
            let (reload, first) = Reload::first(files)?;
            let (sender, receiver) = watch::channel(first);
            tasks.spawn(reload.watch(settings.reload_interval, move |loaded| {
                if let Ok(config) = loaded {
                    sender.send_replace(config);
                }
            }));
            Some(receiver)
        }
    };
    let draining = Arc::new(AtomicBool::new(false));
    let (keys, bindings) = (Arc::clone(&parts.keys), Arc::clone(&parts.bindings));
    let router = admin_router(&parts, Arc::clone(&draining));
    // It never ends by itself.
    tasks.spawn(async { axum::serve(admin, router).await.unwrap_or_default() });
    tasks.spawn(async move { keys.refresh().await });
    tasks.spawn(async move { bindings.watch().await });

    let service = Service::new(parts);
    let calls = service.calls();
    let (reporter, health) = tonic_health::server::health_reporter();
    let frame = service.frame(settings.max_metadata);
    let kiss = service.into_server();
    reporter
        .set_serving::<KissServer<Service<S, WatchedBindings, C>>>()
        .await;
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTOR)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let (stopping, stopped) = tokio::sync::oneshot::channel::<()>();
    let services = Routes::new(kiss)
        .add_service(health)
        .add_service(reflection().build_v1()?)
        // Many clients know only this version.
        .add_service(reflection().build_v1alpha()?);
    let server = http2(settings.max_streams, settings.max_metadata).serve_with_incoming_shutdown(
        frame(services),
        connections(listener, tls, settings.max_connections),
        async {
            // Both a message and a dropped sender mean that it is time.
            let _ = stopped.await;
        },
    );
    let mut server = std::pin::pin!(server);
    tokio::select! {
        ended = &mut server => return Ok(ended?),
        () = stop => {}
    }
    draining.store(true, Ordering::Relaxed);
    reporter
        .set_not_serving::<KissServer<Service<S, WatchedBindings, C>>>()
        .await;
    drop(stopping);
    calls.close();
    let drained = timeout(settings.drain_timeout, async {
        let ended = server.await;
        calls.wait().await;
        ended
    });
    if let Ok(ended) = drained.await {
        ended?;
    } else {
        let calls = calls.len();
        tracing::warn!(
            calls,
            "stopped with open connections, and calls that may be half done"
        );
    }
    tracing::info!("stopped");
    Ok(())
}

/// HTTP/2 with these limits.
pub(super) fn http2(max_streams: u32, max_metadata: u32) -> Server {
    Server::builder()
        .max_concurrent_streams(max_streams)
        .http2_max_header_list_size(max_metadata.saturating_mul(METADATA_IN_HTTP2))
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
}

/// `/healthz`, `/readyz` and `/metrics`.
fn admin_router<S: KeySource, C: Cloud>(
    parts: &Parts<S, WatchedBindings, C>,
    draining: Arc<AtomicBool>,
) -> Router {
    let (keys, bindings, metrics) = (
        Arc::clone(&parts.keys),
        Arc::clone(&parts.bindings),
        parts.metrics.clone(),
    );
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route(
            "/readyz",
            get(move || async move { ready(draining.load(Ordering::Relaxed)) }),
        )
        .route(
            "/metrics",
            get(move || async move { scrape(&metrics, &keys, &bindings) }),
        )
}

fn ready(draining: bool) -> Response {
    if draining {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response()
    } else {
        "ok\n".into_response()
    }
}

fn scrape<S: KeySource>(
    metrics: &Metrics,
    keys: &KeyCache<S>,
    bindings: &WatchedBindings,
) -> Response {
    match metrics.render(keys.age(), bindings.is_fresh()) {
        Ok(text) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

/// Listens on `address`.
///
/// # Errors
/// The address is in use, for example.
pub async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

#[cfg(test)]
mod tests;
