//! One run, from a request to files: obtain every value, verify, write.

use std::path::Path;

#[cfg(feature = "classes")]
use futures_util::future::join;
use kees_common::{Entry, LocalMode, SecretValue, StoragePath, StoreName};
use kees_store::{leases::LeaseStore, protocol::StoreSet};

use crate::{
    InitError, Progress, Report, Request, RestartMark, RunError, WriteError, files, leases,
    obtain::place,
    report::Row,
    values::{Valued, values},
    write::{self, OutputFile, Swapped},
};
#[cfg(feature = "classes")]
use crate::{
    report::VolumeRow,
    volumes::{FilledVolume, Volumes},
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
    let read = Read::of(request, stores, progress).await?;
    read.write(request).await
}

/// As [`run`], and fills the volumes of classes too. Everything is read before anything is written. Without entries only
/// the volumes are filled.
///
/// # Errors
/// As [`run`].
#[cfg(feature = "classes")]
pub async fn run_with_volumes(
    request: &Request,
    stores: &impl StoreSet<Store: LeaseStore>,
    volumes: &Volumes,
    progress: &dyn Progress,
) -> Result<Report, RunError> {
    let has_files = !request.entries.is_empty() || volumes.is_empty();
    let of_entries = async {
        if has_files {
            Read::of(request, stores, progress).await.map(Some)
        } else {
            Ok(None)
        }
    };
    let read = join(
        Box::pin(of_entries),
        volumes.read(request.timeout, progress),
    );
    let (read, filled) = match read.await {
        (Ok(read), Ok(filled)) => (read, filled),
        (read, filled) => {
            let of_entries = read.err().map(RunError::into_errors);
            let errors = of_entries.into_iter().chain(filled.err());
            return Err(RunError::new(errors.flatten().collect()));
        }
    };
    fill(request, &filled).await?;
    let report = match read {
        Some(read) => read.write(request).await,
        None => Ok(Report::empty(request.warnings())),
    };
    match report {
        Ok(report) => Ok(report.with_volumes(filled.iter().map(row_of_volume).collect())),
        Err(error) => {
            let written: Vec<_> = filled.iter().flat_map(FilledVolume::paths).collect();
            Err(error.after(&written))
        }
    }
}

/// Writes the files of all volumes, or none.
#[cfg(feature = "classes")]
async fn fill(request: &Request, filled: &[FilledVolume]) -> Result<(), InitError> {
    let files: Vec<_> = filled
        .iter()
        .map(|filled| write::VolumeFiles {
            root: &filled.path,
            files: &filled.files,
        })
        .collect();
    let written = write::write_volumes(&files, request.timeout).await;
    written.map_err(|(index, source)| match filled.get(index) {
        Some(filled) => InitError::VolumeFiles {
            volume: filled.volume.clone(),
            source,
        },
        None => source.into(),
    })
}

#[cfg(feature = "classes")]
fn row_of_volume(filled: &FilledVolume) -> VolumeRow {
    VolumeRow {
        name: filled.volume.name.clone(),
        class: filled.volume.class.clone(),
        files: filled.files.len(),
    }
}

/// What was read for the entries.
struct Read {
    values: Vec<Valued>,
    files: Vec<OutputFile>,
}

impl Read {
    async fn of(
        request: &Request,
        stores: &impl StoreSet<Store: LeaseStore>,
        progress: &dyn Progress,
    ) -> Result<Self, RunError> {
        let values = values(request, stores, progress).await?;
        let files = files_of(request, &values).map_err(RunError::new)?;
        Ok(Self { values, files })
    }

    async fn write(self, request: &Request) -> Result<Report, RunError> {
        let Self { values, files } = self;
        let exec = request.exec.as_ref().filter(|exec| !exec.has_program);
        if let Some(exec) = exec {
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
            ..Report::empty(request.warnings())
        })
    }
}

fn files_of(request: &Request, values: &[Valued]) -> Result<Vec<OutputFile>, Vec<InitError>> {
    let entries = request.entries.iter().zip(values);
    let entries = entries.map(|(entry, value)| (entry, value.as_ref().map(|(value, _)| value)));
    let entries: Vec<(&Entry, Option<&SecretValue>)> = entries.collect();
    let exec = request.exec.as_ref();
    files::fill(&request.layout, &request.file_options, exec, &entries)
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
