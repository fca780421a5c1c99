//! One run, from a request to files: obtain every value, verify, write.

use std::path::Path;

use kees_common::{Entry, LocalMode, SecretValue, StoragePath, StoreName};
use kees_store::{leases::LeaseStore, protocol::StoreSet};

use crate::{
    InitError, Progress, Report, Request, RestartMark, RunError, WriteError, files, leases,
    obtain::place,
    report::Row,
    values::{Valued, values},
    write::{self, OutputFile, Swapped},
};

/// Gets every value that `request` names, and writes all files or none.
///
/// Dropping the future before it is done leaves no file. The files are written in one step at the
/// end, and the only await of this step, for the locks of the folders, comes before the first write.
///
/// # Errors
/// [`RunError`] with every error. What was created stays created, so that another run finds it.
pub async fn run(
    request: &Request,
    stores: &impl StoreSet<Store: LeaseStore>,
    progress: &dyn Progress,
) -> Result<Report, RunError> {
    let values = values(request, stores, progress).await?;
    let entries = request.entries.iter().zip(&values);
    let entries = entries.map(|(entry, value)| (entry, value.as_ref().map(|(value, _)| value)));
    let entries: Vec<(&Entry, Option<&SecretValue>)> = entries.collect();
    let exec = request.exec.as_ref();
    let files = files::fill(&request.layout, &request.file_options, exec, &entries);
    let files = files.map_err(RunError::new)?;
    if let Some(exec) = exec.filter(|exec| !exec.has_program) {
        exec.place_program().map_err(InitError::from)?;
    }
    put(request, &files).await?;
    if request.swaps {
        let mark = RestartMark::of(request);
        mark.clear().map_err(|source| {
            InitError::from(WriteError::File {
                path: mark.path().to_owned(),
                source,
            })
        })?;
    }
    Ok(Report {
        rows: rows(request, &values),
        files: files.into_iter().map(|file| file.path).collect(),
        warnings: request.warnings().to_vec(),
    })
}

/// Writes all files or none.
pub(crate) async fn put(request: &Request, files: &[OutputFile]) -> Result<Swapped, InitError> {
    let (mode, timeout) = (request.file_mode, request.timeout);
    if request.swaps {
        let folder = request.layout.secrets.parent();
        return Ok(write::swap(files, folder.unwrap_or(Path::new("")), mode, timeout).await?);
    }
    let folders = files::folders(&request.layout);
    write::write(files, &folders, mode, timeout).await?;
    Ok(Swapped::Replaced)
}

fn rows(request: &Request, values: &[Valued]) -> Vec<Row> {
    let row = |(index, (entry, valued)): (usize, (&Entry, &Valued))| {
        let (value, origin) = valued.as_ref()?;
        let (store, path) = place_of(request, index).unzip();
        let store = store.filter(|_| request.local_mode != LocalMode::On);
        Some(Row::new(entry, store, path, *origin, value.len()))
    };
    request
        .entries
        .iter()
        .zip(values)
        .enumerate()
        .filter_map(row)
        .collect()
}

/// The store of the entry with this index, and its path in the store.
fn place_of(request: &Request, index: usize) -> Option<(StoreName, StoragePath)> {
    let mut items = request.plan.items.iter();
    let mut leases = request.plan.leases.iter();
    let item = items.find(|item| item.entry == index).map(place);
    item.or_else(|| {
        let lease = leases.find(|lease| lease.entry == index)?;
        Some(leases::place(request, lease))
    })
}
