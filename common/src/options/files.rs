//! `init.DOMAIN/file.NAME`: the value of one entry in a file of its own choice.

mod path;

pub use path::{FilePath, ParseFilePathError};

use super::file_mode::FileMode;
use crate::{
    collector::Collector,
    entry::Entry,
    error::AnnotationErrorKind,
    name::EntryName,
    names::{file, init},
    typo,
    unused::UnusedPairs,
};

/// The files that the pod's options name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileOptions {
    /// `file.NAME`
    pub placed: Vec<PlacedFile>,
}

/// `file.NAME`: the value of the entry NAME in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedFile {
    /// The whole key of the annotation, for messages.
    pub annotation: String,
    /// The name of the entry.
    pub entry: EntryName,
    /// `path=`, else the name of the entry.
    pub path: Option<FilePath>,
    /// `mode=`, else the mode of the other files.
    pub mode: Option<FileMode>,
}

impl FileOptions {
    /// Reads the annotation `init.DOMAIN/KIND.NAME`, if it is one of these.
    pub(super) fn read(
        &mut self,
        option: &str,
        value: &str,
        collect: &mut Collector<'_>,
    ) -> Option<()> {
        let (kind, name) = option.split_once('.')?;
        match kind {
            init::FILE_PREFIX => {
                let placed = PlacedFile::parse(name, value, collect);
                self.placed.extend(placed);
            }
            _ => {
                let known = typo::closest(kind, [init::FILE_PREFIX])?;
                let annotation = collect.annotation();
                let prefix = annotation.strip_suffix(option).unwrap_or_default();
                let known = format!("{prefix}{known}.{name}");
                collect.error(AnnotationErrorKind::UnknownOption { known });
            }
        }
        Some(())
    }

    /// What places `entry`.
    pub fn placing(&self, entry: &Entry) -> Option<&PlacedFile> {
        self.placed.iter().find(|file| file.entry == entry.name)
    }
}

impl PlacedFile {
    fn parse(name: &str, value: &str, collect: &mut Collector<'_>) -> Option<Self> {
        let errors_before = collect.error_count();
        let entry = collect.ok(name.parse::<EntryName>());
        let mut pairs = UnusedPairs::parse(value, file::ALL, collect);
        let path = pairs.take(file::PATH);
        let path = path.and_then(|text| collect.parse(file::PATH, &text));
        let mode = pairs.take(file::MODE);
        let mode = mode.and_then(|text| collect.parse(file::MODE, &text));
        let is_valid = collect.error_count() == errors_before;
        pairs.warn(is_valid, collect);
        is_valid.then_some(())?;
        Some(Self {
            annotation: collect.annotation().to_owned(),
            entry: entry?,
            path,
            mode,
        })
    }
}

/// The entry of that name.
///
/// # Errors
/// If no entry has the name, or several have it.
pub(crate) fn entry_of<'e>(
    name: &EntryName,
    entries: &'e [Entry],
) -> Result<&'e Entry, AnnotationErrorKind> {
    let mut named = entries.iter().filter(|entry| entry.name == *name);
    match (named.next(), named.next()) {
        (Some(entry), None) => Ok(entry),
        (Some(one), Some(other)) => Err(AnnotationErrorKind::SameName {
            one: one.annotation.clone(),
            other: other.annotation.clone(),
        }),
        (None, _) => Err(AnnotationErrorKind::NoEntry(name.as_str().to_owned())),
    }
}
