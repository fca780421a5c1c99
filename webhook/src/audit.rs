//! The audit log: one line for each decision, with its own target, so that it can be switched off.

use std::time::Duration;

use kees_inject::{Audit, Outcome, ReviewResponse};

/// The target of the lines.
pub(crate) const TARGET: &str = "kees_webhook::audit";

/// The most bytes of a uid or a namespace that are logged. Names in Kubernetes have at most 63.
const LOGGED_LIMIT: usize = 64;

/// Logs everything that is ever logged of a request. The texts are escaped, whatever the log format is.
pub(crate) fn log(response: &ReviewResponse, took: Duration) {
    let ReviewResponse {
        json: _,
        outcome,
        reason,
        errors,
        warnings,
        namespace,
        uid,
        audit,
        policy,
    } = response;
    let Audit {
        user,
        service_account,
        owner,
        name,
        generate_name,
        entries,
        class_objects,
        dry_run,
    } = audit;
    // A denial has a reason from a closed set. Its message is in the response alone, because it may
    // contain values of the pod.
    let errors = matches!(outcome, Outcome::Denied).then_some(errors);
    tracing::info!(
        target: TARGET,
        uid = cut(uid.as_deref()),
        user,
        namespace = cut(namespace.as_deref()),
        service_account,
        owner,
        name,
        generate_name,
        entries = present(entries),
        class_objects = present(class_objects),
        outcome = outcome.as_str(),
        reason = present(reason),
        rule = policy.as_ref().and_then(|policy| policy.rule.as_deref()),
        policy = policy.as_ref().map(|policy| policy.outcome.as_str()),
        errors,
        warnings,
        dry_run,
        micros = took.as_micros(),
        "review"
    );
}

fn present(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// The beginning of a text, escaped: JSON leaves characters as they are that control a terminal or the
/// direction of text.
fn cut(text: Option<&str>) -> Option<String> {
    let text = text?;
    let beginning = text.get(..text.floor_char_boundary(LOGGED_LIMIT))?;
    Some(beginning.escape_debug().to_string())
}
