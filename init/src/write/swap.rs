//! Replaces all files of a folder at one moment, as the kubelet replaces those of a `ConfigMap`.
//!
//! ```text
//! secrets.properties -> ..data/secrets.properties
//! ..data             -> ..kees.2
//! ..kees.2/secrets.properties
//! ```
//!
//! A folder `..kees.N` holds one complete set of files. Renaming a new link over `..data` puts all of
//! its files in place. The set before it stays until the next call, so that a reader that has opened
//! `..data` once can read all files of one set.

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    fs::{self, DirBuilder, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _, symlink},
    path::{Component, Path, PathBuf},
    time::Duration,
};

use kees_common::FileMode;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::{
    error::WriteError,
    folder::{Folder, is_file_name},
    output_file::OutputFile,
    parents::CreatedFolders,
};

/// The link to the current set. Programs that watch a `ConfigMap` watch a link of this name.
const CURRENT: &str = "..data";

/// The beginning of the name of a set; a number follows.
const SET: &str = "..kees.";

/// A link before it is renamed.
const NEW_LINK: &str = "..new";

/// The mode of the folders of a set. The files in them have the mode that was asked for.
const FOLDER_MODE: u32 = 0o755;

/// The bit of a folder that gives its group to what is created in it: the pod's `fsGroup`.
const SET_GID: u32 = 0o2000;

/// What [`swap`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Swapped {
    /// The folder already had these files, so nothing was written.
    Unchanged,
    /// The folder has a new set of files.
    Replaced,
}

/// Replaces all files of `folder` by `files`, which lie in it or below it, at one moment. Does
/// nothing if the folder already has them.
///
/// If another run writes to the folder, this waits for it, at most for `timeout`. This is the only
/// await.
///
/// # Errors
/// [`WriteError`]. The files are those of before.
pub(crate) async fn swap(
    files: &[OutputFile],
    folder: &Path,
    mode: FileMode,
    timeout: Duration,
) -> Result<Swapped, WriteError> {
    let deadline = Instant::now() + timeout;
    let wanted = below(files, folder)?;
    let mut created = CreatedFolders::default();
    let root = created.find(folder)?;
    let open = Folder::open(&root, deadline).await?;
    let current = current(&root);
    sweep(&root, current.as_deref())?;
    if let Some(current) = &current
        && has_files(&root.join(current), &wanted, mode)
        && links(&wanted).all(|(name, target)| is_link(&root.join(name), &target))
    {
        return Ok(Swapped::Unchanged);
    }
    for (name, target) in links(&wanted) {
        if !is_link(&root.join(name), &target) {
            open.check(name)?;
        }
    }
    let new = next(current.as_deref());
    let staged = stage(&root.join(&new), &wanted, mode).and_then(|()| {
        let target = Path::new(&new);
        link(&root, target, OsStr::new(CURRENT))
    });
    if let Err(error) = staged {
        sweep(&root, current.as_deref())?;
        return Err(error);
    }
    for (name, target) in links(&wanted) {
        if !is_link(&root.join(name), &target) {
            link(&root, &target, name)?;
        }
    }
    remove_stale(&open, &root, &wanted)?;
    created.keep();
    Ok(Swapped::Replaced)
}

/// Removes what [`swap`] wrote to a folder, except the links that were replaced by files since.
pub(super) fn remove(open: &Folder, root: &Path) -> Result<(), WriteError> {
    if current(root).is_none() {
        return Ok(());
    }
    remove_stale(open, root, &[])?;
    open.remove(OsStr::new(CURRENT))?;
    sweep(root, None)
}

/// A file with its path below the folder.
type Wanted<'a> = (PathBuf, &'a OutputFile);

fn below<'a>(files: &'a [OutputFile], folder: &Path) -> Result<Vec<Wanted<'a>>, WriteError> {
    let mut wanted = Vec::with_capacity(files.len());
    for file in files {
        let path = file.path.strip_prefix(folder).ok();
        let is_plain = |component| match component {
            Component::Normal(name) => is_file_name(name),
            _ => false,
        };
        let path =
            path.filter(|path| path.file_name().is_some() && path.components().all(is_plain));
        let path = path.ok_or_else(|| WriteError::Outside {
            path: file.path.clone(),
            folder: folder.to_owned(),
        })?;
        wanted.push((path.to_owned(), file));
    }
    Ok(wanted)
}

/// The name of the current set.
fn current(root: &Path) -> Option<OsString> {
    let target = fs::read_link(root.join(CURRENT)).ok()?;
    let name = target.into_os_string();
    is_set(&name).then_some(name)
}

fn is_set(name: &OsStr) -> bool {
    number(name).is_some()
}

fn number(name: &OsStr) -> Option<u64> {
    name.to_str()?.strip_prefix(SET)?.parse().ok()
}

/// The name of the set after `current`.
fn next(current: Option<&OsStr>) -> OsString {
    let number = current.and_then(number).unwrap_or_default();
    OsString::from(format!("{SET}{}", number.wrapping_add(1)))
}

/// Removes every set except `current`, and what a killed run left.
fn sweep(root: &Path, current: Option<&OsStr>) -> Result<(), WriteError> {
    let fail = |source| WriteError::Folder {
        path: root.to_owned(),
        source,
    };
    for entry in fs::read_dir(root).map_err(fail)? {
        let name = entry.map_err(fail)?.file_name();
        let path = root.join(&name);
        if is_set(&name) && Some(&*name) != current {
            fs::remove_dir_all(&path).map_err(fail)?;
        } else if name == NEW_LINK {
            fs::remove_file(&path).map_err(fail)?;
        }
    }
    Ok(())
}

/// Whether the set `folder` has the files of `wanted` and no others.
fn has_files(folder: &Path, wanted: &[Wanted<'_>], mode: FileMode) -> bool {
    let mut found = BTreeSet::new();
    if list(folder, Path::new(""), &mut found).is_err() {
        return false;
    }
    found.len() == wanted.len()
        && wanted.iter().all(|(path, file)| {
            let is_same = |path: &Path| {
                let bits = fs::metadata(path)?.permissions().mode() & 0o7777;
                let has_mode = bits == file.mode.unwrap_or(mode).bits();
                // A salted file differs each time. Its values are in other files, too.
                let has_content =
                    file.is_salted || *Zeroizing::new(fs::read(path)?) == *file.content;
                Ok::<_, io::Error>(has_mode && has_content)
            };
            found.contains(path) && is_same(&folder.join(path)).unwrap_or(false)
        })
}

/// The paths of all files below `folder`.
fn list(folder: &Path, within: &Path, found: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder.join(within))? {
        let entry = entry?;
        let path = within.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            list(folder, &path, found)?;
        } else {
            found.insert(path);
        }
    }
    Ok(())
}

/// Writes a whole set.
fn stage(set: &Path, wanted: &[Wanted<'_>], mode: FileMode) -> Result<(), WriteError> {
    let in_folder = |path: &Path, source| WriteError::Folder {
        path: path.to_owned(),
        source,
    };
    create_folder(set).map_err(|source| in_folder(set, source))?;
    for (path, file) in wanted {
        let path = set.join(path);
        let parents: Vec<_> = path.ancestors().skip(1).collect();
        for parent in parents.into_iter().rev().filter(|p| p.starts_with(set)) {
            if !parent.exists() {
                create_folder(parent).map_err(|source| in_folder(parent, source))?;
            }
        }
        let mode = file.mode.unwrap_or(mode);
        write_file(&path, &file.content, mode).map_err(|source| WriteError::File {
            path: file.path.clone(),
            source,
        })?;
    }
    Ok(())
}

/// Creates a folder that every reader can open, and that keeps the group of its own folder.
pub(super) fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)?;
    let inherited = fs::metadata(path)?.permissions().mode() & SET_GID;
    fs::set_permissions(path, Permissions::from_mode(FOLDER_MODE | inherited))
}

/// Writes a file that only its owner can read until it is complete. It is not synced to a disk: the
/// files of a running pod are in memory.
fn write_file(path: &Path, content: &[u8], mode: FileMode) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(content)?;
    file.set_permissions(Permissions::from_mode(mode.bits()))
}

/// The links in the folder: for the first component of each path, once.
fn links<'a>(wanted: &'a [Wanted<'_>]) -> impl Iterator<Item = (&'a OsStr, PathBuf)> {
    let first = |path: &'a PathBuf| path.iter().next();
    let names: BTreeSet<&OsStr> = wanted.iter().filter_map(|(path, _)| first(path)).collect();
    names
        .into_iter()
        .map(|name| (name, Path::new(CURRENT).join(name)))
}

fn is_link(path: &Path, target: &Path) -> bool {
    fs::read_link(path).is_ok_and(|found| found == target)
}

/// Makes `name` a link to `target`, in place of what it was.
fn link(root: &Path, target: &Path, name: &OsStr) -> Result<(), WriteError> {
    let new = root.join(NEW_LINK);
    let path = root.join(name);
    symlink(target, &new)
        .and_then(|()| fs::rename(&new, &path))
        .map_err(|source| WriteError::File { path, source })
}

/// Removes the links to files that the current set has not, and the files of a run that wrote
/// without [`swap`].
fn remove_stale(open: &Folder, root: &Path, wanted: &[Wanted<'_>]) -> Result<(), WriteError> {
    let kept: BTreeSet<&OsStr> = links(wanted).map(|(name, _)| name).collect();
    let fail = |source| WriteError::Folder {
        path: root.to_owned(),
        source,
    };
    for entry in fs::read_dir(root).map_err(fail)? {
        let name = entry.map_err(fail)?.file_name();
        let is_ours = is_link(&root.join(&name), &Path::new(CURRENT).join(&name));
        if is_ours && !kept.contains(&*name) {
            open.remove(&name)?;
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let stale = open.recorded.iter().filter(|name| !kept.contains(&***name));
    for name in stale {
        open.remove(name)?;
    }
    open.forget()
}
