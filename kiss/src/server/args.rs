//! The flags of the server: those of kiss 0.1, and new ones. Each is a variable of the environment too.

use std::{
    ffi::OsString,
    net::{IpAddr, SocketAddr},
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
    time::Duration,
};

use clap::{CommandFactory as _, FromArgMatches as _, Parser, builder::BoolishValueParser};
use kees_common::Region;
use kees_settings::{DAY, LogFormat, LogLevel, Seconds};

use super::{
    authorization::{ExpressionError, GroupExpression, Rules},
    client_address::Network,
    listen::TlsFiles,
    names::{Naming, Separator},
    run::ServeSettings,
    token::{ClaimRules, KeyLimits},
};
use crate::command_line::with_two_dashes;

/// kees's gRPC service with which developers manage the secrets of their namespaces in AWS Secrets Manager.
///
/// A drop-in for the server of kiss 0.1, but for TLS: without a certificate, --insecure-plain-tcp must be given.
/// A flag may have one dash. Every flag can also be given as an environment variable: its name in capitals, with
/// underscores (`--jwks-url`, `JWKS_URL`). The flag wins, and an empty variable counts as absent.
#[derive(Debug, Parser)]
#[command(name = "kiss-server", version)]
pub struct Args {
    #[command(flatten, next_help_heading = "Server")]
    server: ServerArgs,
    #[command(flatten, next_help_heading = "Tokens")]
    token: TokenArgs,
    #[command(flatten, next_help_heading = "Namespaces")]
    namespaces: NamespaceArgs,
    #[command(flatten, next_help_heading = "AWS")]
    aws: AwsArgs,
    #[command(flatten, next_help_heading = "Limits")]
    limits: LimitArgs,
    #[command(flatten, next_help_heading = "Process")]
    process: ProcessArgs,
}

#[derive(Debug, clap::Args)]
struct ServerArgs {
    /// The address on which calls are served.
    #[arg(long, env, default_value = "0.0.0.0", value_name = "ADDRESS")]
    host: IpAddr,
    /// The port on which calls are served.
    #[arg(long, env, default_value = "10000", value_name = "PORT")]
    port: u16,
    /// Where /healthz, /readyz and /metrics are served, without TLS.
    #[arg(long, env, default_value = "0.0.0.0:8080", value_name = "ADDRESS")]
    admin_listen: SocketAddr,
    /// The certificate chain, PEM, leaf first. Read again when it changes.
    #[arg(long, env, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key, PEM. Read again when it changes.
    #[arg(long, env, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Serve without TLS. Tokens and values can then be read on the network, unless a proxy in front of the
    /// server has TLS and shares its host.
    #[arg(long, env, conflicts_with = "tls_cert", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", default_value = "false", action = clap::ArgAction::Set,
        value_parser = BoolishValueParser::new(), value_name = "BOOLEAN")]
    insecure_plain_tcp: bool,
    /// Seconds between two checks of the certificate for changes.
    #[arg(long, env, default_value = "10", value_name = "SECONDS")]
    reload_interval: Seconds<100, DAY>,
    /// Networks, by comma, of proxies whose header x-forwarded-for is believed in the audit log.
    #[arg(long, env, value_delimiter = ',', value_name = "NETWORKS")]
    trusted_proxies: Vec<Network>,
}

#[derive(Debug, clap::Args)]
struct TokenArgs {
    /// The URL of the OIDC provider's keys (JWKS).
    #[arg(long, env, value_name = "URL")]
    jwks_url: String,
    /// Root certificates, PEM, of the server of the keys [default: the public ones]
    #[arg(long, env, value_name = "FILE")]
    jwks_ca_file: Option<PathBuf>,
    /// Seconds between two reads of the keys.
    #[arg(long, env, default_value = "300", value_name = "SECONDS")]
    jwks_refresh: Seconds<1000, DAY>,
    /// Seconds that keys are used after they were read last.
    #[arg(long, env, default_value = "3600", value_name = "SECONDS")]
    jwks_max_age: Seconds<1000, { 7 * DAY }>,
    /// The claim with the user's name.
    #[arg(long, env, default_value = "email", value_name = "CLAIM")]
    identifier_key: String,
    /// The claim with the list of the user's groups.
    #[arg(long, env, default_value = "cognito:groups", value_name = "CLAIM")]
    namespaces_key: String,
    /// The issuer (`iss`) that tokens must have.
    #[arg(long, env, value_name = "ISSUER")]
    issuer: Option<String>,
    /// The audiences (`aud`), by comma, of which tokens must have one.
    #[arg(long, env, value_delimiter = ',', value_name = "AUDIENCES")]
    audience: Vec<String>,
    /// The `token_use` that tokens must have: `id` or `access` of Amazon Cognito.
    #[arg(long, env, value_name = "USE")]
    token_use: Option<String>,
}

#[derive(Debug, clap::Args)]
struct NamespaceArgs {
    /// A regular expression with one capture group, the namespace, that is compared with a whole group. Groups
    /// that it does not match are left out [default: a group is a namespace]
    #[arg(long, env, value_name = "EXPRESSION")]
    namespaces_regex: Option<String>,
    /// Users with this namespace may use all namespaces [default: nobody may]
    #[arg(long, env, value_name = "NAMESPACE")]
    admin_namespace: Option<String>,
    /// What the name of a RoleBinding has before that of its namespace, and subjects before that of a group.
    #[arg(long, env, default_value = "", value_name = "PREFIX")]
    rolebinding_prefix: String,
    /// Seconds that a RoleBinding may be known late. Older ones are read for each call.
    #[arg(long, env, default_value = "30", value_name = "SECONDS")]
    rolebinding_max_age: Seconds<2000, 300_000>,
    /// The kubeconfig file [default: that of the pod]
    #[arg(long, env, default_value = "", value_name = "FILE")]
    kubeconfig_path: String,
}

#[derive(Debug, clap::Args)]
struct AwsArgs {
    /// The file with the token of the server's role. With an empty flag, AWS is used as AWS's own tools use it.
    #[arg(
        long,
        env,
        default_value = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
        value_name = "FILE"
    )]
    token_path: String,
    /// The ARN of the server's role. Required with --token-path.
    #[arg(long, env, default_value = "", value_name = "ARN")]
    role_arn: String,
    /// The Region.
    #[arg(long, env, default_value = "eu-west-1", value_name = "REGION")]
    region: Region,
    /// What the names of secrets and of policies begin with; may be empty.
    #[arg(long, env, default_value = "k8s-secret", value_name = "PREFIX")]
    secret_prefix: String,
    /// What the names of the roles of ServiceAccounts begin with; may be empty.
    #[arg(long, env, default_value = "k8s-sa", value_name = "PREFIX")]
    service_account_role_prefix: String,
    /// What is between prefix, namespace and name of a secret: `-` as in kiss 0.1, or `_` or `/`, with which no
    /// two namespaces share a name.
    #[arg(long, env, default_value = "-", value_name = "CHARACTER")]
    separator: Separator,
}

#[derive(Debug, clap::Args)]
struct LimitArgs {
    /// Connections at the same time. A further one waits.
    #[arg(long, env, default_value = "1000", value_name = "NUMBER")]
    max_connections: NonZeroUsize,
    /// Calls at the same time on one connection.
    #[arg(long, env, default_value = "100", value_name = "NUMBER")]
    max_streams: NonZeroU32,
    /// Calls at the same time. A further one fails with `RESOURCE_EXHAUSTED`.
    #[arg(long, env, default_value = "500", value_name = "NUMBER")]
    max_calls: NonZeroUsize,
    /// Calls a second of one user.
    #[arg(long, env, default_value = "10", value_name = "NUMBER")]
    user_rate: NonZeroU32,
    /// Calls of one user at once.
    #[arg(long, env, default_value = "50", value_name = "NUMBER")]
    user_burst: NonZeroU32,
    /// Seconds that a call may take, if the caller gives it no shorter time.
    #[arg(long, env, default_value = "30", value_name = "SECONDS")]
    call_timeout: Seconds<100, 300_000>,
    /// Seconds that open calls have to finish after SIGTERM or SIGINT.
    #[arg(long, env, default_value = "25", value_name = "SECONDS")]
    drain_timeout: Seconds<0, DAY>,
}

#[derive(Debug, clap::Args)]
struct ProcessArgs {
    /// Is accepted and does nothing: kiss 0.1 sends traces to DataDog.
    #[arg(long, env, num_args = 0..=1, require_equals = true, default_missing_value = "true",
        default_value = "true", action = clap::ArgAction::Set,
        value_parser = BoolishValueParser::new(), value_name = "BOOLEAN")]
    enable_tracing: bool,
    /// Log one JSON line for each call. It does not depend on --log-level.
    #[arg(long, env, num_args = 0..=1, require_equals = true, default_missing_value = "true",
        default_value = "true", action = clap::ArgAction::Set,
        value_parser = BoolishValueParser::new(), value_name = "BOOLEAN")]
    audit_log: bool,
    /// The lowest level of the lines that are logged.
    #[arg(long, env, value_enum, default_value_t, value_name = "LEVEL")]
    log_level: LogLevel,
    /// The form of a log line, apart from the audit log.
    #[arg(long, env, value_enum, default_value = "json", value_name = "FORMAT")]
    log_format: LogFormat,
}

/// Flags that do not fit together.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no certificate.
    #[error(
        "there is no certificate: give --tls-cert and --tls-key, or --insecure-plain-tcp if something in front of \
         this server has TLS"
    )]
    NoTls,
    /// There is a token and no role.
    #[error(
        "--token-path needs --role-arn; for AWS's own way to find credentials, give --token-path="
    )]
    NoRole,
    /// The expression cannot be used.
    #[error("--namespaces-regex")]
    Expression(#[from] ExpressionError),
}

/// Everything that the flags say.
#[derive(Debug)]
pub struct Config {
    /// Where calls are served.
    pub listen: SocketAddr,
    /// The admin port.
    pub admin_listen: SocketAddr,
    /// How calls are served.
    pub serve: ServeSettings,
    /// Proxies whose header is believed.
    pub proxies: Vec<Network>,
    /// The URL of the keys.
    pub jwks_url: String,
    /// The root certificates of its server.
    pub jwks_roots: Option<PathBuf>,
    /// How old keys may become.
    pub keys: KeyLimits,
    /// What a token must say.
    pub claims: ClaimRules,
    /// Who may use which namespace.
    pub rules: Rules,
    /// The oldest that a RoleBinding may be.
    pub binding_bound: Duration,
    /// The kubeconfig file. `None`: the pod's own.
    pub kubeconfig: Option<PathBuf>,
    /// The Region.
    pub region: Region,
    /// The role of the server and its token. `None`: AWS's own way.
    pub identity: Option<(String, PathBuf)>,
    /// How things are named in AWS.
    pub naming: Naming,
    /// The most calls at the same time.
    pub max_calls: usize,
    /// Calls a second of one user, and at once.
    pub user_rate: (u32, u32),
    /// The longest time of a call.
    pub call_timeout: Duration,
    /// Whether there is an audit log.
    pub audit_log: bool,
}

/// The shortest time between two reads of the keys for unknown key ids.
const UNKNOWN_KEYS: Duration = Duration::from_mins(1);

impl Args {
    /// Reads `arguments` (the first is the program's name) and the environment.
    ///
    /// # Errors
    /// clap's error: what is wrong, or the help or version that was asked for.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let command = Self::command();
        let arguments = with_two_dashes(&command, arguments);
        let matches =
            kees_settings::without_empty_variables(command).try_get_matches_from(arguments)?;
        Self::from_arg_matches(&matches)
    }

    /// What is logged.
    pub fn log(&self) -> (LogLevel, LogFormat) {
        (self.process.log_level, self.process.log_format)
    }

    /// The configuration.
    ///
    /// # Errors
    /// Flags do not fit together.
    #[expect(clippy::too_many_lines, reason = "it names each flag once")]
    pub fn into_config(self) -> Result<Config, ConfigError> {
        let Self {
            server,
            token,
            namespaces,
            aws,
            limits,
            process,
        } = self;
        let ServerArgs {
            host,
            port,
            admin_listen,
            tls_cert,
            tls_key,
            insecure_plain_tcp,
            reload_interval,
            trusted_proxies,
        } = server;
        let TokenArgs {
            jwks_url,
            jwks_ca_file,
            jwks_refresh,
            jwks_max_age,
            identifier_key,
            namespaces_key,
            issuer,
            audience,
            token_use,
        } = token;
        let NamespaceArgs {
            namespaces_regex,
            admin_namespace,
            rolebinding_prefix,
            rolebinding_max_age,
            kubeconfig_path,
        } = namespaces;
        let LimitArgs {
            max_connections,
            max_streams,
            max_calls,
            user_rate,
            user_burst,
            call_timeout,
            drain_timeout,
        } = limits;
        let ProcessArgs {
            enable_tracing: _,
            audit_log,
            log_level: _,
            log_format: _,
        } = process;
        let tls = match (tls_cert, tls_key) {
            (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
            _ if insecure_plain_tcp => None,
            _ => return Err(ConfigError::NoTls),
        };
        let present = |text: &String| !text.is_empty();
        let expression = namespaces_regex.filter(present);
        let expression = expression
            .as_deref()
            .map(GroupExpression::new)
            .transpose()?;
        let (region, identity, naming) = of_aws(aws)?;
        Ok(Config {
            listen: SocketAddr::new(host, port),
            admin_listen,
            serve: ServeSettings {
                tls,
                reload_interval: reload_interval.get(),
                max_connections: max_connections.get(),
                max_streams: max_streams.get(),
                drain_timeout: drain_timeout.get(),
            },
            proxies: trusted_proxies,
            jwks_url,
            jwks_roots: jwks_ca_file,
            keys: KeyLimits {
                refresh: jwks_refresh.get(),
                unknown: UNKNOWN_KEYS,
                oldest: jwks_max_age.get(),
            },
            claims: ClaimRules {
                user: identifier_key,
                groups: namespaces_key,
                issuer: issuer.filter(present),
                audiences: audience.into_iter().filter(present).collect(),
                token_use: token_use.filter(present),
            },
            rules: Rules {
                expression,
                admin_namespace: admin_namespace.filter(present),
                binding_prefix: rolebinding_prefix,
            },
            binding_bound: rolebinding_max_age.get(),
            kubeconfig: Some(kubeconfig_path).filter(present).map(PathBuf::from),
            region,
            identity,
            naming,
            max_calls: max_calls.get(),
            user_rate: (user_rate.get(), user_burst.get()),
            call_timeout: call_timeout.get(),
            audit_log,
        })
    }
}

type OfAws = (Region, Option<(String, PathBuf)>, Naming);

fn of_aws(aws: AwsArgs) -> Result<OfAws, ConfigError> {
    let AwsArgs {
        token_path,
        role_arn,
        region,
        secret_prefix,
        service_account_role_prefix,
        separator,
    } = aws;
    let identity = match (token_path.is_empty(), role_arn.is_empty()) {
        (true, _) => None,
        (false, false) => Some((role_arn, PathBuf::from(token_path))),
        (false, true) => return Err(ConfigError::NoRole),
    };
    let naming = Naming {
        secret_prefix,
        role_prefix: service_account_role_prefix,
        separator,
    };
    Ok((region, identity, naming))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn read(arguments: &[&str]) -> Result<Args, clap::Error> {
        let arguments = ["kiss-server"].iter().chain(arguments);
        Args::read(arguments.map(OsString::from))
    }

    #[test]
    fn the_documentation_has_all_flags() {
        let flags = kees_server::documentation::flags(&Args::command());
        kees_server::documentation::compare("kees-kiss", "kiss.md", "flags", &flags);
    }

    #[test]
    fn the_documentation_has_all_metrics() {
        let text = crate::server::metrics::Metrics::new().render(Duration::ZERO, true);
        let metrics = kees_server::documentation::metrics(&text.unwrap());
        kees_server::documentation::compare("kees-kiss", "kiss.md", "metrics", &metrics);
    }

    /// The flags of a deployment of kiss 0.1, and the one that must be new.
    const ORIGINAL: [&str; 18] = [
        "-host",
        "127.0.0.1",
        "-port=10001",
        "-jwks-url",
        "https://issuer/keys",
        "-namespaces-key",
        "groups",
        "-identifier-key=sub",
        "-namespaces-regex",
        "^kaluza:(.*)$",
        "-admin-namespace",
        "admins",
        "-rolebinding-prefix",
        "k-",
        "-role-arn",
        "arn:aws:iam::1:role/kiss",
        "-enable-tracing=false",
        "-insecure-plain-tcp",
    ];

    #[test]
    fn the_flags_of_the_original_are_read() {
        let config = read(&ORIGINAL).unwrap().into_config().unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:10001");
        assert_eq!(config.jwks_url, "https://issuer/keys");
        assert_eq!(config.claims.groups, "groups");
        assert_eq!(config.claims.user, "sub");
        assert!(config.rules.expression.is_some());
        assert_eq!(config.rules.admin_namespace.as_deref(), Some("admins"));
        assert_eq!(config.rules.binding_prefix, "k-");
        let (role, token) = config.identity.unwrap();
        assert_eq!(role, "arn:aws:iam::1:role/kiss");
        assert_eq!(
            token.to_str(),
            Some("/var/run/secrets/eks.amazonaws.com/serviceaccount/token")
        );
        assert_eq!(config.region.as_str(), "eu-west-1");
        assert_eq!(config.naming.secret_prefix, "k8s-secret");
        assert_eq!(config.naming.role_prefix, "k8s-sa");
        assert_eq!(config.naming.separator, Separator::Dash);
        assert!(config.serve.tls.is_none());
    }

    #[rstest]
    #[case(&["-jwks-url=x", "-role-arn=r"], "there is no certificate: give --tls-cert and --tls-key, or --insecure-plain-tcp if something in front of this server has TLS")]
    #[case(&["-jwks-url=x", "-insecure-plain-tcp"], "--token-path needs --role-arn; for AWS's own way to find credentials, give --token-path=")]
    #[case(&["-jwks-url=x", "-insecure-plain-tcp", "-token-path=", "-namespaces-regex=("], "--namespaces-regex")]
    fn flags_must_fit_together(#[case] arguments: &[&str], #[case] message: &str) {
        let error = read(arguments).unwrap().into_config().unwrap_err();
        assert_eq!(error.to_string(), message);
    }

    #[test]
    fn the_key_url_is_required_and_tls_excludes_plain_tcp() {
        read(&["-insecure-plain-tcp"]).unwrap_err();
        read(&["-jwks-url=x", "-tls-cert=a"]).unwrap_err();
        read(&[
            "-jwks-url=x",
            "-tls-cert=a",
            "-tls-key=b",
            "-insecure-plain-tcp",
        ])
        .unwrap_err();
        let tls = read(&[
            "-jwks-url=x",
            "-tls-cert=a",
            "-tls-key=b",
            "-token-path",
            "",
        ]);
        let config = tls.unwrap().into_config().unwrap();
        assert!(config.serve.tls.is_some());
        assert!(config.identity.is_none());
    }
}
