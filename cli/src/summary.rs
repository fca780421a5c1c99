//! What `kees run` did, as a table or as JSON. No value is in it.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use kees_common::{SecretType, Warning, output::Format};
use kees_init::{Origin, Report, Row};
use serde::Serialize;

use crate::{
    args::{Output, RunArgs},
    fault::{self, CliError, Place},
    output::Answer,
    report::{self, At, EntryOutcome, Remark, Wrong},
    table,
};

/// All that came out of one command.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) done: Vec<Done>,
    pub(crate) left_alone: Vec<(Place, String)>,
    pub(crate) warnings: Vec<(Place, String)>,
    pub(crate) faults: Vec<CliError>,
    /// What to say where no pod is annotated.
    pub(crate) nothing: Option<String>,
}

/// A workload whose files are written.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) place: Place,
    /// The folder that stands for the root of its containers.
    pub(crate) folder: PathBuf,
    /// How its lists are written, where that is known.
    pub(crate) format: Option<Format>,
    pub(crate) report: Report,
}

impl Summary {
    /// The summary as the flags want it.
    pub(crate) fn answer(&self, args: &RunArgs) -> Answer {
        let exit = fault::exit(&self.faults);
        match args.output {
            Output::Json => Answer {
                output: self.json(args),
                messages: Vec::new(),
                exit,
            },
            Output::Table => Answer {
                output: self.text(args),
                messages: self.messages(),
                exit,
            },
        }
    }

    /// Adds what init warns of, unless the webhook has said it already.
    pub(crate) fn warn(&mut self, place: &Place, warnings: &[Warning]) {
        for warning in warnings {
            let warning = (place.clone(), warning.to_string());
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
    }

    fn messages(&self) -> Vec<String> {
        let warning = |(place, warning): &(Place, String)| format!("{place}warning: {warning}");
        let mut messages: Vec<String> = self.warnings.iter().map(warning).collect();
        messages.extend(self.faults.iter().map(ToString::to_string));
        if !self.faults.is_empty() && self.done.is_empty() {
            messages.push(format!(
                "nothing was written: {}",
                report::count(self.faults.len(), "fault")
            ));
        }
        messages.extend(self.nothing.clone());
        messages
    }

    fn text(&self, args: &RunArgs) -> String {
        let mut text = String::new();
        for done in &self.done {
            let _ = write!(text, "{}\n{}\n", done.title(), done.table());
        }
        for (place, reason) in &self.left_alone {
            let _ = writeln!(text, "{place}left alone: {reason}");
        }
        if !self.done.is_empty() {
            text.push_str(&self.closing(args));
        }
        text
    }

    /// How many there were, where the files are, and what to try next.
    fn closing(&self, args: &RunArgs) -> String {
        let count = |origin| -> usize {
            let counts = self.done.iter().map(|done| done.report.count(origin));
            counts.sum()
        };
        let mut text = format!(
            "{} created, {} found, {} local. The files are in\n",
            count(Origin::Created),
            count(Origin::Found),
            count(Origin::Local)
        );
        let files = self.done.iter().flat_map(|done| &done.report.files);
        let folders: BTreeSet<&Path> = files.filter_map(|file| file.parent()).collect();
        for folder in folders {
            let _ = writeln!(text, "  {}", folder.display());
        }
        let _ = write!(text, "\nTry next:\n{}", self.next_steps(args));
        text
    }

    fn next_steps(&self, args: &RunArgs) -> String {
        let program = std::env::args_os().next().unwrap_or_else(|| "kees".into());
        let program = quoted(Path::new(&program));
        let from_files = args
            .manifest
            .files
            .iter()
            .all(|file| file != Path::new("-"));
        let mut steps = Vec::new();
        if from_files
            && self
                .done
                .iter()
                .any(|done| done.report.count(Origin::Created) > 0)
        {
            let arguments = std::env::args_os().skip(1);
            let again: Vec<_> = arguments
                .map(|argument| quoted(Path::new(&argument)))
                .collect();
            steps.push((
                format!("{program} {}", again.join(" ")),
                "finds what this run created",
            ));
        }
        if let Some(look) = self.done.iter().find_map(Done::look) {
            steps.push((look, "shows a value"));
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
        report::json(&Json {
            out: args.out.display().to_string(),
            workloads: self.done.iter().map(Workload::from).collect(),
            left_alone: report::remarks(&self.left_alone),
            warnings: report::remarks(&self.warnings),
            faults: self.faults.iter().map(Wrong::from).collect(),
        })
    }
}

impl Done {
    fn title(&self) -> String {
        self.place
            .workload
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default()
    }

    fn table(&self) -> String {
        let rows: Vec<_> = self.report.rows.iter().map(cells).collect();
        table::render(["NAME", "KIND", "TYPE", "PATH", "STATE", "SIZE"], &rows)
    }

    /// A command that shows a value: a password if there is one, since it is text.
    fn look(&self) -> Option<String> {
        let is = |row: &&Row, of| row.word == "secret" && row.secret_type == of;
        let rows = || self.report.rows.iter();
        let row = rows().find(|row| is(row, Some(SecretType::Password)))?;
        let list = self.report.files.iter();
        let list = list
            .filter(|_| self.format == Some(Format::Properties))
            .find(|file| file.ends_with("secrets.properties"))?;
        Some(format!(
            "grep '^{}=' {} | cut -d= -f2- | base64 -d",
            row.name,
            quoted(list)
        ))
    }
}

fn cells(row: &Row) -> [String; 6] {
    let kind = if row.word == "secret" {
        row.kind
    } else {
        row.word
    };
    let dash = || "-".to_owned();
    [
        row.name.clone(),
        kind.to_owned(),
        row.secret_type.map_or_else(dash, |of| of.to_string()),
        row.path.as_ref().map_or_else(dash, ToString::to_string),
        row.origin.to_string(),
        format!("{} B", row.size),
    ]
}

/// A word of a shell's command line.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[derive(Serialize)]
struct Json<'a> {
    out: String,
    workloads: Vec<Workload<'a>>,
    left_alone: Vec<Remark<'a>>,
    warnings: Vec<Remark<'a>>,
    faults: Vec<Wrong<'a>>,
}

#[derive(Serialize)]
struct Workload<'a> {
    #[serde(flatten)]
    at: At<'a>,
    folder: String,
    entries: Vec<EntryOutcome<'a>>,
    files: Vec<String>,
}

impl<'a> From<&'a Done> for Workload<'a> {
    fn from(done: &'a Done) -> Self {
        let Done {
            place,
            folder,
            format: _,
            report,
        } = done;
        Self {
            at: At::from(place),
            folder: folder.display().to_string(),
            entries: report.rows.iter().map(EntryOutcome::from).collect(),
            files: report
                .files
                .iter()
                .map(|file| file.display().to_string())
                .collect(),
        }
    }
}
