//! The commands and flags of the client.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand, builder::BoolishValueParser};

use super::address::ServerAddress;
use crate::command_line::{ParseDurationError, duration};

/// A command of the client.
#[derive(Debug, Clone, Subcommand)]
// As in Go, the last one of several equal flags counts.
#[command(args_override_self = true)]
pub enum Command {
    /// Check that the server accepts the token for the namespace
    Ping(ClientArgs),
    /// List the names of the namespace's secrets
    List(ClientArgs),
    /// Create a secret
    Create(CreateArgs),
    /// Create a secret with the content of a file
    CreateFrom(CreateFromArgs),
    /// Replace the value of a secret
    Update(UpdateArgs),
    /// Delete a secret without recovery
    Delete(DeleteArgs),
    /// Let the role of a `ServiceAccount` read a secret
    Bind(BindArgs),
    /// Undo `bind`
    Unbind(BindArgs),
    /// Create the IAM policy of a secret that exists, for `bind`
    CreatePolicy(NameArgs),
    /// Detach the IAM policy of a secret from all roles, and delete it
    DeletePolicy(NameArgs),
}

/// The flags of every command.
#[derive(Debug, Clone, Args)]
pub struct ClientArgs {
    /// The namespace.
    #[arg(long, value_name = "NAMESPACE")]
    pub namespace: String,
    /// The server's host and port.
    #[arg(long, default_value = "localhost:10000", value_name = "ADDRESS")]
    pub server_addr: ServerAddress,
    /// Use TLS. Without it, the token and values can be read on the network.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
        default_value = "true", action = clap::ArgAction::Set, value_parser = BoolishValueParser::new(),
        value_name = "BOOLEAN")]
    pub secure: bool,
    /// Root certificates, PEM, for the server's certificate [default: those of the system]
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// The longest time to connect, and of each call.
    #[arg(long, default_value = "10s", value_parser = parse_timeout, value_name = "DURATION")]
    pub timeout: Duration,
    /// The file with the token: JSON with `id_token`, as kubelogin writes it, or the token itself [default: the
    /// newest file in ~/.kube/cache/oidc-login that has one]
    #[arg(long, alias = "token-file", value_name = "FILE")]
    pub token_path: Option<PathBuf>,
    /// Is accepted and does nothing: a value is asked for where a terminal is.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
        default_value = "false", action = clap::ArgAction::Set, value_parser = BoolishValueParser::new(),
        value_name = "BOOLEAN")]
    pub interactive: bool,
    /// Print what is called, too.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
        default_value = "false", action = clap::ArgAction::Set, value_parser = BoolishValueParser::new(),
        value_name = "BOOLEAN")]
    pub debug: bool,
}

/// The flags of a command for one secret.
#[derive(Debug, Clone, Args)]
pub struct NameArgs {
    /// The flags of every command.
    #[command(flatten)]
    pub client: ClientArgs,
    /// The secret's name.
    #[arg(long, value_name = "NAME")]
    pub name: String,
}

/// Where a value comes from.
#[derive(Clone, Args)]
pub struct ValueArgs {
    /// The value. Other users of this machine can read it: better pass it on standard input
    #[arg(
        long,
        value_name = "VALUE",
        allow_hyphen_values = true,
        conflicts_with = "value_file"
    )]
    pub value: Option<String>,
    /// The file with the value; `-` is standard input [default: ask for it, or read standard input if that is
    /// no terminal]
    #[arg(long, value_name = "FILE")]
    pub value_file: Option<PathBuf>,
}

/// Without the value.
impl std::fmt::Debug for ValueArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ValueArgs")
            .field("value_file", &self.value_file)
            .finish_non_exhaustive()
    }
}

/// The flag for the IAM policy.
#[derive(Debug, Clone, Copy, Args)]
pub struct PolicyArgs {
    /// Do the same with the secret's IAM policy.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
        default_value = "false", action = clap::ArgAction::Set, value_parser = BoolishValueParser::new(),
        value_name = "BOOLEAN")]
    pub policy: bool,
}

/// The flags of `create`.
#[derive(Debug, Clone, Args)]
pub struct CreateArgs {
    /// The secret.
    #[command(flatten)]
    pub secret: NameArgs,
    /// Its value.
    #[command(flatten)]
    pub value: ValueArgs,
    /// Its policy.
    #[command(flatten)]
    pub policy: PolicyArgs,
}

/// The flags of `create-from`.
#[derive(Debug, Clone, Args)]
pub struct CreateFromArgs {
    /// The secret.
    #[command(flatten)]
    pub secret: NameArgs,
    /// The file with the value, which is stored as it is.
    #[arg(long, value_name = "FILE")]
    pub value: PathBuf,
    /// Its policy.
    #[command(flatten)]
    pub policy: PolicyArgs,
}

/// The flags of `update`.
#[derive(Debug, Clone, Args)]
pub struct UpdateArgs {
    /// The secret.
    #[command(flatten)]
    pub secret: NameArgs,
    /// Its value.
    #[command(flatten)]
    pub value: ValueArgs,
}

/// The flags of `delete`.
#[derive(Debug, Clone, Args)]
pub struct DeleteArgs {
    /// The secret.
    #[command(flatten)]
    pub secret: NameArgs,
    /// Its policy.
    #[command(flatten)]
    pub policy: PolicyArgs,
}

/// The flags of `bind` and `unbind`.
#[derive(Debug, Clone, Args)]
pub struct BindArgs {
    /// The secret.
    #[command(flatten)]
    pub secret: NameArgs,
    /// The name of the `ServiceAccount`.
    #[arg(long, value_name = "NAME")]
    pub service_account: String,
}

impl Command {
    /// The flags that every command has.
    pub(super) fn client(&self) -> &ClientArgs {
        match self {
            Self::Ping(client) | Self::List(client) => client,
            Self::Create(args) => &args.secret.client,
            Self::CreateFrom(args) => &args.secret.client,
            Self::Update(args) => &args.secret.client,
            Self::Delete(args) => &args.secret.client,
            Self::Bind(args) | Self::Unbind(args) => &args.secret.client,
            Self::CreatePolicy(args) | Self::DeletePolicy(args) => &args.client,
        }
    }
}

/// A text that is no time to wait.
#[derive(Debug, Clone, Copy, thiserror::Error)]
enum ParseTimeoutError {
    #[error(transparent)]
    Form(#[from] ParseDurationError),
    #[error("no call succeeds in no time: name more than 0, for example 10s")]
    Zero,
}

/// Reads a duration as Go does. Go also takes `0` and negative ones, with which every command of kiss 0.1 fails.
fn parse_timeout(text: &str) -> Result<Duration, ParseTimeoutError> {
    if text == "0" || text.starts_with('-') {
        return Err(ParseTimeoutError::Zero);
    }
    let timeout = duration(text.strip_prefix('+').unwrap_or(text))?;
    if timeout.is_zero() {
        return Err(ParseTimeoutError::Zero);
    }
    Ok(timeout)
}

#[cfg(test)]
mod tests;
