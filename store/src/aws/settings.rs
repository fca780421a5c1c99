//! The operator's settings for AWS.

use std::{env, fmt, path::PathBuf};

use aws_credential_types::Credentials;
use kees_common::{Endpoint, Region, names::env as names};

/// Who calls AWS. The remedy for a missing identity depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Caller {
    /// A pod: its identity is its ServiceAccount's.
    #[default]
    Pod,
    /// A person on their own machine: profiles, keys and single sign-on.
    Person,
}

/// Which credentials of the caller are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CredentialSource {
    /// Those that are found first, in the order of the SDK.
    #[default]
    First,
    /// Those of the role that `AWS_ROLE_ARN` and `AWS_WEB_IDENTITY_TOKEN_FILE` name (IRSA). Without both variables
    /// those that are found first.
    ServiceAccountRole,
    /// Those of the EKS Pod Identity agent, for the token that `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE` names. The
    /// agent is at `AWS_CONTAINER_CREDENTIALS_FULL_URI`, else at these addresses. Without a token those that are found
    /// first.
    PodIdentity(AgentAddresses),
}

/// The addresses at which the EKS Pod Identity agent is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentAddresses {
    /// That of IPv4, and if it cannot be reached, that of IPv6.
    Both,
    /// That of IPv4.
    Ipv4,
    /// That of IPv6.
    Ipv6,
}

/// The Region, the endpoints, and how the program connects to them.
///
/// The SDK also reads its own variables (`AWS_ENDPOINT_URL_DYNAMODB`, `AWS_ROLE_ARN`,
/// `AWS_PROFILE` …), as the AWS SDKs and Tools Reference Guide documents them.
#[derive(Clone)]
pub struct AwsSettings {
    /// `AWS_REGION`. Without it: `AWS_DEFAULT_REGION`, then that of the profile.
    pub region: Option<Region>,
    /// `AWS_ENDPOINT`: the URL of the stores in AWS, instead of the Region's own. It wins over the
    /// SDK's `AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_DYNAMODB`.
    pub endpoint: Option<Endpoint>,
    /// `AWS_STS_ENDPOINT`: the URL of STS, for the pod's web identity. It wins over
    /// `AWS_ENDPOINT_URL_STS`.
    pub sts_endpoint: Option<Endpoint>,
    /// `AWS_CA_BUNDLE`: a PEM file with the root certificates to trust.
    pub ca_bundle: Option<PathBuf>,
    /// `SSL_CERT_FILE`: the same, if `AWS_CA_BUNDLE` is not set.
    pub ssl_cert_file: Option<PathBuf>,
    /// `HTTP_PROXY`: the proxy for `http://` endpoints.
    pub http_proxy: Option<String>,
    /// `HTTPS_PROXY`: the proxy for `https://` endpoints.
    pub https_proxy: Option<String>,
    /// `NO_PROXY`: hosts, by comma, that are reached without a proxy. Link-local addresses are always
    /// reached without one, because they are services of the node.
    pub no_proxy: Option<String>,
    /// `POD_NAMESPACE`, for the name of the STS session.
    pub pod_namespace: Option<String>,
    /// `POD_NAME`, for the name of the STS session.
    pub pod_name: Option<String>,
    /// Who calls.
    pub caller: Caller,
    /// Which credentials of the caller are used.
    pub source: CredentialSource,
    /// Fixed credentials, for tests. `None`: the caller's own.
    pub credentials: Option<Credentials>,
}

impl AwsSettings {
    /// The proxies and root certificates that the process's environment names, and the defaults for
    /// all else. An empty variable counts as absent, and the variables of the proxies may also have
    /// names in lower case.
    pub fn from_env() -> Self {
        Self::from_lookup(|name| env::var(name).ok())
    }

    fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let proxy = |name: &str| get(name).or_else(|| get(&name.to_ascii_lowercase()));
        Self {
            region: None,
            endpoint: None,
            sts_endpoint: None,
            ca_bundle: get(names::AWS_CA_BUNDLE).map(PathBuf::from),
            ssl_cert_file: get(names::SSL_CERT_FILE).map(PathBuf::from),
            http_proxy: proxy(names::HTTP_PROXY),
            https_proxy: proxy(names::HTTPS_PROXY),
            no_proxy: proxy(names::NO_PROXY),
            pod_namespace: None,
            pod_name: None,
            caller: Caller::default(),
            source: CredentialSource::default(),
            credentials: None,
        }
    }
}

impl Default for AwsSettings {
    fn default() -> Self {
        Self::from_lookup(|_| None)
    }
}

/// The proxies are left out, because their URLs may contain a password.
impl fmt::Debug for AwsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsSettings")
            .field("caller", &self.caller)
            .field("source", &self.source)
            .field("region", &self.region)
            .field("endpoint", &self.endpoint)
            .field("sts_endpoint", &self.sts_endpoint)
            .field("ca_bundle", &self.ca_bundle)
            .field("ssl_cert_file", &self.ssl_cert_file)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_variable_counts_as_absent() {
        let settings = AwsSettings::from_lookup(|_| Some(String::new()));
        assert_eq!(settings.https_proxy, None);
        assert_eq!(settings.ca_bundle, None);
    }

    #[test]
    fn a_proxy_is_known_by_its_lower_case_name() {
        let settings = AwsSettings::from_lookup(|name| {
            (name == "https_proxy").then(|| "http://proxy:3128".to_owned())
        });
        assert_eq!(settings.https_proxy.as_deref(), Some("http://proxy:3128"));
        assert_eq!(settings.http_proxy, None);
    }

    #[test]
    fn a_proxys_password_is_not_printed() {
        let settings = AwsSettings {
            https_proxy: Some("http://user:canary@proxy:3128".to_owned()),
            ..AwsSettings::default()
        };
        assert!(!format!("{settings:?}").contains("canary"));
    }
}
