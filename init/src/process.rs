//! The process: an end at SIGTERM and SIGINT.

use std::{future::Future, io, pin::pin};

use futures_util::future::{Either, select};
use nix::sys::signal::{SigSet, Signal};
use tokio::{
    runtime::Builder,
    signal::unix::{SignalKind, signal},
};

/// The signal that ended a run.
#[derive(Debug, Clone, Copy)]
pub enum Stopped {
    /// SIGTERM
    Terminated,
    /// SIGINT
    Interrupted,
}

impl Stopped {
    /// The exit status: 128 and the number of the signal, as in a shell.
    pub fn code(self) -> u8 {
        match self {
            Self::Terminated => 143,
            Self::Interrupted => 130,
        }
    }

    /// The name of the signal.
    pub fn signal(self) -> &'static str {
        match self {
            Self::Terminated => "SIGTERM",
            Self::Interrupted => "SIGINT",
        }
    }
}

/// SIGTERM and SIGINT.
fn stop_signals() -> SigSet {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.add(Signal::SIGINT);
    signals
}

/// Keeps SIGTERM and SIGINT back until [`until_stopped`] or [`wait_for_stop`], also if this process
/// executes another program. The first process of a container ignores a signal that arrives while it
/// has no handler.
pub fn hold_signals() {
    // It cannot fail: the signals exist.
    let _ = stop_signals().thread_block();
}

/// Waits for SIGTERM or SIGINT.
///
/// # Errors
/// The error of the system.
pub fn wait_for_stop() -> io::Result<()> {
    hold_signals();
    stop_signals().wait()?;
    Ok(())
}

/// The exit status when the system cannot start the runtime (`EX_OSERR`).
pub const OS_ERROR: u8 = 71;

/// Runs `work` to its end, or until SIGTERM or SIGINT arrives. A signal drops `work` at an await.
/// Files are written without an await, so a signal does not interrupt writing.
///
/// # Errors
/// The error of the system if it cannot start the runtime.
pub fn until_stopped<T>(work: impl Future<Output = T>) -> io::Result<Result<T, Stopped>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        // The first process of a container ignores signals that it has no handler for.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (terminate, interrupt) = (pin!(terminate.recv()), pin!(interrupt.recv()));
        stop_signals().thread_unblock()?;
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
