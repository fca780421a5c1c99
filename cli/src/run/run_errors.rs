//! The errors of failed runs. A reason that several workloads share, such as missing credentials or a
//! missing table, is one error with the list of the entries that it concerns.

use kees_common::StoreName;
use kees_init::{EntryError, Exit, InitError, RunError};

use crate::{
    error::{CliError, CliErrorKind, Concern},
    location::Location,
};

/// The errors of failed runs, in the order of the runs.
#[derive(Debug, Default)]
pub(crate) struct RunErrors(Vec<SharedError>);

/// One error, of one workload or of several.
#[derive(Debug)]
struct SharedError {
    /// The store and its message, which are the same for several workloads; `None` if the error is
    /// not about a store as a whole.
    reason: Option<(StoreName, String)>,
    exit: Exit,
    /// The error of the first workload in the words of init.
    line: String,
    concerns: Vec<Concern>,
}

impl RunErrors {
    /// Adds the errors of the workload at `location`.
    /// `put` gives the command that stores the absent value of an error.
    pub(crate) fn add(
        &mut self,
        location: &Location,
        error: &RunError,
        put: impl Fn(&InitError) -> Option<String>,
    ) {
        for error in error.errors() {
            let (reason, entries) = match error {
                InitError::Entries {
                    entries,
                    source: source @ EntryError::Store(store),
                } if store.concerns_store() => {
                    let entries = entries.iter();
                    let entries = entries.map(|e| format!("{} ({})", e.annotation, e.path));
                    (Some((store.store, source.to_string())), entries.collect())
                }
                InitError::Store(store) => (Some((store.store, error.to_string())), Vec::new()),
                _ => (None, Vec::new()),
            };
            let concern = Concern {
                location: location.clone(),
                entries,
            };
            let mut known = self.0.iter_mut();
            match known.find(|known| reason.is_some() && known.reason == reason) {
                Some(known) => known.concerns.push(concern),
                None => self.0.push(SharedError {
                    reason,
                    exit: error.exit(),
                    line: match put(error) {
                        Some(put) => format!("{}; store it by hand: {put}", error.line()),
                        None => error.line(),
                    },
                    concerns: vec![concern],
                }),
            }
        }
    }

    /// One error for each reason.
    pub(crate) fn into_errors(self) -> impl Iterator<Item = CliError> {
        self.0.into_iter().map(|shared| {
            let SharedError {
                reason,
                exit,
                line,
                concerns,
            } = shared;
            match (concerns.as_slice(), reason) {
                ([_, _, ..], Some((store, reason))) => CliErrorKind::Shared {
                    store,
                    reason,
                    exit,
                    concerns,
                }
                .into(),
                ([first, ..], _) => CliErrorKind::Init { line, exit }.at(&first.location.clone()),
                ([], _) => CliErrorKind::Init { line, exit }.into(),
            }
        })
    }
}
