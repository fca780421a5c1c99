//! The process: an end at SIGTERM and SIGINT.

use std::{future::Future, io, pin::pin};

use futures_util::future::{Either, select};
use tokio::{
    runtime::Builder,
    signal::unix::{SignalKind, signal},
};

/// The signal that ended a run.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stopped {
    Terminated,
    Interrupted,
}

impl Stopped {
    /// The exit status: 128 and the number of the signal, as in a shell.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Terminated => 143,
            Self::Interrupted => 130,
        }
    }

    /// The name of the signal.
    pub(crate) fn signal(self) -> &'static str {
        match self {
            Self::Terminated => "SIGTERM",
            Self::Interrupted => "SIGINT",
        }
    }
}

/// The exit status when the system cannot start the runtime (`EX_OSERR`).
pub(crate) const OS_ERROR: u8 = 71;

/// Runs `work` to its end, or until SIGTERM or SIGINT arrives. A signal drops `work` at an await.
/// Files are written without an await, so a signal does not interrupt writing.
pub(crate) fn until_stopped<T>(work: impl Future<Output = T>) -> io::Result<Result<T, Stopped>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        // The first process of a container ignores signals that it has no handler for.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (terminate, interrupt) = (pin!(terminate.recv()), pin!(interrupt.recv()));
        let stop = select(terminate, interrupt);
        Ok(match select(pin!(work), stop).await {
            Either::Left((done, _)) => Ok(done),
            Either::Right((Either::Left(_), _)) => Err(Stopped::Terminated),
            Either::Right((Either::Right(_), _)) => Err(Stopped::Interrupted),
        })
    });
    // Does not wait for a thread that is generating a key.
    runtime.shutdown_background();
    outcome
}
