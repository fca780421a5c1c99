//! What a store can answer instead of a value, told apart.

use kees_common::{StoragePath, StoreName};

/// The kinds of failure that need different things of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// IAM (or a resource or KMS policy) refuses. Not tried again.
    Denied {
        /// The action that is missing, `dynamodb:GetItem`.
        action: String,
        /// The resource as IAM names it, as far as it is known.
        resource: String,
    },
    /// There is no AWS identity at all, or it cannot be used (no credentials, an expired or missing
    /// web identity token). Counts as denied. Not tried again.
    Credentials,
    /// The store asks to slow down. Tried again.
    Throttled,
    /// No connection, or it broke. Tried again.
    Unreachable,
    /// No answer in time. Tried again.
    TimedOut,
    /// The store's own fault (5xx). Tried again.
    Server,
    /// The secret's name is being deleted and blocked until then (Secrets Manager).
    ScheduledForDeletion {
        /// The date, where the right to see it is there.
        date: Option<String>,
    },
    /// The table, file or key that everything lies in is missing or set up wrongly (a missing
    /// table, a wrong Region, a disabled KMS key).
    Setup,
    /// What is stored is not what it should be: not base64, half a generation, wrong type.
    Malformed,
    /// Something was written and is not there to be read: deleted since, or, in a store without
    /// consistent reads, not shown in time.
    Absent,
    /// Anything else, with the store's own code and text.
    Other,
}

/// A store's answer that is no value and no absence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// What kind of failure.
    pub kind: ErrorKind,
    /// Which store.
    pub store: StoreName,
    /// The path it is about, where it is about one.
    pub path: Option<StoragePath>,
    /// The store's own error code, `AccessDeniedException`.
    pub code: Option<String>,
    /// What happened, in the store's words where it has any. Never a value.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl StoreError {
    /// Whether trying again may help.
    pub fn is_transient(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Throttled | ErrorKind::Unreachable | ErrorKind::TimedOut | ErrorKind::Server
        )
    }
}
