//! A start without an init container that ends: `kees-init start` writes the files in a sidecar, and
//! `kees-init wait`, the `postStart` hook of the sidecar, ends when they are there.
//!
//! ```text
//! start -> all files -> ready file -> refresh, or rest
//!                          ^
//! wait --------------------+
//! ```
//!
//! When the files are there, the process replaces itself by `kees-init refresh` or `kees-init rest`. So
//! nothing of the first run stays in memory: no key, no connection, no credentials.

use std::{
    env,
    ffi::OsString,
    os::unix::process::CommandExt as _,
    process::{Command, ExitCode},
    time::Duration,
};

use kees_common::Start;
use kees_init::{
    InitError, InitSettings, OS_ERROR, ReadyFile, hold_signals, until_stopped, wait_for_stop,
};

use crate::sidecar;

/// The subcommand of the sidecar.
pub(crate) const START: &str = "start";

/// The subcommand of its hook.
pub(crate) const WAIT: &str = "wait";

/// The subcommand that does nothing until SIGTERM.
pub(crate) const REST: &str = "rest";

/// How long the hook waits for what `TIMEOUT` does not limit: generating the keys. A run that fails
/// ends its container, and the hook with it.
const GENERATING: Duration = Duration::from_mins(10);

/// Writes the files unless an earlier process of this container has done it, and then refreshes them
/// or rests.
pub(crate) fn start() -> ExitCode {
    hold_signals();
    let settings = match crate::start(arguments()) {
        Ok(settings) => settings,
        Err(status) => return status,
    };
    let ready = ReadyFile::of(&settings);
    if ready.exists() {
        tracing::info!("the files are there, and stay as they are");
    } else {
        if let Err(status) = crate::write_files(&settings, Start::Fast) {
            return status;
        }
        // The next program handles them.
        hold_signals();
        if let Err(error) = ready.create() {
            // The hook would wait until its deadline.
            return crate::failed(&error.into(), &settings.log.termination_log);
        }
    }
    let is_refreshed = settings.refresh.period.is_some();
    become_other(if is_refreshed { sidecar::NAME } else { REST })
}

/// Waits until the files are there.
pub(crate) fn wait() -> ExitCode {
    let settings = match crate::start(arguments()) {
        Ok(settings) => settings,
        Err(status) => return status,
    };
    let ready = ReadyFile::of(&settings);
    let longest = longest(&settings);
    match until_stopped(ready.wait(longest)) {
        Ok(Ok(true)) => ExitCode::SUCCESS,
        Ok(Ok(false)) => {
            let path = ready.path().to_owned();
            let waited = longest;
            let error = InitError::NotReady { path, waited };
            crate::failed(&error.into(), &settings.log.termination_log)
        }
        Ok(Err(stopped)) => ExitCode::from(stopped.code()),
        Err(error) => crate::no_runtime(&error),
    }
}

/// Waits for a signal that ends the container.
pub(crate) fn rest() -> ExitCode {
    match wait_for_stop() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(OS_ERROR),
    }
}

/// A run may wait twice for as long as `TIMEOUT`: for the stores, and for another run in its folder.
fn longest(settings: &InitSettings) -> Duration {
    settings.storage.timeout.get() * 2 + GENERATING
}

/// The arguments without the subcommand.
fn arguments() -> impl Iterator<Item = OsString> {
    env::args_os().take(1).chain(env::args_os().skip(2))
}

/// Replaces this process by `kees-init` with another subcommand and the same arguments.
fn become_other(subcommand: &str) -> ExitCode {
    let replaced = env::current_exe().map(|program| {
        let mut command = Command::new(program);
        command.arg(subcommand).args(env::args_os().skip(2)).exec()
    });
    let error = replaced.unwrap_or_else(|error| error);
    tracing::error!(%error, "kees-init {subcommand} cannot be started");
    ExitCode::from(OS_ERROR)
}
