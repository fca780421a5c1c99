//! The entries of a pod: one annotation each.

use std::fmt;

use crate::{
    domain::Word, encoding::Encoding, field::Field, name::EntryName, names::keys, pairs::Printer,
    period::Period, secret::SecretValue, secret_type::SecretType, spec::Spec,
    store_name::StoreName,
};

/// One `secret.`, `resource.` or `lease.` annotation, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The whole key of the annotation, for messages.
    pub annotation: String,
    /// The name, which is the key of the output line.
    pub name: EntryName,
    /// The secret, resource or lease.
    pub source: Source,
    /// `store=`, which takes precedence over the pod's store and the operator's.
    pub store: Option<StoreName>,
    /// `encoding=`
    pub encoding: Encoding,
    /// `localModeValue=`, decoded. It is not secret, but it is never printed.
    pub local_value: Option<SecretValue>,
    /// `rotate=` and `retain=`, for a DYNAMIC secret.
    pub rotation: Option<Rotation>,
    /// `previous=true`: the next entry is the same value in the generation before the current one.
    pub has_previous: bool,
    /// Whether this entry is such a value. It is absent where the secret was never rotated.
    pub is_previous: bool,
}

/// When a secret is replaced by a new generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rotation {
    /// `rotate=`: how long a generation is the current one.
    pub every: Period,
    /// `retain=`: how long the generation before it is kept. `None`: until the next rotation.
    pub retain: Option<Period>,
}

/// What an entry asks for. The first word of the annotation's key decides.
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
        /// The field of the generation.
        field: Field,
        /// `storageKey=`, if the type has one value only.
        storage_key: Option<StorageKey>,
    },
    /// `kind=REFERENCE`
    Reference {
        /// Where it is stored.
        lookup: Lookup,
        /// The type and field of a generation that a DYNAMIC entry created, if the annotation has
        /// both: the member of a Secrets Manager secret, and the value that local mode derives.
        member: Option<(SecretType, Field)>,
        /// What local mode derives, if the annotation has a type.
        local_spec: Option<Spec>,
    },
}

/// Configuration that something else stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Where it is stored.
    pub lookup: Lookup,
}

/// Where a value is stored that is only read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lookup {
    /// `storageKey=`
    pub storage_key: Option<StorageKey>,
    /// `property=`: one member of a JSON object (Secrets Manager), or `*` for all of them.
    pub property: Option<String>,
    /// `versionStage=` (Secrets Manager).
    pub version_stage: Option<String>,
    /// `versionId=` (Secrets Manager).
    pub version_id: Option<String>,
}

impl Lookup {
    /// Whether each member of the stored JSON object is a value of its own (`property=*`).
    pub fn has_every_member(&self) -> bool {
        self.property.as_deref() == Some("*")
    }
}

/// A number that no other live pod holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// `storageKeyPrefix=`, or the name without its field.
    pub key_prefix: String,
    /// `rangeStart=`, the first index.
    pub start: i32,
    /// `rangeEnd=`, the last index.
    pub end: i32,
}

/// `storageKey=`: the part of a path after the pod's prefix, or an ARN in Secrets Manager.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StorageKey(String);

impl StorageKey {
    /// The key as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it begins as an ARN.
    pub fn is_arn(&self) -> bool {
        self.0.starts_with("arn:")
    }
}

impl From<String> for StorageKey {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for StorageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Source {
    /// Where the value is stored, if it is only read.
    pub fn lookup(&self) -> Option<&Lookup> {
        match self {
            Self::Secret(Secret::Reference { lookup, .. }) => Some(lookup),
            Self::Resource(resource) => Some(&resource.lookup),
            Self::Secret(Secret::Dynamic { .. }) | Self::Lease(_) => None,
        }
    }
}

impl Entry {
    /// Whether the value is a JSON object whose members are handed out, each as a value of its own.
    pub fn has_every_member(&self) -> bool {
        self.source.lookup().is_some_and(Lookup::has_every_member)
    }

    /// The entry of the same value in the generation before the current one, if this one asks for it.
    pub(crate) fn previous(&self) -> Option<Self> {
        self.has_previous.then(|| Self {
            name: self.name.previous(),
            local_value: None,
            rotation: None,
            has_previous: false,
            is_previous: true,
            ..self.clone()
        })
    }

    /// The word for tables and messages: `secret`, `resource` or `lease`.
    pub fn word(&self) -> &'static str {
        let word = match self.source {
            Source::Secret(_) => Word::Secret,
            Source::Resource(_) => Word::Resource,
            Source::Lease(_) => Word::Lease,
        };
        word.as_str()
    }

    /// The ARN in `storageKey=` of a value that is only read.
    pub fn arn(&self) -> Option<&str> {
        let key = self.source.lookup()?.storage_key.as_ref();
        key.filter(|key| key.is_arn()).map(StorageKey::as_str)
    }

    /// The value that the application gets, from a stored, generated or derived one. A
    /// `localModeValue` is not encoded: the application gets it as it is.
    pub fn encode(&self, value: SecretValue) -> SecretValue {
        match self.key() {
            Some((_, field)) => self.encoding.encode(field, value),
            None => value,
        }
    }

    /// Type and field, if this entry is a key that `encoding=` applies to.
    pub fn key(&self) -> Option<(SecretType, Field)> {
        match &self.source {
            Source::Secret(secret) => secret.key(),
            _ => None,
        }
    }

    /// The value of an annotation that parses into this entry, in its canonical form:
    /// `kind=DYNAMIC,type=RSA,size=2048`. It is no `Display`, because it holds `localModeValue`.
    pub fn annotation_value(&self) -> String {
        let mut pairs = Printer::default();
        match &self.source {
            Source::Secret(secret) => secret.print(&mut pairs),
            Source::Resource(resource) => resource.lookup.print(&mut pairs),
            Source::Lease(lease) => lease.print(&mut pairs),
        }
        if self.encoding != Encoding::default() {
            pairs.pair(keys::ENCODING, self.encoding.as_str());
        }
        if let Some(store) = self.store {
            pairs.pair(keys::STORE, store.as_str());
        }
        if let Some(Rotation { every, retain }) = self.rotation {
            pairs.pair(keys::ROTATE, &every.to_string());
            if let Some(retain) = retain {
                pairs.pair(keys::RETAIN, &retain.to_string());
            }
        }
        if self.has_previous {
            pairs.pair(keys::PREVIOUS, "true");
        }
        if let Some(value) = &self.local_value {
            pairs.pair(keys::LOCAL_MODE_VALUE, &value.to_base64());
        }
        pairs.finish()
    }
}

impl Secret {
    /// Type and field, if this secret is a key that `encoding=` applies to.
    pub(crate) fn key(&self) -> Option<(SecretType, Field)> {
        let key = match self {
            Self::Dynamic { spec, field, .. } => Some((spec.secret_type(), *field)),
            Self::Reference { member, .. } => *member,
        };
        key.filter(|(secret_type, _)| secret_type.has_encodings())
    }

    fn print(&self, pairs: &mut Printer) {
        match self {
            Self::Dynamic {
                spec,
                field: _,
                storage_key,
            } => {
                pairs.pair(keys::KIND, "DYNAMIC");
                spec.print(pairs);
                if let Some(key) = storage_key {
                    pairs.pair(keys::STORAGE_KEY, key.as_str());
                }
            }
            Self::Reference {
                lookup,
                member,
                local_spec,
            } => {
                pairs.pair(keys::KIND, "REFERENCE");
                match (local_spec, member) {
                    (Some(spec), _) => spec.print(pairs),
                    (None, Some((secret_type, _))) => {
                        pairs.pair(keys::TYPE, secret_type.as_str());
                    }
                    (None, None) => {}
                }
                lookup.print(pairs);
            }
        }
    }
}

impl Lookup {
    /// Whether one version is named.
    pub(crate) fn has_version(&self) -> bool {
        self.version_stage.is_some() || self.version_id.is_some()
    }

    fn print(&self, pairs: &mut Printer) {
        let keys = [
            (
                keys::STORAGE_KEY,
                self.storage_key.as_ref().map(StorageKey::as_str),
            ),
            (keys::PROPERTY, self.property.as_deref()),
            (keys::VERSION_STAGE, self.version_stage.as_deref()),
            (keys::VERSION_ID, self.version_id.as_deref()),
        ];
        for (key, value) in keys {
            if let Some(value) = value {
                pairs.pair(key, value);
            }
        }
    }
}

impl Lease {
    fn print(&self, pairs: &mut Printer) {
        pairs.pair(keys::KIND, "INDEX");
        pairs.pair(keys::STORAGE_KEY_PREFIX, &self.key_prefix);
        pairs.pair(keys::RANGE_START, &self.start.to_string());
        pairs.pair(keys::RANGE_END, &self.end.to_string());
    }
}
