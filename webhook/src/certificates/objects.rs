//! The two objects in the Kubernetes API: the Secret and the webhook configuration.

use std::{collections::BTreeMap, time::Duration};

use futures_util::TryStreamExt as _;
use k8s_openapi::{
    ByteString,
    api::{admissionregistration::v1::MutatingWebhookConfiguration, core::v1::Secret},
};
use kube::{
    Api, Client, Resource,
    api::{ObjectMeta, Patch, PatchParams, PostParams, WatchParams},
};
use serde::de::DeserializeOwned;
use serde_json::json;
use zeroize::Zeroizing;

use super::{error::KeepError, material::SecretData, settings::OwnCertificates};

/// How long one request to the API may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Who changed a field, in `metadata.managedFields`.
const FIELD_MANAGER: &str = "kees-webhook";

/// The Secret and the webhook configuration.
#[derive(Clone)]
pub(super) struct Objects {
    secrets: Api<Secret>,
    configurations: Api<MutatingWebhookConfiguration>,
    names: OwnCertificates,
}

/// The Secret as it was read.
pub(super) struct SecretObject {
    pub(super) version: String,
    pub(super) data: SecretData,
}

/// The webhooks of the configuration that call our Service.
pub(super) struct Webhooks {
    version: String,
    names: Vec<String>,
    /// The `caBundle` of each of them.
    pub(super) bundles: Vec<Vec<u8>>,
}

/// Whether an object was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// It was.
    Done,
    /// Somebody else changed it since it was read.
    Conflict,
}

impl Objects {
    pub(super) fn new(client: Client, names: OwnCertificates) -> Self {
        Self {
            secrets: Api::namespaced(client.clone(), &names.namespace),
            configurations: Api::all(client),
            names,
        }
    }

    /// The Secret, or `None` if it does not exist.
    pub(super) async fn secret(&self) -> Result<Option<SecretObject>, KeepError> {
        let object = self.names.secret_name();
        let request = self.secrets.get_opt(&self.names.secret);
        let secret = in_time("get", &object, request).await?;
        Ok(secret.map(|secret| {
            let mut data = secret.data.unwrap_or_default();
            let mut take = |key| data.remove(key).unwrap_or_default().0;
            SecretObject {
                version: secret.metadata.resource_version.unwrap_or_default(),
                data: SecretData {
                    ca: take("ca.crt"),
                    ca_key: Zeroizing::new(take("ca.key")),
                    leaf: take("tls.crt"),
                    leaf_key: Zeroizing::new(take("tls.key")),
                },
            }
        }))
    }

    /// Creates the Secret, or replaces the values of the Secret that has `version`.
    pub(super) async fn write_secret(
        &self,
        version: Option<&str>,
        data: &SecretData,
    ) -> Result<Written, KeepError> {
        let object = self.names.secret_name();
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(self.names.secret.clone()),
                resource_version: version.map(ToOwned::to_owned),
                ..ObjectMeta::default()
            },
            data: Some(values(data)),
            ..Secret::default()
        };
        let written = if version.is_some() {
            let (name, params) = (&self.names.secret, PatchParams::apply(FIELD_MANAGER));
            let patch = Patch::Merge(&secret);
            let request = self.secrets.patch(name, &params, &patch);
            in_time("patch", &object, request).await
        } else {
            let secret = Secret {
                type_: Some("kubernetes.io/tls".to_owned()),
                ..secret
            };
            let params = PostParams {
                field_manager: Some(FIELD_MANAGER.to_owned()),
                ..PostParams::default()
            };
            let request = self.secrets.create(&params, &secret);
            in_time("create", &object, request).await
        };
        unless_conflict(written.map(|_| ()))
    }

    /// The webhooks that call our Service, at least one.
    pub(super) async fn webhooks(&self) -> Result<Webhooks, KeepError> {
        let object = self.names.configuration_name();
        let request = self
            .configurations
            .get_opt(&self.names.webhook_configuration);
        let configuration =
            in_time("get", &object, request)
                .await?
                .ok_or_else(|| KeepError::NoConfiguration {
                    object: object.clone(),
                })?;
        let mut webhooks = Webhooks {
            version: configuration.metadata.resource_version.unwrap_or_default(),
            names: Vec::new(),
            bundles: Vec::new(),
        };
        let mut others = Vec::new();
        for webhook in configuration.webhooks.unwrap_or_default() {
            let Some(service) = webhook.client_config.service else {
                continue;
            };
            if service.name == self.names.service && service.namespace == self.names.namespace {
                let bundle = webhook.client_config.ca_bundle.unwrap_or_default();
                webhooks.names.push(webhook.name);
                webhooks.bundles.push(bundle.0);
            } else {
                others.push(format!("{}/{}", service.namespace, service.name));
            }
        }
        if webhooks.names.is_empty() {
            return Err(KeepError::OtherService {
                object,
                service: format!("{}/{}", self.names.namespace, self.names.service),
                found: others,
            });
        }
        Ok(webhooks)
    }

    /// Replaces the `caBundle` of each of the webhooks, and nothing else.
    pub(super) async fn publish(
        &self,
        webhooks: &Webhooks,
        bundle: &str,
    ) -> Result<Written, KeepError> {
        let bundle = ByteString(bundle.as_bytes().to_vec());
        let entry = |name| json!({"name": name, "clientConfig": {"caBundle": bundle}});
        // A strategic merge finds each webhook by its name, and leaves fields alone that this program
        // does not know.
        let patch = Patch::Strategic(json!({
            "metadata": {"resourceVersion": webhooks.version},
            "webhooks": webhooks.names.iter().map(entry).collect::<Vec<_>>(),
        }));
        let name = &self.names.webhook_configuration;
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let request = self.configurations.patch(name, &params, &patch);
        let object = self.names.configuration_name();
        unless_conflict(in_time("patch", &object, request).await.map(|_| ()))
    }

    /// Calls `changed` whenever the Secret may have changed. Returns when the API ends the watch.
    pub(super) async fn watch_secret(&self, changed: impl Fn()) -> Result<(), KeepError> {
        let object = self.names.secret_name();
        watch(&self.secrets, &self.names.secret, &object, changed).await
    }

    /// The same for the webhook configuration.
    pub(super) async fn watch_webhooks(&self, changed: impl Fn()) -> Result<(), KeepError> {
        let object = self.names.configuration_name();
        let name = &self.names.webhook_configuration;
        watch(&self.configurations, name, &object, changed).await
    }
}

/// Watches the metadata of one object: its values are not needed, and are read when it has changed.
async fn watch<K>(
    api: &Api<K>,
    name: &str,
    object: &str,
    changed: impl Fn(),
) -> Result<(), KeepError>
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
{
    let params = WatchParams::default().fields(&format!("metadata.name={name}"));
    let failed = |source| KeepError::request("watch", object, source);
    // From version 0, the watch begins with the object as it is.
    let events = api.watch_metadata(&params, "0").await.map_err(failed)?;
    let mut events = std::pin::pin!(events);
    while events.try_next().await.map_err(failed)?.is_some() {
        changed();
    }
    Ok(())
}

fn values(data: &SecretData) -> BTreeMap<String, ByteString> {
    let SecretData {
        ca,
        ca_key,
        leaf,
        leaf_key,
    } = data;
    let values = [
        ("ca.crt", ca.as_slice()),
        ("ca.key", ca_key.as_slice()),
        ("tls.crt", leaf.as_slice()),
        ("tls.key", leaf_key.as_slice()),
    ];
    values
        .into_iter()
        .map(|(key, value)| (key.to_owned(), ByteString(value.to_vec())))
        .collect()
}

async fn in_time<T>(
    verb: &'static str,
    object: &str,
    request: impl Future<Output = kube::Result<T>>,
) -> Result<T, KeepError> {
    match tokio::time::timeout(REQUEST_TIMEOUT, request).await {
        Ok(result) => result.map_err(|source| KeepError::request(verb, object, source)),
        Err(_) => Err(KeepError::Timeout {
            verb,
            object: object.to_owned(),
        }),
    }
}

fn unless_conflict(result: Result<(), KeepError>) -> Result<Written, KeepError> {
    match result {
        Ok(()) => Ok(Written::Done),
        Err(error) if error.is_conflict() => Ok(Written::Conflict),
        Err(error) => Err(error),
    }
}
