//! The content of the Secrets that a candidate wants, read from the stores.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use kees_common::{Domain, Region, SecretValue};
use kees_init::{InitError, Request, read_volume};
use kees_secret_provider_class::{Mount, SecretObject, Service, Site, secret_data};
use kees_store::{ErrorKind, StoreError, protocol::StoreSet};

use super::{
    candidate::{Candidate, Wish},
    regions::RegionStores,
    stored::Desired,
};
use crate::{metrics::Metrics, progress::Steps};

/// What values are read with.
pub(super) struct Fetcher<S, R> {
    pub(super) stores: Arc<S>,
    pub(super) regions: Arc<R>,
    pub(super) domain: Domain,
    pub(super) metrics: Metrics,
    /// How long one candidate may wait for the stores.
    pub(super) timeout: Duration,
}

/// Why there is no content. No line has a part of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FetchError {
    /// Values that do not exist yet.
    Absent(Vec<String>),
    /// Anything else.
    Failed(Vec<String>),
}

/// The content of each Secret, by its name.
pub(super) type Contents = BTreeMap<String, Result<Desired, FetchError>>;

impl<S, R> Fetcher<S, R>
where
    S: StoreSet + Send + Sync + 'static,
    S::Store: Sync,
    R: RegionStores,
{
    /// Reads everything that a candidate wants, once.
    pub(super) async fn fetch(&self, candidate: &Candidate) -> Contents {
        let source = candidate.sources.first().cloned().unwrap_or_default();
        match &candidate.wish {
            Wish::Annotations { name, .. } => {
                let content = self.of_annotations(candidate, source).await;
                [(name.clone(), content)].into()
            }
            Wish::Class { mount, objects } => self.of_class(mount, objects, &source).await,
        }
    }

    async fn of_annotations(
        &self,
        candidate: &Candidate,
        source: String,
    ) -> Result<Desired, FetchError> {
        let Wish::Annotations { parsed, plan, .. } = &candidate.wish else {
            return Err(FetchError::Failed(Vec::new()));
        };
        let sync = &parsed.options.sync;
        let namespace = candidate.namespace.clone();
        let request =
            Request::for_secret((**parsed).clone(), plan.clone(), namespace, self.timeout);
        let steps = Steps {
            metrics: &self.metrics,
        };
        let data = kees_init::secret_data(&request, sync, &self.domain, &*self.stores, &steps);
        let data = data.await.map_err(|error| {
            let lines = error.errors().iter().map(InitError::line).collect();
            if error.errors().iter().all(InitError::is_absent) {
                FetchError::Absent(lines)
            } else {
                FetchError::Failed(lines)
            }
        })?;
        Ok(Desired {
            source,
            secret_type: sync.secret_type.unwrap_or_default().to_string(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            data: data.into_iter().collect(),
            is_of_class: false,
        })
    }

    async fn of_class(&self, mount: &Mount, objects: &[SecretObject], source: &str) -> Contents {
        let files = match self.files(mount).await {
            Ok(files) => files,
            Err(lines) => {
                let failed = |object: &SecretObject| {
                    let error = FetchError::Failed(lines.clone());
                    (object.name.clone(), Err(error))
                };
                return objects.iter().map(failed).collect();
            }
        };
        let content = |object: &SecretObject| {
            let data = secret_data(object, |file| files.get(file));
            let data = data.map_err(|errors| {
                let lines = errors.iter().map(ToString::to_string);
                FetchError::Failed(lines.collect())
            })?;
            Ok(Desired {
                source: source.to_owned(),
                secret_type: object.secret_type.clone(),
                labels: object.labels.clone(),
                annotations: object.annotations.clone(),
                data: data.into_iter().collect(),
                is_of_class: true,
            })
        };
        let contents = objects.iter();
        contents
            .map(|object| (object.name.clone(), content(object)))
            .collect()
    }

    /// The files of a volume, by their paths.
    async fn files(&self, mount: &Mount) -> Result<BTreeMap<String, SecretValue>, Vec<String>> {
        let primary = self.open(mount.region.as_deref()).await;
        let failover = match &mount.failover_region {
            Some(region) => Some(self.open(Some(region)).await),
            None => None,
        };
        let store = |site: Site, service: Service| {
            let name = service.store();
            let opened = match site {
                Site::Primary => Some(&primary),
                Site::Failover => failover.as_ref(),
            };
            let not_opened = || {
                let message = format!("the store {name} was not opened");
                StoreError::new(ErrorKind::Setting, name, message, "report this error")
            };
            let set = opened.ok_or_else(not_opened)?;
            let set = set.as_ref().map_err(Clone::clone)?;
            set.get(name).ok_or_else(not_opened)
        };
        let steps = Steps {
            metrics: &self.metrics,
        };
        // Boxed, because the compiler limits how deep futures may be nested.
        let files = Box::pin(read_volume(mount, store, self.timeout, &steps)).await;
        let files = files.map_err(|errors| -> Vec<String> {
            errors.iter().map(ToString::to_string).collect()
        })?;
        let files = files.into_iter();
        Ok(files.map(|file| (file.path, file.content)).collect())
    }

    async fn open(&self, region: Option<&str>) -> Result<Arc<R::Set>, StoreError> {
        let wrong = |error: kees_common::ParseRegionError| {
            let message = error.to_string();
            let name = Service::SecretsManager.store();
            StoreError::new(ErrorKind::Setting, name, message, "correct the class")
        };
        let region = region.map(str::parse::<Region>).transpose();
        self.regions.open(region.map_err(wrong)?.as_ref()).await
    }
}
