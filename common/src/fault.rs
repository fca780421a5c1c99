//! What can be wrong with an annotation, each with what would be right.

use std::fmt;

use crate::{
    name::ParseEntryNameError,
    pairs::ParsePairsError,
    path::ParsePathError,
    spec::SecretType,
    store_name::{ParseStoreNameError, StoreName},
};

/// One thing that is wrong, and the annotation it is wrong in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnotationError {
    /// The whole key of the annotation, `secret.bsycorp.com/db-password`.
    pub annotation: String,
    /// What is wrong and what would be right.
    pub problem: AnnotationErrorKind,
}

impl fmt::Display for AnnotationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", whole_key(&self.annotation), self.problem)
    }
}

impl std::error::Error for AnnotationError {}

/// Something that is not wrong but does nothing: an unknown key, a key without effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The whole key of the annotation.
    pub annotation: String,
    /// What has no effect.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", whole_key(&self.annotation), self.message)
    }
}

/// What is wrong with an annotation. No message repeats a `localModeValue`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnnotationErrorKind {
    /// The part after the slash.
    #[error("{0}")]
    Name(ParseEntryNameError),
    /// The value is not a list of pairs.
    #[error("{0}")]
    Pairs(ParsePairsError),
    /// A key that must be there is not.
    #[error("{key}= is missing; {right}")]
    Missing {
        /// The key.
        key: &'static str,
        /// What would be right.
        right: &'static str,
    },
    /// A key has a value that it cannot have.
    #[error("{key}={value} is wrong; {right}")]
    Invalid {
        /// The key.
        key: &'static str,
        /// The value as given. Never that of `localModeValue`.
        value: String,
        /// What would be right.
        right: String,
    },
    /// `localModeValue` cannot be decoded.
    #[error(
        "localModeValue is not standard base64; encode the value, for example with `base64 -w0`"
    )]
    LocalValue,
    /// RSA or GPG without a field, or with one that the type has not; `api-key` likewise.
    #[error("{what} has the fields {has}; name one of them at the end of the annotation's name")]
    Field {
        /// The type, or the kind of name.
        what: String,
        /// The fields it has, `_public and _private`.
        has: &'static str,
    },
    /// DYNAMIC RSA, GPG or `api-key` with `storageKey=`.
    #[error(
        "storageKey= cannot be used with a DYNAMIC {0}, whose fields need a path each; remove it"
    )]
    DynamicStorageKey(String),
    /// An ARN where something would have to be created.
    #[error("an ARN as storageKey= cannot be used with kind=DYNAMIC; use kind=REFERENCE")]
    DynamicArn,
    /// The path of the entry.
    #[error("{path}: {problem}")]
    Path {
        /// The path as it was joined.
        path: String,
        /// What is wrong with it.
        problem: ParsePathError,
    },
    /// The path is no name that Secrets Manager takes.
    #[error(
        "{0} cannot be the name of a secret in Secrets Manager; use 1 to 512 letters, digits and \
         /_+=.@-"
    )]
    SecretName(String),
    /// Two DYNAMIC entries ask for different things at one path.
    #[error(
        "{path} is asked for as {this} here and as {other} by {by}; give one of them another name \
         or storageKey="
    )]
    Conflict {
        /// The path both name.
        path: String,
        /// What this annotation asks for.
        this: String,
        /// What the other asks for.
        other: String,
        /// The other annotation.
        by: String,
    },
    /// Two entries of one list would be one shell variable.
    #[error(
        "as the shell variable {variable} it cannot be told from {by}; rename one of them or use \
         another format"
    )]
    SameVariable {
        /// The variable.
        variable: String,
        /// The other annotation.
        by: String,
    },
    /// Two entries, or an entry and a list of entries, would be written to one file.
    #[error("its file {file} is also that of {by}; rename one of them")]
    SameFile {
        /// The file.
        file: String,
        /// The other annotation, or what the file is otherwise.
        by: String,
    },
    /// `store=` or `init.DOMAIN/store` names a store that does not exist.
    #[error("{0}")]
    ParseStoreNameError(ParseStoreNameError),
    /// A store that the operator does not allow.
    #[error("store {store} is not allowed here; allowed: {allowed}")]
    StoreNotAllowed {
        /// The store asked for.
        store: StoreName,
        /// Those that are allowed.
        allowed: String,
    },
    /// A key that only Secrets Manager understands, with another store.
    #[error(
        "{key}= works with the store secretsmanager alone, and this entry is in {store}; remove it or add store=secretsmanager"
    )]
    NeedsSecretsManager {
        /// `property`, `versionStage` or `versionId`.
        key: &'static str,
        /// The entry's store.
        store: StoreName,
    },
    /// A lease outside local mode.
    #[error(
        "leases from a store need kees's creator, which this version does not have yet; use \
         {0}: \"true\" or remove the lease"
    )]
    StoreLease(String),
    /// Local mode has nothing to hand out for this entry.
    #[error("local mode has no value for it; add localModeValue= with the value in base64")]
    NoLocalValue,
    /// Local mode, where the operator does not allow it.
    #[error(
        "local mode is not allowed here; remove the annotation, or ask the operator to allow it"
    )]
    LocalModeDenied,
}

impl AnnotationErrorKind {
    pub(crate) fn invalid(key: &'static str, value: &str, right: impl Into<String>) -> Self {
        Self::Invalid {
            key,
            value: shown(value),
            right: right.into(),
        }
    }

    pub(crate) fn path(path: &str, problem: ParsePathError) -> Self {
        Self::Path {
            path: shown(path),
            problem,
        }
    }
}

/// What somebody wrote, cut and escaped so that a message stays one readable line.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(100)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(100).is_some() {
        shown.push('…');
    }
    shown
}

/// The key of an annotation, as a message has it: whole where Kubernetes takes it, which is only
/// found out after admission.
fn whole_key(key: &str) -> String {
    let sound = key.len() <= 317 && key.bytes().all(|b| b.is_ascii_graphic());
    if sound { key.to_owned() } else { shown(key) }
}

/// The fields of a type, as messages list them.
pub(crate) fn fields_of(secret_type: SecretType) -> &'static str {
    match secret_type {
        SecretType::Rsa => "_public and _private",
        SecretType::Gpg => "_public, _private and _password",
        SecretType::Password | SecretType::Random => "_consumer and _provider",
    }
}
