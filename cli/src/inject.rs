//! `kees inject`: prints the manifests with their pods as the webhook would change them.

use kees_inject::{ClassAccess, Policy, SkipReason};

use crate::{
    admission::{self, Verdict},
    args::{InjectArgs, SecretSyncArgs},
    class_source::ClassSource,
    error::{self, CliError, CliErrorKind},
    inject_settings,
    input::Input,
    manifest,
    terminal::CommandOutput,
};

/// Prints nothing unless every pod can be injected.
pub(crate) fn inject(args: &InjectArgs) -> CommandOutput {
    let InjectArgs {
        manifest,
        stores,
        operator,
        container,
        secret_provider_classes,
        classes: SecretSyncArgs { secret_sync },
    } = args;
    let (mut settings, mut errors) =
        inject_settings::read(stores, operator, Some(container), Policy::absent());
    settings.secret_sync = *secret_sync;
    // Only values of annotations are in the table, so pods without annotations do not need its name.
    let no_label = inject_settings::take_label_error(&mut errors);
    let (mut input, mut errors) = Input::read(manifest, settings, errors);
    let source = ClassSource::new(&input.documents, &manifest.namespace);
    let classes = ClassAccess::On {
        classes: &source,
        requested: *secret_provider_classes,
    };
    let mut messages = Vec::new();
    let mut pods = Vec::new();
    let mut is_any_annotated = false;
    let mut needs_label = false;
    for (index, workload) in input.workloads.iter().enumerate() {
        let location = &workload.location;
        let admission = admission::admit_with_classes(&input, workload, classes);
        needs_label |= workload.has_entries(&input.documents, &input.settings.domain);
        let warnings = admission.warnings.iter();
        messages.extend(warnings.map(|w| format!("{}warning: {}", w.location, w.message)));
        is_any_annotated |= !matches!(
            admission.verdict,
            Verdict::Skipped(SkipReason::NotAnnotated)
        );
        match admission.verdict {
            Verdict::Injected(_) if workload.has_no_template() => {
                errors.push(CliErrorKind::NothingToInject.at(location));
            }
            Verdict::Injected(pod) => pods.push((index, pod)),
            Verdict::Skipped(SkipReason::NotAnnotated) | Verdict::Undecided => {}
            Verdict::Skipped(reason) => {
                let reason = admission::skip_message(reason, &input.settings.domain);
                messages.push(format!("{location}skipped: {reason}"));
            }
            Verdict::Denied(denied) => errors.extend(denied),
        }
    }
    errors.extend(no_label.filter(|_| needs_label));
    if !errors.is_empty() {
        error::sort(&mut errors);
        return failed(&errors, messages);
    }
    if !is_any_annotated {
        messages.push(admission::nothing_to_do(&input.settings.domain));
    }
    for (index, pod) in pods {
        input.workloads[index].replace_pod(&mut input.documents, pod);
    }
    match manifest::print(&input.documents) {
        Ok(stdout) => CommandOutput {
            stdout,
            messages,
            exit: None,
        },
        Err(error) => failed(&[error.into()], messages),
    }
}

fn failed(errors: &[CliError], mut messages: Vec<String>) -> CommandOutput {
    messages.extend(errors.iter().map(ToString::to_string));
    CommandOutput {
        stdout: String::new(),
        messages,
        exit: error::exit(errors),
    }
}
