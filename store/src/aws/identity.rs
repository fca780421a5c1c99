//! The AWS identity of a pod, or of a person on their own machine: where it comes from, and why there
//! is none.
//!
//! The order is the SDK's own: environment, profile, web identity (IRSA), container credentials
//! (EKS Pod Identity), the node's metadata. Web identity is asked for here rather than by the SDK,
//! so that it has an endpoint of its own and every refusal of STS is told apart. The metadata
//! service is given a second, not the SDK's many, so that a pod without any identity hears of it.

use std::{
    env,
    error::Error as _,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

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
    settings::{AwsSettings, Caller},
    web_identity::WebIdentity,
};
use crate::ErrorKind;

/// How long all of it may take.
const IDENTITY_TIMEOUT: Duration = Duration::from_millis(4500);
/// How long the node's metadata service may take to answer one request.
const METADATA_TIMEOUT: Duration = Duration::from_secs(1);

/// Finds the caller's credentials.
#[derive(Debug)]
pub(super) struct Identity {
    chain: CredentialsProviderChain,
    environment: Environment,
    passed_over: PassedOver,
}

impl Identity {
    /// The identity that this process's environment gives.
    pub(super) fn of_this_process(config: &SdkConfig, settings: &AwsSettings) -> Self {
        let environment = Environment::of_this_process(settings.caller);
        Self::new(environment, config, settings)
    }

    fn new(environment: Environment, config: &SdkConfig, settings: &AwsSettings) -> Self {
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
        let passed_over = PassedOver::default();
        let profile = Profile {
            provider: ProfileFileCredentialsProvider::builder()
                .configure(&providers)
                .build(),
            environment: environment.clone(),
            passed_over: passed_over.clone(),
        };
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
        Self {
            chain,
            environment,
            passed_over,
        }
    }

    async fn find(&self) -> provider::Result {
        let found = tokio::time::timeout(IDENTITY_TIMEOUT, self.chain.provide_credentials()).await;
        let error = match found {
            Ok(Ok(credentials)) => return Ok(credentials),
            Ok(Err(error)) if Cause::within(&error).is_some() => return Err(error),
            Ok(Err(error)) => error,
            Err(_) => CredentialsError::provider_timed_out(IDENTITY_TIMEOUT),
        };
        let passed_over = self.passed_over.why();
        Err(CredentialsError::provider_error(
            self.environment.explain(&error, passed_over.as_deref()),
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

/// The profile, which the chain passes over where it gives nothing, and forgets why.
#[derive(Debug)]
struct Profile {
    provider: ProfileFileCredentialsProvider,
    environment: Environment,
    passed_over: PassedOver,
}

impl ProvideCredentials for Profile {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let error = match self.provider.provide_credentials().await {
                Ok(credentials) => return Ok(credentials),
                Err(error) => error,
            };
            if matches!(error, CredentialsError::CredentialsNotLoaded(_)) {
                self.passed_over.note(&error);
                return Err(error);
            }
            Err(CredentialsError::provider_error(
                self.environment.failed(&error),
            ))
        })
    }
}

/// Why the profile gave nothing, once it was asked and if there is a reason.
#[derive(Debug, Clone, Default)]
struct PassedOver(Arc<Mutex<Option<String>>>);

impl PassedOver {
    fn note(&self, error: &CredentialsError) {
        let why = error.source().map(describe);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    fn why(&self) -> Option<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// What the environment says of the identity.
#[derive(Debug, Clone, Default)]
struct Environment {
    caller: Caller,
    /// `AWS_PROFILE`
    profile: Option<String>,
    role: Option<String>,
    token_file: Option<PathBuf>,
    session: Option<String>,
    container: bool,
    key: Key,
    metadata_disabled: bool,
}

/// A key in variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Key {
    #[default]
    Absent,
    /// This variable is set, and that is not.
    Half(&'static str, &'static str),
    Whole,
}

impl Environment {
    fn of_this_process(caller: Caller) -> Self {
        let get = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            caller,
            profile: get("AWS_PROFILE"),
            role: get(ROLE),
            token_file: get(names::AWS_WEB_IDENTITY_TOKEN_FILE).map(PathBuf::from),
            session: get("AWS_ROLE_SESSION_NAME"),
            container: get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
                .or_else(|| get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"))
                .is_some(),
            key: match (get(KEY), get(SECRET_KEY)) {
                (None, None) => Key::Absent,
                (Some(_), None) => Key::Half(KEY, SECRET_KEY),
                (None, Some(_)) => Key::Half(SECRET_KEY, KEY),
                (Some(_), Some(_)) => Key::Whole,
            },
            metadata_disabled: get("AWS_EC2_METADATA_DISABLED")
                .is_some_and(|value| value.eq_ignore_ascii_case("true")),
        }
    }

    /// Why the chain ended in `error`, after it passed over the profile.
    fn explain(&self, error: &CredentialsError, passed_over: Option<&str>) -> Cause {
        if let Key::Half(present, absent) = self.key {
            return self.half(present, absent);
        }
        let is_nothing_set = !self.container && self.key == Key::Absent;
        match (&self.role, &self.token_file) {
            (Some(_), None) => self.half(ROLE, names::AWS_WEB_IDENTITY_TOKEN_FILE),
            (None, Some(_)) => self.half(names::AWS_WEB_IDENTITY_TOKEN_FILE, ROLE),
            _ if self.container && self.caller == Caller::Pod => container(error),
            (None, None) if is_nothing_set && !is_misconfigured(error) => self.missing(passed_over),
            _ => self.failed(error),
        }
    }

    /// Nothing gave an identity.
    fn missing(&self, passed_over: Option<&str>) -> Cause {
        let profile = self.profile.as_ref().map(|profile| {
            let why = passed_over.unwrap_or("it gives no credentials");
            format!("AWS_PROFILE is {profile}: {why}")
        });
        match self.caller {
            Caller::Pod => self.missing_in_pod(profile),
            Caller::Person => {
                let default = || {
                    let why = passed_over.map(|why| format!(": {why}"));
                    let why = why.unwrap_or_default();
                    format!("no {KEY} is set, and the default profile gives none{why}")
                };
                let message = format!("no AWS identity: {}", profile.unwrap_or_else(default));
                credentials(message, OWN)
            }
        }
    }

    fn missing_in_pod(&self, profile: Option<String>) -> Cause {
        let profile = profile
            .map(|profile| format!("{profile}; "))
            .unwrap_or_default();
        let node = if self.metadata_disabled {
            "AWS_EC2_METADATA_DISABLED keeps it from the node's own"
        } else {
            "the node's metadata service gives none"
        };
        let message = format!(
            "no AWS identity: {profile}neither AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE (IRSA) nor AWS_CONTAINER_CREDENTIALS_FULL_URI (EKS Pod Identity) is set, and {node}"
        );
        credentials(
            message,
            "annotate the pod's ServiceAccount with its role, or associate the role with it, and recreate the pod: a pod that is older than that has no identity",
        )
    }

    /// Something was set or found, and it did not do.
    fn failed(&self, error: &CredentialsError) -> Cause {
        let message = format!("no AWS credentials: {}", describe(error));
        let remedy = match self.caller {
            Caller::Pod => "see that the profile or the variables that name the identity are right",
            Caller::Person => OWN,
        };
        let kind = unreached(error).unwrap_or(ErrorKind::Credentials);
        Cause {
            kind,
            ..credentials(message, remedy)
        }
    }

    fn half(&self, present: &str, absent: &str) -> Cause {
        let remedy = match self.caller {
            Caller::Pod => {
                "set both, as the webhook of EKS does; recreate the pod if it is older than the annotation of its ServiceAccount"
            }
            Caller::Person => "set both, or unset it",
        };
        let message = format!("no AWS identity: {present} is set and {absent} is not");
        credentials(message, remedy)
    }
}

const KEY: &str = "AWS_ACCESS_KEY_ID";
const SECRET_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const ROLE: &str = "AWS_ROLE_ARN";

/// Where people have theirs from.
const OWN: &str = "log in (aws sso login), name a profile of ~/.aws/config that has credentials (AWS_PROFILE), or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";

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
        None if is_misconfigured(error) => credentials(message, "see that nobody but EKS sets AWS_CONTAINER_CREDENTIALS_FULL_URI and AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, and that the token is one line without a newline at its end"),
        None => credentials(message, "see the log of the eks-pod-identity-agent on the node, and that the role's trust policy allows pods.eks.amazonaws.com sts:AssumeRole and sts:TagSession"),
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
