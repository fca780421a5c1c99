//! Serves the metrics of `kees-init refresh`: one short response for each connection. A web server of
//! its own would make the program larger than the rest of the sidecar.

use std::{
    convert::Infallible,
    future::pending,
    io,
    net::{Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use kees_common::MetricsPort;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

use crate::refresh_metrics::Metrics;

/// The most bytes of a request that are read.
const LONGEST_REQUEST: usize = 4096;

/// How long a connection may take. Connections are served one after another.
const LONGEST_CONNECTION: Duration = Duration::from_secs(2);

/// The pause after the system could not accept a connection.
const PAUSE: Duration = Duration::from_secs(1);

/// Serves `metrics` until it is dropped. Does nothing without a port.
pub(crate) async fn serve(port: Option<MetricsPort>, metrics: &Metrics) -> Infallible {
    let Some(port) = port else {
        return pending().await;
    };
    let listener = match listen(port.get()).await {
        Ok(listener) => listener,
        Err(error) => {
            // The files matter more than the metrics.
            tracing::error!(%error, %port, "no metrics are served: the port cannot be opened");
            return pending().await;
        }
    };
    loop {
        match listener.accept().await {
            Ok((connection, _)) => {
                let served = timeout(LONGEST_CONNECTION, respond(connection, metrics)).await;
                if let Ok(Err(error)) = served {
                    tracing::debug!(%error, "a request for metrics failed");
                }
            }
            Err(error) => {
                tracing::debug!(%error, "no connection can be accepted");
                sleep(PAUSE).await;
            }
        }
    }
}

/// Listens on all addresses of the pod, of IPv6 and IPv4 where the node has both.
async fn listen(port: u16) -> io::Result<TcpListener> {
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
        Ok(listener) => Ok(listener),
        Err(_) => TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await,
    }
}

async fn respond(mut connection: TcpStream, metrics: &Metrics) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        if request.len() > LONGEST_REQUEST || connection.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let (status, body) = if request.starts_with(b"GET /metrics ") {
        ("200 OK", metrics.text())
    } else {
        ("404 Not Found", String::new())
    };
    let response = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain; version=0.0.4\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    );
    connection.write_all(response.as_bytes()).await?;
    connection.shutdown().await
}
