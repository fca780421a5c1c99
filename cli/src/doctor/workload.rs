//! Checks of the webhook itself: its Deployment, its endpoints, its policy file, and the versions.

use std::collections::BTreeMap;

use k8s_openapi::api::{
    admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingAdmissionPolicy},
    apps::v1::Deployment,
    core::v1::{ConfigMap, Pod, PodSpec},
    discovery::v1::EndpointSlice,
};
use kees_inject::Policy;
use kube::{Api, Client, ResourceExt as _, api::ListParams};

use super::{
    check::{Check, CheckName},
    objects::{Installation, Objects},
};

/// The port of the metrics.
const ADMIN_PORT: u16 = 8080;

/// The end of a label's value.
const QUOTE: char = '\u{22}';

/// The label that names the version that installed an object.
const VERSION_LABEL: &str = "app.kubernetes.io/version";

/// The webhook's Deployment, and what it is configured with.
#[derive(Debug, Default)]
pub(crate) struct Workload {
    deployment: Option<Deployment>,
    /// The flags that are set as environment variables.
    pub(crate) settings: BTreeMap<String, String>,
}

impl Workload {
    /// Reads the Deployment and its settings. Returns an error of the API server as a failed check.
    pub(crate) async fn read(
        client: &Client,
        installation: Installation<'_>,
    ) -> Result<Self, Check> {
        let workload = Self::named(client, installation, &installation.webhook()).await;
        workload.map_err(|error| CheckName::Deployment.error(&error))
    }

    /// Reads a Deployment of the installation and its settings.
    pub(crate) async fn named(
        client: &Client,
        installation: Installation<'_>,
        name: &str,
    ) -> kube::Result<Self> {
        let api = Api::<Deployment>::namespaced(client.clone(), installation.namespace);
        let mut workload = Self {
            deployment: api.get_opt(name).await?,
            settings: BTreeMap::new(),
        };
        let names: Vec<_> = workload.containers().flat_map(config_maps).collect();
        let api = Api::<ConfigMap>::namespaced(client.clone(), installation.namespace);
        for name in names {
            // Without permission, the defaults take the place of the settings.
            if let Ok(Some(config_map)) = api.get_opt(&name).await {
                workload
                    .settings
                    .extend(config_map.data.unwrap_or_default());
            }
        }
        let own: Vec<_> = workload.containers().flat_map(variables).collect();
        workload.settings.extend(own);
        Ok(workload)
    }

    fn pod_spec(&self) -> Option<&PodSpec> {
        let spec = self.deployment.as_ref()?.spec.as_ref()?;
        spec.template.spec.as_ref()
    }

    fn containers(&self) -> impl Iterator<Item = &k8s_openapi::api::core::v1::Container> {
        self.pod_spec()
            .into_iter()
            .flat_map(|spec| &spec.containers)
    }

    /// Whether a flag is set, by an argument or by its variable.
    pub(crate) fn has_flag(&self, flag: &str, variable: &str) -> bool {
        let mut arguments = self
            .containers()
            .flat_map(|container| container.args.iter().flatten());
        let is_set = self
            .settings
            .get(variable)
            .is_some_and(|text| text == "true");
        is_set || arguments.any(|argument| argument == flag)
    }

    /// The ServiceAccount of its pods.
    pub(crate) fn service_account(&self) -> Option<&str> {
        let name = self.pod_spec()?.service_account_name.as_deref();
        Some(name.unwrap_or("default"))
    }

    /// Every replica is available, and has the current template.
    pub(crate) fn deployment(&self, installation: Installation<'_>) -> Check {
        let name = CheckName::Deployment;
        let Some(deployment) = &self.deployment else {
            return name.failed(format!(
                "there is no Deployment {} in {}; install kees, or set --namespace",
                installation.webhook(),
                installation.namespace
            ));
        };
        let spec = deployment.spec.as_ref();
        let desired = spec.and_then(|spec| spec.replicas).unwrap_or(1);
        let status = deployment.status.as_ref();
        let available = status.and_then(|status| status.available_replicas);
        let available = available.unwrap_or(0);
        if desired == 0 {
            return name.failed(format!(
                "it has 0 replicas; run kubectl -n {} scale deployment {} --replicas 2",
                installation.namespace,
                installation.webhook()
            ));
        }
        let updated = status.and_then(|status| status.updated_replicas);
        let updated = updated.unwrap_or(0);
        let message = format!("{available} of {desired} replicas are available");
        if available > 0 && updated < desired {
            name.warning(format!(
                "{message}, and {updated} of {desired} have the current settings and version; if this does \
                 not change, new pods do not become ready: run kubectl -n {} describe pods, and read their \
                 logs",
                installation.namespace
            ))
        } else if available >= desired {
            name.passed(message)
        } else if available > 0 {
            name.warning(message)
        } else {
            name.failed(format!(
                "{message}; run kubectl -n {} describe pods",
                installation.namespace
            ))
        }
    }

    /// The policy file in its `ConfigMap` is valid, and the webhook sees the pods that it is about.
    pub(crate) async fn policy_file(
        &self,
        client: &Client,
        installation: Installation<'_>,
        objects: &Objects,
    ) -> Check {
        let namespace = installation.namespace;
        let name = CheckName::PolicyFile;
        let volumes = self.pod_spec().and_then(|spec| spec.volumes.as_ref());
        let policy = volumes
            .into_iter()
            .flatten()
            .find(|volume| volume.name == "policy");
        let config_map = policy.and_then(|volume| volume.config_map.as_ref());
        let Some(config_map) = config_map else {
            return match self.deployment {
                Some(_) => name.warning(
                    "the webhook has no policy file, so each pod may use any storage prefix",
                ),
                None => name.skipped("there is no Deployment, or your user may not read it"),
            };
        };
        let api = Api::<ConfigMap>::namespaced(client.clone(), namespace);
        let object = match api.get_opt(&config_map.name).await {
            Ok(Some(object)) => object,
            Ok(None) => {
                return name.failed(format!(
                    "there is no ConfigMap {} in {namespace}; new replicas do not start",
                    config_map.name
                ));
            }
            Err(error) => return name.error(&error),
        };
        let data = object.data.unwrap_or_default();
        let Some(text) = data.get("policy.yaml") else {
            return name.failed(format!(
                "the ConfigMap {} has no key policy.yaml",
                config_map.name
            ));
        };
        match text.parse::<Policy>() {
            Ok(policy) if policy.denies_opt_out() && objects.leave_out_opted_out() => {
                name.warning(format!(
                    "a rule in the ConfigMap {} has optOut: false, which has no effect, because the API \
                     server does not send such pods; remove the match condition not-opted-out of the \
                     MutatingWebhookConfiguration {}",
                    config_map.name, installation.name
                ))
            }
            Ok(_) => name.passed(format!("ConfigMap {}", config_map.name)),
            Err(error) => name.failed(format!(
                "policy.yaml in the ConfigMap {}: {}; the webhook keeps the last valid policy, and new \
                 replicas do not start",
                config_map.name,
                kees_common::error_chain::describe(&error)
            )),
        }
    }

    /// The CLI, the webhook, its init image and the objects have one version.
    pub(crate) async fn versions(
        &self,
        client: &Client,
        installation: Installation<'_>,
        objects: &Objects,
    ) -> Check {
        let name = CheckName::Versions;
        let mut found = BTreeMap::<String, Vec<&str>>::new();
        let mut add = |version: Option<String>, what| {
            if let Some(version) = version {
                found.entry(version).or_default().push(what);
            }
        };
        add(Some(env!("CARGO_PKG_VERSION").to_owned()), "kees");
        add(self.webhook_version(client, installation).await, "webhook");
        add(self.init_version(), "init image");
        let labels = objects
            .configuration
            .as_ref()
            .map(MutatingWebhookConfiguration::labels);
        add(version_label(labels), "webhook configuration");
        let labels = objects
            .policy
            .as_ref()
            .map(ValidatingAdmissionPolicy::labels);
        add(version_label(labels), "admission policy");
        let list = found
            .iter()
            .map(|(version, what)| format!("{version}: {}", what.join(", ")));
        let list = list.collect::<Vec<_>>().join("; ");
        if found.len() > 1 {
            name.warning(format!("several versions are in use ({list})"))
        } else {
            name.passed(list)
        }
    }

    /// The version that runs, as a replica says, else the tag of the image.
    pub(crate) async fn webhook_version(
        &self,
        client: &Client,
        installation: Installation<'_>,
    ) -> Option<String> {
        match running_version(client, installation).await {
            Some(version) => Some(version),
            None => tag(self.containers().next()?.image.as_deref()?),
        }
    }

    /// The version of the init image, from its tag.
    pub(crate) fn init_version(&self) -> Option<String> {
        tag(self.settings.get("INIT_IMAGE")?)
    }
}

/// A replica has an endpoint that is ready.
pub(crate) async fn endpoints(client: &Client, installation: Installation<'_>) -> Check {
    let name = CheckName::Endpoints;
    let service = installation.webhook();
    let api = Api::<EndpointSlice>::namespaced(client.clone(), installation.namespace);
    let selector = format!("kubernetes.io/service-name={service}");
    let slices = match api.list(&ListParams::default().labels(&selector)).await {
        Ok(slices) => slices,
        Err(error) => return name.error(&error),
    };
    let endpoints = slices.iter().flat_map(|slice| &slice.endpoints);
    let ready = endpoints.filter(|endpoint| {
        let conditions = endpoint.conditions.as_ref();
        conditions.is_none_or(|conditions| conditions.ready != Some(false))
    });
    match ready.count() {
        0 => name.failed(format!(
            "the Service {service} has no endpoint that is ready, so annotated pods cannot be created; \
             run kubectl -n {} get pods",
            installation.namespace
        )),
        1 => name.warning(format!(
            "the Service {service} has one endpoint; with two, kees survives the loss of a node"
        )),
        number => name.passed(format!("the Service {service} has {number}")),
    }
}

/// The version in the metrics of the first replica that responds, through the API server's proxy.
async fn running_version(client: &Client, installation: Installation<'_>) -> Option<String> {
    let namespace = installation.namespace;
    let api = Api::<Pod>::namespaced(client.clone(), namespace);
    let selector = "app.kubernetes.io/component=webhook";
    let pods = api
        .list(&ListParams::default().labels(selector))
        .await
        .ok()?;
    for pod in pods {
        let path = format!(
            "/api/v1/namespaces/{namespace}/pods/http:{}:{ADMIN_PORT}/proxy/metrics",
            pod.name_any()
        );
        let Ok(request) = http::Request::get(path).body(Vec::new()) else {
            continue;
        };
        if let Ok(metrics) = client.request_text(request).await {
            let (_, rest) = metrics.split_once("kees_webhook_build_info{version=\"")?;
            return Some(rest.split_once(QUOTE)?.0.to_owned());
        }
    }
    None
}

fn version_label(labels: Option<&BTreeMap<String, String>>) -> Option<String> {
    labels?.get(VERSION_LABEL).cloned()
}

fn config_maps(container: &k8s_openapi::api::core::v1::Container) -> Vec<String> {
    let sources = container.env_from.iter().flatten();
    sources
        .filter_map(|source| Some(source.config_map_ref.as_ref()?.name.clone()))
        .collect()
}

fn variables(container: &k8s_openapi::api::core::v1::Container) -> Vec<(String, String)> {
    let variables = container.env.iter().flatten();
    variables
        .filter_map(|variable| Some((variable.name.clone(), variable.value.clone()?)))
        .collect()
}

/// The version in an image reference, if its tag is one.
fn tag(image: &str) -> Option<String> {
    let (image, _digest) = image.split_once('@').unwrap_or((image, ""));
    let (_, tag) = image.rsplit_once(':')?;
    let version = tag.strip_prefix('v').unwrap_or(tag);
    let is_version = version.starts_with(|c: char| c.is_ascii_digit()) && !tag.contains('/');
    (is_version && version.contains('.')).then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    #[rstest]
    #[case("kees-init:0.1.0", Some("0.1.0"))]
    #[case("registry.example.com:5000/kees-init:v1.2.3", Some("1.2.3"))]
    #[case("registry.example.com:5000/kees-init", None)]
    #[case("kees-init:0.1.0@sha256:abc", Some("0.1.0"))]
    #[case("kees-init@sha256:abc", None)]
    #[case("kees-init:test", None)]
    fn the_version_of_an_image_is_its_tag(#[case] image: &str, #[case] version: Option<&str>) {
        assert_eq!(super::tag(image).as_deref(), version);
    }
}
