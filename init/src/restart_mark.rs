//! A mark in the folder of the files: the sidecar of this pod has asked for a restart. It lives as long as
//! the volume, so a sidecar that starts again does not ask again. Its name is none of a file of the pod.

use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use crate::Request;

const NAME: &str = "..kees.asked";

/// Whether the sidecar of a pod has asked for a restart.
#[derive(Debug)]
pub struct RestartMark(PathBuf);

impl RestartMark {
    /// The mark of the pod of `request`.
    pub fn of(request: &Request) -> Self {
        let folder = request.layout.secrets.parent();
        Self(folder.unwrap_or(Path::new("")).join(NAME))
    }

    /// Whether the sidecar has asked.
    pub fn is_set(&self) -> bool {
        self.0.exists()
    }

    /// The sidecar asks.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn set(&self) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        options.open(&self.0).map(drop)
    }

    /// The file of the mark.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The containers of the pod start again, with the newest files.
    pub(crate) fn clear(&self) -> io::Result<()> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
