//! What the process asks of the system: no core dumps, an end at SIGTERM.

use std::{future::Future, io, pin::pin};

use futures_util::future::{Either, select};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use tokio::{
    runtime::Builder,
    signal::unix::{SignalKind, signal},
};

/// The exit status after SIGTERM or SIGINT: 128 and the number of SIGTERM.
pub(crate) const STOPPED: u8 = 143;

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

/// Runs `work` to its end, or gives `None` once SIGTERM or SIGINT arrives: the work is dropped at
/// its next await, which is never half-way through writing files.
pub(crate) fn until_stopped<T>(work: impl Future<Output = T>) -> io::Result<Option<T>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        // As the first process of a container this one would not be ended by them otherwise.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (terminate, interrupt) = (pin!(terminate.recv()), pin!(interrupt.recv()));
        let stop = select(terminate, interrupt);
        Ok(match select(pin!(work), stop).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(_) => None,
        })
    });
    // A key that is being generated on another thread is not waited for.
    runtime.shutdown_background();
    outcome
}
