//! Which pods live, as the API server knows it.

use k8s_openapi::api::core::v1::Pod;
use kees_store::leases::{LivingPods, PodIdentity};
use kube::{
    Api, Client,
    api::ListParams,
    runtime::reflector::{ObjectRef, Store},
};

use crate::pod::WatchedPod;

/// The API server, and the pods that the watch has told of.
pub(super) struct ApiServer {
    pub(super) client: Client,
    pub(super) reader: Store<WatchedPod>,
}

impl LivingPods for ApiServer {
    async fn lives(&self, name: &str, identity: Option<&PodIdentity>) -> Result<bool, String> {
        let Some(PodIdentity { namespace, uid }) = identity else {
            let pods = Api::<Pod>::all(self.client.clone());
            let named = ListParams::default().fields(&format!("metadata.name={name}"));
            let named = pods.list(&named).await.map_err(|e| e.to_string())?;
            return Ok(named.iter().any(|pod| !has_ended(pod)));
        };
        let pods = Api::<Pod>::namespaced(self.client.clone(), namespace);
        let pod = pods.get_opt(name).await.map_err(|e| e.to_string())?;
        Ok(pod.is_some_and(|pod| pod.metadata.uid.as_ref() == Some(uid) && !has_ended(&pod)))
    }

    fn lived_lately(&self, name: &str, identity: Option<&PodIdentity>) -> bool {
        let Some(identity) = identity else {
            return self.reader.find(|pod| pod.name() == name).is_some();
        };
        let reference = ObjectRef::new(name).within(&identity.namespace);
        let pod = self.reader.get(&reference);
        pod.is_some_and(|pod| pod.uid() == identity.uid)
    }
}

fn has_ended(pod: &Pod) -> bool {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}
