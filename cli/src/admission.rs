//! What the webhook would do with a workload's pods.

use kees_common::{Domain, names::init};
use kees_inject::{Decision, InjectSettings, Operations, PodView, SkipReason, decide};
use serde_json::Value;

use crate::{
    fault::{CliError, CliErrorKind},
    manifest::Document,
    workload::Workload,
};

/// The webhook's answer about one workload.
#[derive(Debug)]
pub(crate) struct Admission {
    /// What has no effect.
    pub(crate) warnings: Vec<String>,
    pub(crate) verdict: Verdict,
}

/// What becomes of the pods.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// They are changed to this.
    Injected(Value),
    /// They are left as they are.
    LeftAlone(SkipReason),
    /// They are refused.
    Denied(Vec<CliError>),
}

/// Asks about the pods of `workload`.
pub(crate) fn admit(
    workload: &Workload,
    documents: &[Document],
    settings: &InjectSettings,
) -> Admission {
    let mut warnings = Vec::new();
    for annotation in &workload.misplaced {
        warnings.push(format!(
            "{annotation}: it stands on the {} itself, where nothing reads it; move it to the \
             annotations of the pod template",
            workload.name.kind
        ));
    }
    let verdict = match workload.pod(documents) {
        Some(pod) => verdict(pod, &workload.name.namespace, settings, &mut warnings),
        None => Ok(Verdict::LeftAlone(SkipReason::NotAnnotated)),
    };
    let verdict = verdict.unwrap_or_else(|problems| {
        let faults = problems.into_iter().map(|problem| CliError {
            place: workload.place.clone(),
            problem,
        });
        Verdict::Denied(faults.collect())
    });
    Admission { warnings, verdict }
}

fn verdict(
    pod: &Value,
    namespace: &str,
    settings: &InjectSettings,
    warnings: &mut Vec<String>,
) -> Result<Verdict, Vec<CliErrorKind>> {
    let mut unquoted = unquoted_annotations(pod);
    unquoted.extend(unquoted_variables(pod));
    if !unquoted.is_empty() {
        return Err(unquoted);
    }
    let json = pod.to_string();
    let view = PodView::from_json(&json).map_err(|_| vec![wrong_type(&json)])?;
    match decide(&view, namespace, settings) {
        Decision::Skip {
            reason,
            warnings: more,
        } => {
            warnings.extend(more);
            Ok(Verdict::LeftAlone(reason))
        }
        Decision::Deny {
            errors,
            warnings: more,
        } => {
            warnings.extend(more);
            Err(errors.into_iter().map(CliErrorKind::Denied).collect())
        }
        Decision::Patch {
            operations,
            warnings: more,
        } => {
            warnings.extend(more);
            has_containers(pod).map_err(|problem| vec![problem])?;
            patched(pod, &operations)
                .map_err(|problem| vec![problem])
                .map(Verdict::Injected)
        }
    }
}

/// Annotations that are no text, which YAML makes of `"true"` without its quotes. Their values are
/// not repeated.
fn unquoted_annotations(pod: &Value) -> Vec<CliErrorKind> {
    let annotations = pod
        .pointer("/metadata/annotations")
        .and_then(Value::as_object);
    let unquoted = annotations
        .into_iter()
        .flatten()
        .filter(|(_, value)| !value.is_string() && !value.is_null());
    unquoted
        .map(|(key, _)| CliErrorKind::NotQuoted {
            annotation: key.clone(),
        })
        .collect()
}

/// Variables whose values are no text, which the webhook never gets to see: the API server refuses
/// such a pod before it asks.
fn unquoted_variables(pod: &Value) -> Vec<CliErrorKind> {
    let mut problems = Vec::new();
    for list in ["initContainers", "containers"] {
        for (container, view) in items(&pod["spec"], list) {
            for (n, variable) in items(view, "env") {
                if !matches!(variable["value"], Value::String(_) | Value::Null) {
                    let field = format!("spec.{list}[{container}].env[{n}].value");
                    problems.push(CliErrorKind::WrongType(field));
                }
            }
        }
    }
    problems
}

/// The items of an array in a map, with their places; none of what is no array.
fn items<'a>(map: &'a Value, key: &str) -> impl Iterator<Item = (usize, &'a Value)> {
    let array = map.get(key).and_then(Value::as_array);
    array.into_iter().flatten().enumerate()
}

/// The field that a pod cannot have so. The error's own words would repeat its value.
fn wrong_type(json: &str) -> CliErrorKind {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let read = serde_path_to_error::deserialize::<_, PodView<'_>>(&mut deserializer);
    let path = read.map_or_else(|error| error.path().to_string(), |_| "the pod".to_owned());
    CliErrorKind::WrongType(path)
}

/// Whether there is a container that the files can be for. The webhook never gets to see a pod
/// without: the API server refuses it.
fn has_containers(pod: &Value) -> Result<(), CliErrorKind> {
    if !pod["spec"].is_object() {
        Err(CliErrorKind::NoContainers("spec"))
    } else if items(&pod["spec"], "containers").next().is_none() {
        Err(CliErrorKind::NoContainers("spec.containers"))
    } else {
        Ok(())
    }
}

fn patched(pod: &Value, operations: &Operations) -> Result<Value, CliErrorKind> {
    let defect = |error: &dyn std::fmt::Display| CliErrorKind::Patch(error.to_string());
    let patch: json_patch::Patch =
        serde_json::from_str(operations.as_json()).map_err(|error| defect(&error))?;
    let mut pod = pod.clone();
    json_patch::patch(&mut pod, &patch).map_err(|error| defect(&error))?;
    Ok(pod)
}

/// Why pods are left alone, for people.
pub(crate) fn reason(reason: SkipReason, domain: &Domain) -> String {
    match reason {
        SkipReason::NotPodCreation | SkipReason::NotAnnotated => "no annotation of kees".to_owned(),
        SkipReason::OptedOut => format!("{} is \"false\"", domain.init(init::INJECT)),
        SkipReason::Mirror => "it mirrors a static pod".to_owned(),
        SkipReason::Windows => "it is a Windows pod".to_owned(),
        SkipReason::WiredByHand => "its init container is wired by hand".to_owned(),
    }
}

/// What to say of manifests in which no pod is annotated.
pub(crate) fn nothing_to_do(domain: &Domain) -> String {
    format!(
        "nothing to do: no pod has an annotation that begins with secret.{domain}/, \
         resource.{domain}/ or lease.{domain}/"
    )
}
