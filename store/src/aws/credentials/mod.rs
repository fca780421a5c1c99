//! Finds the AWS credentials of a pod, or of a person on their own machine, and explains why there
//! are none.
//!
//! The order is the SDK's own: environment, profile, web identity (IRSA), container credentials
//! (EKS Pod Identity), the node's metadata service. This module calls STS for web identity itself,
//! so that the endpoint of STS can be set and each error of STS has its own message. The timeout of
//! the metadata service is one second, much less than in the SDK, so that a pod without any
//! credentials fails soon.

mod environment;
mod error;
mod pod_identity;
mod profile;
mod session;
mod web_identity;

use std::time::Duration;

use aws_config::{
    SdkConfig,
    environment::EnvironmentVariableCredentialsProvider,
    imds::{self, credentials::ImdsCredentialsProvider},
    meta::credentials::CredentialsProviderChain,
    profile::ProfileFileCredentialsProvider,
    provider_config::ProviderConfig,
};
use aws_credential_types::provider::{self, ProvideCredentials, error::CredentialsError, future};

use self::{
    environment::Environment,
    pod_identity::LastStatus,
    profile::{PassedOver, Profile},
    web_identity::WebIdentity,
};
use super::{error::AwsError, settings::AwsSettings};

/// How long all sources together may take.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_millis(4500);
/// How long the node's metadata service may take to answer one request.
const METADATA_TIMEOUT: Duration = Duration::from_secs(1);

/// Finds the caller's credentials.
#[derive(Debug)]
pub(super) struct CallerCredentials {
    chain: CredentialsProviderChain,
    environment: Environment,
    passed_over: PassedOver,
    agent_status: LastStatus,
}

impl CallerCredentials {
    /// The source of credentials for the environment of this process.
    pub(super) fn of_this_process(config: &SdkConfig, settings: &AwsSettings) -> Self {
        let environment = Environment::of_this_process(settings.caller);
        Self::new(environment, config, settings)
    }

    fn new(environment: Environment, config: &SdkConfig, settings: &AwsSettings) -> Self {
        let providers = provider_config(config);
        let passed_over = PassedOver::default();
        let profile = Profile {
            provider: ProfileFileCredentialsProvider::builder()
                .configure(&providers)
                .build(),
            environment: environment.clone(),
            passed_over: passed_over.clone(),
        };
        let mut chain = CredentialsProviderChain::first_try(
            "Environment",
            EnvironmentVariableCredentialsProvider::new(),
        )
        .or_else("Profile", profile);
        if let (Some(role), Some(token_file)) = (&environment.role, &environment.token_file) {
            let web_identity = WebIdentity::new(
                config,
                settings.sts_endpoint.as_ref(),
                role.clone(),
                token_file.clone(),
                session::name(&environment, settings),
            );
            chain = chain.or_else("WebIdentityToken", web_identity);
        }
        let (container, agent_status) = pod_identity::provider(&providers, config.http_client());
        let chain = chain
            .or_else("EcsContainer", container)
            .or_else("Ec2InstanceMetadata", node(&providers));
        Self {
            chain,
            environment,
            passed_over,
            agent_status,
        }
    }

    async fn find(&self) -> provider::Result {
        let found =
            tokio::time::timeout(CREDENTIALS_TIMEOUT, self.chain.provide_credentials()).await;
        let error = match found {
            Ok(Ok(credentials)) => return Ok(credentials),
            Ok(Err(error)) if AwsError::within(&error).is_some() => return Err(error),
            Ok(Err(error)) => error,
            Err(_) => CredentialsError::provider_timed_out(CREDENTIALS_TIMEOUT),
        };
        let passed_over = self.passed_over.reason();
        let explained =
            self.environment
                .explain(&error, passed_over.as_deref(), self.agent_status.get());
        Err(CredentialsError::provider_error(explained))
    }
}

impl ProvideCredentials for CallerCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.find())
    }
}

/// What all sources use: the Region, the HTTP client and the timeouts.
fn provider_config(config: &SdkConfig) -> ProviderConfig {
    let mut providers = ProviderConfig::default().with_region(config.region().cloned());
    if let Some(client) = config.http_client() {
        providers = providers.with_http_client(client);
    }
    if let Some(retries) = config.retry_config() {
        providers = providers.with_retry_config(retries.clone());
    }
    if let Some(timeouts) = config.timeout_config() {
        providers = providers.with_timeout_config(timeouts.clone());
    }
    providers
}

/// The credentials of the node, from its metadata service.
fn node(providers: &ProviderConfig) -> ImdsCredentialsProvider {
    let metadata = imds::Client::builder()
        .configure(providers)
        .max_attempts(1)
        .connect_timeout(METADATA_TIMEOUT)
        .read_timeout(METADATA_TIMEOUT)
        .build();
    ImdsCredentialsProvider::builder()
        .configure(providers)
        .imds_client(metadata)
        .build()
}

#[cfg(test)]
mod tests;
