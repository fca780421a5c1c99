//! The JSON that `--output json` prints, as far as the commands share it. It contains no value.

use kees_common::{SecretType, StoragePath, StoreName};
use kees_init::Row;
use kees_inject::PolicyResult;
use serde::Serialize;

use crate::{
    error::CliError,
    location::{Location, ObjectName},
};

/// A place in a manifest.
#[derive(Debug, Serialize)]
pub(crate) struct LocationJson<'a> {
    file: Option<&'a str>,
    line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<u64>,
    kind: Option<&'a str>,
    namespace: Option<&'a str>,
    name: Option<&'a str>,
}

impl<'a> From<&'a Location> for LocationJson<'a> {
    fn from(location: &'a Location) -> Self {
        let Location {
            file,
            line,
            column,
            workload,
            mark: _,
        } = location;
        let part = |part: fn(&ObjectName) -> &str| workload.as_ref().map(part);
        Self {
            file: file.as_deref(),
            line: *line,
            column: *column,
            kind: part(|name| &name.kind),
            namespace: part(|name| &name.namespace),
            name: part(|name| &name.name),
        }
    }
}

/// An error, a warning, or the reason why a workload is skipped.
#[derive(Debug, Serialize)]
pub(crate) struct MessageJson<'a> {
    #[serde(flatten)]
    location: LocationJson<'a>,
    message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    concerns: Vec<ConcernJson<'a>>,
}

/// A workload that has an error together with others.
#[derive(Debug, Serialize)]
struct ConcernJson<'a> {
    #[serde(flatten)]
    location: LocationJson<'a>,
    entries: &'a [String],
}

impl<'a> From<&'a CliError> for MessageJson<'a> {
    fn from(error: &'a CliError) -> Self {
        let concerns = error.concerns().iter().map(|concern| ConcernJson {
            location: LocationJson::from(&concern.location),
            entries: &concern.entries,
        });
        Self {
            location: LocationJson::from(&*error.location),
            message: error.message(),
            concerns: concerns.collect(),
        }
    }
}

impl<'a> From<&'a (Location, String)> for MessageJson<'a> {
    fn from((location, message): &'a (Location, String)) -> Self {
        Self {
            location: LocationJson::from(location),
            message: message.clone(),
            concerns: Vec::new(),
        }
    }
}

/// The rule of the policy that applies to a workload.
#[derive(Debug, Serialize)]
pub(crate) struct RuleJson<'a> {
    #[serde(flatten)]
    location: LocationJson<'a>,
    /// Its name or number; absent if no rule applies.
    rule: Option<&'a str>,
    /// `allowed`, `warned` or `denied`
    outcome: &'static str,
}

impl<'a> From<&'a (Location, PolicyResult)> for RuleJson<'a> {
    fn from((location, result): &'a (Location, PolicyResult)) -> Self {
        Self {
            location: LocationJson::from(location),
            rule: result.rule.as_deref(),
            outcome: result.outcome.as_str(),
        }
    }
}

/// One entry of a pod.
#[derive(Debug, Serialize)]
pub(crate) struct EntryJson<'a> {
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

impl<'a> From<&'a Row> for EntryJson<'a> {
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

/// Prints a report as one JSON object and a line break.
pub(crate) fn print(report: &impl Serialize) -> String {
    // All keys of a report are text, so serialising it cannot fail.
    let json = serde_json::to_string_pretty(report).unwrap_or_default();
    json + "\n"
}
