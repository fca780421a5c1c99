//! The files that the arguments of a command name: files, folders, and patterns.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use glob::{MatchOptions, Pattern};

use crate::{
    error::{CliError, CliErrorKind},
    location::Location,
};

/// What the names of manifests in a folder end in.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// Names as shells match them.
const LIKE_A_SHELL: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// Finds the files that `arguments` name, each once, and the arguments that name none. `-` stands for
/// standard input.
pub(crate) fn find(arguments: &[PathBuf]) -> (Vec<PathBuf>, Vec<CliError>) {
    let mut found = Found::default();
    let mut errors = Vec::new();
    for argument in arguments {
        if let Err(error) = found.argument(argument) {
            errors.push(error.at(&file(argument)));
        }
    }
    (found.files, errors)
}

/// The location of a whole file.
pub(crate) fn file(path: &Path) -> Location {
    let name = if is_standard_input(path) {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    };
    Location {
        file: Some(name),
        ..Location::default()
    }
}

pub(crate) fn is_standard_input(path: &Path) -> bool {
    path == Path::new("-")
}

#[derive(Default)]
struct Found {
    files: Vec<PathBuf>,
    known: BTreeSet<PathBuf>,
}

impl Found {
    fn argument(&mut self, path: &Path) -> Result<(), CliErrorKind> {
        if path.is_dir() {
            let before = self.files.len();
            self.folder(path).map_err(CliErrorKind::ReadFile)?;
            if self.files.len() == before {
                return Err(CliErrorKind::EmptyFolder);
            }
        } else if let Some(pattern) = pattern(path) {
            self.pattern(&pattern)?;
        } else {
            // If it does not exist, reading it says so.
            self.add(path.to_owned());
        }
        Ok(())
    }

    fn add(&mut self, file: PathBuf) {
        if self.known.insert(file.clone()) {
            self.files.push(file);
        }
    }

    /// Adds the manifests in a folder and its folders, except those whose name begins with a dot.
    /// Links to folders are not followed, because they may form a cycle.
    fn folder(&mut self, folder: &Path) -> io::Result<()> {
        let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            if entry.file_type()?.is_dir() {
                self.folder(&path)?;
            } else if is_manifest(&path) && path.is_file() {
                self.add(path);
            }
        }
        Ok(())
    }

    fn pattern(&mut self, pattern: &str) -> Result<(), CliErrorKind> {
        let wrong = |error: glob::PatternError| CliErrorKind::Pattern(error.msg);
        let paths = glob::glob_with(pattern, LIKE_A_SHELL).map_err(wrong)?;
        let mut has_match = false;
        for path in paths {
            let path = path.map_err(|error| CliErrorKind::ReadFile(error.into()))?;
            has_match = true;
            if path.is_file() {
                self.add(path);
            }
        }
        if has_match {
            Ok(())
        } else {
            Err(CliErrorKind::NoMatch)
        }
    }
}

/// The path as a pattern, if it is one and no file has that name.
fn pattern(path: &Path) -> Option<String> {
    let text = path.to_str()?;
    (text != Pattern::escape(text) && !path.exists()).then(|| text.to_owned())
}

fn is_manifest(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension))
}
