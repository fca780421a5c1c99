//! Denials by IAM, or by KMS through another service: which action on which resource is missing.

use super::throttling::throttled;
use crate::ErrorKind;

/// A denial of a call of `action` on `resource`, and what to do. If IAM's message names the action
/// and the resource, these are used, because they are more exact.
pub(super) fn denied(message: &str, action: &str, resource: &str) -> (ErrorKind, String) {
    let named_action = after(message, "is not authorized to perform: ");
    let named_resource =
        after(message, "on resource: ").filter(|resource| resource.starts_with("arn:"));
    let by_kms = named_action.is_some_and(|action| action.starts_with("kms:"))
        || (named_action.is_none() && message.contains("KMS"));
    let (action, resource) = if by_kms {
        let action = named_action.map_or_else(|| kms_action(action), str::to_owned);
        (action, named_resource.unwrap_or("the KMS key").to_owned())
    } else {
        (
            named_action.unwrap_or(action).to_owned(),
            named_resource.unwrap_or(resource).to_owned(),
        )
    };
    let remedy = if message.contains("explicit deny") {
        format!("take {action} on {resource} out of the policy that denies it explicitly")
    } else if by_kms {
        format!("allow {action} on {resource} in the policy of the role in use and in the key's")
    } else {
        format!("allow {action} on {resource} in the policy of the role in use")
    };
    (ErrorKind::Denied { action, resource }, remedy)
}

/// Codes that AWS services pass on from KMS: `KMSAccessDeniedException`, `KMSDisabledException`.
pub(super) fn kms_code(code: &str, message: &str, action: &str) -> (ErrorKind, String) {
    if code.contains("Throttling") {
        throttled()
    } else if code.contains("AccessDenied") {
        denied(message, &kms_action(action), "the KMS key")
    } else {
        (
            ErrorKind::Setup,
            "check that the KMS key exists, is enabled, and is in this Region".to_owned(),
        )
    }
}

/// The permissions for the key that a reader or a writer needs (Secrets Manager User Guide,
/// "Permissions for the KMS key"; Systems Manager User Guide, "AWS KMS encryption for
/// `SecureString` parameters").
pub(super) fn kms_action(action: &str) -> String {
    let reads =
        action.contains(":Get") || action.contains(":BatchGet") || action.contains(":TransactGet");
    if reads {
        "kms:Decrypt"
    } else if action.starts_with("ssm:") {
        "kms:Encrypt"
    } else {
        "kms:GenerateDataKey and kms:Decrypt"
    }
    .to_owned()
}

/// The word after `marker`.
fn after<'a>(message: &'a str, marker: &str) -> Option<&'a str> {
    let word = message.split_once(marker)?.1.split_whitespace().next()?;
    Some(word.trim_end_matches([',', '.', ';'])).filter(|word| !word.is_empty())
}
