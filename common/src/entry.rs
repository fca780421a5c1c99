//! What one annotation asks for.

use std::{fmt, str::FromStr};

use crate::{EntryName, Field, SecretType, SecretValue, Spec, StoreName};

/// One `secret.`, `resource.` or `lease.` annotation, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The whole key of the annotation, for messages.
    pub annotation: String,
    /// The name, which is the key of the output line.
    pub name: EntryName,
    /// What it asks for.
    pub source: Source,
    /// `store=`, which wins over the pod's and the operator's default.
    pub store: Option<StoreName>,
    /// `localModeValue=`, decoded. Public by nature, and still never printed.
    pub local_value: Option<SecretValue>,
}

/// What an entry asks for, by the word its annotation begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `secret.DOMAIN/`
    Secret(Secret),
    /// `resource.DOMAIN/`
    Resource(Resource),
    /// `lease.DOMAIN/`
    Lease(Lease),
}

/// A secret: created where it is absent, or only read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// `kind=DYNAMIC`
    Dynamic {
        /// What is generated.
        spec: Spec,
        /// Which of the generation's values this entry is.
        field: Field,
        /// `storageKey=`; PASSWORD and RANDOM alone.
        storage_key: Option<StorageKey>,
    },
    /// `kind=REFERENCE`
    Reference {
        /// Where it is.
        lookup: Lookup,
        /// The type and field of a generation that a DYNAMIC entry made, where both are given and
        /// go together: the member of a Secrets Manager secret, and what local mode derives.
        member: Option<(SecretType, Field)>,
        /// What local mode derives a value from, where type and size say enough.
        local_spec: Option<Spec>,
    },
}

/// Configuration that something else stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Where it is.
    pub lookup: Lookup,
}

/// Where a value that is only read lies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lookup {
    /// `storageKey=`
    pub storage_key: Option<StorageKey>,
    /// `property=`: one member of a JSON object (Secrets Manager).
    pub property: Option<String>,
    /// `versionStage=` (Secrets Manager).
    pub version_stage: Option<String>,
    /// `versionId=` (Secrets Manager).
    pub version_id: Option<String>,
}

/// A number that no other live pod holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// `storageKeyPrefix=`, else the name without its field.
    pub key_prefix: String,
    /// `rangeStart=`, the first index.
    pub start: i32,
    /// `rangeEnd=`, the last index.
    pub end: i32,
}

/// `storageKey=`: the rest of a path below the pod's prefix or, in Secrets Manager, an ARN.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StorageKey(String);

impl StorageKey {
    /// The key as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it looks like an ARN.
    pub fn is_arn(&self) -> bool {
        self.0.starts_with("arn:")
    }
}

impl FromStr for StorageKey {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for StorageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Entry {
    /// The word for tables and messages: `secret`, `resource` or `lease`.
    pub fn word(&self) -> &'static str {
        match self.source {
            Source::Secret(_) => "secret",
            Source::Resource(_) => "resource",
            Source::Lease(_) => "lease",
        }
    }
}
