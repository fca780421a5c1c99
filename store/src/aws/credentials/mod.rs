//! Finds the AWS credentials of a pod, or of a person on their own machine, and explains why there
//! are none.
//!
//! The order is the SDK's own: environment, profile, web identity (IRSA), container credentials
//! (EKS Pod Identity), the node's metadata service. This module calls STS for web identity itself,
//! so that the endpoint of STS can be set and each error of STS has its own message. The timeout of
//! the metadata service is one second, much less than in the SDK, so that a pod without any
//! credentials fails soon.
//!
//! [`CredentialSource`] can restrict this to one source. What was found is kept for all clients of a Region: one call
//! of STS or of the agent is enough for them.

mod agent;
mod environment;
mod error;
mod kept;
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
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, error::CredentialsError, future},
};

pub(super) use self::web_identity::WebIdentity;
use self::{
    agent::Agent,
    environment::Environment,
    kept::Kept,
    pod_identity::LastStatus,
    profile::{PassedOver, Profile},
};
use super::{
    error::AwsError,
    settings::{AwsSettings, CredentialSource},
};

/// How long all sources together may take.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_millis(4500);
/// How long the node's metadata service may take to answer one request.
const METADATA_TIMEOUT: Duration = Duration::from_secs(1);

/// The names of the sources in the chain.
const WEB_IDENTITY: &str = "WebIdentityToken";
const CONTAINER: &str = "EcsContainer";

/// Finds the caller's credentials.
#[derive(Debug)]
pub(super) struct CallerCredentials {
    chain: CredentialsProviderChain,
    environment: Environment,
    passed_over: PassedOver,
    agent_status: LastStatus,
    /// Whether the agent of EKS Pod Identity is the only source.
    is_agent_alone: bool,
    kept: Kept,
}

impl CallerCredentials {
    /// The source of credentials for the environment of this process.
    pub(super) fn of_this_process(config: &SdkConfig, settings: &AwsSettings) -> Self {
        let environment = Environment::of_this_process(settings.caller);
        Self::new(environment, config, settings)
    }

    fn new(environment: Environment, config: &SdkConfig, settings: &AwsSettings) -> Self {
        let providers = provider_config(config);
        let web_identity = WebIdentity::of_environment(&environment, config, settings);
        let (container, agent_status) = pod_identity::provider(&providers, config.http_client());
        let passed_over = PassedOver::default();
        let mut is_agent_alone = false;
        let chain = match (settings.source, web_identity, &environment.agent_token_file) {
            (CredentialSource::ServiceAccountRole, Some(web_identity), _) => {
                CredentialsProviderChain::first_try(WEB_IDENTITY, web_identity)
            }
            (CredentialSource::PodIdentity(addresses), _, Some(token_file)) => {
                is_agent_alone = true;
                if environment.has_agent_url {
                    CredentialsProviderChain::first_try(CONTAINER, container)
                } else {
                    let agent = Agent::new(config, addresses, token_file.clone());
                    CredentialsProviderChain::first_try(CONTAINER, agent)
                }
            }
            (_, web_identity, _) => {
                let profile = profile(&environment, &providers, &passed_over);
                let mut chain = CredentialsProviderChain::first_try(
                    "Environment",
                    EnvironmentVariableCredentialsProvider::new(),
                )
                .or_else("Profile", profile);
                if let Some(web_identity) = web_identity {
                    chain = chain.or_else(WEB_IDENTITY, web_identity);
                }
                chain
                    .or_else(CONTAINER, container)
                    .or_else("Ec2InstanceMetadata", node(&providers))
            }
        };
        Self {
            chain,
            environment,
            passed_over,
            agent_status,
            is_agent_alone,
            kept: Kept::default(),
        }
    }

    async fn find(&self) -> Result<Credentials, AwsError> {
        let found =
            tokio::time::timeout(CREDENTIALS_TIMEOUT, self.chain.provide_credentials()).await;
        let error = match found {
            Ok(Ok(credentials)) => return Ok(credentials),
            Ok(Err(error)) => error,
            Err(_) => CredentialsError::provider_timed_out(CREDENTIALS_TIMEOUT),
        };
        if let Some(explained) = AwsError::within(&error) {
            return Err(explained.clone());
        }
        let status = self.agent_status.get();
        if self.is_agent_alone {
            return Err(pod_identity::explain(&error, status));
        }
        let passed_over = self.passed_over.reason();
        Err(self
            .environment
            .explain(&error, passed_over.as_deref(), status))
    }
}
impl ProvideCredentials for CallerCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let found = self.kept.get_or(self.find()).await;
            found.map_err(CredentialsError::provider_error)
        })
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

fn profile(
    environment: &Environment,
    providers: &ProviderConfig,
    passed_over: &PassedOver,
) -> Profile {
    Profile {
        provider: ProfileFileCredentialsProvider::builder()
            .configure(providers)
            .build(),
        environment: environment.clone(),
        passed_over: passed_over.clone(),
    }
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
mod source_tests;
#[cfg(test)]
mod tests;
