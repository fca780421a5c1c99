//! What the process asks of the system: no core dumps, an end at SIGTERM.

use std::{future::Future, io, pin::pin};

use futures_util::future::{Either, select};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
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
    /// 128 and the number of the signal, as a shell has it.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Terminated => 143,
            Self::Interrupted => 130,
        }
    }
}

/// The exit status where the system refuses what every program needs (`EX_OSERR`).
pub(crate) const OS_ERROR: u8 = 71;

/// A core dump would hold every value. An undumpable process cannot be traced by others of its
/// user either.
pub(crate) fn forbid_core_dumps() -> rustix::io::Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    )
}

/// Runs `work` to its end, or until SIGTERM or SIGINT arrives: then the work is dropped at its next
/// await, which is never half-way through writing files.
pub(crate) fn until_stopped<T>(work: impl Future<Output = T>) -> io::Result<Result<T, Stopped>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        // As the first process of a container this one would not be ended by them otherwise.
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
    // A key that is being generated on another thread is not waited for.
    runtime.shutdown_background();
    outcome
}
