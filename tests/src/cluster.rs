//! The cluster, which `tests/cluster/up` starts.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};

use crate::{Helm, Kubectl, Namespace, here, paths};

const RUN: &str = "/run/kees-test";

/// A cluster of one node. It runs until the Linux namespaces of the test run end.
#[derive(Debug)]
pub struct Cluster {
    kubectl: Kubectl,
}

impl Cluster {
    /// Starts the cluster. Call this only once in a process.
    pub fn up() -> anyhow::Result<Self> {
        Self::start(&mut Command::new(here("cluster/up")))
    }

    /// The same, and the API server accepts tokens as the file says, which is an `AuthenticationConfiguration`.
    /// The API server reads the file again when it changes.
    pub fn up_with_authentication(file: &Path) -> anyhow::Result<Self> {
        Self::start(Command::new(here("cluster/up")).env("KEES_AUTHENTICATION", file))
    }

    fn start(up: &mut Command) -> anyhow::Result<Self> {
        let output = up.output()?;
        ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let program = paths::value_of("CLUSTER")?.join("bin/kubectl");
        Ok(Self {
            kubectl: Kubectl::new(program, Path::new(RUN).join("kubeconfig")),
        })
    }

    /// kubectl with the administrator's permissions.
    pub fn kubectl(&self) -> &Kubectl {
        &self.kubectl
    }

    /// Helm with the administrator's permissions.
    pub fn helm(&self) -> anyhow::Result<Helm> {
        Helm::on(Path::new(RUN).join("kubeconfig"))
    }

    /// Creates a namespace for one test, with the given labels.
    pub fn namespace(&self, name: &str, labels: &[(&str, &str)]) -> anyhow::Result<Namespace> {
        Namespace::create(&self.kubectl, name, labels)
    }

    /// Imports an image into the node, from a tar archive that `buildah push` wrote.
    pub fn import_image(&self, tar: &Path) -> anyhow::Result<()> {
        let program = paths::value_of("CLUSTER")?.join("packages/usr/bin/ctr");
        let output = Command::new(program)
            .args([
                "--address",
                &format!("{RUN}/containerd.sock"),
                "--namespace",
                "k8s.io",
            ])
            .args(["images", "import"])
            .arg(tar)
            .output()
            .context("cannot start ctr")?;
        ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    /// The kubeconfig of the administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        Path::new(RUN).join("kubeconfig")
    }

    /// The folder from which the kubelet reads the manifests of static pods.
    pub fn static_pods(&self) -> PathBuf {
        Path::new(RUN).join("static")
    }

    /// The folder of the node that holds a pod's `emptyDir`.
    pub fn memory_volume(&self, pod_uid: &str, volume: &str) -> PathBuf {
        Path::new(RUN).join(format!(
            "kubelet/pods/{pod_uid}/volumes/kubernetes.io~empty-dir/{volume}"
        ))
    }
}
