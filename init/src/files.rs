//! The path, the mode and the content of every file, from the values alone. Nothing is read or written here:
//! a run and a refresh write the same files.

mod keystores;
mod lists;
pub(crate) mod named;
pub(crate) mod templates;

use std::{
    collections::{BTreeMap, BTreeSet, btree_map},
    path::{Path, PathBuf},
};

use kees_common::{
    Entry, FileOptions, Layout, PlacedFile, SecretValue,
    names::env,
    output::{self, RenderError},
};
use keystores::keystores;
use lists::lists;
use named::{Named, named};
use templates::rendered;

use crate::{
    error::InitError,
    exec::ExecFiles,
    write::{OutputFile, is_file_name},
};

/// The errors in the paths of the lists: each list needs a file of its own.
pub(crate) fn check(layout: &Layout) -> Vec<InitError> {
    let mut errors = Vec::new();
    let paths = [
        (env::SECRETS_FILE, &layout.secrets),
        (env::RESOURCES_FILE, &layout.resources),
        (env::LEASES_FILE, &layout.leases),
    ];
    for (index, (variable, path)) in paths.iter().enumerate() {
        let same = paths.iter().take(index).find(|(_, other)| other == path);
        let error = if !path.file_name().is_some_and(is_file_name) {
            format!(
                "is '{}', which cannot be the name of a file",
                path.display()
            )
        } else if let Some((other, _)) = same {
            format!("is {}, as is {other}; name two files", path.display())
        } else {
            continue;
        };
        errors.push(InitError::Setting { variable, error });
    }
    errors
}

/// Every folder that may contain files of this layout.
pub(crate) fn folders(layout: &Layout) -> BTreeSet<PathBuf> {
    let lists = [&layout.secrets, &layout.resources, &layout.leases];
    let of_lists = lists.map(|path| path.parent().unwrap_or(Path::new("")));
    let own = [&layout.resources_folder, &layout.leases_folder].map(PathBuf::as_path);
    of_lists
        .into_iter()
        .chain(own)
        .map(Path::to_owned)
        .collect()
}

/// Every file of `entries`, sorted by path. An entry without a value is a previous value that there is not.
///
/// # Errors
/// An error for each value that a file cannot hold, and for members of a JSON object that are named
/// like another entry.
pub(crate) fn fill(
    layout: &Layout,
    options: &FileOptions,
    exec: Option<&ExecFiles>,
    entries: &[(&Entry, Option<&SecretValue>)],
) -> Result<Vec<OutputFile>, Vec<InitError>> {
    let present = entries
        .iter()
        .filter_map(|(entry, value)| Some((*entry, (*value)?)));
    let present: Vec<(&Entry, &SecretValue)> = present.collect();
    let named = named(&present)?;
    let mut files = Files::default();
    for result in lists(layout, &named) {
        match result {
            Ok(file) => files.add(file, None),
            Err(errors) => files.errors.extend(errors),
        }
    }
    for value in &named {
        files.add_own(layout, options, value);
    }
    let rendered = rendered(layout, &options.templates, &named);
    let keystores = keystores(layout, &options.keystores, &named);
    for result in rendered.into_iter().chain(keystores) {
        match result {
            Ok(file) => files.add(file, None),
            Err(error) => files.errors.push(error),
        }
    }
    let absent = entries.iter().filter(|(_, value)| value.is_none());
    let absent: Vec<&str> = absent.map(|(entry, _)| entry.name.as_str()).collect();
    match exec.map(|exec| exec.values(&named, &absent)) {
        Some(Ok(file)) => files.add(file, None),
        Some(Err(errors)) => files.errors.extend(errors),
        None => {}
    }
    if files.errors.is_empty() {
        Ok(files.by_path.into_values().collect())
    } else {
        Err(files.errors)
    }
}

/// The files so far.
#[derive(Default)]
struct Files {
    by_path: BTreeMap<PathBuf, OutputFile>,
    errors: Vec<InitError>,
}

impl Files {
    /// Adds a file of `of`. That the file is there already is known only with the names of members.
    fn add(&mut self, file: OutputFile, of: Option<&Named<'_>>) {
        match (self.by_path.entry(file.path.clone()), of) {
            (btree_map::Entry::Vacant(vacant), _) => {
                vacant.insert(file);
            }
            (btree_map::Entry::Occupied(_), None) => {}
            (btree_map::Entry::Occupied(other), Some(of)) => {
                let source = RenderError::SameFile {
                    name: of.name.to_string(),
                    file: other.key().display().to_string(),
                };
                self.errors.push(of.error(source));
            }
        }
    }

    /// Adds the file that has this value alone, if there is one.
    fn add_own(&mut self, layout: &Layout, options: &FileOptions, of: &Named<'_>) {
        let path = if of.is_member {
            layout.member_file(of.entry, &of.name)
        } else {
            layout.own_file(of.entry, options)
        };
        let Some(path) = path else {
            return;
        };
        let placed = options.placing(of.entry).filter(|_| !of.is_member);
        match output::raw_file(&of.name, &of.value) {
            Ok(content) => {
                let mode = placed.and_then(|PlacedFile { mode, .. }| *mode);
                let file = OutputFile {
                    path,
                    mode,
                    is_salted: false,
                    content,
                };
                self.add(file, Some(of));
            }
            Err(source) => self.errors.push(of.error(source)),
        }
    }
}
