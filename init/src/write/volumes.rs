//! Fills the volumes of classes. Files and modes are those of the class.
//!
//! There is no record of what was written, because the application would see it among its files. It is not needed
//! either: what a volume asks for is fixed when the pod is created, so an earlier run wrote the same files. Only
//! its temporary files are removed, which have names of their own. Whatever else is there stays.

use std::{
    collections::{BTreeMap, btree_map},
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use kees_secret_provider_class::OutputFile;
use rustix::fs::{Mode, statvfs};
use tokio::time::Instant;

use super::{
    error::WriteError,
    folder::{Folder, Staged, is_reserved},
    swap::create_folder,
};

/// The files of a volume, with their paths below its root.
pub(crate) struct VolumeFiles<'v> {
    /// Where the volume is mounted.
    pub(crate) root: &'v Path,
    pub(crate) files: &'v [OutputFile],
}

/// An error, with the index of the volume that it is about.
type Indexed<T> = Result<T, (usize, WriteError)>;

/// An open folder of a volume, and its new files.
struct Open<'v> {
    volume: usize,
    folder: Folder,
    files: BTreeMap<&'v OsStr, &'v OutputFile>,
}

/// Replaces all files of `volumes`, or none.
///
/// If another run writes to one of the folders, this waits for it, at most for `timeout`.
///
/// # Errors
/// [`WriteError`]. No file was changed, except with [`WriteError::Partial`].
pub(crate) async fn write_volumes(volumes: &[VolumeFiles<'_>], timeout: Duration) -> Indexed<()> {
    let deadline = Instant::now() + timeout;
    let mut open = Vec::new();
    for (index, volume) in volumes.iter().enumerate() {
        let of_volume = |error| (index, error);
        let root = root(volume.root).map_err(of_volume)?;
        for (within, files) in by_folder(volume).map_err(of_volume)? {
            let path = create(&root, within).map_err(of_volume)?;
            let folder = Folder::open(&path, deadline).await.map_err(of_volume)?;
            open.push(Open {
                volume: index,
                folder,
                files,
            });
        }
    }
    replace(&open).map_err(|(index, error)| (index, explained(error, volumes.get(index))))
}

/// The canonical path of a volume.
fn root(path: &Path) -> Result<PathBuf, WriteError> {
    let path = path.to_owned();
    fs::canonicalize(&path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => WriteError::NoVolume { path },
        _ => WriteError::Folder { path, source },
    })
}

type ByFolder<'v> = BTreeMap<&'v Path, BTreeMap<&'v OsStr, &'v OutputFile>>;

/// The files of each folder below the root, and the root itself.
fn by_folder<'v>(volume: &VolumeFiles<'v>) -> Result<ByFolder<'v>, WriteError> {
    let mut folders = ByFolder::from([(Path::new(""), BTreeMap::new())]);
    for file in volume.files {
        let path = Path::new(&file.path);
        let is_plain = file
            .path
            .split('/')
            .all(|name| !matches!(name, "" | "." | ".."));
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(WriteError::IsFolder { path: path.into() });
        };
        if !is_plain || is_reserved(name) {
            return Err(WriteError::Name { path: path.into() });
        }
        match folders.entry(folder).or_default().entry(name) {
            btree_map::Entry::Vacant(vacant) => vacant.insert(file),
            btree_map::Entry::Occupied(_) => {
                let (path, other) = (path.into(), path.into());
                return Err(WriteError::SameFile { path, other });
            }
        };
    }
    Ok(folders)
}

/// The path of a folder below the root. It is created if it is missing, so that every reader can open it.
fn create(root: &Path, within: &Path) -> Result<PathBuf, WriteError> {
    let mut path = root.to_owned();
    for name in within {
        path.push(name);
        let created = match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => Ok(()),
            // A link could lead out of the volume.
            Ok(_) => Err(io::ErrorKind::NotADirectory.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => create_folder(&path),
            Err(error) => Err(error),
        };
        created.map_err(|source| WriteError::Folder {
            path: path.clone(),
            source,
        })?;
    }
    Ok(path)
}

/// Stages every file, and renames them when all are complete.
fn replace(open: &[Open<'_>]) -> Indexed<()> {
    let mut staged: Vec<(usize, Staged<'_>)> = Vec::new();
    for Open {
        volume,
        folder,
        files,
    } in open
    {
        let of_volume = |error| (*volume, error);
        for (name, file) in files {
            folder.check(name).map_err(of_volume)?;
            let mode = Mode::from_bits_truncate(file.mode.bits());
            let content = file.content.expose();
            let file = folder.stage(staged.len(), name, content, mode);
            staged.push((*volume, file.map_err(of_volume)?));
        }
    }
    let in_place = || staged.iter().filter_map(|(_, file)| file.in_place());
    for (volume, file) in &staged {
        if let Err(error) = file.put_in_place() {
            let removed: Vec<_> = in_place().collect();
            for (_, file) in &staged {
                file.take_back();
            }
            return Err((*volume, error.after(in_place().collect(), removed)));
        }
    }
    for Open { volume, folder, .. } in open {
        let synced = folder.sync();
        synced.map_err(|error| (*volume, error.after(in_place().collect(), Vec::new())))?;
    }
    Ok(())
}

/// Says how large a full volume is, and how much room its files need.
fn explained(error: WriteError, volume: Option<&VolumeFiles<'_>>) -> WriteError {
    let is_full = matches!(
        &error,
        WriteError::File { source, .. }
            if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    );
    let Some(volume) = volume.filter(|_| is_full) else {
        return error;
    };
    let Ok(system) = statvfs(volume.root) else {
        return error;
    };
    let block = system.f_frsize.max(1);
    let sizes = volume.files.iter().map(|file| file.content.len() as u64);
    WriteError::Full {
        path: volume.root.to_owned(),
        needed: sizes.map(|size| size.div_ceil(block) * block).sum(),
        size: system.f_blocks * block,
    }
}
