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

/// The namespace of kees in the manifests.
const NAMESPACE: &str = "kees-system";

/// The image of `kees-NAME` that `tests/images` builds, as an element of `images` of a kustomization.
pub fn image(name: &str) -> Value {
    let name = format!("kees-{name}");
    json!({"name": name, "newName": format!("localhost/{name}"), "newTag": "test"})
}

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

    /// Creates an overlay of a folder in `manifests` that installs the webhook with the images of the tests. `components`
    /// are folders in `manifests`, `settings` further variables of the webhook, and `init_env` the lines of `INIT_ENV`.
    pub fn of_webhook(
        base: &str,
        components: &[&str],
        settings: &[&str],
        init_env: &str,
        policy: &str,
    ) -> anyhow::Result<Self> {
        let images = [
            "INIT_IMAGE=localhost/kees-init:test",
            "IMAGE_PULL_POLICY=Never",
        ];
        let literals = [&images[..], settings].concat();
        let components = components.iter().map(|name| format!("copied/{name}"));
        let components: Vec<_> = components.collect();
        let kustomization = json!({
            "images": [image("webhook")],
            "components": components,
            "configMapGenerator": [
                {
                    "name": "kees-settings", "namespace": NAMESPACE, "behavior": "merge",
                    "files": ["INIT_ENV=init-env"],
                    "literals": literals,
                },
                {
                    "name": "kees-policy", "namespace": NAMESPACE, "behavior": "replace",
                    "files": ["policy.yaml"], "options": {"disableNameSuffixHash": true},
                },
            ],
        });
        let overlay = Self::new("manifests", base, kustomization)?;
        fs::write(overlay.path().join("policy.yaml"), policy)?;
        fs::write(overlay.path().join("init-env"), init_env)?;
        Ok(overlay)
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
