//! The report of `kees run`, as a table or as JSON. It contains no value.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use kees_common::{SecretType, output::Format};
use kees_init::{Exit, Origin, Report, Row};
use serde::Serialize;

use super::table;
use crate::{
    args::{Output, RunArgs},
    error::{self, CliError},
    json::{self, EntryJson, LocationJson, MessageJson},
    location::{Location, ObjectName},
    put_command::quoted,
    terminal::{self, CommandOutput, count},
};

/// Everything that one command did.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) completed: Vec<Completed>,
    pub(crate) skipped: Vec<(Location, String)>,
    pub(crate) warnings: Vec<(Location, String)>,
    pub(crate) errors: Vec<CliError>,
    /// Whether Ctrl-C ended the command.
    pub(crate) is_interrupted: bool,
    /// The message where no pod is annotated.
    pub(crate) nothing_to_do: Option<String>,
}

/// A workload whose files are written.
#[derive(Debug)]
pub(crate) struct Completed {
    pub(crate) location: Location,
    pub(crate) name: ObjectName,
    /// The folder that stands for the root of the pod's containers.
    pub(crate) folder: PathBuf,
    /// The format of the lists, if the settings name one.
    pub(crate) format: Option<Format>,
    pub(crate) report: Report,
}

impl Summary {
    /// Adds a warning. The admission decision and init may both give the same warning.
    pub(crate) fn warn(&mut self, location: &Location, warning: String) {
        let warning = (location.clone(), warning);
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// The output in the form that the flags ask for.
    pub(crate) fn output(&self, args: &RunArgs) -> CommandOutput {
        let exit = error::exit(&self.errors);
        match args.output {
            Output::Json => CommandOutput {
                stdout: self.json(args),
                messages: Vec::new(),
                exit,
            },
            Output::Table => CommandOutput {
                stdout: self.text(args),
                messages: self.messages(),
                exit,
            },
        }
    }

    fn messages(&self) -> Vec<String> {
        let warnings = self.warnings.iter();
        let mut messages: Vec<String> = warnings
            .map(|(location, warning)| format!("{location}warning: {warning}"))
            .collect();
        messages.extend(self.errors.iter().map(ToString::to_string));
        // If a file could not be written, others may have been.
        let mut exits = self.errors.iter().map(|error| error.kind.exit());
        let is_nothing_written = !self.errors.is_empty()
            && self.completed.is_empty()
            && exits.all(|exit| exit != Exit::CannotWrite);
        if is_nothing_written {
            let errors = count(self.errors.len(), "error");
            messages.push(format!("nothing was written: {errors}"));
        }
        messages.extend(self.nothing_to_do.clone());
        messages
    }

    fn text(&self, args: &RunArgs) -> String {
        let mut text = String::new();
        for completed in &self.completed {
            let _ = write!(text, "{}\n{}\n", completed.name, completed.table());
        }
        for (location, reason) in &self.skipped {
            let _ = writeln!(text, "{location}skipped: {reason}");
        }
        if !self.completed.is_empty() {
            text.push_str(&self.totals());
            let _ = write!(text, "\nTry next:\n{}", self.next_steps(args));
        }
        text
    }

    /// How many values there are, and the folders of the files.
    fn totals(&self) -> String {
        let count = |origin| -> usize {
            let reports = self.completed.iter().map(|completed| &completed.report);
            reports.map(|report| report.count(origin)).sum()
        };
        let mut text = format!(
            "{} created, {} found, {} local. The files are in\n",
            count(Origin::Created),
            count(Origin::Found),
            count(Origin::Local)
        );
        let files = self
            .completed
            .iter()
            .flat_map(|completed| &completed.report.files);
        let folders: BTreeSet<&Path> = files.filter_map(|file| file.parent()).collect();
        for folder in folders {
            let _ = writeln!(text, "  {}", folder.display());
        }
        text
    }

    /// Commands that the user may want to run now, with what they do.
    fn next_steps(&self, args: &RunArgs) -> String {
        let program = std::env::args_os().next().unwrap_or_else(|| "kees".into());
        let program = quoted(Path::new(&program));
        let reads_stdin = args
            .manifest
            .files
            .iter()
            .any(|file| file == Path::new("-"));
        let has_created = self
            .completed
            .iter()
            .any(|completed| completed.report.count(Origin::Created) > 0);
        let mut steps = Vec::new();
        if has_created && !reads_stdin {
            let arguments = std::env::args_os().skip(1);
            let again: Vec<_> = arguments
                .map(|argument| quoted(Path::new(&argument)))
                .collect();
            steps.push((
                format!("{program} {}", again.join(" ")),
                "finds what this run created",
            ));
        }
        if let Some(command) = self.completed.iter().find_map(Completed::show_password) {
            steps.push((command, "shows a value"));
        }
        steps.push((
            format!("{program} run --help"),
            "says how to use DynamoDB or Secrets Manager",
        ));
        let mut text = String::new();
        for (command, effect) in steps {
            let _ = writeln!(text, "  {command}\n    {effect}");
        }
        text
    }

    fn json(&self, args: &RunArgs) -> String {
        json::print(&SummaryJson {
            out: args.out.display().to_string(),
            workloads: self.completed.iter().map(WorkloadJson::from).collect(),
            skipped: self.skipped.iter().map(MessageJson::from).collect(),
            warnings: self.warnings.iter().map(MessageJson::from).collect(),
            errors: self.errors.iter().map(MessageJson::from).collect(),
        })
    }
}

impl Completed {
    fn table(&self) -> String {
        let rows: Vec<_> = self.report.rows.iter().map(cells).collect();
        let header = ["NAME", "KIND", "TYPE", "PATH", "STATE", "SIZE"];
        table::render(header, &rows, terminal::columns())
    }

    /// A command that shows a password, if there is one. Other values may not be text.
    fn show_password(&self) -> Option<String> {
        let is_password =
            |row: &&Row| row.word == "secret" && row.secret_type == Some(SecretType::Password);
        let row = self.report.rows.iter().find(is_password)?;
        let mut files = self.report.files.iter();
        let list = files.find(|file| file.ends_with("secrets.properties"))?;
        (self.format == Some(Format::Properties)).then(|| {
            format!(
                "grep '^{}=' {} | cut -d= -f2- | base64 -d",
                row.name,
                quoted(list)
            )
        })
    }
}

/// The cells of a row of the table.
fn cells(row: &Row) -> [String; 6] {
    let kind = if row.word == "secret" {
        row.kind
    } else {
        row.word
    };
    let none = || "-".to_owned();
    [
        row.name.clone(),
        kind.to_owned(),
        row.secret_type.map_or_else(none, |of| of.to_string()),
        row.path.as_ref().map_or_else(none, ToString::to_string),
        row.origin.to_string(),
        format!("{} B", row.size),
    ]
}

#[derive(Serialize)]
struct SummaryJson<'a> {
    out: String,
    workloads: Vec<WorkloadJson<'a>>,
    skipped: Vec<MessageJson<'a>>,
    warnings: Vec<MessageJson<'a>>,
    errors: Vec<MessageJson<'a>>,
}

#[derive(Serialize)]
struct WorkloadJson<'a> {
    #[serde(flatten)]
    location: LocationJson<'a>,
    folder: String,
    entries: Vec<EntryJson<'a>>,
    files: Vec<String>,
}

impl<'a> From<&'a Completed> for WorkloadJson<'a> {
    fn from(completed: &'a Completed) -> Self {
        let Completed {
            location,
            name: _,
            folder,
            format: _,
            report,
        } = completed;
        Self {
            location: LocationJson::from(location),
            folder: folder.display().to_string(),
            entries: report.rows.iter().map(EntryJson::from).collect(),
            files: report
                .files
                .iter()
                .map(|file| file.display().to_string())
                .collect(),
        }
    }
}
