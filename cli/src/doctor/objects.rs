//! Checks of the cluster-wide objects: the webhook configuration, the admission policy and its
//! binding, and the namespaces that they leave out.

use k8s_openapi::api::{
    admissionregistration::v1::{
        MutatingWebhook, MutatingWebhookConfiguration, ValidatingAdmissionPolicy,
        ValidatingAdmissionPolicyBinding,
    },
    core::v1::Namespace,
};
use kees_common::Domain;
use kube::{
    Api, Client,
    api::ListParams,
    core::{Selector, SelectorExt as _},
};

use super::check::{Check, CheckName};

/// The names of the objects of one installation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Installation<'a> {
    /// The namespace of the webhook.
    pub(crate) namespace: &'a str,
    /// The name of the webhook configuration, of the policy and of its binding.
    pub(crate) name: &'a str,
}

impl Installation<'_> {
    /// The name of the Deployment and of the Service.
    pub(crate) fn webhook(self) -> String {
        format!("{}-webhook", self.name)
    }

    /// The name of the controller's Deployment.
    pub(crate) fn controller(self) -> String {
        format!("{}-controller", self.name)
    }

    /// The name by which the API server calls the webhook. Its certificate must be for this name.
    pub(crate) fn dns_name(self) -> String {
        format!("{}.{}.svc", self.webhook(), self.namespace)
    }
}

const INSTALL: &str = "install kees again; this replaces only what is missing";

/// The namespace of the webhook exists.
pub(crate) async fn namespace(client: &Client, namespace: &str) -> Check {
    let name = CheckName::Namespace;
    match Api::<Namespace>::all(client.clone())
        .get_opt(namespace)
        .await
    {
        Ok(Some(_)) => name.passed(namespace),
        Ok(None) => name.failed(format!(
            "there is no namespace {namespace}; install kees, or set --namespace"
        )),
        Err(error) => name.error(&error),
    }
}

/// Checks the cluster-wide objects. Returns the webhook configuration and the policy, if they exist.
/// `domain` is that of the annotations.
pub(crate) async fn check(
    client: &Client,
    installation: Installation<'_>,
    domain: &Domain,
    checks: &mut Vec<Check>,
) -> Objects {
    let name = installation.name;
    let mut objects = Objects::default();
    checks.push(match get(client, name).await {
        Ok(found) => {
            objects.configuration = found;
            configuration(objects.configuration.as_ref(), installation, domain)
        }
        Err(error) => CheckName::WebhookConfiguration.error(&error),
    });
    checks.push(match get(client, name).await {
        Ok(found) => {
            objects.policy = found;
            policy(objects.policy.as_ref(), installation, domain)
        }
        Err(error) => CheckName::AdmissionPolicy.error(&error),
    });
    checks.push(match get(client, name).await {
        Ok(found) => binding(found.as_ref(), installation),
        Err(error) => CheckName::AdmissionPolicyBinding.error(&error),
    });
    checks.push(exclusions(client, objects.webhook()).await);
    objects
}

/// A cluster-wide object, if it exists.
async fn get<K>(client: &Client, name: &str) -> kube::Result<Option<K>>
where
    K: kube::Resource<DynamicType = ()> + Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    Api::<K>::all(client.clone()).get_opt(name).await
}

/// The cluster-wide objects, as far as they exist.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    pub(crate) configuration: Option<MutatingWebhookConfiguration>,
    pub(crate) policy: Option<ValidatingAdmissionPolicy>,
}

impl Objects {
    /// The webhook of the configuration.
    pub(crate) fn webhook(&self) -> Option<&MutatingWebhook> {
        self.configuration.as_ref()?.webhooks.as_ref()?.first()
    }

    /// Whether the API server does not send pods that opt out to the webhook.
    pub(crate) fn leave_out_opted_out(&self) -> bool {
        let conditions = self
            .webhook()
            .and_then(|webhook| webhook.match_conditions.as_ref());
        let mut conditions = conditions.into_iter().flatten();
        conditions.any(|condition| condition.name == "not-opted-out")
    }
}

fn configuration(
    configuration: Option<&MutatingWebhookConfiguration>,
    installation: Installation<'_>,
    domain: &Domain,
) -> Check {
    let name = CheckName::WebhookConfiguration;
    let Installation {
        namespace,
        name: object,
    } = installation;
    let expected = installation.webhook();
    let Some(configuration) = configuration else {
        return name.failed(format!(
            "there is no MutatingWebhookConfiguration {object}, so no pod is injected; {INSTALL}"
        ));
    };
    let (webhook, of_classes) = match configuration.webhooks.as_deref() {
        Some([webhook, of_classes @ ..]) if of_classes.iter().all(is_for_classes) => {
            (webhook, of_classes)
        }
        _ => {
            return name.failed(
                "it does not have exactly one webhook, besides those for SecretProviderClass objects; install \
                 kees again",
            );
        }
    };
    let mut wrong = Vec::new();
    if of_classes.iter().any(has_no_ca) {
        wrong.push(
            "a webhook for SecretProviderClass objects has no caBundle, so the API server does not trust it"
                .to_owned(),
        );
    }
    match &webhook.client_config.service {
        Some(service) if service.namespace == namespace && service.name == expected => {}
        Some(service) => wrong.push(format!(
            "it calls the Service {}/{}, not {namespace}/{expected}; set --namespace, or uninstall one \
             of the two installations",
            service.namespace, service.name
        )),
        None => wrong.push("it calls no Service".to_owned()),
    }
    if has_no_ca(webhook) {
        wrong.push("it has no caBundle, so the API server does not trust the webhook".to_owned());
    }
    if webhook.failure_policy.as_deref() == Some("Ignore") {
        wrong.push(
            "failurePolicy is Ignore, so pods start without their secrets while no webhook runs"
                .to_owned(),
        );
    }
    let mut expressions = webhook
        .match_conditions
        .iter()
        .flatten()
        .map(|condition| condition.expression.as_str());
    if !expressions.any(|expression| expression.contains(&format!("secret.{domain}/"))) {
        wrong.push(format!(
            "its matchConditions do not name secret.{domain}/; the webhook has the annotation domain \
             {domain}"
        ));
    }
    if wrong.is_empty() {
        name.passed(format!("MutatingWebhookConfiguration {object}"))
    } else {
        name.failed(wrong.join("; "))
    }
}

/// Whether it is one of the webhooks that replace volumes of classes.
fn is_for_classes(webhook: &MutatingWebhook) -> bool {
    webhook.name.starts_with("classes-of-")
}

fn has_no_ca(webhook: &MutatingWebhook) -> bool {
    let bundle = webhook.client_config.ca_bundle.as_ref();
    bundle.is_none_or(|ca| ca.0.is_empty())
}

fn policy(
    policy: Option<&ValidatingAdmissionPolicy>,
    installation: Installation<'_>,
    domain: &Domain,
) -> Check {
    let name = CheckName::AdmissionPolicy;
    let object = installation.name;
    let Some(policy) = policy else {
        return name.failed(format!(
            "there is no ValidatingAdmissionPolicy {object}, so pods may start without their \
             secrets, and annotations of pods that run may be changed; {INSTALL}"
        ));
    };
    let variables = policy
        .spec
        .iter()
        .flat_map(|spec| spec.variables.iter().flatten());
    let mut expressions = variables.map(|variable| variable.expression.as_str());
    if !expressions.any(|expression| expression.contains(&format!("secret.{domain}/"))) {
        return name.failed(format!(
            "it does not name secret.{domain}/; the webhook has the annotation domain {domain}"
        ));
    }
    name.passed(format!("ValidatingAdmissionPolicy {object}"))
}

fn binding(
    binding: Option<&ValidatingAdmissionPolicyBinding>,
    installation: Installation<'_>,
) -> Check {
    let name = CheckName::AdmissionPolicyBinding;
    let object = installation.name;
    let Some(spec) = binding.and_then(|binding| binding.spec.as_ref()) else {
        return name.failed(format!(
            "there is no ValidatingAdmissionPolicyBinding {object}, so the admission policy has \
             no effect; {INSTALL}"
        ));
    };
    let actions = spec.validation_actions.iter().flatten();
    if !actions.into_iter().any(|action| action == "Deny") {
        return name.failed("its validationActions do not contain Deny; set them to [Deny]");
    }
    if spec.policy_name.as_deref() != Some(object) {
        return name.failed(format!("it does not bind the policy {object}"));
    }
    name.passed(format!("ValidatingAdmissionPolicyBinding {object}"))
}

/// The namespaces in which annotated pods are not sent to the webhook.
async fn exclusions(client: &Client, webhook: Option<&MutatingWebhook>) -> Check {
    let name = CheckName::NamespaceExclusions;
    let Some(webhook) = webhook else {
        return name.skipped("there is no webhook configuration, or your user may not read it");
    };
    let objects = webhook.object_selector.clone().unwrap_or_default();
    if objects.match_labels.is_some() || objects.match_expressions.is_some() {
        return name.warning(
            "the webhook configuration has an objectSelector: pods that it leaves out are not injected",
        );
    }
    let selector = webhook.namespace_selector.clone().unwrap_or_default();
    let Ok(selector) = Selector::try_from(selector) else {
        return name.failed("the namespaceSelector of the webhook configuration is invalid");
    };
    let api = Api::<Namespace>::all(client.clone());
    let namespaces = match api.list(&ListParams::default()).await {
        Ok(namespaces) => namespaces,
        Err(error) => return name.error(&error),
    };
    let excluded: Vec<_> = namespaces
        .into_iter()
        .filter(|namespace| {
            let labels = namespace.metadata.labels.clone().unwrap_or_default();
            !selector.matches(&labels)
        })
        .filter_map(|namespace| namespace.metadata.name)
        .collect();
    if excluded.is_empty() {
        return name.passed("no namespace is left out");
    }
    name.warning(format!(
        "pods in {} are not injected, because the namespaceSelector leaves these namespaces out",
        excluded.join(", ")
    ))
}
