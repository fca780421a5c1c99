//! The content of every file, once every value is there.

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

use crate::{InitError, OutputFile, folder::is_file_name};

/// One of the three lists: the variable that names it, its file, and what stands in it.
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

/// Whether the operator's lists are files, and each its own.
pub(crate) fn check(layout: &Layout) -> Vec<InitError> {
    let mut causes = Vec::new();
    let lists = lists(layout);
    for (index, (variable, path, _)) in lists.iter().enumerate() {
        let same = lists.iter().take(index).find(|(_, other, _)| other == path);
        let problem = if !path.file_name().is_some_and(is_file_name) {
            format!(
                "is '{}', which cannot be the name of a file",
                path.display()
            )
        } else if let Some((other, ..)) = same {
            format!("is {}, as is {other}; name two files", path.display())
        } else {
            continue;
        };
        causes.push(InitError::Setting { variable, problem });
    }
    causes
}

/// Every folder that files of this layout may be in.
pub(crate) fn folders(layout: &Layout) -> BTreeSet<PathBuf> {
    let of_lists = lists(layout).map(|(_, path, _)| path.parent().unwrap_or(Path::new("")));
    let own = [&layout.resources_folder, &layout.leases_folder].map(PathBuf::as_path);
    of_lists
        .into_iter()
        .chain(own)
        .map(Path::to_owned)
        .collect()
}

/// Every file; `values` are those of `entries`, in their order.
///
/// # Errors
/// Every value that the format cannot hold.
pub(crate) fn fill(
    layout: &Layout,
    entries: &[Entry],
    values: &[&SecretValue],
) -> Result<Vec<OutputFile>, Vec<InitError>> {
    let mut files = Vec::new();
    let mut causes = Vec::new();
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
            Err(faults) => causes.extend(faults),
        }
    }
    for (entry, value) in entries.iter().zip(values) {
        if let Some(path) = layout.own_file(entry) {
            files.push(OutputFile {
                path,
                content: Zeroizing::new(value.expose().to_vec()),
            });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    if causes.is_empty() {
        Ok(files)
    } else {
        Err(causes)
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
        // It stops at the first; one by one, they all show.
        let single = |row: &(&Entry, &SecretValue)| {
            let problem = render(std::slice::from_ref(row)).err()?;
            Some(InitError::Output {
                annotation: row.0.annotation.clone(),
                problem,
            })
        };
        let causes: Vec<InitError> = rows.iter().filter_map(single).collect();
        if causes.is_empty() {
            vec![unnamed(rows, first)]
        } else {
            causes
        }
    })
}

/// A fault of two entries together, at the one that it names.
fn unnamed(rows: &[(&Entry, &SecretValue)], problem: RenderError) -> InitError {
    let (RenderError::SameVariable { name, .. } | RenderError::NotText { name }) = &problem;
    let entry = rows.iter().find(|(entry, _)| entry.name.as_str() == name);
    let annotation = entry.map_or(name, |(entry, _)| &entry.annotation).clone();
    InitError::Output {
        annotation,
        problem,
    }
}
