//! What the webhook must know to keep its own certificates.

use kube::Client;

use super::plan::Lifetimes;

/// The names of the objects, and how long certificates are valid.
#[derive(Clone)]
pub struct OwnCertificates {
    /// The namespace of the webhook and of its Secret.
    pub namespace: String,
    /// The Secret with the CA and the serving certificate.
    pub secret: String,
    /// The Service by which the API server reaches the webhook.
    pub service: String,
    /// The `MutatingWebhookConfiguration` whose `caBundle` is kept.
    pub webhook_configuration: String,
    /// How long new certificates are valid.
    pub lifetimes: Lifetimes,
    /// The client for the Kubernetes API. `None` is that of the pod's ServiceAccount.
    pub client: Option<Client>,
}

impl OwnCertificates {
    /// The DNS name by which the API server calls the Service.
    pub(crate) fn dns_name(&self) -> String {
        service_dns_name(&self.service, &self.namespace)
    }

    pub(super) fn secret_name(&self) -> String {
        format!("the Secret {}/{}", self.namespace, self.secret)
    }

    pub(super) fn configuration_name(&self) -> String {
        let name = &self.webhook_configuration;
        format!("the MutatingWebhookConfiguration {name}")
    }
}

impl std::fmt::Debug for OwnCertificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnCertificates")
            .field("namespace", &self.namespace)
            .field("secret", &self.secret)
            .field("service", &self.service)
            .field("webhook_configuration", &self.webhook_configuration)
            .field("lifetimes", &self.lifetimes)
            .finish_non_exhaustive()
    }
}

/// The DNS name by which the API server calls a Service.
pub(crate) fn service_dns_name(service: &str, namespace: &str) -> String {
    format!("{service}.{namespace}.svc")
}
