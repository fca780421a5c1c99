//! The report of `kees lint` as SARIF 2.1.0, which code scanning of GitHub and other services reads.

use kees_inject::DenialReason;
use serde::Serialize;

use crate::{
    error::{CliError, CliErrorKind},
    json,
    location::Location,
};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// What kind of finding a result is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    Annotation,
    Policy,
    Pod,
    NoEffect,
    Manifest,
    Unreadable,
    Settings,
}

impl Rule {
    const ALL: [Self; 7] = [
        Self::Annotation,
        Self::Policy,
        Self::Pod,
        Self::NoEffect,
        Self::Manifest,
        Self::Unreadable,
        Self::Settings,
    ];

    /// The id, and what a finding of it means.
    fn describe(self) -> (&'static str, &'static str) {
        match self {
            Self::Annotation => ("annotation", "An annotation of kees is invalid."),
            Self::Policy => (
                "policy",
                "The operator's policy denies what the pod asks for.",
            ),
            Self::Pod => ("pod", "The init container of kees does not fit the pod."),
            Self::NoEffect => ("no-effect", "An annotation or a part of it has no effect."),
            Self::Manifest => ("manifest", "The manifest is not valid."),
            Self::Unreadable => ("unreadable", "The file cannot be read."),
            Self::Settings => ("settings", "The flags or the policy file are invalid."),
        }
    }

    fn of(error: &CliErrorKind) -> Self {
        match error {
            CliErrorKind::Denied(error) => match DenialReason::of_error(error) {
                DenialReason::Annotation => Self::Annotation,
                DenialReason::Policy => Self::Policy,
                DenialReason::Size | DenialReason::Class | DenialReason::Pod => Self::Pod,
                DenialReason::Strict => Self::NoEffect,
            },
            CliErrorKind::AnnotationNotText { .. } => Self::Annotation,
            CliErrorKind::NoContainers(_) => Self::Pod,
            CliErrorKind::Warning(_) => Self::NoEffect,
            CliErrorKind::ReadFile(_)
            | CliErrorKind::NotUtf8
            | CliErrorKind::TooLarge(_)
            | CliErrorKind::EmptyInput
            | CliErrorKind::EmptyFolder
            | CliErrorKind::NoMatch
            | CliErrorKind::Pattern(_) => Self::Unreadable,
            CliErrorKind::ReadPolicy { .. }
            | CliErrorKind::ParsePolicy { .. }
            | CliErrorKind::Settings(_) => Self::Settings,
            _ => Self::Manifest,
        }
    }
}

#[derive(Serialize)]
struct Log<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'a> {
    tool: Tool,
    column_kind: &'static str,
    invocations: [Invocation; 1],
    results: Vec<SarifResult<'a>>,
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    version: &'static str,
    information_uri: &'static str,
    rules: Vec<Descriptor>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    id: &'static str,
    short_description: Message,
    help_uri: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    execution_successful: bool,
    /// The errors that belong to no file.
    tool_configuration_notifications: Vec<Notification>,
}

#[derive(Serialize)]
struct Notification {
    level: &'static str,
    message: Message,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SarifResult<'a> {
    rule_id: &'static str,
    rule_index: usize,
    level: &'static str,
    message: Message,
    locations: [SarifLocation<'a>; 1],
}

#[derive(Serialize)]
struct Message {
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SarifLocation<'a> {
    physical_location: PhysicalLocation,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logical_locations: Vec<LogicalLocation<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    region: Region,
}

#[derive(Serialize)]
struct ArtifactLocation {
    uri: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_column: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_column: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogicalLocation<'a> {
    fully_qualified_name: String,
    kind: &'static str,
    name: &'a str,
}

/// Prints errors and warnings as one SARIF log.
pub(crate) fn print(errors: &[CliError], warnings: &[(Location, String)]) -> String {
    let mut results = Vec::new();
    let mut notifications = Vec::new();
    for error in errors {
        let rule = Rule::of(&error.kind);
        match result(rule, "error", &error.location, error.message()) {
            Ok(result) => results.push(result),
            Err(text) => notifications.push(Notification {
                level: "error",
                message: Message { text },
            }),
        }
    }
    let warnings = warnings.iter().filter_map(|(location, message)| {
        result(Rule::NoEffect, "warning", location, message.clone()).ok()
    });
    results.extend(warnings);
    let is_usable = errors
        .iter()
        .all(|error| Rule::of(&error.kind) != Rule::Settings);
    json::print(&Log {
        schema: SCHEMA,
        version: "2.1.0",
        runs: [Run {
            tool: Tool { driver: driver() },
            column_kind: "unicodeCodePoints",
            invocations: [Invocation {
                execution_successful: is_usable,
                tool_configuration_notifications: notifications,
            }],
            results,
        }],
    })
}

fn driver() -> Driver {
    let rules = Rule::ALL.into_iter().map(|rule| {
        let (id, text) = rule.describe();
        Descriptor {
            id,
            short_description: Message {
                text: text.to_owned(),
            },
            help_uri: format!(
                "{}/blob/main/docs/cli.md#kees-lint",
                env!("CARGO_PKG_REPOSITORY")
            ),
        }
    });
    Driver {
        name: "kees lint",
        version: env!("CARGO_PKG_VERSION"),
        information_uri: env!("CARGO_PKG_REPOSITORY"),
        rules: rules.collect(),
    }
}

/// One finding, or only its message if it belongs to no file: GitHub accepts no result without one.
fn result<'a>(
    rule: Rule,
    level: &'static str,
    location: &'a Location,
    message: String,
) -> Result<SarifResult<'a>, String> {
    let Some(file) = &location.file else {
        return Err(message);
    };
    let (rule_id, _) = rule.describe();
    let rules = Rule::ALL.iter();
    Ok(SarifResult {
        rule_id,
        rule_index: rules.take_while(|other| **other != rule).count(),
        level,
        message: Message { text: message },
        locations: [SarifLocation {
            physical_location: PhysicalLocation {
                artifact_location: ArtifactLocation { uri: uri(file) },
                region: region(location),
            },
            logical_locations: logical(location),
        }],
    })
}

fn region(location: &Location) -> Region {
    let line = location.line.unwrap_or(1);
    let end = location.mark.as_ref().and_then(|mark| {
        let (end_line, column) = mark.source.position(mark.range.end);
        (end_line == line).then_some(column)
    });
    Region {
        start_line: line,
        start_column: location.column,
        end_column: end,
    }
}

fn logical(location: &Location) -> Vec<LogicalLocation<'_>> {
    let workload = location.workload.iter();
    let workload = workload.map(|workload| LogicalLocation {
        fully_qualified_name: workload.to_string(),
        kind: "resource",
        name: &workload.name,
    });
    workload.collect()
}

/// A path as a relative URI.
fn uri(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    let bytes = path.bytes().map(|byte| {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    });
    bytes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_relative_uri() {
        assert_eq!(uri("./k8s/a b#ü.yaml"), "k8s/a%20b%23%C3%BC.yaml");
    }
}
