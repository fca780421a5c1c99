//! All errors of a run: one exit status, a summary, and the termination message.

#[cfg(test)]
mod tests;

use std::fmt;
#[cfg(feature = "classes")]
use std::path::PathBuf;

use crate::{error::InitError, exit::Exit, write::WriteError};

/// The most bytes of a termination message. The kubelet keeps the tail of a file over 4,096 bytes
/// and the head of 12,288 divided by the number of the pod's containers; this fits both.
pub const TERMINATION_MESSAGE_BYTES: usize = 1500;

/// The most bytes of one line in it, so that one error does not hide the others.
const TERMINATION_LINE_BYTES: usize = 700;

/// The errors of a failed run; at least one.
#[derive(Debug)]
pub struct RunError {
    errors: Vec<InitError>,
}

impl RunError {
    /// Sorts `errors` by exit status, otherwise in their order, and reports entries that failed for
    /// the same reason once.
    pub(crate) fn new(errors: Vec<InitError>) -> Self {
        let mut errors = grouped(errors);
        errors.sort_by_key(InitError::exit);
        Self { errors }
    }

    /// Fails if there is any error.
    pub(crate) fn check(errors: Vec<InitError>) -> Result<(), Self> {
        if errors.is_empty() {
            Ok(())
        } else {
            Err(Self::new(errors))
        }
    }

    /// Every error, sorted by exit status.
    pub fn errors(&self) -> &[InitError] {
        &self.errors
    }

    /// This error, after `files` were written.
    #[cfg(feature = "classes")]
    pub(crate) fn after(self, files: &[PathBuf]) -> Self {
        let after = |error| match error {
            InitError::Write(source) => InitError::Write(source.after(files.to_vec(), Vec::new())),
            other => other,
        };
        let errors = self.errors.into_iter().map(after).collect();
        Self { errors }
    }

    pub(crate) fn into_errors(self) -> Vec<InitError> {
        self.errors
    }

    /// The exit status of the run.
    pub fn exit(&self) -> Exit {
        self.errors.first().map_or(Exit::Usage, InitError::exit)
    }

    /// One line about the whole run.
    pub fn summary(&self) -> String {
        let files = if self.errors.iter().any(has_changed_files) {
            "some files were changed"
        } else {
            "nothing was written"
        };
        let count = match self.errors.len() {
            1 => "1 error".to_owned(),
            count => format!("{count} errors"),
        };
        let exit = self.exit();
        format!("{files}: {count}, exit {}, {}", exit.code(), exit.meaning())
    }

    /// The summary and as many errors as fit, for `/dev/termination-log`.
    pub fn termination_message(&self) -> String {
        let mut message = self.summary();
        for (index, error) in self.errors.iter().enumerate() {
            let line = head(&error.line(), TERMINATION_LINE_BYTES);
            let rest = format!(
                "\n… and {} more in the container's log",
                self.errors.len() - index
            );
            let is_last = index + 1 == self.errors.len();
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
        self.errors
            .iter()
            .try_for_each(|error| write!(f, "\n{}", error.line()))
    }
}

impl std::error::Error for RunError {}

impl From<InitError> for RunError {
    fn from(error: InitError) -> Self {
        Self::new(vec![error])
    }
}

/// Joins the entries that failed for the same reason into one error, such as missing credentials.
fn grouped(errors: Vec<InitError>) -> Vec<InitError> {
    let mut grouped: Vec<InitError> = Vec::with_capacity(errors.len());
    for error in errors {
        let InitError::Entries { entries, source } = error else {
            grouped.push(error);
            continue;
        };
        let same = grouped.iter_mut().find_map(|other| match other {
            InitError::Entries {
                entries,
                source: reason,
            } if reason.is_same(&source) => Some(entries),
            _ => None,
        });
        match same {
            Some(others) => others.extend(entries),
            None => grouped.push(InitError::Entries { entries, source }),
        }
    }
    grouped
}

fn has_changed_files(error: &InitError) -> bool {
    match error {
        InitError::Write(source) => matches!(source, WriteError::Partial { .. }),
        #[cfg(feature = "classes")]
        InitError::VolumeFiles { source, .. } => matches!(source, WriteError::Partial { .. }),
        _ => false,
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
