//! The folders that a run creates. Only the user can read them, and git does not see their content.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::Path,
};

use crate::error::CliErrorKind;

const GITIGNORE: &str = ".gitignore";
/// The `.gitignore` of a folder whose whole content is ignored.
const EVERYTHING: &str = "*\n";

/// Creates `folder`, which is `out` or below it, and its missing parents, with mode 0700. The topmost
/// new folder gets a `.gitignore`, unless a parent in `out` has one already. Existing folders are not
/// changed.
pub(crate) fn create(out: &Path, folder: &Path) -> Result<(), CliErrorKind> {
    let is_new = |path: &&Path| path.starts_with(out) && !path.exists();
    let topmost = folder.ancestors().take_while(is_new).last();
    let created = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    created.map_err(create_error(folder))?;
    match topmost {
        Some(topmost) if !is_ignored(out, topmost) => write_gitignore(topmost, EVERYTHING),
        _ => Ok(()),
    }
}

/// Whether a parent of `folder`, up to `out`, has a `.gitignore` that [`create`] wrote.
fn is_ignored(out: &Path, folder: &Path) -> bool {
    let parents = folder.ancestors().skip(1);
    let mut parents = parents.take_while(|path| path.starts_with(out));
    parents
        .any(|path| fs::read(path.join(GITIGNORE)).is_ok_and(|text| text == EVERYTHING.as_bytes()))
}

/// Writes a `.gitignore` for the store's file into `out`, unless `out` has a `.gitignore`.
pub(crate) fn ignore_store(out: &Path, file: &str) -> Result<(), CliErrorKind> {
    if out.join(GITIGNORE).exists() {
        Ok(())
    } else {
        // SQLite creates more files, whose names begin with this one.
        write_gitignore(out, &format!("/{file}*\n"))
    }
}

fn write_gitignore(folder: &Path, patterns: &str) -> Result<(), CliErrorKind> {
    let file = folder.join(GITIGNORE);
    fs::write(&file, patterns).map_err(create_error(&file))
}

fn create_error(path: &Path) -> impl FnOnce(io::Error) -> CliErrorKind {
    let path = path.to_owned();
    move |source| CliErrorKind::Create { path, source }
}
