//! The calls of the API server that restarts need.

use std::{fmt::Debug, time::Duration};

use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet},
        policy::v1::PodDisruptionBudget,
    },
    apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use kees_common::Domain;
use kube::{
    Api, Client, Resource,
    api::{ListParams, Patch, PatchParams},
};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::timeout;

use super::{
    budget::Budget,
    workload::{Kind, Place, Workload},
};
use crate::pod::RESTARTED_AT;

/// How long one call may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A call that failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    #[error("RBAC denies it: {0}; give the controller the permissions of docs/controller.md")]
    Denied(String),
    #[error("the API server: {0}")]
    Other(String),
    #[error("the API server gave no response in {} s", TIMEOUT.as_secs())]
    NoResponse,
}

/// What owns a pod.
#[derive(Debug)]
pub(super) enum Owner {
    Workload(Place),
    /// Another kind of owner.
    Other(String),
    /// Nothing, or an object that is deleted.
    Gone,
}

pub(super) struct ApiServer {
    pub(super) client: Client,
    pub(super) domain: Domain,
}

impl ApiServer {
    /// The workload that `owner`, the controller of a pod, stands for. A `ReplicaSet` belongs to a
    /// Deployment, which is read from it.
    pub(super) async fn owner(
        &self,
        namespace: &str,
        owner: &OwnerReference,
    ) -> Result<Owner, ApiError> {
        if owner.kind != "ReplicaSet" || !is_apps(owner) {
            return Ok(known(namespace, owner));
        }
        let Some(set) = self.get::<ReplicaSet>(namespace, &owner.name).await? else {
            return Ok(Owner::Gone);
        };
        if set.metadata.uid.as_ref() != Some(&owner.uid) {
            return Ok(Owner::Gone);
        }
        let mut owners = set.metadata.owner_references.into_iter().flatten();
        let deployment = owners.find(|owner| owner.controller == Some(true));
        Ok(match deployment {
            Some(owner) => known(namespace, &owner),
            None => Owner::Other("ReplicaSet without a Deployment".to_owned()),
        })
    }

    /// The workload, unless it is deleted.
    pub(super) async fn workload(&self, place: &Place) -> Result<Option<Workload>, ApiError> {
        let (namespace, name, domain) = (&place.namespace, &place.name, &self.domain);
        let workload = match place.kind {
            Kind::Deployment => {
                let object = self.get::<Deployment>(namespace, name).await?;
                object.map(|object| Workload::of_deployment(object, domain))
            }
            Kind::StatefulSet => {
                let object = self.get::<StatefulSet>(namespace, name).await?;
                object.map(|object| Workload::of_stateful_set(object, domain))
            }
            Kind::DaemonSet => {
                let object = self.get::<DaemonSet>(namespace, name).await?;
                object.map(|object| Workload::of_daemon_set(object, domain))
            }
        };
        Ok(workload.filter(|workload| workload.place.uid == place.uid))
    }

    /// The budgets of a namespace.
    pub(super) async fn budgets(&self, namespace: &str) -> Result<Vec<Budget>, ApiError> {
        let budgets: Api<PodDisruptionBudget> = Api::namespaced(self.client.clone(), namespace);
        let budgets = call(budgets.list(&ListParams::default())).await?;
        Ok(budgets.items.into_iter().map(Budget::from).collect())
    }

    /// Changes the template of `workload`, so that its pods are replaced. Does nothing if the workload
    /// has changed since it was read; returns whether it is restarted.
    pub(super) async fn restart(&self, workload: &Workload, now: &str) -> Result<bool, ApiError> {
        let place = &workload.place;
        let restarted = match place.kind {
            Kind::Deployment => self.patch::<Deployment>(workload, now).await,
            Kind::StatefulSet => self.patch::<StatefulSet>(workload, now).await,
            Kind::DaemonSet => self.patch::<DaemonSet>(workload, now).await,
        };
        match restarted {
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => {
                Ok(false)
            }
            restarted => restarted.map(|()| true).map_err(ApiError::from),
        }
    }

    async fn get<K>(&self, namespace: &str, name: &str) -> Result<Option<K>, ApiError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        call(api.get_opt(name)).await
    }

    async fn patch<K>(&self, workload: &Workload, now: &str) -> kube::Result<()>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let place = &workload.place;
        let api: Api<K> = Api::namespaced(self.client.clone(), &place.namespace);
        let patch = json!({
            "metadata": {"uid": place.uid, "resourceVersion": workload.version},
            "spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: now}}}},
        });
        let params = PatchParams {
            field_manager: Some("kees-controller".to_owned()),
            ..PatchParams::default()
        };
        api.patch(&place.name, &params, &Patch::Merge(patch))
            .await
            .map(drop)
    }
}

/// An owner as it is named.
fn known(namespace: &str, owner: &OwnerReference) -> Owner {
    let kinds = [Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet];
    let mut kinds = kinds.into_iter().filter(|_| is_apps(owner));
    match kinds.find(|kind| kind.as_str() == owner.kind) {
        Some(kind) => Owner::Workload(Place {
            kind,
            namespace: namespace.to_owned(),
            name: owner.name.clone(),
            uid: owner.uid.clone(),
        }),
        None => Owner::Other(owner.kind.clone()),
    }
}

fn is_apps(owner: &OwnerReference) -> bool {
    owner.api_version.starts_with("apps/")
}

async fn call<T>(response: impl Future<Output = kube::Result<T>>) -> Result<T, ApiError> {
    let response = timeout(TIMEOUT, response).await;
    response
        .map_err(|_| ApiError::NoResponse)?
        .map_err(ApiError::from)
}

impl From<kube::Error> for ApiError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) if status.is_forbidden() => {
                Self::Denied(status.message.clone())
            }
            kube::Error::Api(status) => Self::Other(status.message.clone()),
            error => Self::Other(error.to_string()),
        }
    }
}
