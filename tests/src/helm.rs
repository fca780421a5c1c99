//! Runs Helm.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

use crate::{KubectlError, paths};

/// Helm, as `tests/helm/setup` builds it.
#[derive(Debug, Clone)]
pub struct Helm {
    program: PathBuf,
    kubeconfig: Option<PathBuf>,
}

impl Helm {
    /// Helm without a cluster, for `helm lint` and `helm template`.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self {
            program: paths::value_of("HELM")?.join("helm"),
            kubeconfig: None,
        })
    }

    /// Helm with the administrator's permissions on a cluster.
    pub(crate) fn on(kubeconfig: PathBuf) -> anyhow::Result<Self> {
        Ok(Self {
            kubeconfig: Some(kubeconfig),
            ..Self::new()?
        })
    }

    /// The program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Runs a command and returns its standard output. If the command fails, the error is its error
    /// output.
    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new(&self.program);
        if let Some(kubeconfig) = &self.kubeconfig {
            command.arg("--kubeconfig").arg(kubeconfig);
        }
        let output = command
            .args(arguments)
            .output()
            .context("cannot start Helm")?;
        if !output.status.success() {
            let message = [output.stdout, output.stderr].concat();
            return Err(KubectlError(String::from_utf8_lossy(&message).into_owned()).into());
        }
        Ok(String::from_utf8(output.stdout)?)
    }
}
