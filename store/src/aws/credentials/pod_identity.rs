//! EKS Pod Identity: an agent on the node hands out the pod's credentials.
//!
//! The SDK's provider calls the agent, but its errors contain only a text. The HTTP status decides
//! whether the call is tried again, so the HTTP client of this module records it.

use std::sync::{
    Arc,
    atomic::{AtomicU16, Ordering},
};

use aws_config::{ecs::EcsCredentialsProvider, provider_config::ProviderConfig};
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
        SharedHttpConnector,
    },
    orchestrator::HttpRequest,
    runtime_components::RuntimeComponents,
};

use super::error::{credentials_error, is_misconfigured, unreached};
use crate::{
    ErrorKind,
    aws::error::{AwsError, describe},
};

/// The SDK's provider, and the status of the last response.
pub(super) fn provider(
    providers: &ProviderConfig,
    client: Option<SharedHttpClient>,
) -> (EcsCredentialsProvider, LastStatus) {
    let status = LastStatus::default();
    let mut providers = providers.clone();
    if let Some(client) = client {
        providers = providers.with_http_client(Noting {
            client,
            status: status.clone(),
        });
    }
    let provider = EcsCredentialsProvider::builder()
        .configure(&providers)
        .build();
    (provider, status)
}

/// The HTTP status of the agent's last response.
#[derive(Debug, Clone, Default)]
pub(super) struct LastStatus(Arc<AtomicU16>);

impl LastStatus {
    /// `None` before the first response.
    pub(super) fn get(&self) -> Option<u16> {
        Some(self.0.load(Ordering::Relaxed)).filter(|status| *status != 0)
    }
}

/// An HTTP client that records the status of each response.
#[derive(Debug)]
struct Noting {
    client: SharedHttpClient,
    status: LastStatus,
}

impl HttpClient for Noting {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(NotingConnector {
            connector: self.client.http_connector(settings, components),
            status: self.status.clone(),
        })
    }
}

#[derive(Debug)]
struct NotingConnector {
    connector: SharedHttpConnector,
    status: LastStatus,
}

impl HttpConnector for NotingConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.connector.call(request);
        let status = self.status.clone();
        HttpConnectorFuture::new(async move {
            let answer = answer.await;
            let code = answer.as_ref().map_or(0, |answer| answer.status().as_u16());
            status.0.store(code, Ordering::Relaxed);
            answer
        })
    }
}

/// The error if the agent sent no credentials. `status` is that of its last response.
pub(super) fn explain(error: &CredentialsError, status: Option<u16>) -> AwsError {
    let message = format!("no credentials from EKS Pod Identity: {}", describe(error));
    if let Some(kind) = unreached(error) {
        let remedy = "check that the eks-pod-identity-agent runs on the node, and that no network \
                      policy keeps the pod from 169.254.170.23";
        return AwsError::new(kind, message, remedy);
    }
    if is_misconfigured(error) {
        let remedy = "check that only EKS sets AWS_CONTAINER_CREDENTIALS_FULL_URI and \
                      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, and that the token is one line \
                      without a newline at its end";
        return credentials_error(message, remedy);
    }
    match status {
        Some(429) => AwsError::new(
            ErrorKind::Throttled,
            message,
            "it is tried again until the deadline; if it does not pass, raise the account's \
             quota of EKS Auth (AssumeRoleForPodIdentity)",
        ),
        Some(500..) => AwsError::new(
            ErrorKind::Server,
            message,
            "it is tried again until the deadline; if it does not pass, see the log of the \
             eks-pod-identity-agent on the node",
        ),
        _ => credentials_error(
            message,
            "see the log of the eks-pod-identity-agent on the node, and check that the role's \
             trust policy allows pods.eks.amazonaws.com sts:AssumeRole and sts:TagSession",
        ),
    }
}
