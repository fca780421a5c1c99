//! From the SDK's errors to ours: one failure, one kind, one thing to do.
//!
//! Only codes, messages and status of an answer are used, never the SDK's own `Debug` output,
//! which may hold a request or an answer with a value in it.

use std::{borrow::Cow, error::Error};

use aws_smithy_runtime_api::client::{
    orchestrator::HttpResponse,
    result::{ConnectorError, SdkError},
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use kees_common::{StoragePath, StoreName};
use rustls::CertificateError;

use super::cause::{Cause, UNBUILT, chain, describe, is_unsent};
use crate::{ErrorKind, StoreError};

/// What was asked of AWS, for the error that may come of it.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// The store.
    pub store: StoreName,
    /// The IAM action, `dynamodb:GetItem`.
    pub action: &'static str,
    /// The resource as IAM names it.
    pub resource: Cow<'a, str>,
    /// The path, where the call is about one.
    pub path: Option<&'a StoragePath>,
}

/// The error that `call` ended in. Codes with a meaning of their own to one operation
/// (`ResourceNotFoundException`, `TransactionCanceledException`) are the backend's to look at
/// first; here they come out as [`ErrorKind::Other`].
pub fn classify<E>(error: &SdkError<E, HttpResponse>, call: &Call<'_>) -> StoreError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    explain(error, call.action, &call.resource).for_call(call)
}

/// An error that AWS told inside an answer (an item of a batch) rather than as the answer.
#[cfg(any(feature = "dynamodb", feature = "secretsmanager"))]
pub(crate) fn classify_code(code: &str, message: &str, call: &Call<'_>) -> StoreError {
    let answer = Answer {
        code: Some(code),
        message: Some(message),
        status: None,
    };
    answer.explain(call.action, &call.resource).for_call(call)
}

impl Cause {
    fn for_call(self, call: &Call<'_>) -> StoreError {
        StoreError {
            kind: self.kind,
            store: call.store,
            path: call.path.cloned(),
            code: self.code,
            message: self.message,
            remedy: self.remedy,
        }
    }
}

/// As [`classify`], for calls that belong to no store.
pub(super) fn explain<E>(error: &SdkError<E, HttpResponse>, action: &str, resource: &str) -> Cause
where
    E: ProvideErrorMetadata + Error + 'static,
{
    if let Some(cause) = Cause::within(error) {
        return cause.clone();
    }
    match error {
        // Success, in words that cannot be parsed.
        SdkError::ServiceError(answer) if answer.raw().status().is_success() => {
            broken_off(answer.raw())
        }
        SdkError::ServiceError(answer) => Answer {
            code: answer.err().code(),
            message: answer.err().message(),
            status: Some(answer.raw().status().as_u16()),
        }
        .explain(action, resource),
        SdkError::ResponseError(answer) => broken_off(answer.raw()),
        SdkError::TimeoutError(_) => timed_out(action),
        SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
            Some(connector) => unreached(connector, action),
            None => unbuilt(),
        },
        _ => unbuilt(),
    }
}

/// What AWS said.
struct Answer<'a> {
    code: Option<&'a str>,
    message: Option<&'a str>,
    status: Option<u16>,
}

impl Answer<'_> {
    fn explain(&self, action: &str, resource: &str) -> Cause {
        let (kind, remedy) = self.kind(action, resource);
        Cause {
            kind,
            code: self.code.map(str::to_owned),
            message: self.text(),
            remedy,
        }
    }

    fn text(&self) -> String {
        match (self.message, self.code, self.status) {
            (Some(message), _, _) if !message.is_empty() => message.to_owned(),
            (_, Some(code), _) => format!("AWS answered {code} and no more"),
            (_, None, Some(status)) => {
                format!("an answer with HTTP status {status} that is not AWS's own")
            }
            (_, None, None) => "an answer without a code".to_owned(),
        }
    }

    fn kind(&self, action: &str, resource: &str) -> (ErrorKind, String) {
        let message = self.message.unwrap_or_default();
        match self.code.unwrap_or_default() {
            "RequestTimeTooSkewed" | "RequestExpired" => clock(),
            "InvalidSignatureException" | "SignatureDoesNotMatch" if is_about_time(message) => {
                clock()
            }
            "InvalidSignatureException" | "SignatureDoesNotMatch" if is_about_region(message) => {
                region()
            }
            code if code.starts_with("KMS") => kms_code(code, message, action),
            "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" => {
                denied(message, action, resource)
            }
            "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "ExpiredToken"
            | "ExpiredTokenException"
            | "IncompleteSignature"
            | "IncompleteSignatureException"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "AuthFailure"
            | "OptInRequired" => (
                ErrorKind::Credentials,
                "see that the AWS credentials in use are valid and current (aws sso login renews a person's, a new pod has new ones), and that the Region is enabled in their account".to_owned(),
            ),
            "DecryptionFailure" | "EncryptionFailure" => (
                ErrorKind::Setup,
                format!(
                    "see that the KMS key is enabled, and that its key policy and the role in use allow {}",
                    kms_action(action)
                ),
            ),
            "ThrottlingException"
            | "Throttling"
            | "ThrottledException"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "ProvisionedThroughputExceededException"
            | "RequestLimitExceeded"
            | "TooManyRequestsException"
            | "SlowDown" => throttled(),
            "InternalServerError"
            | "InternalServiceError"
            | "InternalServiceErrorException"
            | "InternalFailure"
            | "InternalError"
            | "ServiceUnavailable"
            | "ServiceUnavailableException" => server(),
            "RequestTimeout" | "RequestTimeoutException" => {
                (ErrorKind::TimedOut, "nothing: it is tried again until the deadline".to_owned())
            }
            _ => self.kind_of_status(),
        }
    }

    fn kind_of_status(&self) -> (ErrorKind, String) {
        match (self.status, self.code) {
            (Some(429), _) => throttled(),
            (Some(500..), _) => server(),
            (Some(407), None) => (
                ErrorKind::Setup,
                "give HTTPS_PROXY the user and password that the proxy asks for".to_owned(),
            ),
            (_, None) => (
                ErrorKind::Other,
                "see what stands between here and AWS: a proxy, or AWS_ENDPOINT".to_owned(),
            ),
            _ => (
                ErrorKind::Other,
                "see AWS's documentation of the code".to_owned(),
            ),
        }
    }
}

fn throttled() -> (ErrorKind, String) {
    (
        ErrorKind::Throttled,
        "nothing if it passes: it is tried again until the deadline; else raise the table's capacity or the account's quota".to_owned(),
    )
}

fn server() -> (ErrorKind, String) {
    (
        ErrorKind::Server,
        "nothing: it is tried again until the deadline".to_owned(),
    )
}

fn clock() -> (ErrorKind, String) {
    (
        ErrorKind::Credentials,
        "set the clock of the node right (NTP): AWS takes signatures that are at most 5 minutes old".to_owned(),
    )
}

/// Signature Version 4's refusals that are about the clock: "Signature expired: … is now earlier
/// than …" and "Signature not yet current: … is still later than …" (IAM User Guide,
/// troubleshooting signed requests).
fn is_about_time(message: &str) -> bool {
    [
        "Signature expired",
        "Signature not yet current",
        "is now earlier than",
        "is still later than",
    ]
    .iter()
    .any(|part| message.contains(part))
}

fn region() -> (ErrorKind, String) {
    (
        ErrorKind::Setup,
        "let AWS_REGION be the Region of the endpoint that is asked (AWS_ENDPOINT), and one that is enabled in the account".to_owned(),
    )
}

/// Signature Version 4's refusal of a request that is signed for another Region than that of the
/// endpoint: "Credential should be scoped to a valid Region, not …" (IAM User Guide, troubleshooting
/// signed requests).
fn is_about_region(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("scoped to a valid region")
}

/// A refusal by IAM, or by KMS through the store.
fn denied(message: &str, action: &str, resource: &str) -> (ErrorKind, String) {
    // IAM's own words name the action and the resource, and better than we can.
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
fn kms_code(code: &str, message: &str, action: &str) -> (ErrorKind, String) {
    if code.contains("Throttling") {
        throttled()
    } else if code.contains("AccessDenied") {
        denied(message, &kms_action(action), "the KMS key")
    } else {
        (
            ErrorKind::Setup,
            "see that the KMS key exists, is enabled, and is in this Region".to_owned(),
        )
    }
}

/// What a reader, or a writer, needs of the key (Secrets Manager User Guide, "Permissions for the
/// KMS key").
fn kms_action(action: &str) -> String {
    let reads =
        action.contains(":Get") || action.contains(":BatchGet") || action.contains(":TransactGet");
    if reads {
        "kms:Decrypt"
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

fn broken_off(answer: &HttpResponse) -> Cause {
    let status = answer.status().as_u16();
    Cause {
        kind: if status >= 500 { ErrorKind::Server } else { ErrorKind::Unreachable },
        code: None,
        message: format!("the answer (HTTP status {status}) broke off or cannot be parsed"),
        remedy: "nothing: it is tried again until the deadline; if it stays, see what stands between here and AWS".to_owned(),
    }
}

fn timed_out(action: &str) -> Cause {
    Cause {
        kind: ErrorKind::TimedOut,
        code: None,
        message: format!("no answer to {action} in time"),
        remedy: REACH.to_owned(),
    }
}

const REACH: &str = "see that the endpoint can be reached from here: AWS_REGION, AWS_ENDPOINT, network policies, the VPC's endpoints or its NAT, HTTPS_PROXY";

fn unreached(error: &ConnectorError, action: &str) -> Cause {
    if is_unsent(error) {
        return unbuilt();
    }
    if let Some(refusal) = chain(error).find_map(|error| error.downcast_ref::<rustls::Error>()) {
        return untrusted(refusal);
    }
    if error.is_timeout() {
        let late = timed_out(action);
        return Cause {
            message: format!("{}: {}", late.message, below(error)),
            ..late
        };
    }
    Cause {
        kind: ErrorKind::Unreachable,
        code: None,
        message: below(error),
        remedy: REACH.to_owned(),
    }
}

/// What went wrong, without the SDK's own "io error" before it.
fn below(error: &ConnectorError) -> String {
    error.source().map_or_else(|| error.to_string(), describe)
}

fn untrusted(refusal: &rustls::Error) -> Cause {
    let remedy = match refusal {
        rustls::Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => {
            "see that the clock of the node is right, and that the endpoint's certificate is current"
        }
        _ => {
            "let AWS_CA_BUNDLE name a PEM file with the root of the endpoint's certificate (a proxy that opens TLS has its own)"
        }
    };
    let certificate = matches!(refusal, rustls::Error::InvalidCertificate(_));
    Cause {
        kind: if certificate {
            ErrorKind::Setup
        } else {
            ErrorKind::Unreachable
        },
        code: None,
        message: format!("TLS: {refusal}"),
        remedy: remedy.to_owned(),
    }
}

/// Nothing of the SDK's error is repeated.
fn unbuilt() -> Cause {
    Cause {
        kind: ErrorKind::Setup,
        code: None,
        message: UNBUILT.to_owned(),
        remedy: "see that AWS_REGION is the name of a Region, and that AWS_ENDPOINT, AWS_ENDPOINT_URL and its kin, and endpoint_url in the profile are URLs".to_owned(),
    }
}

#[cfg(test)]
#[cfg(feature = "secretsmanager")]
mod tests;
