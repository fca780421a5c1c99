//! The report of `kees copy`, as a table or as JSON. It contains no value.

use kees_init::Exit;
use serde::Serialize;

use crate::{
    args::{Output, values::CopyArgs},
    json,
    run::table,
    terminal::{self, CommandOutput, count},
    values::{error::ValueError, report::printable},
};

/// What became of one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    Copied,
    /// With `--dry-run`: it would be copied.
    WouldCopy,
    /// The other store has the same value.
    Present,
    /// It is a lease, which is not copied.
    Lease,
    /// It was deleted before it could be read.
    Gone,
    Failed(String, Exit),
}

impl State {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Copied => "copied",
            Self::WouldCopy => "would be copied",
            Self::Present => "is there",
            Self::Lease => "lease, not copied",
            Self::Gone => "deleted meanwhile",
            Self::Failed(..) => "failed",
        }
    }
}

/// What became of every path.
#[derive(Debug, Default)]
pub(super) struct CopyReport(Vec<Row>);

#[derive(Debug)]
struct Row {
    path: String,
    fields: Vec<&'static str>,
    state: State,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
struct CopyJson<'a> {
    from: &'static str,
    to: &'static str,
    prefix: &'a str,
    dry_run: bool,
    values: Vec<RowJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize)]
struct RowJson<'a> {
    path: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    fields: &'a [&'static str],
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

impl CopyReport {
    /// Adds a path with the fields that are copied together.
    pub(super) fn add(&mut self, path: &str, fields: &[&'static str], state: State) {
        self.0.push(Row {
            path: path.to_owned(),
            fields: fields.to_vec(),
            state,
        });
    }

    /// The output. `end` is the error that ended the command, if one did.
    pub(super) fn output(mut self, args: &CopyArgs, end: Option<ValueError>) -> CommandOutput {
        self.0.sort_by(|a, b| a.path.cmp(&b.path));
        let failed = self.0.iter().filter_map(|row| match &row.state {
            State::Failed(_, exit) => Some(*exit),
            _ => None,
        });
        let exit = failed.chain(end.as_ref().map(ValueError::exit)).min();
        let end = end.map(|error| error.line());
        match args.output {
            Output::Json => CommandOutput {
                stdout: self.json(args, end),
                messages: Vec::new(),
                exit,
            },
            Output::Table => CommandOutput {
                stdout: self.table(args, end.is_some()),
                messages: self.messages(end),
                exit,
            },
        }
    }

    fn json(&self, args: &CopyArgs, error: Option<String>) -> String {
        let values = self.0.iter().map(|row| RowJson {
            path: &row.path,
            fields: &row.fields,
            state: row.state.as_str(),
            message: row.state.message(),
        });
        json::print(&CopyJson {
            from: args.from.as_str(),
            to: args.to.as_str(),
            prefix: args.prefix.as_str(),
            dry_run: args.dry_run,
            values: values.collect(),
            error,
        })
    }

    fn table(&self, args: &CopyArgs, has_failed: bool) -> String {
        if self.0.is_empty() && has_failed {
            return String::new();
        }
        if self.0.is_empty() {
            return format!("{} has no value below {}\n", args.from, args.prefix);
        }
        let cells = |row: &Row| {
            let fields = if row.fields.is_empty() {
                "-".to_owned()
            } else {
                row.fields.join(", ")
            };
            [printable(&row.path), fields, row.state.as_str().to_owned()]
        };
        let rows: Vec<_> = self.0.iter().map(cells).collect();
        let number = |state: &State| self.0.iter().filter(|row| row.state == *state).count();
        let first = if args.dry_run {
            format!("{} would be copied", number(&State::WouldCopy))
        } else {
            format!("{} copied", number(&State::Copied))
        };
        format!(
            "{}{first}, {} there already, {} failed\n",
            table::render(["PATH", "FIELDS", "STATE"], &rows, terminal::columns()),
            number(&State::Present),
            self.failures().count(),
        )
    }

    fn failures(&self) -> impl Iterator<Item = &Row> {
        let is_failure = |row: &&Row| matches!(row.state, State::Failed(..));
        self.0.iter().filter(is_failure)
    }

    fn messages(&self, end: Option<String>) -> Vec<String> {
        let failed = self.failures().map(|row| {
            let message = row.state.message().unwrap_or_default();
            format!("{}: {message}", printable(&row.path))
        });
        let mut messages: Vec<_> = failed.collect();
        if !messages.is_empty() {
            let failed = count(messages.len(), "value");
            messages.push(format!(
                "{failed} not copied; correct this and run the command again; it copies what is missing"
            ));
        }
        messages.extend(end);
        messages
    }
}

impl State {
    fn message(&self) -> Option<&str> {
        match self {
            Self::Failed(message, _) => Some(message),
            _ => None,
        }
    }
}

#[cfg(test)]
impl CopyReport {
    /// Each path with its fields and state.
    pub(super) fn lines(mut self) -> Vec<String> {
        self.0.sort_by(|a, b| a.path.cmp(&b.path));
        let line = |row: &Row| {
            let words = [&[row.path.as_str()], &row.fields[..], &[row.state.as_str()]];
            let message = row.state.message().map(|message| format!(": {message}"));
            words.concat().join(" ") + &message.unwrap_or_default()
        };
        self.0.iter().map(line).collect()
    }
}
