//! `kees lint`: what the webhook would refuse, and what would have no effect.

use std::fmt::Write as _;

use kees_inject::{Policy, SettingsError, SkipReason};
use serde::Serialize;

use crate::{
    admission::{self, Verdict},
    args::{LintArgs, Output},
    fault::{self, CliError, CliErrorKind, Place},
    manifest,
    output::Answer,
    report::{self, At, Remark, Wrong, count},
    settings, workload,
};

/// Looks at every pod, whatever is wrong with the others.
pub(crate) fn lint(args: &LintArgs) -> Answer {
    let LintArgs {
        manifest,
        output,
        stores,
        operator,
    } = args;
    let settings = match settings::settings(stores, operator, Policy::absent()) {
        Ok(settings) => settings,
        Err(fault) => {
            return Findings {
                faults: vec![fault],
                ..Findings::default()
            }
            .answer(*output);
        }
    };
    // Nothing is asked of a table here.
    let faults = settings::check(&settings).into_iter().filter(|fault| {
        !matches!(
            fault.problem,
            CliErrorKind::Settings(SettingsError::NoEnvLabel)
        )
    });
    let mut findings = Findings {
        faults: faults.collect(),
        nothing: admission::nothing_to_do(&settings.domain),
        ..Findings::default()
    };
    let (documents, unread) = manifest::read(&manifest.files);
    let (mut workloads, unsound) =
        workload::find(&documents, &manifest.namespace, &settings.domain);
    settings::withhold(&mut workloads, &findings.faults);
    findings.faults.extend(unread);
    findings.faults.extend(unsound);
    for workload in &workloads {
        let admission = admission::admit(workload, &documents, &settings);
        for warning in admission.warnings {
            findings.warnings.push((workload.place.clone(), warning));
        }
        match admission.verdict {
            Verdict::LeftAlone(SkipReason::NotAnnotated) => {}
            Verdict::Injected(_) | Verdict::LeftAlone(SkipReason::WiredByHand) => {
                findings.sound.push(workload.place.clone());
            }
            Verdict::LeftAlone(skipped) => {
                let reason = admission::reason(skipped, &settings.domain);
                findings.left_alone.push((workload.place.clone(), reason));
            }
            Verdict::Denied(faults) => {
                findings.refused.push(workload.place.clone());
                findings.faults.extend(faults);
            }
        }
    }
    fault::sort(&mut findings.faults);
    findings.answer(*output)
}

#[derive(Debug, Default)]
struct Findings {
    sound: Vec<Place>,
    refused: Vec<Place>,
    left_alone: Vec<(Place, String)>,
    faults: Vec<CliError>,
    warnings: Vec<(Place, String)>,
    /// What to say where no pod is annotated.
    nothing: String,
}

#[derive(Serialize)]
struct Report<'a> {
    sound: Vec<At<'a>>,
    refused: Vec<At<'a>>,
    left_alone: Vec<Remark<'a>>,
    faults: Vec<Wrong<'a>>,
    warnings: Vec<Remark<'a>>,
}

impl Findings {
    fn answer(&self, output: Output) -> Answer {
        Answer {
            output: match output {
                Output::Table => self.text(),
                Output::Json => self.json(),
            },
            messages: Vec::new(),
            exit: fault::exit(&self.faults),
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for fault in &self.faults {
            text.extend([&*fault.to_string(), "\n"]);
        }
        for (place, warning) in &self.warnings {
            let _ = writeln!(text, "{place}warning: {warning}");
        }
        for (place, reason) in &self.left_alone {
            let _ = writeln!(text, "{place}left alone: {reason}");
        }
        let annotated = self.sound.len() + self.refused.len();
        if annotated == 0 && self.faults.is_empty() && self.left_alone.is_empty() {
            text.extend([&*self.nothing, "\n"]);
        } else {
            let _ = writeln!(
                text,
                "{}: {} sound, {} refused; {}, {}",
                count(annotated, "annotated workload"),
                self.sound.len(),
                self.refused.len(),
                count(self.faults.len(), "fault"),
                count(self.warnings.len(), "warning"),
            );
        }
        text
    }

    fn json(&self) -> String {
        report::json(&Report {
            sound: self.sound.iter().map(At::from).collect(),
            refused: self.refused.iter().map(At::from).collect(),
            left_alone: report::remarks(&self.left_alone),
            faults: self.faults.iter().map(Wrong::from).collect(),
            warnings: report::remarks(&self.warnings),
        })
    }
}
