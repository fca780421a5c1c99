//! The admission decision: what the webhook would do with the pods of a workload.

use std::fmt;

use kees_common::{Domain, Parsed, names::init};
use kees_inject::{
    ClassAccess, Decision, Operations, PodError, PodView, PolicyResult, SkipReason,
    decide_with_classes,
};
use serde_json::Value;

use crate::{
    error::{CliError, CliErrorKind},
    error_place,
    input::Input,
    location::Location,
    place::Place,
    pod_types::TypedPod,
    workload::Workload,
};

/// What the webhook would answer about one workload.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) warnings: Vec<Warning>,
    /// The rule that applies, and what it decides, if there is a policy file.
    pub(crate) policy: Option<PolicyResult>,
    pub(crate) verdict: Verdict,
}

/// A warning, and what it is about.
#[derive(Debug)]
pub(crate) struct Warning {
    pub(crate) location: Location,
    pub(crate) message: String,
}

/// What would happen to the pods.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// They are changed to this.
    Injected(Value),
    /// They stay as they are.
    Skipped(SkipReason),
    /// They are denied, with all errors.
    Denied(Vec<CliError>),
    /// Unknown: the settings or the workload's name are wrong, which is reported elsewhere.
    Undecided,
}

/// Decides on the annotations of the pods of `workload`. Volumes of classes are not looked at.
pub(crate) fn admit(input: &Input, workload: &Workload) -> Admission {
    admit_with_classes(input, workload, ClassAccess::Ignored)
}

/// Decides on the pods of `workload`.
pub(crate) fn admit_with_classes(
    input: &Input,
    workload: &Workload,
    classes: ClassAccess<'_>,
) -> Admission {
    let mut notes = Notes::default();
    let verdict = match workload.pod(&input.documents) {
        Some(pod) => verdict(input, workload, pod, classes, &mut notes),
        None => Ok(Verdict::Skipped(SkipReason::NotAnnotated)),
    };
    let verdict = verdict.unwrap_or_else(|errors| {
        let errors = errors.into_iter().map(|error| {
            let place = error_place::place(&error);
            error.at(&workload.locate(&input.documents, &place))
        });
        Verdict::Denied(errors.collect())
    });
    let Notes { warnings, policy } = notes;
    let annotations = || {
        let pod = workload.pod(&input.documents);
        let annotations = pod.and_then(|pod| pod.pointer("/metadata/annotations"));
        let annotations = annotations.and_then(Value::as_object).into_iter();
        annotations.flat_map(|annotations| annotations.keys())
    };
    let of_pod = warnings.into_iter().map(|message| {
        let place = Place::of_warning(&message, annotations());
        let location = workload.locate(&input.documents, &place);
        Warning { location, message }
    });
    let warnings = misplaced(input, workload).chain(of_pod).collect();
    Admission {
        warnings,
        policy,
        verdict,
    }
}

/// What a decision says besides the verdict.
#[derive(Default)]
struct Notes {
    warnings: Vec<String>,
    policy: Option<PolicyResult>,
}

fn misplaced(input: &Input, workload: &Workload) -> impl Iterator<Item = Warning> {
    workload.misplaced.iter().map(|annotation| Warning {
        location: workload.locate_misplaced(&input.documents, annotation),
        message: format!(
            "{annotation}: has no effect on the {} itself; move it to the annotations of the pod \
             template",
            workload.name.kind
        ),
    })
}

fn verdict(
    input: &Input,
    workload: &Workload,
    pod: &Value,
    classes: ClassAccess<'_>,
    notes: &mut Notes,
) -> Result<Verdict, Vec<CliErrorKind>> {
    let TypedPod {
        json,
        not_text,
        variables,
        removed,
    } = TypedPod::new(pod);
    let is_complete = removed.is_empty();
    let mut errors: Vec<CliErrorKind> = not_text
        .iter()
        .map(|annotation| CliErrorKind::AnnotationNotText {
            annotation: annotation.clone(),
        })
        .chain(variables)
        .chain(removed)
        .collect();
    let Ok(view) = PodView::from_json(&json) else {
        return Err(errors);
    };
    let can_decide = is_complete && !input.has_invalid_settings && !workload.has_invalid_name;
    let verdict = if can_decide {
        let namespace = &workload.name.namespace;
        let decision = decide_with_classes(&view, namespace, &input.settings, classes);
        verdict_of(decision, pod, notes)
    } else {
        // Other errors may only follow from what is wrong or missing.
        check_annotations(&json, &input.settings.domain)
    };
    // The text of an annotation that is not text is a guess, so nothing else is said about it.
    let is_about = |message: &str, key: &String| {
        let rest = message.strip_prefix(key.as_str());
        rest.is_some_and(|rest| rest.starts_with(": "))
    };
    let is_guess = |warning: &String| not_text.iter().any(|key| is_about(warning, key));
    notes.warnings.retain(|warning| !is_guess(warning));
    match verdict {
        Ok(verdict) if errors.is_empty() => Ok(verdict),
        Ok(_) => Err(errors),
        Err(more) => {
            let is_guess = |error: &CliErrorKind| match error {
                CliErrorKind::Denied(error) => not_text
                    .iter()
                    .any(|key| error.field() == format!("metadata.annotations[{key}]")),
                _ => false,
            };
            errors.extend(more.into_iter().filter(|error| !is_guess(error)));
            Err(errors)
        }
    }
}

fn verdict_of(
    decision: Decision,
    pod: &Value,
    notes: &mut Notes,
) -> Result<Verdict, Vec<CliErrorKind>> {
    notes.policy = decision.policy().cloned();
    let warnings = &mut notes.warnings;
    match decision {
        Decision::Skip {
            reason,
            warnings: more,
            ..
        } => {
            warnings.extend(more);
            Ok(Verdict::Skipped(reason))
        }
        Decision::Deny {
            errors,
            warnings: more,
            ..
        } => {
            warnings.extend(more);
            let errors = errors.into_iter().map(CliErrorKind::Denied);
            Err(errors.chain(missing_containers(pod)).collect())
        }
        Decision::Patch {
            operations,
            warnings: more,
            ..
        } => {
            warnings.extend(more);
            match missing_containers(pod) {
                Some(error) => Err(vec![error]),
                None => patched(pod, &operations)
                    .map(Verdict::Injected)
                    .map_err(|error| vec![error]),
            }
        }
    }
}

/// Finds the errors that annotations have by themselves, whatever the pod and the settings are.
fn check_annotations(json: &str, domain: &Domain) -> Result<Verdict, Vec<CliErrorKind>> {
    let pod: Value = serde_json::from_str(json).unwrap_or_default();
    let annotations = pod
        .pointer("/metadata/annotations")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()));
    let errors = Parsed::from_annotations(domain, annotations).errors;
    if errors.is_empty() {
        Ok(Verdict::Undecided)
    } else {
        let errors = errors.into_iter().map(PodError::from);
        Err(errors.map(CliErrorKind::Denied).collect())
    }
}

/// Checks that there is a container to inject into. The API server refuses a pod without containers
/// before it calls the webhook.
fn missing_containers(pod: &Value) -> Option<CliErrorKind> {
    let containers = pod["spec"]["containers"].as_array();
    if !pod["spec"].is_object() {
        Some(CliErrorKind::NoContainers("spec"))
    } else if containers.is_none_or(Vec::is_empty) {
        Some(CliErrorKind::NoContainers("spec.containers"))
    } else {
        None
    }
}

fn patched(pod: &Value, operations: &Operations) -> Result<Value, CliErrorKind> {
    let bug = |error: &dyn fmt::Display| CliErrorKind::Patch(error.to_string());
    let patch: json_patch::Patch =
        serde_json::from_str(operations.as_json()).map_err(|error| bug(&error))?;
    let mut pod = pod.clone();
    // A pod in an admission request always has it. A pod template with volumes of classes alone may have none.
    if pod["metadata"].is_null() {
        pod["metadata"] = Value::Object(serde_json::Map::new());
    }
    json_patch::patch(&mut pod, &patch).map_err(|error| bug(&error))?;
    Ok(pod)
}

/// The reason why pods are skipped, for messages.
pub(crate) fn skip_message(reason: SkipReason, domain: &Domain) -> String {
    match reason {
        SkipReason::NotPodCreation | SkipReason::NotAnnotated => {
            "it has no annotation of kees".to_owned()
        }
        SkipReason::OptedOut => format!("{} is \"false\"", domain.init(init::INJECT)),
        SkipReason::Mirror => "it is the mirror of a static pod".to_owned(),
        SkipReason::Windows => "it is a Windows pod".to_owned(),
        SkipReason::WiredByHand => "its init container is wired by hand".to_owned(),
        SkipReason::OtherProvider => "its SecretProviderClass is of another provider".to_owned(),
    }
}

/// The message for manifests in which no pod is annotated.
pub(crate) fn nothing_to_do(domain: &Domain) -> String {
    format!(
        "nothing to do: no pod has an annotation that begins with secret.{domain}/, \
         resource.{domain}/ or lease.{domain}/"
    )
}
