//! The report of a successful run. No value is in it.

use std::{fmt, path::PathBuf};

use kees_common::{Entry, Secret, SecretType, Source, StoragePath, StoreName, Warning};

/// A run that has written all files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// A row for each entry, sorted by annotation.
    pub rows: Vec<Row>,
    /// The files that were written, sorted.
    pub files: Vec<PathBuf>,
    /// The volumes of classes that were filled.
    pub volumes: Vec<VolumeRow>,
    /// Annotations, or parts of them, that had no effect.
    pub warnings: Vec<Warning>,
}

/// A volume that was filled as its `SecretProviderClass` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeRow {
    /// The name of the pod's volume.
    pub name: String,
    /// The name of the class.
    pub class: String,
    /// The number of its files.
    pub files: usize,
}

/// One entry of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The name, with the field.
    pub name: String,
    /// `secret`, `resource` or `lease`.
    pub word: &'static str,
    /// `DYNAMIC` or `REFERENCE`; `INDEX` for a lease; empty for a resource.
    pub kind: &'static str,
    /// The type of a secret, if its annotation has one.
    pub secret_type: Option<SecretType>,
    /// The path of the value, in local mode too; `None` for a lease in local mode.
    pub path: Option<StoragePath>,
    /// The store; `None` in local mode.
    pub store: Option<StoreName>,
    /// Where the value comes from.
    pub origin: Origin,
    /// The length of the value in bytes.
    pub size: usize,
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// This run generated and stored it.
    Created,
    /// It was in the store, or something else created it during the run.
    Found,
    /// Local mode: it is the `localModeValue`, or derived from the name.
    Local,
}

impl Origin {
    /// The name of the origin in tables.
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
    /// The row of `entry`, whose value has `size` bytes.
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
    /// A report of nothing.
    pub(crate) fn empty(warnings: &[Warning]) -> Self {
        Self {
            rows: Vec::new(),
            files: Vec::new(),
            volumes: Vec::new(),
            warnings: warnings.to_vec(),
        }
    }

    /// This report, with volumes that were filled too.
    #[cfg(feature = "classes")]
    pub(crate) fn with_volumes(self, volumes: Vec<VolumeRow>) -> Self {
        Self { volumes, ..self }
    }

    /// The number of entries with this origin.
    pub fn count(&self, origin: Origin) -> usize {
        self.rows.iter().filter(|row| row.origin == origin).count()
    }

    /// One line about the whole run.
    pub fn summary(&self) -> String {
        let volumes = self.volumes.iter().map(|volume| {
            let files = if volume.files == 1 { "file" } else { "files" };
            let VolumeRow { name, class, .. } = volume;
            format!(
                "the volume {name} (SecretProviderClass {class}) filled with {} {files}",
                volume.files
            )
        });
        let mut lines: Vec<_> = volumes.collect();
        if lines.is_empty() || !self.rows.is_empty() {
            lines.insert(0, self.entries());
        }
        lines.join("; ")
    }

    /// The part of [`Report::summary`] about entries.
    fn entries(&self) -> String {
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
