//! A kustomize overlay of a folder of the project.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::ensure;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::here;

/// A folder for kustomize. The test adds the files that the kustomization names.
#[derive(Debug)]
pub struct Overlay {
    folder: TempDir,
    base: PathBuf,
}

impl Overlay {
    /// Creates an overlay of `base`, which is a folder in `copied` or `.` for `copied` itself. `copied`
    /// is a folder of the repository. The overlay has a copy of it.
    pub fn new(copied: &str, base: &str, mut kustomization: Value) -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        let status = Command::new("cp")
            .arg("-r")
            .args([&here("..").join(copied), &folder.path().join("copied")])
            .status()?;
        ensure!(status.success(), "cannot copy {copied}");
        kustomization["resources"] = json!([Path::new("copied").join(base)]);
        fs::write(
            folder.path().join("kustomization.yaml"),
            kustomization.to_string(),
        )?;
        let base = folder.path().join("copied").join(base);
        Ok(Self { folder, base })
    }

    /// The folder of the overlay.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The overlay's copy of the base.
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// The argument of `kubectl apply -k`.
    pub fn argument(&self) -> String {
        self.folder.path().display().to_string()
    }
}
