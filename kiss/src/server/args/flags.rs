//! The flags, in the groups of `--help`.

use std::{
    net::SocketAddr,
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
};

use clap::builder::BoolishValueParser;
use kees_common::Region;
use kees_settings::{DAY, LogFormat, LogLevel, Seconds};

use crate::server::{client_address::Network, names::Separator};

#[derive(Debug, clap::Args)]
pub(super) struct ServerArgs {
    /// The address on which calls are served, or a host name with it. With an empty flag, all addresses of IPv4 and
    /// IPv6.
    #[arg(long, env, default_value = "0.0.0.0", value_name = "ADDRESS")]
    pub(super) host: String,
    /// The port on which calls are served.
    #[arg(long, env, default_value = "10000", value_name = "PORT")]
    pub(super) port: u16,
    /// Where /healthz, /readyz and /metrics are served, without TLS.
    #[arg(long, env, default_value = "0.0.0.0:8080", value_name = "ADDRESS")]
    pub(super) admin_listen: SocketAddr,
    /// The certificate chain, PEM, leaf first. Read again when it changes.
    #[arg(long, env, value_name = "FILE", requires = "tls_key")]
    pub(super) tls_cert: Option<PathBuf>,
    /// The certificate's private key, PEM. Read again when it changes.
    #[arg(long, env, value_name = "FILE", requires = "tls_cert")]
    pub(super) tls_key: Option<PathBuf>,
    /// Serve without TLS. Tokens and values can then be read on the network, unless a proxy in front of the
    /// server has TLS and shares its host.
    #[arg(long, env, conflicts_with = "tls_cert", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", default_value = "false", action = clap::ArgAction::Set,
        value_parser = BoolishValueParser::new(), value_name = "BOOLEAN")]
    pub(super) insecure_plain_tcp: bool,
    /// Seconds between two checks of the certificate for changes.
    #[arg(long, env, default_value = "10", value_name = "SECONDS")]
    pub(super) reload_interval: Seconds<100, DAY>,
    /// Networks, by comma, of proxies whose header x-forwarded-for is believed in the audit log.
    #[arg(long, env, value_delimiter = ',', value_name = "NETWORKS")]
    pub(super) trusted_proxies: Vec<Network>,
}

#[derive(Debug, clap::Args)]
pub(super) struct TokenArgs {
    /// The URL of the OIDC provider's keys (JWKS).
    #[arg(long, env, value_name = "URL")]
    pub(super) jwks_url: String,
    /// Root certificates, PEM, of the server of the keys [default: the public ones]
    #[arg(long, env, value_name = "FILE")]
    pub(super) jwks_ca_file: Option<PathBuf>,
    /// Seconds between two reads of the keys.
    #[arg(long, env, default_value = "300", value_name = "SECONDS")]
    pub(super) jwks_refresh: Seconds<1000, DAY>,
    /// Seconds that keys are used after they were read last.
    #[arg(long, env, default_value = "3600", value_name = "SECONDS")]
    pub(super) jwks_max_age: Seconds<1000, { 7 * DAY }>,
    /// The claim with the user's name.
    #[arg(long, env, default_value = "email", value_name = "CLAIM")]
    pub(super) identifier_key: String,
    /// The claim with the list of the user's groups.
    #[arg(long, env, default_value = "cognito:groups", value_name = "CLAIM")]
    pub(super) namespaces_key: String,
    /// The issuer (`iss`) that tokens must have.
    #[arg(long, env, value_name = "ISSUER")]
    pub(super) issuer: Option<String>,
    /// The audiences (`aud`), by comma, of which tokens must have one.
    #[arg(long, env, value_delimiter = ',', value_name = "AUDIENCES")]
    pub(super) audience: Vec<String>,
    /// The `token_use` that tokens must have: `id` or `access` of Amazon Cognito.
    #[arg(long, env, value_name = "USE")]
    pub(super) token_use: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct NamespaceArgs {
    /// A regular expression with one capture group, the namespace, that is compared with a whole group. Groups
    /// that it does not match are left out [default: a group is a namespace]
    #[arg(long, env, value_name = "EXPRESSION")]
    pub(super) namespaces_regex: Option<String>,
    /// Users with this namespace may use all namespaces [default: nobody may]
    #[arg(long, env, value_name = "NAMESPACE")]
    pub(super) admin_namespace: Option<String>,
    /// What the name of a RoleBinding has before that of its namespace, and subjects before that of a group.
    #[arg(long, env, default_value = "", value_name = "PREFIX")]
    pub(super) rolebinding_prefix: String,
    /// Seconds that a RoleBinding may be known late. Older ones are read for each call.
    #[arg(long, env, default_value = "30", value_name = "SECONDS")]
    pub(super) rolebinding_max_age: Seconds<2000, 300_000>,
    /// The kubeconfig file [default: that of the pod]
    #[arg(long, env, default_value = "", value_name = "FILE")]
    pub(super) kubeconfig_path: String,
}

#[derive(Debug, clap::Args)]
pub(super) struct AwsArgs {
    /// The file with the token of the server's role. With an empty flag, AWS is used as AWS's own tools use it.
    #[arg(
        long,
        env,
        default_value = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
        value_name = "FILE"
    )]
    pub(super) token_path: String,
    /// The ARN of the server's role. Required with --token-path.
    #[arg(long, env, default_value = "", value_name = "ARN")]
    pub(super) role_arn: String,
    /// The Region.
    #[arg(long, env, default_value = "eu-west-1", value_name = "REGION")]
    pub(super) region: Region,
    /// What the names of secrets and of policies begin with; may be empty.
    #[arg(long, env, default_value = "k8s-secret", value_name = "PREFIX")]
    pub(super) secret_prefix: String,
    /// What the names of the roles of ServiceAccounts begin with; may be empty.
    #[arg(long, env, default_value = "k8s-sa", value_name = "PREFIX")]
    pub(super) service_account_role_prefix: String,
    /// What is between prefix, namespace and name of a secret: `-` as in kiss 0.1, or `_` or `/`, with which no
    /// two namespaces share a name.
    #[arg(long, env, default_value = "-", value_name = "CHARACTER")]
    pub(super) separator: Separator,
}

#[derive(Debug, clap::Args)]
pub(super) struct LimitArgs {
    /// Connections at the same time. A further one waits.
    #[arg(long, env, default_value = "1000", value_name = "NUMBER")]
    pub(super) max_connections: NonZeroUsize,
    /// Calls at the same time on one connection.
    #[arg(long, env, default_value = "100", value_name = "NUMBER")]
    pub(super) max_streams: NonZeroU32,
    /// The most bytes of the metadata of a call. The token is there, with all groups of the user. A larger one fails
    /// with `RESOURCE_EXHAUSTED`.
    #[arg(long, env, default_value = "65536", value_name = "BYTES",
        value_parser = clap::value_parser!(u32).range(8192..=1_048_576))]
    pub(super) max_metadata: u32,
    /// Calls at the same time. A further one fails with `RESOURCE_EXHAUSTED`.
    #[arg(long, env, default_value = "500", value_name = "NUMBER")]
    pub(super) max_calls: NonZeroUsize,
    /// Calls a second of one user.
    #[arg(long, env, default_value = "10", value_name = "NUMBER")]
    pub(super) user_rate: NonZeroU32,
    /// Calls of one user at once.
    #[arg(long, env, default_value = "50", value_name = "NUMBER")]
    pub(super) user_burst: NonZeroU32,
    /// Seconds that a call may take, if the caller gives it no shorter time.
    #[arg(long, env, default_value = "30", value_name = "SECONDS")]
    pub(super) call_timeout: Seconds<100, 300_000>,
    /// Seconds that open calls have to finish after SIGTERM or SIGINT.
    #[arg(long, env, default_value = "25", value_name = "SECONDS")]
    pub(super) drain_timeout: Seconds<0, DAY>,
}

#[derive(Debug, clap::Args)]
pub(super) struct ProcessArgs {
    /// Is accepted and does nothing: kiss 0.1 sends traces to DataDog.
    #[arg(long, env, num_args = 0..=1, require_equals = true, default_missing_value = "true",
        default_value = "true", action = clap::ArgAction::Set,
        value_parser = BoolishValueParser::new(), value_name = "BOOLEAN")]
    pub(super) enable_tracing: bool,
    /// Log one JSON line for each call. It does not depend on --log-level.
    #[arg(long, env, num_args = 0..=1, require_equals = true, default_missing_value = "true",
        default_value = "true", action = clap::ArgAction::Set,
        value_parser = BoolishValueParser::new(), value_name = "BOOLEAN")]
    pub(super) audit_log: bool,
    /// The lowest level of the lines that are logged.
    #[arg(long, env, value_enum, default_value_t, value_name = "LEVEL")]
    pub(super) log_level: LogLevel,
    /// The form of a log line, apart from the audit log.
    #[arg(long, env, value_enum, default_value = "json", value_name = "FORMAT")]
    pub(super) log_format: LogFormat,
}
