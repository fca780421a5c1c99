//! The flags of the server: those of kiss 0.1, and new ones. Each is a variable of the environment too.

mod flags;
mod prefix;

use std::{ffi::OsString, net::SocketAddr, path::PathBuf, time::Duration};

use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use kees_common::Region;
use kees_settings::{LogFormat, LogLevel};

pub use self::prefix::PrefixError;

use self::flags::{AwsArgs, LimitArgs, NamespaceArgs, ProcessArgs, ServerArgs, TokenArgs};
use super::{
    authorization::{ExpressionError, GroupExpression, Rules},
    client_address::Network,
    listen::{Address, TlsFiles},
    names::Naming,
    run::ServeSettings,
    token::{ClaimRules, KeyLimits},
};
use crate::command_line::with_two_dashes;

/// kees's gRPC service with which developers manage the secrets of their namespaces in AWS Secrets Manager.
///
/// A drop-in for the server of kiss 0.1, but for TLS: without a certificate, --insecure-plain-tcp must be given.
/// A flag may have one dash. Every flag can also be given as an environment variable: its name in capitals, with
/// underscores (`--jwks-url`, `JWKS_URL`). The flag wins, and an empty variable counts as absent. If a flag is
/// repeated, the last one counts, but all networks of --trusted-proxies and all audiences do.
#[derive(Debug, Parser)]
#[command(name = "kiss-server", version, args_override_self = true)]
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
    /// A prefix cannot be used.
    #[error(transparent)]
    Prefix(#[from] PrefixError),
}

/// Everything that the flags say.
#[derive(Debug)]
pub struct Config {
    /// Where calls are served.
    pub listen: Address,
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
            max_metadata,
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
        prefix::check_naming(&naming)?;
        prefix::check_binding(&rolebinding_prefix)?;
        Ok(Config {
            listen: Address { host, port },
            admin_listen,
            serve: ServeSettings {
                tls,
                reload_interval: reload_interval.get(),
                max_connections: max_connections.get(),
                max_streams: max_streams.get(),
                max_metadata,
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
mod tests;
