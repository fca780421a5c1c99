//! The errors and warnings of a pod's annotations. Each error says what would be right.

use std::fmt;

use crate::{
    excerpt::excerpt,
    field::Field,
    name::ParseEntryNameError,
    output::Format,
    pairs::ParsePairsError,
    path::ParsePathError,
    secret_type::SecretType,
    spec::Spec,
    store_name::{ParseStoreNameError, StoreName},
};

/// The longest key that Kubernetes accepts: a prefix of 253 characters, `/` and a name of 63.
const MAX_KEY_LENGTH: usize = 253 + 1 + 63;

/// One error, and the annotation that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnotationError {
    /// The whole key of the annotation, `secret.bsycorp.com/db-password`.
    pub annotation: String,
    /// What is wrong, and what would be right.
    pub kind: AnnotationErrorKind,
}

impl fmt::Display for AnnotationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", printable_key(&self.annotation), self.kind)
    }
}

impl std::error::Error for AnnotationError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // The message above contains that of `kind`.
        self.kind.source()
    }
}

/// Something that is allowed but has no effect: an unknown key, a key that its entry does not use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The whole key of the annotation.
    pub annotation: String,
    /// What has no effect.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", printable_key(&self.annotation), self.message)
    }
}

impl From<Warning> for AnnotationError {
    fn from(warning: Warning) -> Self {
        AnnotationErrorKind::DeniedWarning(warning.message).at(warning.annotation)
    }
}

/// What is wrong with an annotation. No message contains a `localModeValue`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnnotationErrorKind {
    /// The name after the slash.
    #[error(transparent)]
    Name(#[from] ParseEntryNameError),
    /// The value is not a list of pairs.
    #[error(transparent)]
    Pairs(#[from] ParsePairsError),
    /// A required key is missing.
    #[error("{key}= is missing; {right}")]
    Missing {
        /// The key.
        key: &'static str,
        /// What would be right.
        right: String,
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
    /// A blank at the end of a key that becomes part of a path.
    #[error(
        "{key}= ends in a blank; remove the blank: the original kees reads it as part of the path, \
         which would then name another value"
    )]
    BlankAtEnd {
        /// `storageKey` or `storageKeyPrefix`.
        key: &'static str,
    },
    /// An unknown key that is probably a misspelled known one.
    #[error("the key '{key}' is unknown; did you mean {known}=")]
    UnknownKey {
        /// The key as given.
        key: String,
        /// The known key.
        known: &'static str,
    },
    /// An unknown option that is probably a misspelled known one.
    #[error("unknown; did you mean {known}")]
    UnknownOption {
        /// The whole key of the known option's annotation.
        known: String,
    },
    /// A warning, where the operator's policy or `kees lint --strict` denies warnings.
    #[error("{0}; in strict mode, this warning is an error")]
    DeniedWarning(String),
    /// `localModeValue` cannot be decoded.
    #[error(
        "localModeValue is not standard base64; encode the value, for example with `base64 -w0`"
    )]
    LocalModeValue,
    /// A `localModeValue` that is not a JSON object, with `property=*`.
    #[error(
        "localModeValue is not a JSON object with names that files can have, as property=* needs; \
         encode an object"
    )]
    LocalModeMembers,
    /// A type with fields, and a name without one of them; `api-key` likewise.
    #[error("{what} has the fields {has}; name one of them at the end of the annotation's name")]
    Field {
        /// The type, or the kind of name.
        what: String,
        /// The fields it has, `_public and _private`.
        has: String,
    },
    /// `encoding=` with an entry that is not a key.
    #[error(
        "encoding= works with type={types} and a name that ends in _public or _private; remove it"
    )]
    NoEncodings {
        /// The types with encodings.
        types: String,
    },
    /// `storageKey=` with a DYNAMIC secret of a type with several fields.
    #[error(
        "storageKey= cannot be used with a DYNAMIC {0}, whose fields need a path each; remove it"
    )]
    DynamicStorageKey(String),
    /// An ARN where something would have to be created.
    #[error("an ARN as storageKey= cannot be used with kind=DYNAMIC; use kind=REFERENCE")]
    DynamicArn,
    /// The path of the entry.
    #[error("{path}: {reason}")]
    Path {
        /// The path: prefix and name or `storageKey`.
        path: String,
        /// What is wrong with it. It is part of the message, so it is not the error's source.
        reason: ParsePathError,
    },
    /// The store does not accept the path as a name.
    #[error("the store {store} does not accept the name {path}; {right}")]
    PathNotAccepted {
        /// The path as it was joined.
        path: String,
        /// The entry's store.
        store: StoreName,
        /// What the store accepts.
        right: &'static str,
    },
    /// Two DYNAMIC entries ask for different secrets at one path.
    #[error(
        "{path} is asked for as {this} here and as {other} by {by}; give one of them another name \
         or storageKey="
    )]
    Conflict {
        /// The path of both.
        path: String,
        /// What this annotation asks for.
        this: String,
        /// What the other annotation asks for.
        other: String,
        /// The other annotation.
        by: String,
    },
    /// A DYNAMIC secret at a path that a rotation uses.
    #[error(
        "a rotation ({by}) uses {path} itself; give this secret a name or storageKey= that does not end in \
         {suffix}"
    )]
    ReservedPath {
        /// The path.
        path: String,
        /// Its end.
        suffix: &'static str,
        /// The annotation with `rotate=` or `previous=`.
        by: String,
    },
    /// Two entries of one list have the same shell variable.
    #[error(
        "its shell variable {variable} is also that of {by}; rename one of them or use another \
         format"
    )]
    SameVariable {
        /// The variable.
        variable: String,
        /// The other annotation.
        by: String,
    },
    /// A value that the format cannot hold, or cannot always hold.
    #[error("format {format} needs {needs}, and {reason}; use another format")]
    Format {
        /// The format of the lists.
        format: Format,
        /// What it needs.
        needs: &'static str,
        /// What is different here.
        reason: String,
    },
    /// Two entries would be the same environment variable.
    #[error(
        "{other} and {name} would both be the environment variable {variable}; give one of them \
         another name, as in OTHER={name}, or leave it out"
    )]
    SameEnvironmentVariable {
        /// The variable.
        variable: String,
        /// The entry.
        name: String,
        /// The entry that has the variable already.
        other: String,
    },
    /// A value that cannot be an environment variable.
    #[error(
        "an environment variable needs text (UTF-8 without NUL), and {reason}; list the entries \
         without {name}, and read its file"
    )]
    NotVariable {
        /// The entry.
        name: String,
        /// Why its value cannot be a variable.
        reason: String,
    },
    /// A name that no entry has.
    #[error("the pod has no entry {0}; use the names of its entries, with their fields")]
    NoEntry(String),
    /// Two entries, or an entry and a list of entries, have the same file.
    #[error("its file {file} is also that of {by}; rename one of them")]
    SameFile {
        /// The file.
        file: String,
        /// The other annotation, or the list.
        by: String,
    },
    /// The folder of its file is the file of another entry.
    #[error("its folder {folder} is also the file of {by}; rename one of them")]
    FolderIsFile {
        /// The folder.
        folder: String,
        /// The other annotation, or the list.
        by: String,
    },
    /// An error in a template.
    #[error("line {line}, column {column}: {reason}")]
    Template {
        /// The line within the template.
        line: usize,
        /// The column, in characters.
        column: usize,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// A name that two entries have, in an option that needs one.
    #[error("{one} and {other} have this name; rename one of them")]
    SameName {
        /// The first annotation.
        one: String,
        /// The second annotation.
        other: String,
    },
    /// An entry with `property=*`, in an option that needs one value.
    #[error(
        "the entry {0} has a value for each member (property=*); name one member with property="
    )]
    EveryMember(String),
    /// An option of a Secret, and no name of the Secret.
    #[error("it needs {0}, which names the Secret; add it, or remove this annotation")]
    NoSecretName(String),
    /// A Secret without a key that its type needs.
    #[error(
        "a Secret of the type {secret_type} needs the key {key}; add {annotation} with a template"
    )]
    NoSecretKey {
        /// The type.
        secret_type: &'static str,
        /// The key.
        key: &'static str,
        /// The annotation that would add it.
        annotation: String,
    },
    /// A Secret without keys.
    #[error("the pod has no entry with a value for the Secret; add one, or {0} with a template")]
    NoSecretEntry(String),
    /// Two entries that would have the same key in a Secret.
    #[error("{one} and {other} would both have the key {name}; name the keys with {annotation}")]
    SameSecretKey {
        /// The first annotation.
        one: String,
        /// The second annotation.
        other: String,
        /// The key.
        name: String,
        /// The annotation that names keys.
        annotation: String,
    },
    /// `store=` or `init.DOMAIN/store` names a store that does not exist.
    #[error(transparent)]
    StoreName(#[from] ParseStoreNameError),
    /// A store that the operator does not allow.
    #[error("store {store} is not allowed here; allowed: {allowed}")]
    StoreNotAllowed {
        /// The store of the entry or of the pod.
        store: StoreName,
        /// The stores that are allowed.
        allowed: String,
    },
    /// An ARN that the operator does not allow.
    #[error("{0} is not among the references that the policy allows; ask the operator to add it")]
    ReferenceNotAllowed(String),
    /// A key that the entry's store does not support.
    #[error(
        "{key}= does not work with the store {store}; remove it, or use a store that supports it: {supported}"
    )]
    UnsupportedKey {
        /// `property`, `versionStage` or `versionId`.
        key: &'static str,
        /// The entry's store.
        store: StoreName,
        /// The stores that support the key.
        supported: String,
    },
    /// A lease, and the pod's store keeps none.
    #[error(
        "the store {store} keeps no leases; set {option} to a store that does ({supported}), and \
         store={store} on the entries that stay"
    )]
    LeaseStore {
        /// The pod's store.
        store: StoreName,
        /// The annotation that names the pod's store.
        option: String,
        /// The stores that keep leases.
        supported: String,
    },
    /// Local mode has no value for this entry.
    #[error("local mode has no value for it; add localModeValue= with the value in base64")]
    NoLocalValue,
    /// The operator does not allow local mode.
    #[error(
        "local mode is not allowed here; remove the annotation, or ask the operator to allow it"
    )]
    LocalModeDenied,
}

impl AnnotationErrorKind {
    pub(crate) fn missing(key: &'static str, right: impl Into<String>) -> Self {
        Self::Missing {
            key,
            right: right.into(),
        }
    }

    pub(crate) fn invalid(key: &'static str, value: &str, right: impl Into<String>) -> Self {
        Self::Invalid {
            key,
            value: excerpt(value),
            right: right.into(),
        }
    }

    pub(crate) fn path(path: &str, reason: ParsePathError) -> Self {
        Self::Path {
            path: excerpt(path),
            reason,
        }
    }

    pub(crate) fn no_encodings() -> Self {
        let types = SecretType::ALL
            .into_iter()
            .filter(|secret_type| secret_type.has_encodings());
        Self::NoEncodings {
            types: SecretType::list(types),
        }
    }

    /// An `api-key` without one of its fields.
    pub(crate) fn api_key_field() -> Self {
        Self::field(
            "a RANDOM whose name begins with api-key",
            Spec::API_KEY_FIELDS,
        )
    }

    pub(crate) fn field(what: &str, fields: &[Field]) -> Self {
        let names: Vec<_> = fields.iter().map(|field| format!("_{field}")).collect();
        let has = match names.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} and {last}", others.join(", ")),
            None => String::new(),
        };
        Self::Field {
            what: what.to_owned(),
            has,
        }
    }

    /// The error, with the annotation that has it.
    #[must_use]
    pub fn at(self, annotation: impl Into<String>) -> AnnotationError {
        AnnotationError {
            annotation: annotation.into(),
            kind: self,
        }
    }
}

/// The key of an annotation as messages contain it. Kubernetes checks keys only after admission, so
/// a key may be long or have control characters; such a key is cut and escaped.
fn printable_key(key: &str) -> String {
    let is_plain = key.len() <= MAX_KEY_LENGTH && key.bytes().all(|b| b.is_ascii_graphic());
    if is_plain {
        key.to_owned()
    } else {
        excerpt(key)
    }
}
