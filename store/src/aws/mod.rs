//! What both AWS backends share: from settings to clients, and from the SDK's errors to ours.
//!
//! Nothing here touches the network, a certificate or a token before a first call does, so a bad
//! bundle, a missing identity and an unreachable endpoint all come back as the error of that call,
//! told apart by [`classify()`].

mod cause;
mod classify;
mod identity;
#[cfg(feature = "workstation")]
mod own;
mod settings;
#[cfg(test)]
pub(crate) mod stub;
mod transport;
mod trust;
mod web_identity;

#[cfg(any(feature = "dynamodb", feature = "secretsmanager"))]
pub(crate) use classify::classify_code;
pub use classify::{Call, classify};
#[cfg(feature = "workstation")]
pub use own::{OwnRegionError, own_region};
pub use settings::{AwsSettings, Caller};

use std::time::Duration;

use aws_config::{
    BehaviorVersion, Region, SdkConfig, identity::IdentityCache, retry::RetryConfig,
    timeout::TimeoutConfig,
};
use aws_credential_types::provider::SharedCredentialsProvider;

use identity::Identity;
use kees_common::Endpoint;
use transport::Transport;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long an answer may take to begin once the request is sent.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one call may take in all, finding the identity included.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// The clients of one run, over one identity and one pool of connections. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Aws {
    config: SdkConfig,
    endpoint: Option<Endpoint>,
}

impl Aws {
    /// Reads the SDK's own settings (environment and profile files) beside `settings`. The SDK's
    /// retries are off: the protocol above the backends has its own, within the run's deadline.
    pub async fn new(settings: &AwsSettings) -> Self {
        let transport = Transport::shared(settings);
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(ATTEMPT_TIMEOUT)
            .build();
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(settings.region.to_string()))
            .http_client(transport)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::disabled())
            // The identity has its own, shorter time, and says what it was waiting for.
            .identity_cache(IdentityCache::lazy().load_timeout(ATTEMPT_TIMEOUT).build())
            .no_credentials()
            .load()
            .await;
        let identity = match &settings.credentials {
            Some(credentials) => SharedCredentialsProvider::new(credentials.clone()),
            None => SharedCredentialsProvider::new(Identity::of_this_process(&config, settings)),
        };
        let config = config.into_builder().credentials_provider(identity).build();
        Self {
            config,
            endpoint: settings.endpoint.clone(),
        }
    }

    /// The Region, for messages and resource names.
    pub fn region(&self) -> &str {
        self.config.region().map_or("", Region::as_ref)
    }

    /// Clients of what a test plays.
    #[cfg(test)]
    pub(crate) fn from_config(config: SdkConfig) -> Self {
        Self {
            config,
            endpoint: None,
        }
    }

    #[cfg(test)]
    fn sts(&self) -> aws_sdk_sts::Client {
        let mut config = aws_sdk_sts::config::Builder::from(&self.config);
        config.set_endpoint_url(self.endpoint.as_ref().map(Endpoint::to_string));
        aws_sdk_sts::Client::from_conf(config.build())
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
