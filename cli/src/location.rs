//! Places in manifests, for messages.

use std::fmt;

/// A place in a manifest. It prints as the beginning of a message:
/// `web.yaml:12: Deployment team-a/web: `, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Location {
    /// The file's path, or `standard input`. `None` for an error of the command line.
    pub(crate) file: Option<String>,
    /// The line at which the document begins, counted from 1.
    pub(crate) line: Option<u64>,
    pub(crate) workload: Option<ObjectName>,
}

impl Location {
    /// The file and the line, without the workload.
    pub(crate) fn position(&self) -> String {
        let file = self.file.as_deref().unwrap_or_default();
        match self.line {
            Some(line) => format!("{file}:{line}"),
            None => file.to_owned(),
        }
    }
}

impl fmt::Display for Location {
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

/// The name of a Kubernetes object. It prints as `Deployment team-a/web`.
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
