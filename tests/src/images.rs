//! Builds further images for tests, in the way in which `tests/images` builds the project's images.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};

use crate::here;

/// Builds the `Containerfile` in `folder` and writes the image into the same folder, as a tar archive.
pub fn build(folder: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let tar = folder.join("image.tar");
    let target = format!("docker-archive:{}:{name}", tar.display());
    let context = folder.display().to_string();
    buildah(&["build", "--quiet", "--pull-never", "--tag", name, &context])?;
    buildah(&["push", "--quiet", name, &target])?;
    Ok(tar)
}

fn buildah(arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new(here("buildah"))
        .args(arguments)
        .output()
        .context("cannot start buildah")?;
    ensure!(
        output.status.success(),
        "buildah: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
