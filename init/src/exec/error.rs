//! Why `kees-init exec` did not start the command.

use std::{ffi::OsString, io, path::PathBuf, time::Duration};

use kees_common::environment::{ParseValuesError, VariableError};
use nix::errno::Errno;

use crate::{
    process::{OS_ERROR, Stopped},
    usage::UsageError,
};

/// Why the command was not started. No message has a value in it.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The arguments cannot be understood, or ask for help.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// The files were not complete in time.
    #[error(
        "kees-init has not completed the files after {} s: {} is not there; the log of the container \
         kees-init says why",
        waited.as_secs_f64(),
        path.display()
    )]
    NotReady {
        /// The file that says that they are complete.
        path: PathBuf,
        /// How long this has waited.
        waited: Duration,
    },
    /// A signal arrived before the files were complete.
    #[error("stopped by {} before kees-init had completed the files", .0.signal())]
    Stopped(Stopped),
    /// The system could not start what waits.
    #[error("the runtime cannot be started")]
    Runtime(#[source] io::Error),
    /// The file of the values cannot be read.
    #[error(
        "the values for the environment cannot be read from {}; the container needs the volume of \
         kees-init, and its user must be able to read the file",
        path.display()
    )]
    NoValues {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file of the values is not what `kees-init` writes.
    #[error("the values for the environment cannot be read from {}", path.display())]
    Values {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ParseValuesError,
    },
    /// No entry has that name.
    #[error("{} has no entry {entry}; name one of the pod's entries", path.display())]
    NoEntry {
        /// The file of the values.
        path: PathBuf,
        /// The name.
        entry: String,
    },
    /// Two entries would be the same variable.
    #[error(
        "{other} and {entry} would both be the variable {variable}; give one of them another name, as \
         in OTHER={entry}, or leave it out"
    )]
    SameVariable {
        /// The variable.
        variable: String,
        /// The second entry.
        entry: String,
        /// The first entry.
        other: String,
    },
    /// A value cannot be a variable.
    #[error(transparent)]
    Variable(#[from] VariableError),
    /// The environment and the arguments are larger than Linux allows.
    #[error(
        "{}: Argument list too long: the arguments and the environment need {bytes} bytes, and Linux \
         allows {limit}; the largest variables are {largest}: leave those of secrets out and read \
         their files",
        command.display()
    )]
    TooLarge {
        /// The command.
        command: OsString,
        /// What they need.
        bytes: usize,
        /// What Linux allows with the limit of the stack.
        limit: usize,
        /// The names of the largest variables, with their sizes.
        largest: String,
    },
    /// The kernel did not execute the command.
    #[error("{}: {}", command.display(), words(*errno))]
    Command {
        /// The command.
        command: OsString,
        /// Why.
        errno: Errno,
    },
}

/// What a shell says.
fn words(errno: Errno) -> &'static str {
    match errno {
        Errno::ENOENT => "not found",
        errno => errno.desc(),
    }
}

impl ExecError {
    /// The exit status: for the command, that of a shell.
    pub fn status(&self) -> u8 {
        match self {
            Self::Usage(usage) if usage.is_help => 0,
            Self::Usage(_) => 64,
            Self::NoValues { .. } | Self::NotReady { .. } => 66,
            Self::Stopped(stopped) => stopped.code(),
            Self::Runtime(_) => OS_ERROR,
            Self::Command { errno, .. } if *errno == Errno::ENOENT => 127,
            Self::Variable(VariableError::TooLong { .. })
            | Self::TooLarge { .. }
            | Self::Command { .. } => 126,
            Self::Values { .. }
            | Self::NoEntry { .. }
            | Self::SameVariable { .. }
            | Self::Variable(_) => 65,
        }
    }
}
