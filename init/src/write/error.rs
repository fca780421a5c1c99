//! Why files could not be written.

use std::{io, path::PathBuf, time::Duration};

/// A file or folder that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The folder is missing, and so is every folder above it except the root: no volume is mounted.
    #[error("the folder {path} is missing; mount a volume there")]
    NoVolume {
        /// The folder.
        path: PathBuf,
    },
    /// The folder cannot be opened, locked or created.
    #[error("the folder {path} cannot be used")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another run still writes to the folder.
    #[error(
        "another run has kept the folder {path} locked for {:.1} s; two init containers of a pod must \
         not write to one folder at the same time",
        waited.as_secs_f64()
    )]
    Locked {
        /// The folder.
        path: PathBuf,
        /// How long this run has waited for the other.
        waited: Duration,
    },
    /// Files that are replaced together lie in one folder.
    #[error(
        "{path} is not in {folder}; with REFRESH all files are replaced together, so name files in the \
         folder of SECRETS_FILE"
    )]
    Outside {
        /// The file.
        path: PathBuf,
        /// The folder of all files.
        folder: PathBuf,
    },
    /// A directory has the name of a file.
    #[error("{path} is a directory; remove it, or name another file")]
    IsFolder {
        /// The file.
        path: PathBuf,
    },
    /// A device, a FIFO or a socket has the name of a file, or the name is a link to one.
    #[error("{path} is {found}, and would be replaced by a file; name a regular file")]
    NotAFile {
        /// The file.
        path: PathBuf,
        /// What is there, `a device`.
        found: &'static str,
    },
    /// Two paths lead to one file, by a link or a mount.
    #[error("{path} and {other} are the same file; name two files")]
    SameFile {
        /// The first path.
        path: PathBuf,
        /// The second path.
        other: PathBuf,
    },
    /// A file cannot be written or replaced. A full volume is one reason.
    #[error("the file {path} cannot be written{}", hint(source))]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The name of a file is one that runs use themselves, or leads out of the folder.
    #[cfg(feature = "classes")]
    #[error("{path} cannot be the name of a file; set another objectAlias")]
    Name {
        /// The path within the volume.
        path: PathBuf,
    },
    /// A volume is too small.
    #[cfg(feature = "classes")]
    #[error(
        "{path} is full: its files need {}, old and new ones side by side, and the size limit of the volume is {}; \
         raise that limit (--volume-size of kees-webhook), or let the class name fewer or smaller objects",
        kibibytes(*needed), kibibytes(*size)
    )]
    Full {
        /// Where the volume is mounted.
        path: PathBuf,
        /// The bytes of the new files.
        needed: u64,
        /// The bytes of the volume.
        size: u64,
    },
    /// No program can be executed from the folder.
    #[error(
        "{path} is mounted noexec, and the containers start their commands from it; mount an emptyDir \
         without that option, or do without environment variables"
    )]
    NoExec {
        /// The folder.
        path: PathBuf,
    },
    /// Some files had been changed when the error occurred.
    #[error(
        "some files were changed before the error ({})",
        changed(replaced, removed)
    )]
    Partial {
        /// The files with their new content.
        replaced: Vec<PathBuf>,
        /// The files that had their new content and were removed after the error.
        removed: Vec<PathBuf>,
        /// The error.
        source: Box<WriteError>,
    },
}

impl WriteError {
    /// This error, after some files were changed. The same error if none were.
    pub(crate) fn after(self, replaced: Vec<PathBuf>, removed: Vec<PathBuf>) -> Self {
        if replaced.is_empty() && removed.is_empty() {
            return self;
        }
        Self::Partial {
            replaced,
            removed,
            source: Box::new(self),
        }
    }
}

#[cfg(feature = "classes")]
fn kibibytes(bytes: u64) -> String {
    format!("{} KiB", bytes.div_ceil(1024))
}

/// What to do about a system error whose own message does not say it.
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

fn changed(replaced: &[PathBuf], removed: &[PathBuf]) -> String {
    let list = |what: &str, files: &[PathBuf]| {
        let files: Vec<_> = files
            .iter()
            .map(|file| file.display().to_string())
            .collect();
        (!files.is_empty()).then(|| format!("{what}: {}", files.join(", ")))
    };
    let lists = [list("replaced", replaced), list("removed", removed)];
    let lists: Vec<_> = lists.into_iter().flatten().collect();
    lists.join("; ")
}
