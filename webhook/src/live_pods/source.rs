//! Where the pods come from, and which are known.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use kees_inject::{LivePods, Lookup, NamespacePods, OtherPods};
use kees_secret_provider_class::ClassSpec;
use kube::Client;

use crate::classes::ClassSource;

/// The live pods that ask for Kubernetes Secrets. A clone is another handle of the same memory.
#[derive(Clone, Default)]
pub struct PodSource {
    /// The client for the Kubernetes API. `None` is that of the pod's ServiceAccount.
    given: Option<Client>,
    pods: Arc<RwLock<LivePods>>,
}

impl PodSource {
    /// Those that `client` sees. Nothing is read before the server runs.
    pub fn new(client: Client) -> Self {
        Self {
            given: Some(client),
            ..Self::default()
        }
    }

    pub(super) fn given(&self) -> Option<Client> {
        self.given.clone()
    }

    fn of_namespace(&self, namespace: &str) -> Option<Arc<NamespacePods>> {
        let pods = self.pods.read().unwrap_or_else(PoisonError::into_inner);
        pods.of_namespace(namespace)
    }

    /// Changes the pods that are known. A decision that has begun goes on with what it has.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut LivePods) -> T) -> T {
        change(&mut self.pods.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for PodSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PodSource").finish_non_exhaustive()
    }
}

/// What is known of other pods and of their classes.
pub(crate) struct Surroundings<'s> {
    pub(crate) pods: &'s PodSource,
    pub(crate) classes: Option<&'s ClassSource>,
}

impl OtherPods for Surroundings<'_> {
    fn of_namespace(&self, namespace: &str) -> Option<Arc<NamespacePods>> {
        self.pods.of_namespace(namespace)
    }

    fn class(&self, namespace: &str, name: &str) -> Option<Arc<ClassSpec>> {
        match self.classes?.known(namespace, name) {
            Lookup::Found(class) => Some(class),
            Lookup::Missing | Lookup::Unknown(_) => None,
        }
    }
}
