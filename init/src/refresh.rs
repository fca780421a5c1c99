//! Reads the values of a running pod again, and replaces its files if something has changed.

use std::{fs, path::Path};

use kees_common::{Entry, SecretValue};
use kees_store::{leases::LeaseStore, protocol::StoreSet};

use crate::{
    InitError, Origin, Progress, Request, RunError, files,
    run::put,
    seen::{Seen, Step},
    values::{Valued, stored_again},
    write::Swapped,
};

/// Refreshes the files of one pod, for as long as the pod runs.
#[derive(Debug)]
pub struct Refresher<'a, S> {
    request: Request,
    stores: &'a S,
    seen: Seen,
}

/// What a refresh did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refreshed {
    /// The files already had these values, so nothing was written.
    Unchanged,
    /// The files were replaced.
    Replaced {
        /// The annotations whose values are not those of the last read. A previous value is named as such.
        /// None at the first read.
        changed: Vec<String>,
    },
}

impl<'a, S: StoreSet<Store: LeaseStore>> Refresher<'a, S> {
    /// For the files that a run of `request` has written.
    pub fn new(request: Request, stores: &'a S) -> Self {
        Self {
            request: request.refreshing(),
            stores,
            seen: Seen::default(),
        }
    }

    /// Reads every value once, within the retry budget of a run, and replaces all files or none.
    /// Nothing is created. It waits for no value that is absent.
    ///
    /// Dropping the future before it is done leaves the files as they are.
    ///
    /// # Errors
    /// [`RunError`] with every error. The files are those of before.
    pub async fn refresh(&mut self, progress: &dyn Progress) -> Result<Refreshed, RunError> {
        let Self {
            request,
            stores,
            seen,
        } = self;
        // A pod with volumes of classes alone: they are filled once.
        if request.entries.is_empty() {
            return Ok(Refreshed::Unchanged);
        }
        let numbers = |entry: &Entry| number(request, entry);
        let values = stored_again(request, *stores, progress, numbers).await?;
        let plain = values
            .iter()
            .map(|value| value.as_ref().map(|(value, _)| value));
        let changed = match seen.read(&request.entries, plain.clone()) {
            Step::Forward(changed) => changed,
            Step::Back(back) => return Err(RunError::new(of_entries(request, &back, earlier))),
        };
        let entries = request.entries.iter().zip(plain);
        let entries: Vec<(&Entry, Option<&SecretValue>)> = entries.collect();
        let exec = request.exec.as_ref();
        let files = files::fill(&request.layout, &request.file_options, exec, &entries);
        let files = files.map_err(RunError::new)?;
        match put(request, &files).await? {
            Swapped::Unchanged => Ok(Refreshed::Unchanged),
            Swapped::Replaced => Ok(Refreshed::Replaced {
                changed: of_entries(request, &changed, label),
            }),
        }
    }
}

fn earlier(entry: &Entry) -> InitError {
    InitError::Earlier {
        annotation: entry.annotation.clone(),
    }
}

/// The annotation, and whether it is its previous value.
fn label(entry: &Entry) -> String {
    let annotation = &entry.annotation;
    if entry.is_previous {
        format!("{annotation} (previous)")
    } else {
        annotation.clone()
    }
}

/// What `of` makes of the entries with these indexes.
fn of_entries<T>(request: &Request, indexes: &[usize], of: impl Fn(&Entry) -> T) -> Vec<T> {
    let entries = indexes
        .iter()
        .filter_map(|index| request.entries.get(*index));
    entries.map(of).collect()
}

/// The number of a lease, from the file that the first run wrote: it stays the pod's.
fn number(request: &Request, entry: &Entry) -> Result<Valued, InitError> {
    let path = request.layout.own_file(entry, &request.file_options);
    let path = path.as_deref().unwrap_or(Path::new(""));
    match fs::read(path) {
        Ok(number) => Ok(Some((SecretValue::new(number), Origin::Found))),
        Err(source) => Err(InitError::Number {
            annotation: entry.annotation.clone(),
            path: path.to_owned(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use kees_common::Parsed;

    use super::*;

    #[test]
    fn a_previous_value_is_told_from_the_current_one() {
        let parsed = Parsed::from_annotations(
            &"d".parse().unwrap(),
            [("secret.d/a", "kind=REFERENCE,previous=true")],
        );
        let labels: Vec<_> = parsed.entries.iter().map(label).collect();
        assert_eq!(labels, ["secret.d/a", "secret.d/a (previous)"]);
    }
}
