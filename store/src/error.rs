//! The errors of a store.

use kees_common::{StoragePath, StoreName};

/// The kinds of error. They differ in what a user has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// IAM (or the policy of a resource or of a KMS key) denies the call. Not tried again.
    Denied {
        /// The action that is missing, `dynamodb:GetItem`.
        action: String,
        /// The resource as IAM names it, if it is known.
        resource: String,
    },
    /// There is no AWS identity, or it cannot be used: no credentials, an expired or missing web
    /// identity token. Counts as denied. Not tried again.
    Credentials,
    /// AWS does not accept the pod's token now, because it could not fetch the cluster's keys. This
    /// may be temporary. Counts as denied. Tried again.
    TokenNotAccepted,
    /// The store asks to slow down. Tried again.
    Throttled,
    /// There is no connection, or it broke. Tried again.
    Unreachable,
    /// There was no response in time. Tried again.
    TimedOut,
    /// The store failed (5xx). Tried again.
    Server,
    /// The secret is being deleted, and its name is blocked until then (Secrets Manager).
    ScheduledForDeletion {
        /// The date, if the role is allowed to see it.
        date: Option<String>,
    },
    /// The secret exists, but it has no value, or not the version that is asked for.
    NoValue,
    /// A setting of this program that the store needs is missing or wrong.
    Setting,
    /// The table, file or key that the store works with is missing or set up wrongly.
    Setup,
    /// The stored value is not what it should be: an incomplete generation, a wrong type, or
    /// without the member that is asked for.
    Malformed,
    /// Something was written, but cannot be read: it has been deleted, or a store without
    /// consistent reads did not return it in time.
    Absent,
    /// Anything else, with the store's own code and text.
    Other,
}

/// An error of a store. An absent value is not an error.
///
/// It has no source: the errors of an SDK may contain a request with a value. So the parts that a
/// user needs are copied into `code` and `message`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// The kind of error.
    pub kind: ErrorKind,
    /// The store.
    pub store: StoreName,
    /// The path, if the error is about a single path.
    pub path: Option<StoragePath>,
    /// The store's own error code, `AccessDeniedException`.
    pub code: Option<String>,
    /// What happened: the store's message, if it sent one. Never a value.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl StoreError {
    /// An error without path and code.
    pub fn new(
        kind: ErrorKind,
        store: StoreName,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            store,
            path: None,
            code: None,
            message: message.into(),
            remedy: remedy.into(),
        }
    }

    /// The same error, about `path`.
    #[must_use]
    pub fn at(self, path: &StoragePath) -> Self {
        Self {
            path: Some(path.clone()),
            ..self
        }
    }

    /// The same error, with the store's own code.
    #[must_use]
    pub fn with_code(self, code: impl Into<String>) -> Self {
        Self {
            code: Some(code.into()),
            ..self
        }
    }

    /// Whether trying again may help.
    pub fn is_transient(&self) -> bool {
        match self.kind {
            ErrorKind::TokenNotAccepted
            | ErrorKind::Throttled
            | ErrorKind::Unreachable
            | ErrorKind::TimedOut
            | ErrorKind::Server => true,
            ErrorKind::Denied { .. }
            | ErrorKind::Credentials
            | ErrorKind::ScheduledForDeletion { .. }
            | ErrorKind::NoValue
            | ErrorKind::Setting
            | ErrorKind::Setup
            | ErrorKind::Malformed
            | ErrorKind::Absent
            | ErrorKind::Other => false,
        }
    }

    /// Whether `other` differs only in its path.
    pub fn is_same(&self, other: &Self) -> bool {
        let Self {
            kind,
            store,
            path: _,
            code,
            message,
            remedy,
        } = self;
        (kind, store, code) == (&other.kind, &other.store, &other.code)
            && (message, remedy) == (&other.message, &other.remedy)
    }

    /// Whether the error is about the store as a whole (its identity, table, Region or endpoint)
    /// and so the same for every path, rather than about one path.
    pub fn concerns_store(&self) -> bool {
        match self.kind {
            ErrorKind::Credentials
            | ErrorKind::TokenNotAccepted
            | ErrorKind::Throttled
            | ErrorKind::Unreachable
            | ErrorKind::TimedOut
            | ErrorKind::Server
            | ErrorKind::Setting
            | ErrorKind::Setup => true,
            ErrorKind::Denied { .. }
            | ErrorKind::ScheduledForDeletion { .. }
            | ErrorKind::NoValue
            | ErrorKind::Malformed
            | ErrorKind::Absent
            | ErrorKind::Other => false,
        }
    }
}
