//! The second call of `create -policy` and `delete -policy`: what is left if it is not made or fails.

use std::error::Error as _;

use tonic::Code;

use super::error::ClientError;

/// The most characters of the name of an IAM policy.
const LONGEST_POLICY: usize = 128;

/// The IAM policy of a secret, after the first call.
#[derive(Debug, Clone, Copy)]
pub(super) struct PolicyStep<'a> {
    pub(super) is_creation: bool,
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
}

impl PolicyStep<'_> {
    /// Is called before a secret is created whose policy is to be created too.
    ///
    /// # Errors
    /// The policy's name is too long with every prefix. The server knows its prefix, and reports the other ones.
    pub(super) fn check_name(self) -> Result<(), ClientError> {
        let length = self.namespace.len() + 1 + self.name.len();
        if length > LONGEST_POLICY {
            return Err(ClientError::LongPolicy {
                length,
                longest: LONGEST_POLICY,
            });
        }
        Ok(())
    }

    /// The error if the call has failed.
    pub(super) fn failed(self, source: ClientError) -> ClientError {
        let done = if self.is_creation {
            "the secret is created"
        } else {
            "the secret is deleted"
        };
        let policy = if is_open(&source) {
            "and it is not known whether its IAM policy is, too"
        } else {
            "but its IAM policy is not"
        };
        ClientError::Half {
            done,
            policy,
            next: self.next(&source),
            source: Box::new(source),
        }
    }

    /// What the caller can do after this error.
    fn next(self, error: &ClientError) -> String {
        let code = match error {
            ClientError::Status(status) => status.code(),
            _ => Code::Unknown,
        };
        match (self.is_creation, code) {
            // The secret's name was accepted, so it is that of the policy that is too long.
            (true, Code::InvalidArgument) => format!(
                "the secret stays without a policy; to have one: {}, and create it with a shorter name",
                self.command("delete")
            ),
            (true, Code::AlreadyExists) => format!(
                "if a deleted secret of this name has left the policy: {}, and then {}",
                self.command("delete-policy"),
                self.command("create-policy")
            ),
            (false, Code::InvalidArgument | Code::NotFound) => {
                "kiss has no policy for it, so nothing is left to do".to_owned()
            }
            _ => format!("to finish: {}", self.alone()),
        }
    }

    /// The command that does this step alone.
    pub(super) fn alone(self) -> String {
        self.command(if self.is_creation {
            "create-policy"
        } else {
            "delete-policy"
        })
    }

    fn command(self, command: &str) -> String {
        let Self {
            namespace, name, ..
        } = self;
        format!("kiss {command} -namespace {namespace} -name {name}")
    }
}

/// Whether the server may have done what it was asked for, in spite of this error.
fn is_open(error: &ClientError) -> bool {
    match error {
        ClientError::Interrupted => true,
        ClientError::Status(status) => match status.code() {
            Code::DeadlineExceeded => !status.message().ends_with("nothing was changed"),
            // The client's timer.
            Code::Cancelled => true,
            // The connection is broken.
            _ => status.source().is_some(),
        },
        _ => false,
    }
}
