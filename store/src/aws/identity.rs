//! The pod's AWS identity: where it comes from, and why there is none.
//!
//! The order is the SDK's own: environment, profile, web identity (IRSA), container credentials
//! (EKS Pod Identity), the node's metadata. Web identity is asked for here rather than by the SDK,
//! so that it has an endpoint of its own and every refusal of STS is told apart. The metadata
//! service is given a second, not the SDK's many, so that a pod without any identity hears of it.

use std::{env, path::PathBuf, time::Duration};

use aws_config::{
    SdkConfig,
    ecs::EcsCredentialsProvider,
    environment::EnvironmentVariableCredentialsProvider,
    imds::{self, credentials::ImdsCredentialsProvider},
    meta::credentials::CredentialsProviderChain,
    profile::ProfileFileCredentialsProvider,
    provider_config::ProviderConfig,
};
use aws_credential_types::provider::{self, ProvideCredentials, error::CredentialsError, future};
use aws_smithy_runtime_api::client::result::ConnectorError;
use kees_common::names::env as names;

use super::{
    cause::{Cause, chain, describe, is_unsent},
    settings::Settings,
    web_identity::WebIdentity,
};
use crate::ErrorKind;

/// How long all of it may take.
const IDENTITY_TIMEOUT: Duration = Duration::from_millis(4500);
/// How long the node's metadata service may take to answer one request.
const METADATA_TIMEOUT: Duration = Duration::from_secs(1);

/// Finds the pod's credentials.
#[derive(Debug)]
pub(super) struct Identity {
    chain: CredentialsProviderChain,
    environment: Environment,
}

impl Identity {
    /// The identity that this process's environment gives.
    pub(super) fn of_this_process(config: &SdkConfig, settings: &Settings) -> Self {
        Self::new(Environment::of_this_process(), config, settings)
    }

    fn new(environment: Environment, config: &SdkConfig, settings: &Settings) -> Self {
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
        let metadata = imds::Client::builder()
            .configure(&providers)
            .max_attempts(1)
            .connect_timeout(METADATA_TIMEOUT)
            .read_timeout(METADATA_TIMEOUT)
            .build();
        let profile = ProfileFileCredentialsProvider::builder()
            .configure(&providers)
            .build();
        let container = EcsCredentialsProvider::builder()
            .configure(&providers)
            .build();
        let node = ImdsCredentialsProvider::builder()
            .configure(&providers)
            .imds_client(metadata)
            .build();
        let mut chain = CredentialsProviderChain::first_try(
            "Environment",
            EnvironmentVariableCredentialsProvider::new(),
        )
        .or_else("Profile", profile);
        if let (Some(role), Some(token_file)) = (&environment.role, &environment.token_file) {
            chain = chain.or_else(
                "WebIdentityToken",
                WebIdentity::new(
                    config,
                    settings.sts_endpoint.as_ref(),
                    role.clone(),
                    token_file.clone(),
                    environment.session.clone(),
                ),
            );
        }
        let chain = chain
            .or_else("EcsContainer", container)
            .or_else("Ec2InstanceMetadata", node);
        Self { chain, environment }
    }

    async fn find(&self) -> provider::Result {
        let found = tokio::time::timeout(IDENTITY_TIMEOUT, self.chain.provide_credentials()).await;
        let error = match found {
            Ok(Ok(credentials)) => return Ok(credentials),
            Ok(Err(error)) if Cause::within(&error).is_some() => return Err(error),
            Ok(Err(error)) => error,
            Err(_) => CredentialsError::provider_timed_out(IDENTITY_TIMEOUT),
        };
        Err(CredentialsError::provider_error(
            self.environment.explain(&error),
        ))
    }
}

impl ProvideCredentials for Identity {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.find())
    }
}

/// What the environment says of the identity.
#[derive(Debug, Clone, Default)]
struct Environment {
    role: Option<String>,
    token_file: Option<PathBuf>,
    session: Option<String>,
    container: bool,
    static_key: bool,
    metadata_disabled: bool,
}

impl Environment {
    fn of_this_process() -> Self {
        let get = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            role: get("AWS_ROLE_ARN"),
            token_file: get(names::AWS_WEB_IDENTITY_TOKEN_FILE).map(PathBuf::from),
            session: get("AWS_ROLE_SESSION_NAME"),
            container: get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
                .or_else(|| get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"))
                .is_some(),
            static_key: get("AWS_ACCESS_KEY_ID").is_some(),
            metadata_disabled: get("AWS_EC2_METADATA_DISABLED")
                .is_some_and(|value| value.eq_ignore_ascii_case("true")),
        }
    }

    /// Why the chain ended in `error`.
    fn explain(&self, error: &CredentialsError) -> Cause {
        match (&self.role, &self.token_file) {
            (Some(_), None) => half("AWS_ROLE_ARN", names::AWS_WEB_IDENTITY_TOKEN_FILE),
            (None, Some(_)) => half(names::AWS_WEB_IDENTITY_TOKEN_FILE, "AWS_ROLE_ARN"),
            _ if self.container => container(error),
            (None, None) if !self.static_key && !is_misconfigured(error) => self.missing(),
            _ => failed(error),
        }
    }

    fn missing(&self) -> Cause {
        let node = if self.metadata_disabled {
            "AWS_EC2_METADATA_DISABLED keeps it from the node's own"
        } else {
            "the node's metadata service gives none"
        };
        let message = format!(
            "no AWS identity: neither AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE (IRSA) nor AWS_CONTAINER_CREDENTIALS_FULL_URI (EKS Pod Identity) is set, and {node}"
        );
        credentials(
            message,
            "annotate the pod's ServiceAccount with its role, or associate the role with it, and recreate the pod: a pod that is older than that has no identity",
        )
    }
}

fn half(present: &str, absent: &str) -> Cause {
    credentials(
        format!("no AWS identity: {present} is set and {absent} is not"),
        "set both, as the webhook of EKS does; recreate the pod if it is older than the annotation of its ServiceAccount",
    )
}

/// EKS Pod Identity: an agent on the node hands the credentials out.
fn container(error: &CredentialsError) -> Cause {
    let message = format!("no credentials from EKS Pod Identity: {}", describe(error));
    match unreached(error) {
        Some(kind) => Cause {
            kind,
            code: None,
            message,
            remedy: "see that the eks-pod-identity-agent runs on the node, and that no network policy keeps the pod from 169.254.170.23".to_owned(),
        },
        None => credentials(message, "see the log of the eks-pod-identity-agent on the node, and that the role's trust policy allows pods.eks.amazonaws.com sts:AssumeRole and sts:TagSession"),
    }
}

fn failed(error: &CredentialsError) -> Cause {
    let message = format!("no AWS credentials: {}", describe(error));
    let remedy = "see that the profile or the variables that name the identity are right";
    let kind = unreached(error).unwrap_or(ErrorKind::Credentials);
    Cause {
        kind,
        ..credentials(message, remedy)
    }
}

/// The kind, if it was the way there that failed.
fn unreached(error: &CredentialsError) -> Option<ErrorKind> {
    if matches!(error, CredentialsError::ProviderTimedOut(_)) {
        return Some(ErrorKind::TimedOut);
    }
    let connector = chain(error).find_map(|error| error.downcast_ref::<ConnectorError>())?;
    if is_unsent(connector) {
        None
    } else if connector.is_timeout() {
        Some(ErrorKind::TimedOut)
    } else {
        Some(ErrorKind::Unreachable)
    }
}

/// Whether something was set, and set wrongly.
fn is_misconfigured(error: &CredentialsError) -> bool {
    matches!(error, CredentialsError::InvalidConfiguration(_))
}

fn credentials(message: String, remedy: &str) -> Cause {
    Cause {
        kind: ErrorKind::Credentials,
        code: None,
        message,
        remedy: remedy.to_owned(),
    }
}

#[cfg(test)]
mod tests;
