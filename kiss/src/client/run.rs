//! Runs a command.

use std::{future::Future, path::PathBuf, time::Duration};

use tonic::{Code, Request, Response, Status, metadata::AsciiMetadataValue, transport::Channel};

use super::{
    args::{Command, CreateArgs, CreateFromArgs, DeleteArgs, NameArgs, UpdateArgs},
    connect::connect,
    error::ClientError,
    policy_step::PolicyStep,
    token,
    value::{self, Value},
};
use crate::proto::{
    BindSecretRequest, ClientMeta, CreateSecretIamPolicyRequest, CreateSecretRequest,
    DeleteSecretIamPolicyRequest, DeleteSecretRequest, ListSecretsRequest, PingRequest,
    UnbindSecretRequest, UpdateSecretRequest, kiss_client::KissClient,
};

/// What a command prints.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Lines for standard output.
    pub lines: Vec<String>,
    /// Lines for standard error.
    pub warnings: Vec<String>,
}

/// A command after everything that needs no server.
struct Prepared {
    command: Step,
    namespace: String,
    name: String,
    policy: bool,
}

/// What is called.
enum Step {
    Ping,
    List,
    Create(Value),
    Update(Value),
    Delete,
    Bind(String),
    Unbind(String),
    CreatePolicy,
    DeletePolicy,
}

/// A connection with the caller's token.
struct Caller {
    client: KissClient<Channel>,
    token: AsciiMetadataValue,
    timeout: Duration,
    namespace: String,
    name: String,
}

/// A token with fewer bytes leaves enough of the server's limit, 64 KiB, for the other metadata of a call.
const ALMOST_LARGEST: usize = 60 << 10;

/// Runs `command`. What is done before an error is in `output` too. `stop` resolves when the user interrupts.
///
/// # Errors
/// The command has failed.
pub async fn run(
    command: Command,
    output: &mut Output,
    stop: impl Future<Output = ()>,
) -> Result<(), ClientError> {
    let args = command.client().clone();
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let token = token::read(args.token_path.as_deref(), home.as_deref())?;
    let prepared = prepare(command, output)?;
    if !args.secure {
        let warning = "warning: without TLS, the token and values can be read on the network";
        output.warnings.push(warning.to_owned());
    }
    let mut token = AsciiMetadataValue::try_from(token.as_str())
        .map_err(|_| ClientError::NotAToken(args.token_path.clone().unwrap_or_default()))?;
    token.set_sensitive(true);
    let called = async {
        let client = KissClient::new(connect(&args).await?);
        if args.debug {
            output
                .warnings
                .push(format!("connected with {}", args.server_addr));
        }
        let Prepared {
            command,
            namespace,
            name,
            policy,
        } = prepared;
        let caller = Caller {
            client,
            token,
            timeout: args.timeout,
            namespace,
            name,
        };
        caller.run(command, policy, output, stop).await
    };
    called.await
}

/// Reads the value, where there is one.
fn prepare(command: Command, output: &mut Output) -> Result<Prepared, ClientError> {
    let mut read = |args| -> Result<Value, ClientError> {
        let (value, is_visible) = value::read(args)?;
        if is_visible {
            let warning = "warning: --value is visible to other users of this machine and stays in the shell's \
                           history; pass the value on standard input";
            output.warnings.push(warning.to_owned());
        }
        Ok(value)
    };
    let (command, NameArgs { client, name }, policy) = match command {
        Command::Ping(client) => (Step::Ping, unnamed(client), false),
        Command::List(client) => (Step::List, unnamed(client), false),
        Command::Create(CreateArgs {
            secret,
            value,
            policy,
        }) => (Step::Create(read(value)?), secret, policy.policy),
        Command::CreateFrom(CreateFromArgs {
            secret,
            value,
            policy,
        }) => (Step::Create(value::of_file(&value)?), secret, policy.policy),
        Command::Update(UpdateArgs { secret, value }) => {
            (Step::Update(read(value)?), secret, false)
        }
        Command::Delete(DeleteArgs { secret, policy }) => (Step::Delete, secret, policy.policy),
        Command::Bind(args) => (Step::Bind(args.service_account), args.secret, false),
        Command::Unbind(args) => (Step::Unbind(args.service_account), args.secret, false),
        Command::CreatePolicy(secret) => (Step::CreatePolicy, secret, false),
        Command::DeletePolicy(secret) => (Step::DeletePolicy, secret, false),
    };
    Ok(Prepared {
        command,
        namespace: client.namespace,
        name,
        policy,
    })
}

fn unnamed(client: super::args::ClientArgs) -> NameArgs {
    NameArgs {
        client,
        name: String::new(),
    }
}

impl Caller {
    async fn run(
        self,
        first: Step,
        policy: bool,
        output: &mut Output,
        stop: impl Future<Output = ()>,
    ) -> Result<(), ClientError> {
        let mut stop = std::pin::pin!(stop);
        let is_creation = matches!(first, Step::Create(_));
        let is_change = !matches!(first, Step::Ping | Step::List);
        if is_creation && policy {
            self.policy_step(is_creation).check_name()?;
        }
        let printed = tokio::select! {
            lines = self.call(first) => lines?,
            () = &mut stop => return Err(if is_change {
                self.interrupted(is_creation, policy)
            } else {
                ClientError::Interrupted
            }),
        };
        output.lines.extend(printed);
        if !policy {
            return Ok(());
        }
        let second = if is_creation {
            Step::CreatePolicy
        } else {
            Step::DeletePolicy
        };
        let called = tokio::select! {
            lines = self.call(second) => lines,
            () = &mut stop => Err(ClientError::Interrupted),
        };
        match called {
            Ok(lines) => {
                output.lines.extend(lines);
                Ok(())
            }
            Err(source) => Err(self.policy_step(is_creation).failed(source)),
        }
    }

    /// The second step, for the IAM policy.
    fn policy_step(&self, is_creation: bool) -> PolicyStep<'_> {
        PolicyStep {
            is_creation,
            namespace: &self.namespace,
            name: &self.name,
        }
    }

    /// The error for an interruption of the first step. The second one is not begun.
    fn interrupted(&self, is_creation: bool, policy: bool) -> ClientError {
        let rest = if policy {
            let command = self.policy_step(is_creation).alone();
            format!("; the IAM policy is as it was, and to go on with it: {command}")
        } else {
            String::new()
        };
        ClientError::InterruptedChange { rest }
    }

    /// One call. Returns the lines to print.
    async fn call(&self, step: Step) -> Result<Vec<String>, ClientError> {
        let metadata = Some(ClientMeta {
            namespace: self.namespace.clone(),
        });
        let name = self.name.clone();
        let mut client = self.client.clone();
        let done = |text: &str| Ok(vec![format!("Successfully {text}")]);
        match step {
            Step::Ping => {
                let request = self.request(PingRequest { metadata });
                self.limited(client.ping(request)).await?;
                done("sent ping")
            }
            Step::List => {
                let request = self.request(ListSecretsRequest { metadata });
                let listed = self.limited(client.list_secrets(request)).await?;
                Ok(listed.secrets)
            }
            Step::Create(mut value) => {
                let value = std::mem::take(&mut *value);
                let request = self.request(CreateSecretRequest {
                    metadata,
                    name,
                    value,
                });
                self.limited(client.create_secret(request)).await?;
                done("created secret")
            }
            Step::Update(mut value) => {
                let value = std::mem::take(&mut *value);
                let request = self.request(UpdateSecretRequest {
                    metadata,
                    name,
                    value,
                });
                self.limited(client.update_secret(request)).await?;
                done("updated secret")
            }
            Step::Delete => {
                let request = self.request(DeleteSecretRequest { metadata, name });
                self.limited(client.delete_secret(request)).await?;
                done("deleted secret")
            }
            Step::Bind(service_account_name) => {
                let request = self.request(BindSecretRequest {
                    metadata,
                    name,
                    service_account_name,
                });
                self.limited(client.bind_secret(request)).await?;
                done("bound secret to service account")
            }
            Step::Unbind(service_account_name) => {
                let request = self.request(UnbindSecretRequest {
                    metadata,
                    name,
                    service_account_name,
                });
                self.limited(client.unbind_secret(request)).await?;
                done("unbound secret from service account")
            }
            Step::CreatePolicy => {
                let request = self.request(CreateSecretIamPolicyRequest { metadata, name });
                self.limited(client.create_secret_iam_policy(request))
                    .await?;
                done("created secret IAM policy")
            }
            Step::DeletePolicy => {
                let request = self.request(DeleteSecretIamPolicyRequest { metadata, name });
                self.limited(client.delete_secret_iam_policy(request))
                    .await?;
                done("deleted secret IAM policy")
            }
        }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let metadata = request.metadata_mut();
        metadata.insert("authorization", self.token.clone());
        request.set_timeout(self.timeout);
        request
    }

    async fn limited<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, ClientError> {
        let answered = tokio::time::timeout(self.timeout, call).await;
        let answered = answered.unwrap_or_else(|_| {
            Err(Status::deadline_exceeded(
                "the server does not answer in time",
            ))
        });
        match answered {
            Ok(response) => Ok(response.into_inner()),
            Err(status) if self.is_token_unread(&status) => Err(ClientError::LargeToken {
                length: self.token.as_encoded_bytes().len(),
                source: Box::new(status),
            }),
            Err(status) => Err(status.into()),
        }
    }

    /// Whether the token is probably too large. A server answers with 431 (request header fields too large), or ends
    /// the connection, if it would have to read much more than it accepts.
    fn is_token_unread(&self, status: &Status) -> bool {
        // An answer has metadata.
        let is_unanswered = status.metadata().is_empty() && status.code() != Code::DeadlineExceeded;
        is_unanswered
            && (self.token.as_encoded_bytes().len() > ALMOST_LARGEST
                || status.message().ends_with("status code 431"))
    }
}

/// A `DATE [ERROR] MESSAGE` line as kiss 0.1 prints it, with the date in UTC.
pub fn error_line(seconds: u64, error: &ClientError) -> String {
    let message = kees_common::error_chain::describe(error);
    format!("{} [ERROR] {message}", date(seconds))
}

/// `2026/01/31 12:00:00` for seconds since 1970.
fn date(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Years begin in March here, so that a leap day is the last of its year (H. Hinnant, "chrono-Compatible
    // Low-Level Date Algorithms").
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}/{month:02}/{day:02} {hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests;
