//! The path and content of every file.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use kees_common::{
    Entry, EntryName, Layout, SecretValue, Source,
    names::env,
    output::{self, Format, RenderError},
};
use zeroize::Zeroizing;

use crate::{
    error::InitError,
    write::{OutputFile, is_file_name},
};

/// One of the three lists: its variable, its file, and its entries.
type List<'a> = (&'static str, &'a PathBuf, fn(&Source) -> bool);

fn lists(layout: &Layout) -> [List<'_>; 3] {
    let is_secret = |source: &Source| matches!(source, Source::Secret(_));
    let is_resource = |source: &Source| matches!(source, Source::Resource(_));
    let is_lease = |source: &Source| matches!(source, Source::Lease(_));
    [
        (env::SECRETS_FILE, &layout.secrets, is_secret),
        (env::RESOURCES_FILE, &layout.resources, is_resource),
        (env::LEASES_FILE, &layout.leases, is_lease),
    ]
}

/// The errors in the paths of the lists: each list needs a file of its own.
pub(crate) fn check(layout: &Layout) -> Vec<InitError> {
    let mut errors = Vec::new();
    let lists = lists(layout);
    for (index, (variable, path, _)) in lists.iter().enumerate() {
        let same = lists.iter().take(index).find(|(_, other, _)| other == path);
        let error = if !path.file_name().is_some_and(is_file_name) {
            format!(
                "is '{}', which cannot be the name of a file",
                path.display()
            )
        } else if let Some((other, ..)) = same {
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
    let of_lists = lists(layout).map(|(_, path, _)| path.parent().unwrap_or(Path::new("")));
    let own = [&layout.resources_folder, &layout.leases_folder].map(PathBuf::as_path);
    of_lists
        .into_iter()
        .chain(own)
        .map(Path::to_owned)
        .collect()
}

/// Every file; `values` are the values of `entries`, in the same order.
///
/// # Errors
/// An error for each value that the format cannot hold.
pub(crate) fn fill(
    layout: &Layout,
    entries: &[Entry],
    values: &[&SecretValue],
) -> Result<Vec<OutputFile>, Vec<InitError>> {
    let mut files = Vec::new();
    let mut errors = Vec::new();
    for (_, path, holds) in lists(layout) {
        let rows = entries
            .iter()
            .zip(values)
            .filter(|(entry, _)| holds(&entry.source));
        let rows: Vec<_> = rows.map(|(entry, value)| (entry, *value)).collect();
        match list(layout.format, &rows) {
            Ok(Some(content)) => files.push(OutputFile {
                path: path.clone(),
                content,
            }),
            Ok(None) => {}
            Err(errors_of_list) => errors.extend(errors_of_list),
        }
    }
    for (entry, value) in entries.iter().zip(values) {
        if let Some(path) = layout.own_file(entry) {
            match output::raw_file(&entry.name, value) {
                Ok(content) => files.push(OutputFile { path, content }),
                Err(source) => errors.push(InitError::Output {
                    annotation: entry.annotation.clone(),
                    source,
                }),
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    if errors.is_empty() {
        Ok(files)
    } else {
        Err(errors)
    }
}

fn list(
    format: Format,
    rows: &[(&Entry, &SecretValue)],
) -> Result<Option<Zeroizing<Vec<u8>>>, Vec<InitError>> {
    let render = |rows: &[(&Entry, &SecretValue)]| {
        let named: Vec<(&EntryName, &SecretValue)> = rows
            .iter()
            .map(|(entry, value)| (&entry.name, *value))
            .collect();
        output::render(format, &named)
    };
    render(rows).map_err(|first| {
        // Rendering stops at the first error. Render each value alone to report all errors.
        let single = |row: &(&Entry, &SecretValue)| {
            let source = render(std::slice::from_ref(row)).err()?;
            Some(InitError::Output {
                annotation: row.0.annotation.clone(),
                source,
            })
        };
        let errors: Vec<InitError> = rows.iter().filter_map(single).collect();
        if errors.is_empty() {
            vec![of_list(rows, first)]
        } else {
            errors
        }
    })
}

/// An error between two entries, reported for the entry that it names.
fn of_list(rows: &[(&Entry, &SecretValue)], source: RenderError) -> InitError {
    let name = source.name();
    let entry = rows.iter().find(|(entry, _)| entry.name.as_str() == name);
    let annotation = entry.map_or(name, |(entry, _)| &entry.annotation);
    InitError::Output {
        annotation: annotation.to_owned(),
        source,
    }
}
