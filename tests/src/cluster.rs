//! The cluster, started by `tests/cluster/up`.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};

use crate::{Kubectl, Namespace, here, paths};

const RUN: &str = "/run/kees-test";

/// A cluster of one node, up until the namespaces end that it runs in.
#[derive(Debug)]
pub struct Cluster {
    kubectl: Kubectl,
}

impl Cluster {
    /// Starts it; once in a process.
    pub fn up() -> anyhow::Result<Self> {
        let output = Command::new(here("cluster/up")).output()?;
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

    /// kubectl as the administrator.
    pub fn kubectl(&self) -> &Kubectl {
        &self.kubectl
    }

    /// A namespace of a test's own, with those labels.
    pub fn namespace(&self, name: &str, labels: &[(&str, &str)]) -> anyhow::Result<Namespace> {
        Namespace::create(&self.kubectl, name, labels)
    }

    /// Gives the node an image, from a tar as `buildah push` writes it.
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

    /// Where the kubelet looks for the manifests of static pods.
    pub fn static_pods(&self) -> PathBuf {
        Path::new(RUN).join("static")
    }

    /// The node's folder of a pod's `emptyDir`.
    pub fn memory_volume(&self, pod_uid: &str, volume: &str) -> PathBuf {
        Path::new(RUN).join(format!(
            "kubelet/pods/{pod_uid}/volumes/kubernetes.io~empty-dir/{volume}"
        ))
    }
}
