//! What the reports of the commands share, above all the JSON of `--output json`. No value is in it.

use kees_common::{SecretType, StoragePath, StoreName};
use kees_init::Row;
use serde::Serialize;

use crate::fault::{CliError, ObjectName, Place};

/// A place in a manifest.
#[derive(Debug, Serialize)]
pub(crate) struct At<'a> {
    file: Option<&'a str>,
    line: Option<u64>,
    kind: Option<&'a str>,
    namespace: Option<&'a str>,
    name: Option<&'a str>,
}

impl<'a> From<&'a Place> for At<'a> {
    fn from(place: &'a Place) -> Self {
        let Place {
            file,
            line,
            workload,
        } = place;
        let name = |part: fn(&ObjectName) -> &str| workload.as_ref().map(part);
        Self {
            file: file.as_deref(),
            line: *line,
            kind: name(|name| &name.kind),
            namespace: name(|name| &name.namespace),
            name: name(|name| &name.name),
        }
    }
}

/// Something that is wrong.
#[derive(Debug, Serialize)]
pub(crate) struct Wrong<'a> {
    #[serde(flatten)]
    at: At<'a>,
    message: String,
}

impl<'a> From<&'a CliError> for Wrong<'a> {
    fn from(fault: &'a CliError) -> Self {
        Self {
            at: At::from(&fault.place),
            message: fault.problem.to_string(),
        }
    }
}

/// Something to know about a workload.
#[derive(Debug, Serialize)]
pub(crate) struct Remark<'a> {
    #[serde(flatten)]
    at: At<'a>,
    message: &'a str,
}

/// Places and what is to be known of each.
pub(crate) fn remarks(remarks: &[(Place, String)]) -> Vec<Remark<'_>> {
    remarks
        .iter()
        .map(|(place, message)| Remark {
            at: At::from(place),
            message,
        })
        .collect()
}

/// One entry of a pod.
#[derive(Debug, Serialize)]
pub(crate) struct EntryOutcome<'a> {
    name: &'a str,
    /// `secret`, `resource` or `lease`
    word: &'static str,
    kind: Option<&'static str>,
    #[serde(rename = "type")]
    secret_type: Option<&'static str>,
    path: Option<&'a str>,
    store: Option<&'static str>,
    /// `created`, `found` or `local`
    origin: &'static str,
    /// In bytes.
    size: usize,
}

impl<'a> From<&'a Row> for EntryOutcome<'a> {
    fn from(row: &'a Row) -> Self {
        let Row {
            name,
            word,
            kind,
            secret_type,
            path,
            store,
            origin,
            size,
        } = row;
        Self {
            name,
            word,
            kind: Some(*kind).filter(|kind| !kind.is_empty()),
            secret_type: secret_type.map(SecretType::as_str),
            path: path.as_ref().map(StoragePath::as_str),
            store: store.map(StoreName::as_str),
            origin: origin.as_str(),
            size: *size,
        }
    }
}

/// One JSON object and a newline.
pub(crate) fn json(report: &impl Serialize) -> String {
    // Nothing in a report fails to serialise: its keys are text.
    let json = serde_json::to_string_pretty(report).unwrap_or_default();
    json + "\n"
}

/// `1 fault`, `2 faults`
pub(crate) fn count(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}
