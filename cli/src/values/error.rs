//! The errors of the commands about values. None of them has a value in it.

use std::{io, path::PathBuf};

use kees_common::{SecretType, StoragePath, StoreName, error_chain};
use kees_init::{Exit, store_exit, store_message};
use kees_store::{RandomnessError, StoreError, aws::RegionError};

use crate::{error::CliErrorKind, terminal::CommandOutput};

#[derive(Debug, thiserror::Error)]
pub(crate) enum ValueError {
    #[error("{}{}: {}", .0.store, path_of(.0), store_message(.0))]
    Store(StoreError),
    #[error(transparent)]
    Region(#[from] RegionError),
    #[error("the async runtime cannot be started")]
    Runtime(#[source] io::Error),
    #[error(transparent)]
    Random(#[from] RandomnessError),
    #[error(transparent)]
    Folder(#[from] CliErrorKind),
    #[error(
        "there is no file {0} of the embedded store; name it with --embedded-file, or another store \
         with --store"
    )]
    NoFile(PathBuf),
    #[error("the store {0} needs --env-label, which names its table ENV_LABEL-kube-secret")]
    NoEnvLabel(StoreName),
    #[error("{store} does not accept the path {path}; {right}")]
    Path {
        store: StoreName,
        path: String,
        right: &'static str,
    },
    #[error("the value cannot be read from {place}")]
    Read { place: String, source: io::Error },
    #[error(
        "a value is not an argument, because other users of this machine can see arguments; give it on \
         standard input, or in a file with --file"
    )]
    ValueIsArgument,
    #[error("the value is empty; kees-init does not accept an empty value")]
    Empty,
    #[error("the value has more than {0} bytes, which no store holds")]
    TooLarge(usize),
    #[error("{store} has a value at {path}; to replace it, give --overwrite")]
    Exists { store: StoreName, path: StoragePath },
    #[error("{store} has no value at {path}; `kees list` shows the paths that exist")]
    Absent { store: StoreName, path: StoragePath },
    #[error("nothing was changed: there is no terminal on which to ask; give --yes")]
    CannotAsk,
    #[error("nothing was changed")]
    NotConfirmed,
    #[error("the terminal cannot be used")]
    Terminal(#[source] io::Error),
    #[error(
        "--reveal prints the value only to a terminal; to write it to a file or a pipe, add --to-pipe"
    )]
    NotATerminal,
    #[error("standard output cannot be written")]
    Write(#[source] io::Error),
    #[error("only secretsmanager can restore a deleted value; leave out {flag} with {store}")]
    NoRecovery {
        flag: &'static str,
        store: StoreName,
    },
    #[error(
        "{store} has another value at {path}, which was not overwritten; delete the one that is wrong"
    )]
    Differs { store: StoreName, path: StoragePath },
    #[error("what was written to {store} at {path} could not be read back in time")]
    NotReadBack { store: StoreName, path: StoragePath },
    #[error("--as is no DYNAMIC secret: {0}")]
    Entry(String),
    #[error(
        "the type of the new values cannot be derived from those at {0}; name it with --as, with the keys of an \
         annotation: --as 'type=GPG,size=3072,userId=Team A <team-a@example.com>'"
    )]
    UnknownKind(StoragePath),
    #[error("--as says what is generated; leave out {0}=")]
    OtherKey(&'static str),
    #[error("{path} belongs to the rotation of {of}; give the path {of}")]
    KeptByRotation { path: StoragePath, of: StoragePath },
    #[error(
        "{path} is one field of the secret {whole}, and all fields are rotated together; give the path \
         {whole}"
    )]
    OneField {
        path: StoragePath,
        whole: StoragePath,
    },
    #[error(
        "{path} holds a secret with type={stored}, and a rotation keeps the type; leave out --as, or give \
         --as 'type={stored},...'"
    )]
    OtherType {
        path: StoragePath,
        stored: SecretType,
    },
    #[error("{path} holds one value, and a secret with type={given} has several")]
    OneValue {
        path: StoragePath,
        given: SecretType,
    },
    #[error("{0} has no previous generation")]
    NoPrevious(StoragePath),
    #[error(
        "somebody else has rotated, replaced or deleted {0} at the same time, so nothing was written; \
         look at it with `kees show`"
    )]
    Changed(StoragePath),
    #[error("the new generation cannot be generated")]
    Generate(#[from] kees_generate::GenerateError),
    #[error("--from and --to are both {0}; name two stores")]
    SameStore(StoreName),
}

impl From<StoreError> for ValueError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl ValueError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Store(error) => store_exit(error),
            Self::Folder(error) => error.exit(),
            Self::Runtime(_) | Self::Random(_) | Self::Generate(_) | Self::Changed(_) => {
                Exit::Unavailable
            }
            Self::Write(_) => Exit::CannotWrite,
            Self::Absent { .. } | Self::NotReadBack { .. } | Self::NoPrevious(_) => Exit::Absent,
            Self::Exists { .. } | Self::Differs { .. } | Self::Empty | Self::TooLarge(_) => {
                Exit::Data
            }
            Self::Region(_)
            | Self::Entry(_)
            | Self::OtherKey(_)
            | Self::KeptByRotation { .. }
            | Self::OneField { .. }
            | Self::OtherType { .. }
            | Self::OneValue { .. }
            | Self::UnknownKind(_)
            | Self::NoFile(_)
            | Self::NoEnvLabel(_)
            | Self::ValueIsArgument
            | Self::Path { .. }
            | Self::Read { .. }
            | Self::CannotAsk
            | Self::NotConfirmed
            | Self::Terminal(_)
            | Self::NotATerminal
            | Self::NoRecovery { .. }
            | Self::SameStore(_) => Exit::Usage,
        }
    }

    /// The error and its sources in one line.
    pub(crate) fn line(&self) -> String {
        // A store or the system may send line breaks.
        let line = error_chain::describe(self);
        line.replace(char::is_control, " ")
    }
}

/// The output of a command that failed.
impl From<ValueError> for CommandOutput {
    fn from(error: ValueError) -> Self {
        Self {
            stdout: String::new(),
            messages: vec![error.line()],
            exit: Some(error.exit()),
        }
    }
}

fn path_of(error: &StoreError) -> String {
    let path = error.path.as_ref();
    path.map_or_else(String::new, |path| format!(" {path}"))
}
