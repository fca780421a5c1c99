//! The report of `kees doctor`, as text or JSON, and its exit status.

use std::fmt::Write as _;

use serde::Serialize;

use super::check::{Check, Status};
use crate::terminal::count;

/// The exit status if a check failed.
pub(crate) const FAILED: u8 = 1;

/// The results of all checks.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) checks: Vec<Check>,
}

impl Report {
    /// The exit status.
    pub(crate) fn status(&self) -> u8 {
        if self.number(Status::Failed) > 0 {
            FAILED
        } else {
            0
        }
    }

    fn number(&self, status: Status) -> usize {
        let checks = self.checks.iter();
        checks.filter(|check| check.status == status).count()
    }

    /// The report for people. A failed check is followed by its explanation.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let mut group = "";
        for check in &self.checks {
            let Check {
                name,
                status,
                message,
            } = check;
            if name.group() != group {
                let separator = if group.is_empty() { "" } else { "\n" };
                group = name.group();
                text.extend([separator, group, "\n"]);
            }
            // Writing to a string does not fail.
            let _ = writeln!(text, "  {:<8} {name}: {message}", status.as_str());
            if matches!(status, Status::Failed | Status::Warning) {
                let _ = writeln!(text, "           {}", name.link());
            }
        }
        let failed = self.number(Status::Failed);
        let warnings = self.number(Status::Warning);
        let skipped = self.number(Status::Skipped);
        let _ = writeln!(
            text,
            "\n{}: {failed} failed, {}, {skipped} skipped",
            count(self.checks.len(), "check"),
            count(warnings, "warning")
        );
        text
    }

    /// The report for programs.
    pub(crate) fn json(&self) -> String {
        let checks = self.checks.iter().map(|check| CheckJson {
            name: check.name.as_str(),
            group: check.name.group(),
            status: check.status.as_str(),
            message: &check.message,
            link: check.name.link(),
        });
        let report = ReportJson {
            passed: self.number(Status::Failed) == 0,
            checks: checks.collect(),
        };
        // These types always serialize.
        serde_json::to_string_pretty(&report).unwrap_or_default() + "\n"
    }
}

#[derive(Serialize)]
struct ReportJson<'a> {
    passed: bool,
    checks: Vec<CheckJson<'a>>,
}

#[derive(Serialize)]
struct CheckJson<'a> {
    name: &'static str,
    group: &'static str,
    status: &'static str,
    message: &'a str,
    link: String,
}
