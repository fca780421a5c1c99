//! Where the setup put things: `tests/paths` says it, to the scripts and here.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};

use crate::here;

/// The folder of everything that is fetched and built.
pub(crate) fn cache() -> anyhow::Result<PathBuf> {
    value_of("CACHE")
}

/// The program under test with every store in it, as `tests/images` builds it.
pub fn kees_init() -> anyhow::Result<PathBuf> {
    let images =
        std::env::var_os("KEES_IMAGES").context("KEES_IMAGES is not set: run tests/run")?;
    let path = PathBuf::from(images).join("kees-init-all-stores");
    ensure!(
        path.exists(),
        "{} is missing: run tests/run",
        path.display()
    );
    Ok(path)
}

/// A variable of `tests/paths`.
pub(crate) fn value_of(variable: &str) -> anyhow::Result<PathBuf> {
    let output = Command::new("bash")
        .args(["-c", r#". "$0" && printf %s "${!1}""#])
        .arg(here("paths"))
        .arg(variable)
        .output()?;
    ensure!(
        output.status.success(),
        "tests/paths: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let path = String::from_utf8(output.stdout).context("a path that is not UTF-8")?;
    ensure!(
        Path::new(&path).is_absolute(),
        "tests/paths does not set {variable}"
    );
    Ok(path.into())
}
