//! What a run did, for those who started it. No value is in it.

use std::{fmt, path::PathBuf};

use kees_common::{Entry, Secret, SecretType, Source, StoragePath, StoreName, Warning};

/// A run that wrote everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// One for each entry, sorted by annotation.
    pub rows: Vec<Row>,
    /// The files that were written, sorted.
    pub files: Vec<PathBuf>,
    /// What had no effect.
    pub warnings: Vec<Warning>,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its name, field included.
    pub name: String,
    /// `secret`, `resource` or `lease`.
    pub word: &'static str,
    /// `DYNAMIC` or `REFERENCE`; `INDEX` for a lease; empty for a resource.
    pub kind: &'static str,
    /// The type of a secret, where its annotation says one.
    pub secret_type: Option<SecretType>,
    /// Where it is stored, or would be outside local mode; `None` for a lease.
    pub path: Option<StoragePath>,
    /// The store that was asked; `None` in local mode.
    pub store: Option<StoreName>,
    /// How the value came to be.
    pub origin: Origin,
    /// Length of the value in bytes.
    pub size: usize,
}

/// How a value came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// This run generated and stored it.
    Created,
    /// It was there, or somebody else created it meanwhile.
    Found,
    /// Local mode's: `localModeValue`, or derived from the name.
    Local,
}

impl Origin {
    /// The word for tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Found => "found",
            Self::Local => "local",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Row {
    /// The row of `entry`.
    pub(crate) fn new(
        entry: &Entry,
        store: Option<StoreName>,
        path: Option<StoragePath>,
        origin: Origin,
        size: usize,
    ) -> Self {
        let (kind, secret_type) = match &entry.source {
            Source::Secret(Secret::Dynamic { spec, .. }) => ("DYNAMIC", Some(spec.secret_type())),
            Source::Secret(Secret::Reference {
                member, local_spec, ..
            }) => {
                let by_member = member.map(|(secret_type, _)| secret_type);
                let by_spec = local_spec.as_ref().map(kees_common::Spec::secret_type);
                ("REFERENCE", by_member.or(by_spec))
            }
            Source::Resource(_) => ("", None),
            Source::Lease(_) => ("INDEX", None),
        };
        Self {
            name: entry.name.to_string(),
            word: entry.word(),
            kind,
            secret_type,
            path,
            store,
            origin,
            size,
        }
    }
}

impl Report {
    /// How many entries came about in that way.
    pub fn count(&self, origin: Origin) -> usize {
        self.rows.iter().filter(|row| row.origin == origin).count()
    }

    /// One line about the whole.
    pub fn summary(&self) -> String {
        let mut parts = Vec::new();
        for origin in [Origin::Created, Origin::Found, Origin::Local] {
            match self.count(origin) {
                0 => {}
                count => parts.push(format!("{count} {origin}")),
            }
        }
        let how = if parts.is_empty() {
            "none".to_owned()
        } else {
            parts.join(", ")
        };
        let entries = if self.rows.len() == 1 {
            "entry"
        } else {
            "entries"
        };
        format!("{} {entries} written ({how})", self.rows.len())
    }
}
