//! A folder that files are written to: locked, without the temporary files of a killed run, and with
//! a record of the files that earlier runs wrote, so that a later run can remove them.

use std::{
    cell::Cell,
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    fs::File,
    io::{Read as _, Write as _},
    os::{fd::OwnedFd, unix::ffi::OsStrExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{
    fs::{self, AtFlags, Dir, FileType, FlockOperation, Mode, OFlags},
    io::Errno,
};
use tokio::time::{Instant, sleep};

use super::error::WriteError;

/// The record: the names of the files that earlier runs wrote, a line each. The name of an entry
/// never begins with a dot, so no entry has this name.
const RECORD: &str = ".kees";

/// The beginning of a temporary name; a number follows.
const STAGED: &str = ".kees.new.";

/// The mode of a file that is not complete: only its owner can read it.
const INCOMPLETE: Mode = Mode::RUSR.union(Mode::WUSR);

/// The pause between two attempts to lock a folder.
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// An open folder. No other run can lock it as long as this value exists.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    handle: OwnedFd,
    /// The files that earlier runs wrote here and that may still exist.
    pub(super) recorded: BTreeSet<OsString>,
}

impl Folder {
    /// Opens and locks the folder, removes the temporary files of a killed run, and reads the
    /// record. If another run has locked the folder, waits for it until `deadline`.
    pub(super) async fn open(path: &Path, deadline: Instant) -> Result<Self, WriteError> {
        let fail = |errno: Errno| WriteError::Folder {
            path: path.to_owned(),
            source: errno.into(),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = fs::open(path, flags, Mode::empty()).map_err(fail)?;
        lock(&handle, path, deadline).await?;
        let mut folder = Self {
            path: path.to_owned(),
            handle,
            recorded: BTreeSet::new(),
        };
        folder.remove_leftovers().map_err(fail)?;
        folder.recorded = folder.read_record()?;
        Ok(folder)
    }

    /// Fails if `name` exists and is not a regular file, or is a link to something else: renaming a
    /// file over a device would replace the device.
    pub(super) fn check(&self, name: &OsStr) -> Result<(), WriteError> {
        let type_of = |flags| {
            let stat = fs::statat(&self.handle, name, flags);
            stat.map(|stat| FileType::from_raw_mode(stat.st_mode))
        };
        let found = match type_of(AtFlags::SYMLINK_NOFOLLOW) {
            // The links in /proc are the open files of a process, such as its standard output.
            Ok(FileType::Symlink) if self.links_to_proc(name) => {
                return Err(self.not_a_file(name, "a link to an open file"));
            }
            Ok(FileType::Symlink) => type_of(AtFlags::empty()),
            found => found,
        };
        match found {
            Ok(FileType::RegularFile) | Err(Errno::NOENT) => Ok(()),
            Ok(FileType::Directory) => Err(WriteError::IsFolder {
                path: self.path.join(name),
            }),
            Ok(FileType::CharacterDevice | FileType::BlockDevice) => {
                Err(self.not_a_file(name, "a device"))
            }
            Ok(FileType::Fifo) => Err(self.not_a_file(name, "a FIFO")),
            Ok(FileType::Socket) => Err(self.not_a_file(name, "a socket")),
            Ok(_) => Err(self.not_a_file(name, "not a regular file")),
            Err(errno) => Err(self.file_error(name, errno.into())),
        }
    }

    fn links_to_proc(&self, name: &OsStr) -> bool {
        let target = fs::readlinkat(&self.handle, name, Vec::new());
        target.is_ok_and(|target| target.to_bytes().starts_with(b"/proc/"))
    }

    /// Writes `content` to a temporary file, and syncs it to the disk. Only the owner can read the
    /// file until it is complete; then it gets `mode`.
    pub(super) fn stage(
        &self,
        number: usize,
        name: &OsStr,
        content: &[u8],
        mode: Mode,
    ) -> Result<Staged<'_>, WriteError> {
        let temporary = OsString::from(format!("{STAGED}{number}"));
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fail = |source: std::io::Error| self.file_error(name, source);
        let file =
            fs::openat(&self.handle, &temporary, flags, INCOMPLETE).map_err(|e| fail(e.into()))?;
        // Created before the content is written: dropping it removes the temporary file.
        let staged = Staged {
            folder: self,
            temporary,
            name: name.to_owned(),
            is_in_place: Cell::new(false),
        };
        let mut file = File::from(file);
        file.write_all(content).map_err(fail)?;
        fs::fchmod(&file, mode).map_err(|e| fail(e.into()))?;
        fs::fsync(&file).map_err(|e| fail(e.into()))?;
        Ok(staged)
    }

    /// Stages the record of `names`, with the mode of the files: a later run may have another uid.
    pub(super) fn stage_record(
        &self,
        number: usize,
        names: &BTreeSet<OsString>,
        mode: Mode,
    ) -> Result<Staged<'_>, WriteError> {
        let mut lines = Vec::new();
        for name in names {
            lines.extend_from_slice(name.as_bytes());
            lines.push(b'\n');
        }
        self.stage(number, OsStr::new(RECORD), &lines, mode)
    }

    /// Removes a file. A missing file is no error, and a directory stays: no run created it.
    pub(super) fn remove(&self, name: &OsStr) -> Result<(), WriteError> {
        match fs::unlinkat(&self.handle, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT | Errno::ISDIR) => Ok(()),
            Err(errno) => Err(self.file_error(name, errno.into())),
        }
    }

    /// Removes the record, if there is one: no file that it names is left.
    pub(super) fn forget(&self) -> Result<(), WriteError> {
        self.remove(OsStr::new(RECORD))
    }

    /// Makes the new names durable, where the file system supports it.
    pub(super) fn sync(&self) -> Result<(), WriteError> {
        match fs::fsync(&self.handle) {
            Ok(()) | Err(Errno::INVAL | Errno::NOTSUP) => Ok(()),
            Err(errno) => Err(WriteError::Folder {
                path: self.path.clone(),
                source: errno.into(),
            }),
        }
    }

    fn remove_leftovers(&self) -> Result<(), Errno> {
        for entry in Dir::read_from(&self.handle)? {
            let entry = entry?;
            if entry.file_name().to_bytes().starts_with(STAGED.as_bytes()) {
                match fs::unlinkat(&self.handle, entry.file_name(), AtFlags::empty()) {
                    Ok(()) | Err(Errno::NOENT) => {}
                    Err(errno) => return Err(errno),
                }
            }
        }
        Ok(())
    }

    /// The names in the record. A line that is not a plain file name is ignored.
    fn read_record(&self) -> Result<BTreeSet<OsString>, WriteError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fail = |source: std::io::Error| self.file_error(OsStr::new(RECORD), source);
        let mut record = match fs::openat(&self.handle, RECORD, flags, Mode::empty()) {
            Ok(record) => File::from(record),
            Err(Errno::NOENT) => return Ok(BTreeSet::new()),
            Err(errno) => return Err(fail(errno.into())),
        };
        let mut text = Vec::new();
        record.read_to_end(&mut text).map_err(fail)?;
        let names = text.split(|b| *b == b'\n').map(OsStr::from_bytes);
        Ok(names
            .filter(|name| is_file_name(name))
            .map(OsStr::to_owned)
            .collect())
    }

    fn not_a_file(&self, name: &OsStr, found: &'static str) -> WriteError {
        WriteError::NotAFile {
            path: self.path.join(name),
            found,
        }
    }

    fn file_error(&self, name: &OsStr, source: std::io::Error) -> WriteError {
        WriteError::File {
            path: self.path.join(name),
            source,
        }
    }
}

/// Locks a folder, and waits until `deadline` for a run that has locked it. The attempts do not
/// block, so that a signal can end the run meanwhile.
async fn lock(folder: &OwnedFd, path: &Path, deadline: Instant) -> Result<(), WriteError> {
    let begun = Instant::now();
    let mut is_first = true;
    loop {
        match fs::flock(folder, FlockOperation::NonBlockingLockExclusive) {
            // Some network file systems have no locks.
            Ok(()) | Err(Errno::NOTSUP | Errno::NOLCK | Errno::NOSYS | Errno::INVAL) => {
                return Ok(());
            }
            Err(Errno::WOULDBLOCK | Errno::INTR) if Instant::now() < deadline => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(WriteError::Locked {
                    path: path.to_owned(),
                    waited: begun.elapsed(),
                });
            }
            Err(errno) => {
                return Err(WriteError::Folder {
                    path: path.to_owned(),
                    source: errno.into(),
                });
            }
        }
        if is_first {
            tracing::info!(folder = %path.display(), "waiting for another run that has locked the folder");
            is_first = false;
        }
        sleep(LOCK_PAUSE).await;
    }
}

/// Whether runs use the name themselves.
#[cfg(feature = "classes")]
pub(super) fn is_reserved(name: &OsStr) -> bool {
    let bytes = name.as_bytes();
    bytes == RECORD.as_bytes() || bytes.starts_with(STAGED.as_bytes())
}

/// Whether `name` is a plain file name that no run uses itself. Names with `..` at their beginning are
/// those of the sets that are swapped.
pub(crate) fn is_file_name(name: &OsStr) -> bool {
    let bytes = name.as_bytes();
    !matches!(bytes, b"" | b".")
        && !bytes.starts_with(b"..")
        && bytes != RECORD.as_bytes()
        && !bytes.starts_with(STAGED.as_bytes())
        && !bytes.iter().any(|b| matches!(b, b'/' | b'\n' | 0))
}

/// A complete file with a temporary name. Dropping it removes the file, unless it is in place.
#[derive(Debug)]
pub(super) struct Staged<'a> {
    folder: &'a Folder,
    temporary: OsString,
    name: OsString,
    is_in_place: Cell<bool>,
}

impl Staged<'_> {
    /// Gives the file its own name, and so replaces an older file.
    pub(super) fn put_in_place(&self) -> Result<(), WriteError> {
        let handle = &self.folder.handle;
        fs::renameat(handle, &self.temporary, handle, &self.name)
            .map_err(|errno| self.folder.file_error(&self.name, errno.into()))?;
        self.is_in_place.set(true);
        Ok(())
    }

    /// The path of the file, if it is in place.
    pub(super) fn in_place(&self) -> Option<PathBuf> {
        let path = || self.folder.path.join(&self.name);
        self.is_in_place.get().then(path)
    }

    /// Removes the file if it is in place.
    pub(super) fn take_back(&self) {
        if !self.is_in_place.get() {
            return;
        }
        match self.folder.remove(&self.name) {
            // Nothing is left to remove: neither name exists.
            Ok(()) => self.is_in_place.set(false),
            Err(error) => tracing::error!(%error, "a new file cannot be removed"),
        }
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        if self.is_in_place.get() {
            return;
        }
        if let Err(error) = self.folder.remove(&self.temporary) {
            tracing::error!(%error, "a temporary file cannot be removed");
        }
    }
}
