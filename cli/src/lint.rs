//! `kees lint`: reports what the webhook would deny, and what would have no effect.

use std::fmt::Write as _;

use kees_inject::{Policy, PolicyOutcome, PolicyResult, SkipReason};
use serde::Serialize;

use crate::{
    admission::{self, Admission, Verdict},
    args::{LintArgs, LintFormat, SecretSyncArgs},
    class_admission,
    classes::{self, Classes},
    error::{self, CliError, CliErrorKind},
    hooks, inject_settings,
    input::Input,
    json::{self, LocationJson, MessageJson, RuleJson},
    location::Location,
    restarts, sarif,
    snippet::{self, Severity},
    terminal::{self, CommandOutput, count},
    unlimited_starts,
    workload::Workload,
};

/// Checks every pod, even if others have errors.
pub(crate) fn lint(args: &LintArgs) -> CommandOutput {
    let LintArgs {
        manifest,
        strict,
        format,
        classes: SecretSyncArgs { secret_sync },
        stores,
        operator,
    } = args;
    let (mut settings, mut errors) =
        inject_settings::read(stores, operator, None, Policy::absent());
    // No table is read, so its name is not needed.
    inject_settings::take_label_error(&mut errors);
    settings.secret_sync = *secret_sync;
    let (mut input, errors) = Input::read(manifest, settings, errors);
    let classes = classes::check(&input, &manifest.namespace);
    let mut findings = Findings {
        errors,
        ..Findings::default()
    };
    for workload in &input.workloads {
        let mut admission = class_admission::admit(&input, workload, &classes.known);
        let hooks = hooks::warnings(&input, workload, &admission);
        let restarts = restarts::warning(&input, workload, &admission);
        let starts = unlimited_starts::warning(&input, workload, &admission);
        let warnings = hooks.into_iter().chain(restarts).chain(starts);
        admission.warnings.extend(warnings);
        if *strict {
            deny_warnings(&mut admission);
        }
        findings.add(&input, workload, admission);
    }
    findings.add_classes(classes, &mut input, *strict);
    error::sort(&mut findings.errors);
    let warnings = &mut findings.warnings;
    warnings.sort_by(|(a, _), (b, _)| a.order(b));
    CommandOutput {
        stdout: match format {
            LintFormat::Text => findings.text(&input),
            LintFormat::Sarif => sarif::print(&findings.errors, &findings.warnings),
            LintFormat::Json => findings.json(&input),
        },
        messages: Vec::new(),
        exit: error::exit(&findings.errors),
    }
}

/// Makes every warning an error.
fn deny_warnings(admission: &mut Admission) {
    let warnings = std::mem::take(&mut admission.warnings);
    let errors = warnings
        .into_iter()
        .map(|warning| CliErrorKind::Warning(warning.message).at(&warning.location));
    match &mut admission.verdict {
        Verdict::Denied(denied) => denied.extend(errors),
        verdict => {
            let errors: Vec<_> = errors.collect();
            if !errors.is_empty() {
                *verdict = Verdict::Denied(errors);
            }
        }
    }
}

#[derive(Debug, Default)]
struct Findings {
    admitted: Vec<Location>,
    denied: Vec<Location>,
    skipped: Vec<(Location, String)>,
    errors: Vec<CliError>,
    warnings: Vec<(Location, String)>,
    /// The SecretProviderClass objects of AWS's provider without and with errors.
    valid_classes: Vec<Location>,
    invalid_classes: Vec<Location>,
    /// With a policy file: the rule that applies to each annotated workload.
    rules: Vec<(Location, PolicyResult)>,
}

#[derive(Serialize)]
struct FindingsJson<'a> {
    admitted: Vec<LocationJson<'a>>,
    denied: Vec<LocationJson<'a>>,
    skipped: Vec<MessageJson<'a>>,
    errors: Vec<MessageJson<'a>>,
    warnings: Vec<MessageJson<'a>>,
    rules: Vec<RuleJson<'a>>,
    valid_classes: Vec<LocationJson<'a>>,
    invalid_classes: Vec<LocationJson<'a>>,
    without_pods: &'a [String],
}

impl Findings {
    fn add(&mut self, input: &Input, workload: &Workload, admission: Admission) {
        let location = || workload.location.clone();
        for warning in admission.warnings {
            self.warnings.push((warning.location, warning.message));
        }
        if let Some(result) = admission.policy {
            self.rules.push((location(), result));
        }
        match admission.verdict {
            Verdict::Injected(_) | Verdict::Skipped(SkipReason::WiredByHand) => {
                self.admitted.push(location());
            }
            Verdict::Skipped(SkipReason::NotAnnotated | SkipReason::OtherProvider)
            | Verdict::Undecided => {}
            Verdict::Skipped(reason) => {
                let reason = admission::skip_message(reason, &input.settings.domain);
                self.skipped.push((location(), reason));
            }
            Verdict::Denied(errors) => {
                self.denied.push(location());
                self.errors.extend(errors);
            }
        }
    }

    fn add_classes(&mut self, classes: Classes, input: &mut Input, is_strict: bool) {
        let Classes {
            valid,
            invalid,
            errors,
            warnings,
            known: _,
            absent: _,
        } = classes;
        let has_class = |file: &String| {
            let mut locations = valid.iter().chain(&invalid);
            locations.any(|location| location.file.as_ref() == Some(file))
        };
        input.without_pods.retain(|file| !has_class(file));
        self.valid_classes = valid;
        self.invalid_classes = invalid;
        self.errors.extend(errors);
        if is_strict {
            let warnings = warnings.into_iter();
            let errors =
                warnings.map(|(location, message)| CliErrorKind::Warning(message).at(&location));
            self.errors.extend(errors);
        } else {
            self.warnings.extend(warnings);
        }
    }

    fn text(&self, input: &Input) -> String {
        let mut text = String::new();
        for error in &self.errors {
            let _ = writeln!(text, "{error}");
            text.push_str(&snippet(&error.location, Severity::Error));
        }
        for (location, warning) in &self.warnings {
            let _ = writeln!(text, "{location}warning: {warning}");
            text.push_str(&snippet(location, Severity::Warning));
        }
        for (location, reason) in &self.skipped {
            let _ = writeln!(text, "{location}skipped: {reason}");
        }
        for (location, result) in &self.rules {
            let _ = writeln!(text, "{location}{}", describe(result));
        }
        let annotated = self.admitted.len() + self.denied.len();
        let classes = self.valid_classes.len() + self.invalid_classes.len();
        // With classes, some of the workloads may have volumes alone.
        let kind = match classes {
            0 => "annotated workload",
            _ => "workload",
        };
        if classes > 0 {
            let _ = writeln!(
                text,
                "{}: {} valid, {} invalid",
                count(classes, "SecretProviderClass object"),
                self.valid_classes.len(),
                self.invalid_classes.len(),
            );
        }
        if annotated == 0
            && classes == 0
            && self.errors.is_empty()
            && self.warnings.is_empty()
            && self.skipped.is_empty()
        {
            let _ = writeln!(text, "{}", admission::nothing_to_do(&input.settings.domain));
        } else {
            let _ = writeln!(
                text,
                "{}: {} admitted, {} denied; {}, {}",
                count(annotated, kind),
                self.admitted.len(),
                self.denied.len(),
                count(self.errors.len(), "error"),
                count(self.warnings.len(), "warning"),
            );
        }
        if !input.without_pods.is_empty() {
            let files = count(input.without_pods.len(), "file");
            let _ = writeln!(text, "passed over: {files} without pods");
        }
        text
    }

    fn json(&self, input: &Input) -> String {
        json::print(&FindingsJson {
            admitted: self.admitted.iter().map(LocationJson::from).collect(),
            denied: self.denied.iter().map(LocationJson::from).collect(),
            skipped: self.skipped.iter().map(MessageJson::from).collect(),
            errors: self.errors.iter().map(MessageJson::from).collect(),
            warnings: self.warnings.iter().map(MessageJson::from).collect(),
            rules: self.rules.iter().map(RuleJson::from).collect(),
            valid_classes: self.valid_classes.iter().map(LocationJson::from).collect(),
            invalid_classes: self
                .invalid_classes
                .iter()
                .map(LocationJson::from)
                .collect(),
            without_pods: &input.without_pods,
        })
    }
}

/// The text that a message is about, underlined.
fn snippet(location: &Location, severity: Severity) -> String {
    let mark = location.mark.as_ref();
    mark.map_or_else(String::new, |mark| {
        snippet::render(mark, severity, terminal::is_colored())
    })
}

/// Which rule applies, and what it decides.
fn describe(result: &PolicyResult) -> String {
    let outcome = match result.outcome {
        PolicyOutcome::Allowed => "allows it",
        PolicyOutcome::Warned => "would deny it, but only warns",
        PolicyOutcome::Denied => "denies it",
    };
    match &result.rule {
        Some(rule) => format!("policy: rule {rule} {outcome}"),
        None => format!("policy: no rule applies, so the policy {outcome}"),
    }
}
