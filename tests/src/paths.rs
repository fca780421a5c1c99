//! The folders of downloads and builds, as the script `tests/paths` defines them.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};

use crate::here;

/// The folder of all downloads and builds.
pub(crate) fn cache() -> anyhow::Result<PathBuf> {
    value_of("CACHE")
}

/// The program `kees-init` with every store, as `tests/images` builds it.
pub fn kees_init() -> anyhow::Result<PathBuf> {
    program("kees-init-all-stores")
}

/// The program `kees`, as `tests/images` builds it.
pub fn kees() -> anyhow::Result<PathBuf> {
    program("kees")
}

fn program(name: &str) -> anyhow::Result<PathBuf> {
    let images =
        std::env::var_os("KEES_IMAGES").context("KEES_IMAGES is not set: run tests/run")?;
    let path = PathBuf::from(images).join(name);
    ensure!(
        path.exists(),
        "{} is missing: run tests/run",
        path.display()
    );
    Ok(path)
}

/// The folder of the custom resource definitions of cert-manager and of the Prometheus operator.
pub fn definitions() -> anyhow::Result<PathBuf> {
    value_of("DEFINITIONS")
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
    let path = String::from_utf8(output.stdout).context("the path is not UTF-8")?;
    ensure!(
        Path::new(&path).is_absolute(),
        "tests/paths does not set {variable}"
    );
    Ok(path.into())
}
