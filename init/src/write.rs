//! Writes all files or none: each is written beside its place and renamed when all are complete.
//!
//! Old and new files exist side by side until the last new one is complete. So a volume that is too
//! small for both is an error before anything is replaced.

mod change;
mod error;
mod folder;
mod output_file;
mod parents;
mod swap;
#[cfg(test)]
mod tests;
#[cfg(feature = "classes")]
mod volumes;

pub use error::WriteError;
pub(crate) use folder::is_file_name;
pub use output_file::OutputFile;
pub(crate) use swap::{Swapped, swap};
#[cfg(feature = "classes")]
pub(crate) use volumes::{VolumeFiles, write_volumes};

use std::{
    collections::{BTreeMap, BTreeSet, btree_map},
    fs,
    path::PathBuf,
    time::Duration,
};

use change::{Change, Names};
use folder::Folder;
use kees_common::FileMode;
use parents::{CreatedFolders, or_current};
use tokio::time::Instant;

/// Replaces `files`, and removes from `folders` and from the folders of `files` the files of an
/// earlier run that `files` does not name.
///
/// A missing folder is created. If it would lie directly below the root, it is an error instead,
/// because a volume is missing. A run that is killed leaves at most temporary files, which the next run removes.
///
/// If another run writes to one of the folders, this waits for it, at most for `timeout`. This is the
/// only await: if the future is dropped there, nothing has been written.
///
/// # Errors
/// [`WriteError`]. Nothing was changed, except with [`WriteError::Partial`].
pub async fn write(
    files: &[OutputFile],
    folders: &BTreeSet<PathBuf>,
    mode: FileMode,
    timeout: Duration,
) -> Result<(), WriteError> {
    let deadline = Instant::now() + timeout;
    let mut created = CreatedFolders::default();
    let targets = targets(files, folders, &mut created)?;
    let mut open = Vec::with_capacity(targets.len());
    // Sorted by path, so that two runs that need the same folders lock them in the same order.
    for path in targets.keys() {
        open.push(Folder::open(path, deadline).await?);
    }
    replace(&open, &targets, mode)?;
    for (folder, path) in open.iter().zip(targets.keys()) {
        swap::remove(folder, path)?;
    }
    created.keep();
    Ok(())
}

/// The files of each folder. The path of a folder is canonical.
type Targets<'a> = BTreeMap<PathBuf, Names<'a>>;

fn targets<'a>(
    files: &'a [OutputFile],
    folders: &BTreeSet<PathBuf>,
    created: &mut CreatedFolders,
) -> Result<Targets<'a>, WriteError> {
    let mut targets = Targets::new();
    for file in files {
        let (Some(name), Some(folder)) = (file.path.file_name(), file.path.parent()) else {
            return Err(WriteError::IsFolder {
                path: file.path.clone(),
            });
        };
        let names = targets.entry(created.find(folder)?).or_default();
        match names.entry(name) {
            btree_map::Entry::Vacant(vacant) => vacant.insert(file),
            btree_map::Entry::Occupied(other) => {
                let other = other.get().path.clone();
                return Err(WriteError::SameFile {
                    path: file.path.clone(),
                    other,
                });
            }
        };
    }
    // Nothing is written to these, so a missing one is not created.
    for folder in folders {
        if let Ok(folder) = fs::canonicalize(or_current(folder)) {
            targets.entry(folder).or_default();
        }
    }
    Ok(targets)
}

/// Stages every file, and renames them when all are complete.
fn replace(open: &[Folder], targets: &Targets<'_>, mode: FileMode) -> Result<(), WriteError> {
    let mut changes = Vec::with_capacity(open.len());
    let mut number = 0..;
    for (folder, names) in open.iter().zip(targets.values()) {
        changes.push(Change::stage(folder, names, mode, &mut number)?);
    }
    put_in_place(&changes)?;
    for change in &changes {
        change
            .finish()
            .map_err(|error| error.after(in_place(&changes), Vec::new()))?;
    }
    Ok(())
}

/// Renames the staged files of all folders. If one cannot be renamed, those that were are removed:
/// a new file beside an old one of the same generation would be worse than no file.
fn put_in_place(changes: &[Change<'_>]) -> Result<(), WriteError> {
    for change in changes {
        if let Err(error) = change.put_in_place() {
            let mut removed = in_place(changes);
            changes.iter().for_each(Change::take_back);
            let replaced = in_place(changes);
            removed.retain(|path| !replaced.contains(path));
            return Err(error.after(replaced, removed));
        }
    }
    Ok(())
}

/// The paths of the new files that are in place.
fn in_place(changes: &[Change<'_>]) -> Vec<PathBuf> {
    changes.iter().flat_map(Change::in_place).collect()
}
