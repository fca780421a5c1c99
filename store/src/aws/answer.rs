//! The meaning of AWS's error codes, and what to do about each.

use super::{denial, error::AwsError, throttling::throttled};
use crate::ErrorKind;

/// An error response of AWS.
pub(super) struct Answer<'a> {
    pub(super) code: Option<&'a str>,
    pub(super) message: Option<&'a str>,
    /// The HTTP status, if the error has one of its own.
    pub(super) status: Option<u16>,
}

impl Answer<'_> {
    /// The error of a call of `action` on `resource`.
    pub(super) fn explain(&self, action: &str, resource: &str) -> AwsError {
        let (kind, remedy) = self.kind(action, resource);
        AwsError {
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
            code if code.starts_with("KMS") => denial::kms_code(code, message, action),
            "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" => {
                denial::denied(message, action, resource)
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
                "check that the AWS credentials in use are valid and current (aws sso login renews a person's, a new pod has new ones), and that the Region is enabled in their account".to_owned(),
            ),
            "DecryptionFailure" | "EncryptionFailure" => (
                ErrorKind::Setup,
                format!(
                    "check that the KMS key is enabled, and that its key policy and the role in use allow {}",
                    denial::kms_action(action)
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
                (ErrorKind::TimedOut, "it is tried again until the deadline".to_owned())
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

fn server() -> (ErrorKind, String) {
    (
        ErrorKind::Server,
        "it is tried again until the deadline".to_owned(),
    )
}

fn clock() -> (ErrorKind, String) {
    (
        ErrorKind::Credentials,
        "set the clock of the node right (NTP): AWS takes signatures that are at most 5 minutes old".to_owned(),
    )
}

/// Whether a signature was rejected because of the clock: "Signature expired: … is now earlier than
/// …" and "Signature not yet current: … is still later than …" (IAM User Guide, troubleshooting
/// signed requests).
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

/// Whether a signature was rejected because its Region is not that of the endpoint: "Credential
/// should be scoped to a valid Region, not …" (IAM User Guide, troubleshooting signed requests).
fn is_about_region(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("scoped to a valid region")
}
