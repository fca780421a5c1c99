//! A kustomize overlay of one of the project's bases.

use std::{fs, path::Path, process::Command};

use anyhow::ensure;
use kees_tests::here;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder for kustomize. The test adds the files that the kustomization names.
#[derive(Debug)]
pub(crate) struct Overlay(TempDir);

impl Overlay {
    /// Creates an overlay of the base in the repository's folder `base`.
    pub(crate) fn new(base: &str, mut kustomization: Value) -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        let status = Command::new("cp")
            .arg("-r")
            .args([&here("..").join(base), &folder.path().join("base")])
            .status()?;
        ensure!(status.success(), "cannot copy {base}");
        kustomization["resources"] = json!(["base"]);
        fs::write(
            folder.path().join("kustomization.yaml"),
            kustomization.to_string(),
        )?;
        Ok(Self(folder))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The argument of `kubectl apply -k`.
    pub(crate) fn argument(&self) -> String {
        self.0.path().display().to_string()
    }
}
