//! What is wrong, where, and which exit status it has.

use std::{fmt, io, path::PathBuf};

use kees_common::names::env;
use kees_init::Exit;
use kees_inject::{ParsePolicyError, SettingsError};
use kees_store::aws::OwnRegionError;

/// One thing that is wrong, and where it is.
#[derive(Debug)]
pub(crate) struct CliError {
    pub(crate) place: Place,
    pub(crate) problem: CliErrorKind,
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.place, self.problem)
    }
}

impl From<CliErrorKind> for CliError {
    /// A fault of the command line.
    fn from(problem: CliErrorKind) -> Self {
        Self {
            place: Place::default(),
            problem,
        }
    }
}

/// Puts faults into the order of the manifests; those of the command line come first.
pub(crate) fn sort(faults: &mut [CliError]) {
    faults.sort_by(|a, b| (&a.place.file, a.place.line).cmp(&(&b.place.file, b.place.line)));
}

/// The exit status that stands for all of `faults`.
pub(crate) fn exit<'a>(faults: impl IntoIterator<Item = &'a CliError>) -> Option<Exit> {
    faults.into_iter().map(|fault| fault.problem.exit()).min()
}

/// A place in a manifest; prints as `web.yaml:12: Deployment team-a/web: `, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: Option<String>,
    /// The line at which the document begins, from 1.
    pub(crate) line: Option<u64>,
    pub(crate) workload: Option<ObjectName>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.file.is_some() {
            write!(f, "{}: ", self.position())?;
        }
        match &self.workload {
            Some(workload) => write!(f, "{workload}: "),
            None => Ok(()),
        }
    }
}

impl Place {
    /// File and line alone.
    pub(crate) fn position(&self) -> String {
        let file = self.file.as_deref().unwrap_or_default();
        match self.line {
            Some(line) => format!("{file}:{line}"),
            None => file.to_owned(),
        }
    }
}

/// What a workload is called; prints as `Deployment team-a/web`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ObjectName {
    pub(crate) kind: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// What is wrong and what would be right. No message has the value of an annotation in it, but for
/// what kees-inject and kees-init say of one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliErrorKind {
    #[error("it cannot be read: {0}")]
    Unreadable(io::Error),
    #[error("it is not UTF-8 text, as YAML has to be")]
    NotText,
    #[error("the policy file {path} cannot be read: {source}")]
    NoPolicy { path: PathBuf, source: io::Error },
    #[error("{path}: {source}")]
    Policy {
        path: PathBuf,
        source: ParsePolicyError,
    },
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("it is not YAML: {0}")]
    Yaml(String),
    #[error("it is not a Kubernetes object: {0}")]
    NotAnObject(String),
    #[error(
        "the {field} of this {kind} is missing, or no name that Kubernetes takes; use lower-case \
         letters, digits and '-'"
    )]
    BadName { kind: String, field: &'static str },
    #[error("{0} is missing; describe the pod there")]
    NoPod(String),
    #[error("the pod has no {0}; describe its containers in spec.containers")]
    NoContainers(&'static str),
    #[error("{0} has one of that name already; rename one of them")]
    Twice(String),
    #[error("{annotation}: it is not text; put its value in quotes")]
    NotQuoted { annotation: String },
    #[error("{0} is of the wrong type; put numbers and booleans that are meant as text in quotes")]
    WrongType(String),
    #[error("{0}")]
    Denied(kees_inject::PodError),
    #[error("the patch does not fit the pod, which is a defect of kees: {0}")]
    Patch(String),
    #[error(
        "{variable} of {container} comes from the cluster, which is not asked here; give it as a \
         plain value"
    )]
    FromCluster { variable: String, container: String },
    #[error(
        "{} is {asked}, and this run uses {allowed} alone; give --store or --stores as well",
        env::STORE
    )]
    OtherStore { asked: String, allowed: String },
    #[error("{variable} is {path}, which leads out of the container; remove the '..'")]
    Outside {
        variable: &'static str,
        path: PathBuf,
    },
    #[error("the folder {path} cannot be made: {source}")]
    NoFolder { path: PathBuf, source: io::Error },
    #[error(transparent)]
    NoRegion(OwnRegionError),
    #[error("the runtime cannot be started: {0}")]
    Runtime(io::Error),
    #[error("{line}")]
    Init { line: String, exit: Exit },
}

impl CliErrorKind {
    /// The exit status that this problem alone has, as kees-init would have it.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Unreadable(_)
            | Self::NoPolicy { .. }
            | Self::Policy { .. }
            | Self::Settings(_)
            | Self::NoRegion(_) => Exit::Usage,
            Self::NotText
            | Self::Yaml(_)
            | Self::NotAnObject(_)
            | Self::BadName { .. }
            | Self::NoPod(..)
            | Self::NoContainers(_)
            | Self::Twice(_)
            | Self::NotQuoted { .. }
            | Self::WrongType(_)
            | Self::Denied(_)
            | Self::Patch(_)
            | Self::FromCluster { .. }
            | Self::OtherStore { .. }
            | Self::Outside { .. } => Exit::Data,
            Self::NoFolder { .. } => Exit::CannotWrite,
            Self::Runtime(_) => Exit::Unavailable,
            Self::Init { exit, .. } => *exit,
        }
    }

    /// The problem, at that place.
    pub(crate) fn at(self, place: &Place) -> CliError {
        CliError {
            place: place.clone(),
            problem: self,
        }
    }

    /// The problems of a run that failed.
    pub(crate) fn of(failure: &kees_init::RunError) -> impl Iterator<Item = Self> {
        failure.causes().iter().map(|cause| Self::Init {
            line: cause.line(),
            exit: cause.exit(),
        })
    }
}
