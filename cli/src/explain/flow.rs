//! A drawing of how the values get into a pod.

use std::{collections::BTreeSet, fmt::Write as _};

use super::{
    composed::ComposedFile,
    entry::{Creator, EntryReport},
};

/// The most files that are drawn.
const MAX_FILES: usize = 8;

/// Where kees-init stands in the first line, so that the files are below it.
const INDENT: &str = "                ";

/// Draws who creates, who reads, and where the files are.
pub(crate) fn draw(
    entries: &[EntryReport],
    composed: &[ComposedFile],
    containers: &[String],
) -> String {
    let mut text = String::new();
    let stores: BTreeSet<_> = entries.iter().filter_map(|entry| entry.store).collect();
    for store in stores {
        let _ = writeln!(
            text,
            "annotations --> kees-init {}",
            store_line(entries, store)
        );
    }
    let mut creators = entries.iter().map(|entry| entry.created_by);
    if creators.any(|creator| creator == Creator::LocalMode) {
        text.push_str("annotations --> kees-init (local mode: no store)\n");
    }
    arrow(&mut text);
    let files = entries.iter().flat_map(|entry| &entry.files);
    let composed = composed.iter().map(|file| file.path.as_str());
    let files: BTreeSet<_> = files
        .map(|file| file.path.as_str())
        .chain(composed)
        .collect();
    for file in files.iter().take(MAX_FILES) {
        let _ = writeln!(text, "{INDENT}{file}");
    }
    if let Some(more @ 1..) = files.len().checked_sub(MAX_FILES) {
        let _ = writeln!(text, "{INDENT}and {more} more");
    }
    arrow(&mut text);
    let _ = writeln!(text, "{INDENT}{}", containers.join(", "));
    text
}

fn arrow(text: &mut String) {
    let _ = writeln!(text, "{INDENT}    |\n{INDENT}    v");
}

/// What kees-init does with a store, and who else stores values in it.
fn store_line(entries: &[EntryReport], store: &str) -> String {
    let creators: Vec<_> = entries
        .iter()
        .filter(|entry| entry.store == Some(store))
        .map(|entry| entry.created_by)
        .collect();
    let calls = if creators.contains(&Creator::Init) {
        "read, create what is absent"
    } else {
        "read"
    };
    let others = [
        (Creator::Controller, "kees-controller"),
        (Creator::ByHand, "you or another program"),
        (Creator::LocalModeIfAbsent, "you or another program"),
    ];
    let others = others
        .iter()
        .filter(|(creator, _)| creators.contains(creator));
    let others: Vec<_> = others.map(|(_, name)| *name).collect();
    let mut line = format!("--({calls})--> {store}");
    if !others.is_empty() {
        let _ = write!(line, " <--(store)-- {}", others.join(", "));
    }
    line
}
