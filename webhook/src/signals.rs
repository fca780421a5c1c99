//! The signals that end the process.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

use crate::Stop;

/// A future that resolves with the first SIGTERM or SIGINT. The handlers are installed when this
/// returns, so a signal that comes before the future is polled is not lost.
pub fn stop_signal() -> io::Result<impl Future<Output = Stop> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => Stop::Drain,
            _ = interrupt.recv() => Stop::Now,
        }
    })
}
