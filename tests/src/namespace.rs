//! A namespace that only one test uses.

use std::ops::Deref;

use serde_json::json;

use crate::Kubectl;

/// A Kubernetes namespace, deleted when the test ends. It dereferences to a [`Kubectl`] for this
/// namespace.
#[derive(Debug)]
pub struct Namespace(Kubectl);

impl Namespace {
    pub(crate) fn create(
        kubectl: &Kubectl,
        name: &str,
        labels: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let labels: serde_json::Map<_, _> = labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), json!(value)))
            .collect();
        let namespace = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": labels},
        });
        kubectl.apply(&namespace.to_string())?;
        Ok(Self(kubectl.in_namespace(name)))
    }
}

impl Deref for Namespace {
    type Target = Kubectl;

    fn deref(&self) -> &Kubectl {
        &self.0
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // An error has no effect on the result: the cluster ends soon. Deleting the namespace only
        // frees space on the node for other tests.
        let _ = self
            .0
            .run(&["delete", "namespace", self.0.namespace(), "--wait=false"]);
    }
}
