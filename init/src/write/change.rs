//! The new files of one folder, and the files of an earlier run that are removed.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    path::PathBuf,
};

use kees_common::FileMode;
use rustix::fs::Mode;

use super::{
    error::WriteError,
    folder::{Folder, Staged},
    output_file::OutputFile,
};

/// The files of one folder, by name.
pub(super) type Names<'a> = BTreeMap<&'a OsStr, &'a OutputFile>;

/// The staged files of one folder, and its records of before and after.
pub(super) struct Change<'a> {
    folder: &'a Folder,
    files: Vec<Staged<'a>>,
    /// The record while old and new files may both exist: it names both.
    during: Option<Staged<'a>>,
    after: Option<Staged<'a>>,
    stale: Vec<&'a OsStr>,
}

impl<'a> Change<'a> {
    /// Writes every file under a temporary name.
    pub(super) fn stage(
        folder: &'a Folder,
        names: &Names<'_>,
        mode: FileMode,
        number: &mut std::ops::RangeFrom<usize>,
    ) -> Result<Self, WriteError> {
        for name in names.keys() {
            folder.check(name)?;
        }
        let common = mode;
        let mode = Mode::from_bits_truncate(common.bits());
        let mut next = || number.next().unwrap_or(usize::MAX);
        let mut files = Vec::with_capacity(names.len());
        for (name, file) in names {
            let own = file.mode.unwrap_or(common);
            let own = Mode::from_bits_truncate(own.bits());
            files.push(folder.stage(next(), name, &file.content, own)?);
        }
        let after: BTreeSet<OsString> = names.keys().map(|name| (*name).to_owned()).collect();
        let during: BTreeSet<OsString> = folder.recorded.union(&after).cloned().collect();
        Ok(Self {
            folder,
            files,
            during: (folder.recorded != during)
                .then(|| folder.stage_record(next(), &during, mode))
                .transpose()?,
            after: (during != after)
                .then(|| folder.stage_record(next(), &after, mode))
                .transpose()?,
            stale: folder
                .recorded
                .iter()
                .filter(|name| !after.contains(*name))
                .map(OsString::as_os_str)
                .collect(),
        })
    }

    /// Gives every file its own name.
    pub(super) fn put_in_place(&self) -> Result<(), WriteError> {
        self.during
            .iter()
            .chain(&self.files)
            .try_for_each(Staged::put_in_place)
    }

    /// Removes the files that are in place.
    pub(super) fn take_back(&self) {
        self.files.iter().for_each(Staged::take_back);
    }

    /// The paths of the files that are in place.
    pub(super) fn in_place(&self) -> impl Iterator<Item = PathBuf> {
        self.files.iter().filter_map(Staged::in_place)
    }

    /// Removes the files of an earlier run that are not written any more. If this fails, the record
    /// still names them, and the next run tries again.
    pub(super) fn finish(&self) -> Result<(), WriteError> {
        for name in &self.stale {
            self.folder.remove(name)?;
        }
        if let Some(record) = &self.after {
            record.put_in_place()?;
        }
        self.folder.sync()
    }
}
