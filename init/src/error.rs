//! The errors that make a run fail.

use std::{fmt, io, path::PathBuf, time::Duration};

use kees_common::{
    AnnotationError, MembersError, StoragePath, StoreName, downward::ParseDownwardError,
    environment::VariableError, error_chain, output::RenderError,
};
use kees_generate::{GenerateError, VerifyError};
#[cfg(feature = "classes")]
use kees_secret_provider_class::LocateError;
use kees_store::StoreError;
#[cfg(feature = "classes")]
use kees_store::aws::RegionError;
use kees_template::TemplateError;

#[cfg(feature = "classes")]
use crate::volume::ObjectsError;
use crate::{
    exit::Exit,
    keystore::KeystoreError,
    store_error::{store_exit, store_message},
    usage::UsageError,
    write::WriteError,
};

/// One error of a run. No message has a value in it.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The arguments or the environment cannot be understood.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// A variable is missing, or does not fit another.
    #[error("{variable} {error}")]
    Setting {
        /// The variable.
        variable: &'static str,
        /// What is wrong and what would be right.
        error: String,
    },
    /// The annotations file cannot be read.
    #[error("the annotations file {path} cannot be read; mount the pod's annotations there")]
    NoAnnotations {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The annotations file is not what the kubelet writes.
    #[error("the annotations file is not what the kubelet writes")]
    Annotations(#[from] ParseDownwardError),
    /// An annotation is wrong.
    #[error(transparent)]
    Annotation(#[from] AnnotationError),
    /// An entry has no value, or several entries have none for the same reason.
    #[error("{}", places(entries))]
    Entries {
        /// The entries, at least one; all of one store.
        entries: Vec<FailedEntry>,
        /// The reason.
        source: EntryError,
    },
    /// Local mode cannot derive a value.
    #[error("{annotation}: local mode cannot derive the value")]
    Derivation {
        /// The annotation.
        annotation: String,
        /// Why.
        source: GenerateError,
    },
    /// The format cannot hold a value.
    #[error("{annotation}")]
    Output {
        /// The annotation.
        annotation: String,
        /// Why.
        source: RenderError,
    },
    /// The members of a JSON object cannot be handed out.
    #[error("{annotation}")]
    Members {
        /// The annotation.
        annotation: String,
        /// Why.
        source: MembersError,
    },
    /// A value cannot be an environment variable.
    #[error("{annotation}")]
    Variable {
        /// The annotation.
        annotation: String,
        /// Why.
        source: VariableError,
    },
    /// A template cannot be rendered.
    #[error("{annotation}")]
    Template {
        /// The annotation.
        annotation: String,
        /// Why.
        source: TemplateError,
    },
    /// A keystore cannot be made.
    #[error("{annotation}")]
    Keystore {
        /// The annotation.
        annotation: String,
        /// Why.
        source: KeystoreError,
    },
    /// A key of a Kubernetes Secret is not what its type needs.
    #[error("{annotation}: {error}")]
    SecretKey {
        /// The annotation.
        annotation: String,
        /// What is wrong and what would be right.
        error: String,
    },
    /// A refresh read an earlier value than before.
    #[error(
        "{annotation}: the store answered with an earlier value than before; the files keep the newer \
         one (a value that is not generated is taken if three reads in a row answer it)"
    )]
    Earlier {
        /// The annotation.
        annotation: String,
    },
    /// A refresh cannot read the number of a lease.
    #[error("{annotation}: its number cannot be read from {path}, where the first run wrote it")]
    Number {
        /// The annotation.
        annotation: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The files of a fast start are not there.
    #[error(
        "the files are not complete after {} s: {} is not there; the log of this container says what \
         it waits for",
        waited.as_secs(),
        path.display()
    )]
    NotReady {
        /// The file that says that they are.
        path: PathBuf,
        /// How long the hook has waited.
        waited: Duration,
    },
    /// Objects of a `SecretProviderClass` were not read.
    #[cfg(feature = "classes")]
    #[error("{volume}")]
    Objects {
        /// The volume that they are for.
        volume: VolumeOfClass,
        /// The objects, and why.
        source: ObjectsError,
    },
    /// A volume cannot be filled in the Region of the pod.
    #[cfg(feature = "classes")]
    #[error("{volume}")]
    Located {
        /// The volume.
        volume: VolumeOfClass,
        /// Why.
        source: LocateError,
    },
    /// The Region of a volume is not known.
    #[cfg(feature = "classes")]
    #[error(
        "{volume}: the AWS Region is not known; set the parameter region of the class, or AWS_REGION"
    )]
    NoRegion {
        /// The volume.
        volume: VolumeOfClass,
        /// A wrong Region of the environment, if there is one. That there is none needs no further words.
        source: Option<RegionError>,
    },
    /// The stores of a volume cannot be used.
    #[cfg(feature = "classes")]
    #[error("{volume}: {}", store_message(error))]
    VolumeStore {
        /// The volume.
        volume: VolumeOfClass,
        /// Why.
        error: StoreError,
    },
    /// The files of a volume cannot be written.
    #[cfg(feature = "classes")]
    #[error("{volume}")]
    VolumeFiles {
        /// The volume.
        volume: VolumeOfClass,
        /// Why.
        source: WriteError,
    },
    /// A store cannot be used.
    #[error("the store {} cannot be used: {}", .0.store, store_message(.0))]
    Store(StoreError),
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl InitError {
    /// The error of one entry.
    pub(crate) fn entry(entry: FailedEntry, source: EntryError) -> Self {
        Self::Entries {
            entries: vec![entry],
            source,
        }
    }

    /// The exit status that this error alone gives.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::Setting { .. } | Self::NoAnnotations { .. } => Exit::Usage,
            Self::Annotations(_)
            | Self::Annotation(_)
            | Self::Output { .. }
            | Self::Members { .. }
            | Self::Template { .. }
            | Self::Keystore { .. }
            | Self::SecretKey { .. }
            | Self::Variable { .. } => Exit::Data,
            Self::Entries { source, .. } => source.exit(),
            Self::NotReady { .. } => Exit::Absent,
            Self::Derivation { .. } | Self::Earlier { .. } => Exit::Unavailable,
            Self::Store(error) => store_exit(error),
            Self::Write(_) | Self::Number { .. } => Exit::CannotWrite,
            #[cfg(feature = "classes")]
            Self::Objects { source, .. } => source.exit(),
            #[cfg(feature = "classes")]
            Self::Located { .. } => Exit::Data,
            #[cfg(feature = "classes")]
            Self::NoRegion { .. } => Exit::Usage,
            #[cfg(feature = "classes")]
            Self::VolumeStore { error, .. } => store_exit(error),
            #[cfg(feature = "classes")]
            Self::VolumeFiles { .. } => Exit::CannotWrite,
        }
    }

    /// Whether the store has no value, which may come.
    pub fn is_absent(&self) -> bool {
        let Self::Entries { source, .. } = self else {
            return false;
        };
        matches!(source, EntryError::Absent { .. })
    }

    /// The error with its sources, in one line. Line breaks are replaced, because a store or the
    /// system may send some.
    pub fn line(&self) -> String {
        let mut line = error_chain::describe(self);
        // The paths come last, so that a line that is cut still has the reason.
        if let Self::Entries { entries, .. } = self
            && entries.len() > 1
        {
            let list: Vec<_> = entries.iter().map(FailedEntry::within_store).collect();
            line.push_str("; the entries are ");
            line.push_str(&list.join(", "));
        }
        line.chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect()
    }
}

/// The volume of a pod, and the class that says what is in it.
#[cfg(feature = "classes")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeOfClass {
    /// The name of the pod's volume.
    pub name: String,
    /// The name of the `SecretProviderClass`.
    pub class: String,
}

#[cfg(feature = "classes")]
impl fmt::Display for VolumeOfClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, class } = self;
        write!(f, "the volume {name} (SecretProviderClass {class})")
    }
}

/// An entry without a value, and where the value was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedEntry {
    /// The annotation.
    pub annotation: String,
    /// The store.
    pub store: StoreName,
    /// The path in the store.
    pub path: StoragePath,
}

impl FailedEntry {
    fn within_store(&self) -> String {
        format!("{} ({})", self.annotation, self.path)
    }
}

impl fmt::Display for FailedEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} {})", self.annotation, self.store, self.path)
    }
}

fn places(entries: &[FailedEntry]) -> String {
    match entries {
        [entry] => entry.to_string(),
        entries => {
            let store = entries.first().map(|entry| entry.store.as_str());
            format!("{} entries in {}", entries.len(), store.unwrap_or_default())
        }
    }
}

/// Why an entry has no value.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// The store did not tell whether there is a value: its answer was an error.
    #[error("{}", store_message(.0))]
    Store(StoreError),
    /// The stored value is not what the annotation says.
    #[error("{0}; kees changes no stored value: repair or remove it")]
    Verify(VerifyError),
    /// The generation could not be generated.
    #[error("the value could not be generated")]
    Generate(#[from] GenerateError),
    /// The value is absent, and this run does not create it.
    #[error("absent{}; {remedy}", after(*waited))]
    Absent {
        /// How long the run has waited for it.
        waited: Duration,
        /// What to do about it.
        remedy: String,
    },
}

impl From<StoreError> for EntryError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl EntryError {
    fn exit(&self) -> Exit {
        match self {
            Self::Store(error) => store_exit(error),
            Self::Verify(_) | Self::Generate(GenerateError::Size { .. }) => Exit::Data,
            Self::Generate(_) => Exit::Unavailable,
            Self::Absent { .. } => Exit::Absent,
        }
    }

    /// Whether both errors are the same error of a store as a whole, such as missing credentials.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Store(this), Self::Store(other)) => this.concerns_store() && this.is_same(other),
            _ => false,
        }
    }
}

fn after(waited: Duration) -> String {
    match waited.as_secs() {
        0 => String::new(),
        seconds => format!(" after {seconds} s"),
    }
}
