//! The errors of the command line: what is wrong, where, and which exit status it has.

use std::{fmt, io, path::PathBuf};

use kees_common::{StoreName, error_chain, names::env};
use kees_init::{Exit, RunError};
use kees_inject::{ClassVolumeError, ParsePolicyError, PodError, SettingsError};
use kees_secret_provider_class::{ParseClassError, VolumeError};
use kees_store::aws::RegionError;

use crate::{export_error::ExportError, location::Location};

/// One error and the place in the manifests that it is about.
#[derive(Debug)]
pub(crate) struct CliError {
    pub(crate) location: Box<Location>,
    pub(crate) kind: CliErrorKind,
}

impl CliError {
    /// The workloads that the error concerns, if there are several.
    pub(crate) fn concerns(&self) -> &[Concern] {
        match &self.kind {
            CliErrorKind::Shared { concerns, .. } => concerns,
            _ => &[],
        }
    }

    /// The error and its sources in one line, without the location.
    pub(crate) fn message(&self) -> String {
        error_chain::describe(&self.kind)
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.location, self.message())?;
        self.concerns()
            .iter()
            .try_for_each(|concern| write!(f, "\n  {concern}"))
    }
}

impl From<CliErrorKind> for CliError {
    /// An error that belongs to no manifest.
    fn from(kind: CliErrorKind) -> Self {
        kind.at(&Location::default())
    }
}

impl From<ExportError> for CliError {
    fn from(error: ExportError) -> Self {
        CliErrorKind::from(error).into()
    }
}

impl From<ExportError> for Vec<CliError> {
    fn from(error: ExportError) -> Self {
        vec![error.into()]
    }
}

/// Sorts errors in the order of the manifests. Errors that belong to no manifest come first.
pub(crate) fn sort(errors: &mut [CliError]) {
    errors.sort_by(|a, b| a.location.order(&b.location));
}

/// The exit status for all of `errors`; `None` where there are none.
pub(crate) fn exit<'a>(errors: impl IntoIterator<Item = &'a CliError>) -> Option<Exit> {
    errors.into_iter().map(|error| error.kind.exit()).min()
}

/// What is wrong and what would be right. A message never contains the value of an annotation,
/// except where `kees-inject` and `kees-init` show a value that is not secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliErrorKind {
    #[error("cannot be read")]
    ReadFile(#[source] io::Error),
    #[error("is not UTF-8 text; save it as UTF-8")]
    NotUtf8,
    #[error("is larger than {} MiB, the most that is read; split it into several files", .0 >> 20)]
    TooLarge(usize),
    #[error("is empty; the command before it has printed nothing")]
    EmptyInput,
    #[error("has no file that ends in .yaml, .yml or .json; name another folder")]
    EmptyFolder,
    #[error(
        "matches no file; correct the pattern, or put it in quotes so that the shell does not change it"
    )]
    NoMatch,
    #[error("is not a valid pattern: {0}")]
    Pattern(&'static str),
    #[error("the policy file {path} cannot be read")]
    ReadPolicy { path: PathBuf, source: io::Error },
    #[error("the policy file {path} is invalid")]
    ParsePolicy {
        path: PathBuf,
        source: ParsePolicyError,
    },
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("not valid YAML: {0}")]
    Yaml(String),
    #[error(
        "not valid YAML: {0}; templates of Helm are not read: give the output of helm template instead"
    )]
    Template(String),
    #[error(
        "its anchors stand for more than {0} nodes, the most that are read; write fewer aliases (*name)"
    )]
    Aliases(usize),
    #[error("not a Kubernetes object: {0}")]
    NotAnObject(String),
    #[error(
        "{field} of this {kind} is missing or is not a name that Kubernetes accepts; use lower-case \
         letters, digits and '-'"
    )]
    InvalidName { kind: String, field: &'static str },
    #[error("{0} is missing; describe the pod there")]
    NoPodTemplate(String),
    #[error("the pod has no {0}; list its containers in spec.containers")]
    NoContainers(&'static str),
    #[error("{0} has a workload of the same kind, namespace and name; rename one of them")]
    DuplicateName(String),
    #[error("{annotation}: the value is not text; put it in quotes")]
    AnnotationNotText { annotation: String },
    #[error("{0} has the wrong type; put a number or boolean that is meant as text in quotes")]
    WrongType(String),
    #[error("{0}")]
    Denied(PodError),
    #[error("{0}")]
    Class(ParseClassError),
    #[error("the volume {name}: {error}")]
    Volume { name: String, error: VolumeError },
    /// An error of a class that every pod with a volume of it would have.
    #[error("{field}: {error}")]
    ClassVolume {
        field: &'static str,
        error: ClassVolumeError,
    },
    /// A warning, where `--strict` makes it an error.
    #[error("{0}; in strict mode, this warning is an error")]
    Warning(String),
    #[error(
        "its pods are annotated outside of a pod template, so kees inject cannot change them; install \
         the webhook, which changes the pods themselves"
    )]
    NothingToInject,
    #[error("the patch does not fit the pod, which is a bug in kees: {0}")]
    Patch(String),
    #[error(
        "{variable} of the container {container} comes from the cluster, which this command does not \
         ask; set a plain value"
    )]
    VariableFromCluster { variable: String, container: String },
    #[error(
        "{} is {asked}, but this run uses only {allowed}; name it in --store or --stores",
        env::STORE
    )]
    StoreNotAllowed { asked: String, allowed: String },
    #[error("{variable} is {path}, which leads out of the container; remove the '..'")]
    PathOutsideContainer {
        variable: &'static str,
        path: PathBuf,
    },
    #[error("{path} cannot be created")]
    Create { path: PathBuf, source: io::Error },
    #[error(transparent)]
    NoRegion(RegionError),
    #[error(transparent)]
    Export(#[from] ExportError),
    #[error("the async runtime cannot be started")]
    Runtime(#[source] io::Error),
    #[error(
        "interrupted before its files were written; what was created for it stays in the store, where \
         the same command finds it"
    )]
    Interrupted,
    #[error("interrupted before it was begun; nothing was created for it")]
    NotBegun,
    /// An error of a run of kees-init, in its own words.
    #[error("{line}")]
    Init { line: String, exit: Exit },
    /// An error of a store that several workloads have.
    #[error("{store}: {reason}; this concerns {} workloads", concerns.len())]
    Shared {
        store: StoreName,
        reason: String,
        exit: Exit,
        concerns: Vec<Concern>,
    },
}

/// A workload that has an error together with others.
#[derive(Debug)]
pub(crate) struct Concern {
    pub(crate) location: Location,
    /// Its entries that the error concerns, each as `ANNOTATION (PATH)`. Empty if it concerns the
    /// workload as a whole.
    pub(crate) entries: Vec<String>,
}

impl fmt::Display for Concern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { location, entries } = self;
        match entries.as_slice() {
            [] => write!(f, "{location}all entries"),
            entries => write!(f, "{location}{}", entries.join(", ")),
        }
    }
}

impl CliErrorKind {
    /// The exit status for this error alone, the same as kees-init has for it.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::ReadFile(_)
            | Self::TooLarge(_)
            | Self::EmptyInput
            | Self::EmptyFolder
            | Self::NoMatch
            | Self::Pattern(_)
            | Self::ReadPolicy { .. }
            | Self::ParsePolicy { .. }
            | Self::Settings(_)
            | Self::NoRegion(_) => Exit::Usage,
            Self::NotUtf8
            | Self::Yaml(_)
            | Self::Template(_)
            | Self::Aliases(_)
            | Self::NotAnObject(_)
            | Self::InvalidName { .. }
            | Self::NoPodTemplate(..)
            | Self::NoContainers(_)
            | Self::DuplicateName(_)
            | Self::AnnotationNotText { .. }
            | Self::WrongType(_)
            | Self::Denied(_)
            | Self::Class(_)
            | Self::Volume { .. }
            | Self::ClassVolume { .. }
            | Self::Warning(_)
            | Self::NothingToInject
            | Self::Patch(_)
            | Self::VariableFromCluster { .. }
            | Self::StoreNotAllowed { .. }
            | Self::PathOutsideContainer { .. } => Exit::Data,
            Self::Create { .. } => Exit::CannotWrite,
            Self::Runtime(_) | Self::Interrupted | Self::NotBegun => Exit::Unavailable,
            Self::Export(error) => error.exit(),
            Self::Init { exit, .. } | Self::Shared { exit, .. } => *exit,
        }
    }

    /// The error at that location.
    pub(crate) fn at(self, location: &Location) -> CliError {
        CliError {
            location: Box::new(location.clone()),
            kind: self,
        }
    }

    /// The errors of a run of kees-init.
    pub(crate) fn of(error: &RunError) -> impl Iterator<Item = Self> {
        error.errors().iter().map(|error| Self::Init {
            line: error.line(),
            exit: error.exit(),
        })
    }
}
