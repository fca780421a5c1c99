//! Everything is written, or nothing: staged beside its place, synced, renamed.
//!
//! Old and new files stand side by side until the last new one is complete, so a volume that is
//! too small for both is found out before anything is replaced.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, btree_map},
    ffi::{OsStr, OsString},
    fs, io,
    path::{Path, PathBuf},
};

use kees_common::FileMode;
use rustix::fs::Mode;
use zeroize::Zeroizing;

use crate::folder::{Folder, Staged};

/// One file and what will be in it.
#[derive(Debug)]
pub struct OutputFile {
    /// Where it belongs.
    pub path: PathBuf,
    /// What it will hold, wiped when dropped.
    pub content: Zeroizing<Vec<u8>>,
}

/// A file or folder that stands in the way of writing.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The folder is missing, and so is everything above it but the root, so no volume is there.
    #[error("the folder {path} is missing; mount a volume there")]
    NoVolume {
        /// The folder.
        path: PathBuf,
    },
    /// The folder cannot be opened, locked or made.
    #[error("the folder {path} cannot be used")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A directory has the name of a file.
    #[error("{path} is a directory; remove it, or name another file")]
    IsFolder {
        /// The file.
        path: PathBuf,
    },
    /// Two paths lead to one file, by a link or a mount.
    #[error("{path} and {other} are the same file; name two files")]
    SameFile {
        /// The one path.
        path: PathBuf,
        /// The other.
        other: PathBuf,
    },
    /// A file cannot be written or replaced. A full volume is this as well.
    #[error("the file {path} cannot be written{}", hint(source))]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What to do about it, where the system's own words do not say.
fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            " (old and new files must fit side by side: raise the sizeLimit of the volume)"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            " (the volume must be writable for the user that kees-init runs as)"
        }
        _ => "",
    }
}

/// Replaces `files`, all or none of them, and removes from `folders` and theirs what an earlier
/// run wrote and `files` does not name.
///
/// A missing folder is made, unless nothing above it but the root is there. A run that is killed
/// leaves at most temporary files, which the next one removes.
///
/// # Errors
/// [`WriteError`]. Nothing has been replaced then, unless renaming itself failed half-way (a file
/// that is a mount point, one of another user in a sticky folder): what had been put in place is
/// removed again.
pub fn write(
    files: &[OutputFile],
    folders: &BTreeSet<PathBuf>,
    mode: FileMode,
) -> Result<(), WriteError> {
    let mut parents = MadeFolders(Vec::new());
    let targets = targets(files, folders, &mut parents)?;
    // Sorted by path, so that two runs lock in the same order.
    let open = targets
        .keys()
        .map(|path| Folder::open(path))
        .collect::<Result<Vec<_>, _>>()?;
    let mut changes = Vec::new();
    let mut number = 0..;
    for (folder, names) in open.iter().zip(targets.values()) {
        changes.push(Change::stage(folder, names, mode, &mut number)?);
    }
    for done in 0..changes.len() {
        if let Err(error) = changes[done].put_in_place() {
            changes[..done].iter().for_each(Change::take_back);
            return Err(error);
        }
    }
    for change in &changes {
        change.finish()?;
    }
    parents.0.clear();
    Ok(())
}

/// What one folder will hold, by name.
type Names<'a> = BTreeMap<&'a OsStr, &'a OutputFile>;

/// The files by the folder that they are really in, whatever path leads there.
fn targets<'a>(
    files: &'a [OutputFile],
    folders: &BTreeSet<PathBuf>,
    parents: &mut MadeFolders,
) -> Result<BTreeMap<PathBuf, Names<'a>>, WriteError> {
    let mut targets = BTreeMap::<PathBuf, Names<'a>>::new();
    for file in files {
        let (Some(name), Some(folder)) = (file.path.file_name(), file.path.parent()) else {
            return Err(WriteError::IsFolder {
                path: file.path.clone(),
            });
        };
        match targets
            .entry(parents.find(folder)?)
            .or_default()
            .entry(name)
        {
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
    // Nothing is written into these any more, so one that is missing stays so.
    for folder in folders {
        if let Ok(folder) = fs::canonicalize(or_here(folder)) {
            targets.entry(folder).or_default();
        }
    }
    Ok(targets)
}

/// One folder's new files, staged, and the records of before and after.
struct Change<'a> {
    folder: &'a Folder,
    files: Vec<Staged<'a>>,
    /// Names the old files and the new, for as long as both may be there.
    during: Option<Staged<'a>>,
    after: Option<Staged<'a>>,
    stale: Vec<&'a OsStr>,
}

impl<'a> Change<'a> {
    fn stage(
        folder: &'a Folder,
        names: &Names<'_>,
        mode: FileMode,
        number: &mut std::ops::RangeFrom<usize>,
    ) -> Result<Self, WriteError> {
        let mut next = || number.next().unwrap_or(usize::MAX);
        let mut files = Vec::with_capacity(names.len());
        for name in names.keys() {
            folder.check(name)?;
        }
        for (name, file) in names {
            let mode = Mode::from_bits_truncate(mode.bits());
            files.push(folder.stage(next(), name, &file.content, mode)?);
        }
        let after: BTreeSet<OsString> = names.keys().map(|name| (*name).to_owned()).collect();
        let during: BTreeSet<OsString> = folder.recorded.union(&after).cloned().collect();
        Ok(Self {
            folder,
            files,
            during: (folder.recorded != during)
                .then(|| folder.stage_record(next(), &during))
                .transpose()?,
            after: (during != after)
                .then(|| folder.stage_record(next(), &after))
                .transpose()?,
            stale: folder
                .recorded
                .iter()
                .filter(|name| !after.contains(*name))
                .map(OsString::as_os_str)
                .collect(),
        })
    }

    /// Renames every file of this folder, or takes back those that were.
    fn put_in_place(&self) -> Result<(), WriteError> {
        if let Some(record) = &self.during {
            record.put_in_place()?;
        }
        for (done, file) in self.files.iter().enumerate() {
            if let Err(error) = file.put_in_place() {
                self.files[..done].iter().for_each(Staged::take_back);
                return Err(error);
            }
        }
        Ok(())
    }

    fn take_back(&self) {
        self.files.iter().for_each(Staged::take_back);
    }

    /// Removes what nothing names any more. Whatever fails here leaves the old record in place, so
    /// that the next run tries again.
    fn finish(&self) -> Result<(), WriteError> {
        for name in &self.stale {
            self.folder.remove(name)?;
        }
        if let Some(record) = &self.after {
            record.put_in_place()?;
        }
        self.folder.sync()
    }
}

/// Folders that this run made, removed again unless it succeeds.
struct MadeFolders(Vec<PathBuf>);

impl MadeFolders {
    /// The folder's real path; it is made where it is missing.
    fn find(&mut self, folder: &Path) -> Result<PathBuf, WriteError> {
        let folder = or_here(folder);
        let fail = |source| WriteError::Folder {
            path: folder.to_owned(),
            source,
        };
        match fs::canonicalize(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            found => return found.map_err(fail),
        }
        self.make(folder, folder)?;
        fs::canonicalize(folder).map_err(fail)
    }

    fn make(&mut self, folder: &Path, asked: &Path) -> Result<(), WriteError> {
        let parent = or_here(folder.parent().unwrap_or(Path::new("")));
        if parent.parent().is_none() && parent.has_root() {
            return Err(WriteError::NoVolume {
                path: asked.to_owned(),
            });
        }
        if !parent.exists() {
            self.make(parent, asked)?;
        }
        match fs::create_dir(folder) {
            Ok(()) => self.0.push(folder.to_owned()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => {
                return Err(WriteError::Folder {
                    path: folder.to_owned(),
                    source,
                });
            }
        }
        Ok(())
    }
}

impl Drop for MadeFolders {
    fn drop(&mut self) {
        for folder in self.0.iter().rev() {
            // What somebody else has put there in the meantime keeps it.
            if let Err(error) = fs::remove_dir(folder) {
                tracing::debug!(folder = %folder.display(), %error, "stays");
            }
        }
    }
}

/// The parent of a bare file name is the current folder.
fn or_here(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    }
}
