//! Why a run failed: every cause, one exit status, and the words for the termination message.

#[cfg(test)]
mod tests;

use std::{fmt, io, path::PathBuf, time::Duration};

use kees_common::{
    AnnotationError, StoragePath, StoreName, downward::ParseDownwardError, output::RenderError,
};
use kees_generate::{GenerateError, VerifyError};
use kees_store::{ErrorKind, StoreError};

use crate::{UsageError, WriteError};

/// The most bytes of a termination message. The kubelet keeps the tail of a file over 4,096 bytes
/// and the head of 12,288 divided by the number of the pod's containers; this is whole in both.
pub const TERMINATION_MESSAGE_BYTES: usize = 1500;

/// The most bytes of one line in it, so that one cause does not hide the others.
const TERMINATION_LINE_BYTES: usize = 700;

/// Exit statuses of a run that failed, in the order in which one stands for several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exit {
    /// 64: wrong usage or environment.
    Usage,
    /// 65: an annotation is wrong, or a stored value is not what its annotation says.
    Data,
    /// 77: denied.
    Denied,
    /// 73: a file could not be written.
    CannotWrite,
    /// 69: a store could not be reached or kept failing until the deadline.
    Unavailable,
    /// 75: something stayed absent until the deadline.
    Absent,
}

impl Exit {
    /// The status as the process gives it (`sysexits.h`).
    pub fn code(self) -> u8 {
        match self {
            Self::Usage => 64,
            Self::Data => 65,
            Self::Denied => 77,
            Self::CannotWrite => 73,
            Self::Unavailable => 69,
            Self::Absent => 75,
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::Usage => "wrong usage or environment",
            Self::Data => "an annotation or a stored value is wrong",
            Self::Denied => "denied",
            Self::CannotWrite => "a file could not be written",
            Self::Unavailable => "a store could not be used",
            Self::Absent => "something is absent",
        }
    }
}

/// A run that wrote nothing, with every cause that was found; at least one.
#[derive(Debug)]
pub struct RunError {
    causes: Vec<InitError>,
}

impl RunError {
    /// Gathers `causes`, the gravest first and otherwise in their order.
    pub(crate) fn new(mut causes: Vec<InitError>) -> Self {
        causes.sort_by_key(InitError::exit);
        Self { causes }
    }

    /// Fails where there is any cause.
    pub(crate) fn check(causes: Vec<InitError>) -> Result<(), Self> {
        if causes.is_empty() {
            Ok(())
        } else {
            Err(Self::new(causes))
        }
    }

    /// Every cause, the gravest first.
    pub fn causes(&self) -> &[InitError] {
        &self.causes
    }

    /// The exit status that stands for all causes.
    pub fn exit(&self) -> Exit {
        self.causes.first().map_or(Exit::Usage, InitError::exit)
    }

    /// One line about the whole.
    pub fn summary(&self) -> String {
        let exit = self.exit();
        let count = match self.causes.len() {
            1 => "1 fault".to_owned(),
            count => format!("{count} faults"),
        };
        format!(
            "nothing was written: {count}, exit {}, {}",
            exit.code(),
            exit.meaning()
        )
    }

    /// The summary and as many lines as fit, for `/dev/termination-log`.
    pub fn termination_message(&self) -> String {
        let mut message = self.summary();
        for (index, cause) in self.causes.iter().enumerate() {
            let line = head(&cause.line(), TERMINATION_LINE_BYTES);
            let rest = format!(
                "\n… and {} more in the container's log",
                self.causes.len() - index
            );
            let is_last = index + 1 == self.causes.len();
            let room = TERMINATION_MESSAGE_BYTES - if is_last { 0 } else { rest.len() };
            if message.len() + 1 + line.len() > room {
                message.push_str(&rest);
                break;
            }
            message.push('\n');
            message.push_str(&line);
        }
        message
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary())?;
        self.causes
            .iter()
            .try_for_each(|cause| write!(f, "\n{}", cause.line()))
    }
}

impl std::error::Error for RunError {}

impl From<InitError> for RunError {
    fn from(cause: InitError) -> Self {
        Self::new(vec![cause])
    }
}

/// One thing that made a run fail. No message has a value in it.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// Arguments or environment that cannot be understood.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// A variable that is needed, or does not go with another.
    #[error("{variable} {problem}")]
    Setting {
        /// The variable.
        variable: &'static str,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// The annotations file cannot be read.
    #[error("the annotations file {path} cannot be read; mount the pod's annotations there")]
    NoAnnotations {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The annotations file is not what the kubelet writes.
    #[error("the annotations file is not what the kubelet writes")]
    Annotations(#[from] ParseDownwardError),
    /// An annotation is wrong.
    #[error(transparent)]
    Annotation(#[from] AnnotationError),
    /// An entry cannot be had.
    #[error("{annotation} ({store} {path}): {problem}")]
    Entry {
        /// Its annotation.
        annotation: String,
        /// The store it was looked for in.
        store: StoreName,
        /// The path it was looked for at.
        path: StoragePath,
        /// What is wrong with it.
        problem: EntryError,
    },
    /// A value that local mode cannot derive.
    #[error("{annotation}: local mode cannot derive it")]
    Derivation {
        /// The annotation.
        annotation: String,
        /// Why.
        source: GenerateError,
    },
    /// A value that the format cannot hold.
    #[error("{annotation}: {problem}")]
    Output {
        /// The annotation.
        annotation: String,
        /// Why it cannot.
        problem: RenderError,
    },
    /// A store cannot be used at all.
    #[error("the store {} cannot be used: {}", .0.store, said(.0))]
    Store(StoreError),
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl InitError {
    /// The exit status that this cause alone would have.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::Setting { .. } | Self::NoAnnotations { .. } => Exit::Usage,
            Self::Annotations(_) | Self::Annotation(_) | Self::Output { .. } => Exit::Data,
            Self::Entry { problem, .. } => problem.exit(),
            Self::Derivation { .. } => Exit::Unavailable,
            Self::Store(error) => store_exit(error),
            Self::Write(_) => Exit::CannotWrite,
        }
    }

    /// The cause and its own causes in one line, whatever a store or system wrote.
    pub fn line(&self) -> String {
        let mut line = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            line.push_str(": ");
            line.push_str(&error.to_string());
            source = error.source();
        }
        line.chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect()
    }
}

/// What is wrong with one entry.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// The store answered neither with a value nor that there is none.
    #[error("{}", said(.0))]
    Store(StoreError),
    /// What is stored is not what the annotation says.
    #[error("{0}; nothing that is stored is changed: repair or remove it")]
    VerifyError(VerifyError),
    /// A generation could not be made.
    #[error("it could not be generated: {0}")]
    Generate(GenerateError),
    /// It is not there, and this run does not create it.
    #[error("absent{}; {remedy}", after(*waited))]
    Absent {
        /// How long it was waited for.
        waited: Duration,
        /// What to do about it.
        remedy: String,
    },
}

impl From<StoreError> for EntryError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<GenerateError> for EntryError {
    fn from(error: GenerateError) -> Self {
        Self::Generate(error)
    }
}

impl EntryError {
    fn exit(&self) -> Exit {
        match self {
            Self::Store(error) => store_exit(error),
            Self::VerifyError(_) => Exit::Data,
            Self::Generate(GenerateError::Size { .. }) => Exit::Data,
            Self::Generate(_) => Exit::Unavailable,
            Self::Absent { .. } => Exit::Absent,
        }
    }
}

fn store_exit(error: &StoreError) -> Exit {
    match error.kind {
        ErrorKind::Denied { .. } | ErrorKind::Credentials => Exit::Denied,
        ErrorKind::Malformed => Exit::Data,
        ErrorKind::ScheduledForDeletion { .. } | ErrorKind::Absent => Exit::Absent,
        _ => Exit::Unavailable,
    }
}

/// A store's error with its own code and what to do.
fn said(error: &StoreError) -> String {
    let mut said = String::new();
    if let Some(code) = error
        .code
        .as_ref()
        .filter(|code| !error.message.contains(*code))
    {
        said.push_str(code);
        said.push_str(": ");
    }
    said.push_str(&error.message);
    if !error.remedy.is_empty() {
        said.push_str("; ");
        said.push_str(&error.remedy);
    }
    said
}

fn after(waited: Duration) -> String {
    match waited.as_secs() {
        0 => String::new(),
        seconds => format!(" after {seconds} s"),
    }
}

/// The first `most` bytes of `text`, cut between characters.
fn head(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = (0..=most - '…'.len_utf8())
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0);
    format!("{}…", &text[..end])
}
