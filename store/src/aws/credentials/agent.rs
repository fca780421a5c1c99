//! EKS Pod Identity where no variable names the agent: it is looked for at its two addresses.
//!
//! The SDK asks the agent only at an address that a variable names. EKS sets this variable in pods whose
//! ServiceAccount has an association when the pod is created, and nobody else should.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use aws_config::SdkConfig;
use aws_credential_types::{
    Credentials,
    provider::{self, ProvideCredentials, error::CredentialsError, future},
};
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::client::{
    orchestrator::{HttpRequest, HttpResponse, OrchestratorError},
    result::SdkError,
};
use aws_smithy_types::{DateTime, body::SdkBody, date_time::Format, timeout::TimeoutConfig};
use http::HeaderValue;
use zeroize::Zeroizing;

use super::{error::credentials_error, pod_identity};
use crate::aws::{error::AwsError, settings::AgentAddresses};

/// The addresses of the agent (EKS User Guide, "Understand how EKS Pod Identity works").
const IPV4: &str = "http://169.254.170.23";
const IPV6: &str = "http://[fd00:ec2::23]";
const PATH: &str = "/v1/credentials";

/// How long a connection may take to open: the agent is on the node. In a cluster with IPv6 alone, nothing may answer
/// at the first address.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the agent may take to answer; it calls EKS itself.
const READ_TIMEOUT: Duration = Duration::from_secs(3);

/// The agent on the node, and the token that it takes.
pub(super) struct Agent {
    token_file: PathBuf,
    addresses: Vec<Operation<HttpRequest, Credentials, AgentError>>,
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent")
            .field("token_file", &self.token_file)
            .finish_non_exhaustive()
    }
}

impl Agent {
    /// The agent at `addresses`, with the connections of `config`.
    pub(super) fn new(config: &SdkConfig, addresses: AgentAddresses, token_file: PathBuf) -> Self {
        let urls: &[&str] = match addresses {
            AgentAddresses::Both => &[IPV4, IPV6],
            AgentAddresses::Ipv4 => &[IPV4],
            AgentAddresses::Ipv6 => &[IPV6],
        };
        Self {
            token_file,
            addresses: urls.iter().map(|url| operation(config, url)).collect(),
        }
    }

    /// Asks at each address until the agent answers. An agent that answers with an error is not asked at another one.
    async fn ask(&self) -> Result<Credentials, AwsError> {
        let token = read_token(&self.token_file)?;
        let mut unreached = None;
        for address in &self.addresses {
            let request = request(&token)?;
            match address.invoke(request).await {
                Ok(credentials) => return Ok(credentials),
                Err(SdkError::ServiceError(answer)) => {
                    let status = answer.raw().status().as_u16();
                    let error = CredentialsError::provider_error(answer.into_err());
                    return Err(pod_identity::explain(&error, Some(status)));
                }
                // The first address is the usual one, so its error is kept.
                Err(error) => {
                    unreached.get_or_insert(error);
                }
            }
        }
        let error = match unreached {
            Some(SdkError::TimeoutError(_)) | None => {
                CredentialsError::provider_timed_out(CONNECT_TIMEOUT)
            }
            Some(error) => CredentialsError::provider_error(error),
        };
        Err(pod_identity::explain(&error, None))
    }
}

impl ProvideCredentials for Agent {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let found: provider::Result =
                self.ask().await.map_err(CredentialsError::provider_error);
            found
        })
    }
}

fn operation(config: &SdkConfig, url: &str) -> Operation<HttpRequest, Credentials, AgentError> {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .build();
    let mut operation = Operation::builder()
        .service_name("EksPodIdentity")
        .operation_name("Credentials")
        .endpoint_url(url)
        .no_auth()
        .no_retry()
        .timeout_config(timeouts)
        .serializer(Ok)
        .deserializer(parse);
    if let Some(client) = config.http_client() {
        operation = operation.http_client(client);
    }
    if let Some(sleep) = config.sleep_impl() {
        operation = operation.sleep_impl(sleep);
    }
    operation.build()
}

fn request(token: &HeaderValue) -> Result<HttpRequest, AwsError> {
    let request = http::Request::builder()
        .uri(PATH)
        .header(http::header::ACCEPT, "application/json")
        .header(http::header::AUTHORIZATION, token)
        .body(SdkBody::empty());
    let request = request.ok().and_then(|request| request.try_into().ok());
    request.ok_or_else(|| credentials_error("the request for the agent could not be built", TOKEN))
}

/// What to do about a token that cannot be used.
const TOKEN: &str = "check that the projected token with the audience pods.eks.amazonaws.com is mounted where \
                     AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE says, readable to the user of this container";

fn read_token(file: &Path) -> Result<HeaderValue, AwsError> {
    let token = fs::read_to_string(file).map(Zeroizing::new);
    let wrong = match &token {
        Ok(token) if token.trim().is_empty() => "it is empty".to_owned(),
        Ok(token) => match HeaderValue::from_str(token.trim()) {
            Ok(mut header) => {
                header.set_sensitive(true);
                return Ok(header);
            }
            Err(_) => "it has more than one line".to_owned(),
        },
        Err(error) => error.to_string(),
    };
    let file = file.display();
    let message = format!("the token file of EKS Pod Identity, {file}, cannot be used: {wrong}");
    Err(credentials_error(message, TOKEN))
}

/// The agent answered, but with no credentials.
#[derive(Debug, thiserror::Error)]
enum AgentError {
    #[error("the agent answered with the status {0}")]
    Status(u16),
    #[error("the agent answered without usable credentials")]
    Unusable,
}

fn parse(response: &HttpResponse) -> Result<Credentials, OrchestratorError<AgentError>> {
    if !response.status().is_success() {
        let status = response.status().as_u16();
        return Err(OrchestratorError::operation(AgentError::Status(status)));
    }
    let body = response.body().bytes().unwrap_or_default();
    // The parser's error is dropped, because it could contain a part of the credentials.
    let answer: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let credentials = answer.as_ref().and_then(credentials);
    credentials.ok_or_else(|| OrchestratorError::operation(AgentError::Unusable))
}

fn credentials(answer: &serde_json::Value) -> Option<Credentials> {
    let text = |name: &str| Some(answer.get(name)?.as_str()?.to_owned());
    let expiry = DateTime::from_str(&text("Expiration")?, Format::DateTime).ok()?;
    Some(
        Credentials::builder()
            .access_key_id(text("AccessKeyId")?)
            .secret_access_key(text("SecretAccessKey")?)
            .session_token(text("Token")?)
            .expiry(SystemTime::try_from(expiry).ok()?)
            .provider_name("EksPodIdentity")
            .build(),
    )
}
