//! A cluster with kees, whose webhook keeps its own certificates. The tests use it one after the other.

use std::{sync::MutexGuard, time::Duration};

use anyhow::{Context as _, ensure};
use kees_tests::{Cluster, Kubectl, Overlay, Shared, eventually};
use serde_json::{Value, json};

pub(crate) struct World {
    pub(crate) cluster: Cluster,
}

impl World {
    /// The world, until the guard is dropped.
    pub(crate) fn alone() -> anyhow::Result<(&'static Self, MutexGuard<'static, ()>)> {
        static WORLD: Shared<World> = Shared::new();
        WORLD.alone(Self::start)
    }

    fn start() -> anyhow::Result<Self> {
        let world = Self {
            cluster: Cluster::up()?,
        };
        world.install(&[])?;
        Ok(world)
    }

    /// Installs kees, or changes the installation. `settings` are further flags of the webhook, as
    /// variables.
    pub(crate) fn install(&self, settings: &[&str]) -> anyhow::Result<()> {
        let common = [
            "INIT_IMAGE=localhost/kees-init:test",
            "IMAGE_PULL_POLICY=Never",
            "LOG_FORMAT=json",
            // The client for Kubernetes must not use it.
            "HTTPS_PROXY=http://192.0.2.1:3128",
        ];
        let literals = [&common[..], settings].concat();
        let kustomization = json!({
            "images": [{"name": "kees-webhook", "newName": "localhost/kees-webhook", "newTag": "test"}],
            "configMapGenerator": [{
                "name": "kees-settings",
                "namespace": "kees-system",
                "behavior": "merge",
                "literals": literals,
            }],
        });
        let overlay = Overlay::new("manifests", ".", kustomization)?;
        let system = self.system();
        system.run(&["apply", "-k", &overlay.argument()])?;
        system.rolled_out("deployment/kees-webhook")?;
        // Until then, replicas with earlier settings write certificates too.
        eventually(
            "end of the earlier replicas",
            Duration::from_mins(1),
            || {
                let (all, staying) = (self.pods()?.len(), self.replicas()?.len());
                ensure!(all == staying, "{staying} of {all} pods stay");
                Ok(())
            },
        )
    }

    /// kubectl in the webhook's namespace.
    pub(crate) fn system(&self) -> Kubectl {
        self.cluster.kubectl().in_namespace("kees-system")
    }

    /// The names of the webhook's pods that are not about to end.
    pub(crate) fn replicas(&self) -> anyhow::Result<Vec<String>> {
        let pods = self.pods()?;
        let metadata = pods.iter().map(|pod| &pod["metadata"]);
        let staying = metadata.filter(|metadata| metadata["deletionTimestamp"].is_null());
        let names = staying.filter_map(|metadata| metadata["name"].as_str());
        Ok(names.map(str::to_owned).collect())
    }

    fn pods(&self) -> anyhow::Result<Vec<Value>> {
        let mut pods = self.system().get(&["pods"])?;
        let pods = pods["items"].as_array_mut();
        pods.map(std::mem::take).context("the list has no items")
    }

    /// The `caBundle`, as the API server has it: PEM in Base64.
    pub(crate) fn bundle(&self) -> anyhow::Result<String> {
        let path = "jsonpath={.webhooks[0].clientConfig.caBundle}";
        let kubectl = self.cluster.kubectl();
        kubectl.run(&["get", "mutatingwebhookconfiguration", "kees", "-o", path])
    }
}
