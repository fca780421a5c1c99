//! Why an operation is not done.

use crate::server::{
    cloud::{CloudError, CloudErrorKind, Found},
    names::{NameError, SecretId},
};

/// The most bytes of a value (`CreateSecret`, API reference).
pub const LARGEST_VALUE: usize = 65_536;

/// Why an operation is not done.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// A name of the request is invalid.
    #[error("invalid input '{input}': {source}")]
    Name {
        /// `NAMESPACE/NAME`, escaped.
        input: String,
        /// What is wrong.
        source: NameError,
    },
    /// The value is empty or too large.
    #[error(
        "invalid input '{id}': the value has {length} bytes, and a secret has 1 to {LARGEST_VALUE}"
    )]
    Value {
        /// The secret.
        id: SecretId,
        /// The bytes of the value.
        length: usize,
    },
    /// The secret or its policy exists.
    #[error("resource '{0}' already exists")]
    Exists(SecretId),
    /// Something else has the name in AWS.
    #[error(
        "resource '{id}' already exists: its name in AWS, {name}, is that of something that does not belong to \
         it; choose another name"
    )]
    Taken {
        /// The secret.
        id: SecretId,
        /// The name in AWS.
        name: String,
    },
    /// The secret does not exist.
    #[error("resource '{0}' not found")]
    NotFound(SecretId),
    /// The secret of a policy does not exist.
    #[error("No secret for '{0}': create the secret first")]
    NoSecret(SecretId),
    /// The policy does not exist.
    #[error("policy for '{0}' not found: create the policy first")]
    NoPolicy(SecretId),
    /// The policy that is to be deleted does not exist.
    #[error("policy for '{0}' not found")]
    PolicyIsGone(SecretId),
    /// The role does not exist, or has not got the policy.
    #[error("role '{role}' {problem}")]
    Role {
        /// The role's name.
        role: String,
        /// What is wrong, and what to do.
        problem: &'static str,
    },
    /// The tags name another secret, or none.
    #[error("resource '{0}' is not managed by KISS")]
    NotManaged(SecretId),
    /// The state in AWS does not allow it.
    #[error("{0}")]
    State(String),
    /// The request's deadline has come. Nothing was changed.
    #[error("the deadline of the call has come, and nothing was changed")]
    Deadline,
    /// The request's deadline has come while something was changed.
    #[error(
        "the deadline of the call has come, but the server has begun the change and finishes it: check with \
         `kiss list`, or make the call again, to know what was done"
    )]
    OutcomeOpen,
    /// AWS returned another error.
    #[error("failed to {verb} for unknown reasons ({action}: {code}){rest}", action = .source.action, code = .source.code)]
    Cloud {
        /// `create secret`.
        verb: &'static str,
        /// What is done already and what to do, or nothing.
        rest: String,
        /// The error.
        source: CloudError,
    },
}

/// The error of a change of a secret that existed just before.
pub(super) fn changed(id: &SecretId, verb: &'static str, error: CloudError) -> OperationError {
    match error.kind {
        CloudErrorKind::NotFound => OperationError::NotFound(id.clone()),
        CloudErrorKind::State => state(id, &error),
        _ => unclear(verb, error),
    }
}

/// `input` as an error shows it: the beginning, without characters that control a terminal.
pub fn shown(input: &str) -> String {
    let beginning = input
        .get(..input.floor_char_boundary(320))
        .unwrap_or_default();
    beginning.escape_debug().to_string()
}

/// The error for a name that is taken, perhaps by something that does not belong to the secret.
pub(super) fn exists(
    id: &SecretId,
    name: String,
    found: Result<Found, CloudError>,
) -> OperationError {
    match found {
        Ok(found) if !id.owns(&found.tags) => OperationError::Taken {
            id: id.clone(),
            name,
        },
        Err(error) if error.kind == CloudErrorKind::State => state(id, &error),
        _ => OperationError::Exists(id.clone()),
    }
}

pub(super) fn state(id: &SecretId, error: &CloudError) -> OperationError {
    OperationError::State(format!(
        "AWS refuses the change of '{id}' in its state ({}): if the secret was deleted outside of kiss, restore it \
         with AWS's tools, or wait until the recovery window is over",
        error.code
    ))
}

pub(super) fn unknown(verb: &'static str, source: CloudError) -> OperationError {
    OperationError::Cloud {
        verb,
        rest: String::new(),
        source,
    }
}

/// The error of a change. Without an answer of AWS it can be made all the same.
pub(super) fn unclear(verb: &'static str, source: CloudError) -> OperationError {
    let rest = if source.kind == CloudErrorKind::NoAnswer {
        ": AWS may have done it all the same; make the call again to know"
    } else {
        ""
    };
    OperationError::Cloud {
        verb,
        rest: rest.to_owned(),
        source,
    }
}

pub(super) fn unfinished(source: CloudError, detached: usize, roles: usize) -> OperationError {
    let exists = if source.kind == CloudErrorKind::NoAnswer {
        "perhaps still exists"
    } else {
        "still exists"
    };
    let rest = match (detached, source.kind) {
        (0, CloudErrorKind::NoAnswer) => {
            ": AWS may have done it all the same; delete the policy again to know".to_owned()
        }
        (0, _) => String::new(),
        _ => format!(
            ": the policy {exists}, detached from {detached} of {roles} roles; delete it again to finish"
        ),
    };
    OperationError::Cloud {
        verb: "delete policy",
        rest,
        source,
    }
}

pub(super) fn invalid(id: &SecretId) -> impl FnOnce(NameError) -> OperationError {
    let input = id.to_string();
    |source| OperationError::Name { input, source }
}
