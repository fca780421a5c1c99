//! The folders that files are written to, created where they are missing.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::error::WriteError;

/// Folders that this run has created. They are removed again unless the run keeps them.
#[derive(Debug, Default)]
pub(super) struct CreatedFolders(Vec<PathBuf>);

impl CreatedFolders {
    /// The canonical path of `folder`, which is created if it is missing.
    pub(super) fn find(&mut self, folder: &Path) -> Result<PathBuf, WriteError> {
        let folder = or_current(folder);
        let fail = |source| WriteError::Folder {
            path: folder.to_owned(),
            source,
        };
        match fs::canonicalize(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            found => return found.map_err(fail),
        }
        self.create(folder, folder)?;
        fs::canonicalize(folder).map_err(fail)
    }

    /// Keeps the folders.
    pub(super) fn keep(mut self) {
        self.0.clear();
    }

    fn create(&mut self, folder: &Path, asked: &Path) -> Result<(), WriteError> {
        let parent = or_current(folder.parent().unwrap_or(Path::new("")));
        if parent.parent().is_none() && parent.has_root() {
            return Err(WriteError::NoVolume {
                path: asked.to_owned(),
            });
        }
        if !parent.exists() {
            self.create(parent, asked)?;
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

impl Drop for CreatedFolders {
    fn drop(&mut self) {
        for folder in self.0.iter().rev() {
            // A folder that is no longer empty stays.
            if let Err(error) = fs::remove_dir(folder) {
                tracing::debug!(folder = %folder.display(), %error, "a created folder is not removed");
            }
        }
    }
}

/// `folder`, or the current folder for the empty path: the parent of a bare file name.
pub(super) fn or_current(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    }
}
