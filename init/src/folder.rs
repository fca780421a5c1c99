//! One folder that files are written into: locked, cleared of what a killed run left, and with a
//! list of what earlier runs wrote, so that a later one can remove what nothing names any more.

use std::{
    cell::Cell,
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    fs::File,
    io::{Read as _, Write as _},
    os::{fd::OwnedFd, unix::ffi::OsStrExt as _},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{self, AtFlags, Dir, FileType, FlockOperation, Mode, OFlags},
    io::Errno,
};

use crate::WriteError;

/// The names of the files that earlier runs wrote, a line each. An entry's name never begins with
/// a dot, so no entry can be mistaken for it.
const RECORD: &str = ".kees";

/// What a file is called until it is renamed: this and a number.
const STAGED: &str = ".kees.new.";

/// A file or record is private until everything else is done.
const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);

/// An open folder, locked against another run for as long as this lives.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    handle: OwnedFd,
    /// What earlier runs wrote here and may still stand here.
    pub(crate) recorded: BTreeSet<OsString>,
}

impl Folder {
    /// Opens and locks the folder, removes what a killed run left half done, and reads the record.
    pub(crate) fn open(path: &Path) -> Result<Self, WriteError> {
        let fail = |errno: Errno| WriteError::Folder {
            path: path.to_owned(),
            source: errno.into(),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = fs::open(path, flags, Mode::empty()).map_err(fail)?;
        match fs::flock(&handle, FlockOperation::LockExclusive) {
            // Some network file systems have no locks; there the pod's own order has to do.
            Ok(()) | Err(Errno::NOTSUP | Errno::NOLCK | Errno::NOSYS | Errno::INVAL) => {}
            Err(errno) => return Err(fail(errno)),
        }
        let mut folder = Self {
            path: path.to_owned(),
            handle,
            recorded: BTreeSet::new(),
        };
        folder.remove_leftovers().map_err(fail)?;
        folder.recorded = folder.read_record()?;
        Ok(folder)
    }

    /// The path of a file in this folder, for messages.
    pub(crate) fn path_of(&self, name: &OsStr) -> PathBuf {
        self.path.join(name)
    }

    /// A file of this folder cannot be replaced by renaming where a directory has its name.
    pub(crate) fn check(&self, name: &OsStr) -> Result<(), WriteError> {
        match fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
                Err(WriteError::IsFolder {
                    path: self.path_of(name),
                })
            }
            Ok(_) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(self.file_error(name, errno.into())),
        }
    }

    /// Writes `content` beside `name`, to the disk itself. Only the owner can read the file until
    /// it is complete; then it gets its mode.
    pub(crate) fn stage(
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
            fs::openat(&self.handle, &temporary, flags, PRIVATE).map_err(|e| fail(e.into()))?;
        // From here on, whatever fails removes the temporary file again.
        let staged = Staged {
            folder: self,
            temporary,
            name: name.to_owned(),
            is_placed: Cell::new(false),
        };
        let mut file = File::from(file);
        file.write_all(content).map_err(fail)?;
        fs::fchmod(&file, mode).map_err(|e| fail(e.into()))?;
        fs::fsync(&file).map_err(|e| fail(e.into()))?;
        Ok(staged)
    }

    /// Stages the record of `names`.
    pub(crate) fn stage_record(
        &self,
        number: usize,
        names: &BTreeSet<OsString>,
    ) -> Result<Staged<'_>, WriteError> {
        let mut lines = Vec::new();
        for name in names {
            lines.extend_from_slice(name.as_bytes());
            lines.push(b'\n');
        }
        self.stage(number, OsStr::new(RECORD), &lines, PRIVATE)
    }

    /// Removes a file; one that is not there, or is a directory by now, is none of ours.
    pub(crate) fn remove(&self, name: &OsStr) -> Result<(), WriteError> {
        match fs::unlinkat(&self.handle, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT | Errno::ISDIR) => Ok(()),
            Err(errno) => Err(self.file_error(name, errno.into())),
        }
    }

    /// Makes the renaming itself durable, where the file system knows that.
    pub(crate) fn sync(&self) -> Result<(), WriteError> {
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

    /// Names that are no plain file names are not ours, whoever wrote them.
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

    fn file_error(&self, name: &OsStr, source: std::io::Error) -> WriteError {
        WriteError::File {
            path: self.path_of(name),
            source,
        }
    }
}

/// Whether `name` is one file's plain name, and not one of those that are used here.
pub(crate) fn is_file_name(name: &OsStr) -> bool {
    let bytes = name.as_bytes();
    !matches!(bytes, b"" | b"." | b"..")
        && bytes != RECORD.as_bytes()
        && !bytes.starts_with(STAGED.as_bytes())
        && !bytes.iter().any(|b| matches!(b, b'/' | b'\n' | 0))
}

/// A complete file under its temporary name, which is removed unless it is put in place.
#[derive(Debug)]
pub(crate) struct Staged<'a> {
    folder: &'a Folder,
    temporary: OsString,
    name: OsString,
    is_placed: Cell<bool>,
}

impl Staged<'_> {
    /// Renames the file to its own name, over what may be there.
    pub(crate) fn put_in_place(&self) -> Result<(), WriteError> {
        let handle = &self.folder.handle;
        fs::renameat(handle, &self.temporary, handle, &self.name)
            .map_err(|errno| self.folder.file_error(&self.name, errno.into()))?;
        self.is_placed.set(true);
        Ok(())
    }

    /// Removes the file from its own name again, because another one could not be put in place.
    pub(crate) fn take_back(&self) {
        if let Err(error) = self.folder.remove(&self.name) {
            tracing::error!(%error, "a file that was written cannot be removed again");
        }
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        if self.is_placed.get() {
            return;
        }
        if let Err(error) = self.folder.remove(&self.temporary) {
            tracing::error!(%error, "a temporary file cannot be removed");
        }
    }
}
