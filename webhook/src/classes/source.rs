//! Where the classes come from, and what is known of them.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use kees_inject::Lookup;
use kees_secret_provider_class::ClassSpec;
use kube::Client;

use super::{api::ClusterApi, cache::Cache};

/// The classes of the cluster. A clone is another handle of the same memory.
#[derive(Clone, Default)]
pub struct ClassSource {
    /// The client for the Kubernetes API. `None` is that of the pod's ServiceAccount.
    given: Option<Client>,
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    cache: Cache,
    /// It is there as soon as there are credentials.
    api: OnceLock<ClusterApi>,
}

impl ClassSource {
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

    pub(super) fn cache(&self) -> &Cache {
        &self.inner.cache
    }

    /// A class, if it is in memory.
    pub(crate) fn known(&self, namespace: &str, name: &str) -> Lookup<Arc<ClassSpec>> {
        let key = (namespace.to_owned(), name.to_owned());
        match self.cache().classes.get(&key) {
            Some(Ok(class)) => Lookup::Found(class),
            Some(Err(reason)) => Lookup::Unknown(reason),
            None => Lookup::Missing,
        }
    }

    /// The API, if there is a client for it by now.
    pub(super) fn api(&self) -> Option<&ClusterApi> {
        self.inner.api.get()
    }

    pub(super) fn connected(&self, client: Client) -> &ClusterApi {
        self.inner.api.get_or_init(|| ClusterApi::new(client))
    }
}

impl fmt::Debug for ClassSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClassSource").finish_non_exhaustive()
    }
}
