//! One port: accepts connections until the server stops, then drains them.

use std::{sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    connection::{self, Handshake, Shared},
    slots::{Slot, Slots},
};

/// The pause after an error of `accept`: the process has too few file descriptors or too little
/// memory, and must wait for connections to close.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves the connections of `listener` until `stop` resolves. Then it closes the port, and gives
/// open requests the drain timeout to finish: HTTP/2 clients get GOAWAY, responses of HTTP/1.1 say
/// `connection: close`, and idle connections are closed. Returns whether all connections ended.
pub(crate) async fn serve<H: Handshake>(
    listener: TcpListener,
    shared: Shared<H>,
    stop: impl Future<Output = ()>,
) -> bool {
    let shared = Arc::new(shared);
    let mut slots = Slots::new(
        shared.limits.max_connections,
        shared.metrics.evicted.clone(),
    );
    let connections = TaskTracker::new();
    let draining = CancellationToken::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let (stream, slot) = tokio::select! {
            accepted = accept(&listener, &mut slots) => accepted,
            () = stop.as_mut() => break,
        };
        let shared = Arc::clone(&shared);
        connections.spawn(connection::serve(shared, stream, slot, draining.clone()));
    }
    drop(listener);
    draining.cancel();
    connections.close();
    timeout(shared.limits.drain_timeout, connections.wait())
        .await
        .is_ok()
}

/// The next connection, and a slot for it.
async fn accept(listener: &TcpListener, slots: &mut Slots) -> (TcpStream, Slot) {
    let stream = loop {
        match listener.accept().await {
            Ok((stream, _)) => break stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    };
    (stream, slots.take().await)
}
