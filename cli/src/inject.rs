//! `kees inject`: the manifest with its pods as the webhook would change them.

use kees_inject::{Policy, SkipReason};

use crate::{
    admission::{self, Verdict},
    args::InjectArgs,
    fault::{self, CliError},
    manifest,
    output::Answer,
    settings, workload,
};

/// Prints nothing unless every pod is sound.
pub(crate) fn inject(args: &InjectArgs) -> Answer {
    let InjectArgs {
        manifest,
        stores,
        operator,
        container,
    } = args;
    let mut settings = match settings::settings(stores, operator, Policy::absent()) {
        Ok(settings) => settings,
        Err(fault) => return refused(&[fault], Vec::new()),
    };
    container.give(&mut settings);
    let mut faults = settings::check(&settings);
    let (mut documents, unread) = manifest::read(&manifest.files);
    let (mut workloads, unsound) =
        workload::find(&documents, &manifest.namespace, &settings.domain);
    settings::withhold(&mut workloads, &faults);
    faults.extend(unread);
    faults.extend(unsound);

    let mut messages = Vec::new();
    let mut nothing = true;
    for workload in &workloads {
        let admission = admission::admit(workload, &documents, &settings);
        for warning in admission.warnings {
            messages.push(format!("{}warning: {warning}", workload.place));
        }
        match admission.verdict {
            Verdict::Injected(pod) => {
                nothing = false;
                if let Some(place) = workload.pod_mut(&mut documents) {
                    *place = pod;
                }
            }
            Verdict::LeftAlone(SkipReason::NotAnnotated) => {}
            Verdict::LeftAlone(skipped) => {
                nothing = false;
                let reason = admission::reason(skipped, &settings.domain);
                messages.push(format!("{}left alone: {reason}", workload.place));
            }
            Verdict::Denied(denied) => faults.extend(denied),
        }
    }
    if !faults.is_empty() {
        fault::sort(&mut faults);
        return refused(&faults, messages);
    }
    if nothing {
        messages.push(admission::nothing_to_do(&settings.domain));
    }
    match manifest::print(&documents) {
        Ok(output) => Answer {
            output,
            messages,
            exit: None,
        },
        Err(problem) => refused(&[problem.into()], messages),
    }
}

fn refused(faults: &[CliError], mut messages: Vec<String>) -> Answer {
    messages.extend(faults.iter().map(ToString::to_string));
    Answer {
        output: String::new(),
        messages,
        exit: fault::exit(faults),
    }
}
