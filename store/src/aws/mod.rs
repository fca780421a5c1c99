//! What the AWS backends share: creating the clients, and translating the SDK's errors.
//!
//! Nothing here uses the network, a certificate or a token before the first call. So a wrong CA
//! bundle, missing credentials and an unreachable endpoint are all errors of that call, and
//! [`classify()`] distinguishes them.

mod answer;
mod call;
mod classify;
mod credentials;
mod denial;
mod error;
#[cfg(feature = "ssm")]
pub(crate) mod json;
#[cfg(any(feature = "dynamodb", feature = "secretsmanager", feature = "ssm"))]
pub(crate) mod partition;
mod region;
mod settings;
mod throttling;
mod transport;
mod trust;

pub use call::Call;
pub use classify::classify;
#[cfg(any(feature = "dynamodb", feature = "secretsmanager"))]
pub(crate) use classify::classify_code;
#[cfg(any(feature = "dynamodb", feature = "secretsmanager", feature = "ssm"))]
pub use partition::partition;
pub use region::{RegionError, region_of_environment};
pub use settings::{AgentAddresses, AwsSettings, Caller, CredentialSource};

#[cfg(test)]
pub(crate) use kees_store_testing::stub;

use std::{path::PathBuf, time::Duration};

use aws_config::{
    BehaviorVersion, Region, SdkConfig, identity::IdentityCache, retry::RetryConfig,
    timeout::TimeoutConfig,
};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_types::endpoint_config::AccountIdEndpointMode;

use kees_common::{Endpoint, RegionUse, StoreName, error_chain};

use crate::{ErrorKind, StoreError};
use credentials::CallerCredentials;
use transport::Transport;

/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the store may take to begin its response after the request is sent.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one call may take in all, including the time to find the credentials.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// The clients of one run, with the same credentials and one pool of connections. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Aws {
    config: SdkConfig,
    endpoint: Option<Endpoint>,
    /// Why no setting names a Region, or `None` if a setting does.
    no_region: Option<RegionError>,
}

impl Aws {
    /// Reads the SDK's own settings (environment and profile files) in addition to `settings`. The
    /// SDK's retries are off, because the protocol retries within the deadline of the run.
    pub async fn new(settings: &AwsSettings) -> Self {
        let transport = Transport::shared(settings);
        let (region, no_region) = match &settings.region {
            Some(region) => (region.clone(), None),
            None => match region_of_environment().await {
                Ok(region) => (region, None),
                Err(error) => (kees_common::Region::of_the_original(), Some(error)),
            },
        };
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(ATTEMPT_TIMEOUT)
            .build();
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(region.to_string()))
            .http_client(transport)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::disabled())
            // The credentials have a shorter timeout, and another error.
            .identity_cache(IdentityCache::lazy().load_timeout(ATTEMPT_TIMEOUT).build())
            .no_credentials()
            .load()
            .await;
        let credentials = match &settings.credentials {
            Some(credentials) => SharedCredentialsProvider::new(credentials.clone()),
            None => SharedCredentialsProvider::new(CallerCredentials::of_this_process(
                &config, settings,
            )),
        };
        // With an account id in the credentials, the SDK would use an endpoint of that account for
        // DynamoDB. VPC endpoints and the allow lists of proxies do not know this endpoint.
        let mode = config.account_id_endpoint_mode().cloned();
        let config = config
            .into_builder()
            .credentials_provider(credentials)
            .account_id_endpoint_mode(mode.unwrap_or(AccountIdEndpointMode::Disabled))
            .build();
        Self {
            config,
            endpoint: settings.endpoint.clone(),
            no_region,
        }
    }

    /// Whether `store` may be used in the Region of these clients.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] if a setting names an invalid Region, or if no setting names a Region
    /// and the store needs one.
    pub fn check_region(&self, store: StoreName) -> Result<(), StoreError> {
        let Some(error) = &self.no_region else {
            return Ok(());
        };
        let message = match error {
            RegionError::Invalid { .. } => error_chain::describe(error),
            RegionError::Unknown { .. } if store.region() == RegionUse::Required => {
                format!("the store {store} needs an AWS Region, and none is set")
            }
            RegionError::Unknown { .. } => {
                let region = self.region();
                tracing::warn!(
                    %store,
                    region,
                    "no AWS Region is set, so that of the original kees is used; set AWS_REGION"
                );
                return Ok(());
            }
        };
        let remedy = "set AWS_REGION to the Region of the store";
        Err(StoreError::new(ErrorKind::Setting, store, message, remedy))
    }

    /// The Region, for messages and resource names.
    pub fn region(&self) -> &str {
        self.config.region().map_or("", Region::as_ref)
    }

    /// Clients with a configuration that the caller has built, for tests that answer as AWS does.
    pub fn from_config(config: SdkConfig) -> Self {
        Self {
            config,
            endpoint: None,
            no_region: None,
        }
    }

    #[cfg(test)]
    fn sts(&self) -> aws_sdk_sts::Client {
        let mut config = aws_sdk_sts::config::Builder::from(&self.config);
        config.set_endpoint_url(self.endpoint.as_ref().map(Endpoint::to_string));
        aws_sdk_sts::Client::from_conf(config.build())
    }

    /// The same clients with the credentials of `role`, which STS gives for the token in `token_file`.
    /// `session` is the name of the sessions. The endpoint of STS is the Region's own, or that of
    /// `AWS_ENDPOINT_URL_STS`.
    #[must_use]
    pub fn assuming(self, role: String, token_file: PathBuf, session: String) -> Self {
        let identity = credentials::WebIdentity::new(&self.config, None, role, token_file, session);
        let credentials = SharedCredentialsProvider::new(identity);
        let config = self.config.into_builder().credentials_provider(credentials);
        Self {
            config: config.build(),
            ..self
        }
    }

    /// The configuration of these clients, for clients of services that this crate does not use.
    pub fn sdk_config(&self) -> SdkConfig {
        let mut config = self.config.to_builder();
        if let Some(endpoint) = &self.endpoint {
            config.set_endpoint_url(Some(endpoint.to_string()));
        }
        config.build()
    }

    /// A client of a service with the protocol AWS JSON.
    #[cfg(feature = "ssm")]
    pub(crate) fn json(&self, service: json::Service) -> json::JsonClient {
        let own = std::env::var(service.endpoint_variable);
        let url = match &self.endpoint {
            Some(endpoint) => endpoint.to_string(),
            None => own
                .ok()
                .filter(|url| !url.is_empty())
                .or_else(|| self.config.endpoint_url().map(str::to_owned))
                .unwrap_or_else(|| partition::endpoint(service.name, self.region())),
        };
        json::JsonClient::new(service, &self.config, url)
    }

    /// A DynamoDB client.
    #[cfg(feature = "dynamodb")]
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        let mut config = aws_sdk_dynamodb::config::Builder::from(&self.config);
        if let Some(endpoint) = &self.endpoint {
            config = config.endpoint_url(endpoint.as_str());
        }
        aws_sdk_dynamodb::Client::from_conf(config.build())
    }

    /// A Secrets Manager client.
    #[cfg(feature = "secretsmanager")]
    pub fn secrets_manager(&self) -> aws_sdk_secretsmanager::Client {
        let mut config = aws_sdk_secretsmanager::config::Builder::from(&self.config);
        if let Some(endpoint) = &self.endpoint {
            config = config.endpoint_url(endpoint.as_str());
        }
        aws_sdk_secretsmanager::Client::from_conf(config.build())
    }
}

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;

    use super::*;

    /// With an account id the SDK would use the endpoint `ACCOUNT.ddb.REGION.amazonaws.com`.
    #[tokio::test]
    async fn an_account_id_in_the_credentials_does_not_change_the_endpoint() {
        let credentials = Credentials::builder()
            .access_key_id("AKIDEXAMPLE")
            .secret_access_key("example")
            .account_id("123456789012")
            .provider_name("test")
            .build();
        let settings = AwsSettings {
            region: Some("eu-west-1".parse().unwrap()),
            credentials: Some(credentials),
            ..AwsSettings::default()
        };
        let aws = Aws::new(&settings).await;
        let mode = aws.config.account_id_endpoint_mode();
        assert_eq!(mode, Some(&AccountIdEndpointMode::Disabled));
    }
}
