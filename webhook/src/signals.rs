//! The signals that stop the process.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// How a server stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// `/readyz` fails at once, and the server accepts requests until the drain delay is over:
    /// clients learn of the change late.
    Drain,
    /// The same without the delay. Requests that are already open still get a response.
    Now,
}

/// A future that resolves at the first SIGTERM or SIGINT. The signal handlers are installed before
/// this function returns, so that a signal that arrives before the first poll is not lost.
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
