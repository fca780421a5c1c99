//! Translates an error of the SDK into a [`StoreError`] with a kind and a remedy.
//!
//! Only the code, message and status of a response are used. The `Debug` output of the SDK's errors
//! is not used, because it may contain a request or response with a value.

use std::error::Error;

use aws_smithy_runtime_api::client::{
    orchestrator::HttpResponse,
    result::{ConnectorError, SdkError},
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use kees_common::error_chain::sources;
use rustls::CertificateError;

use super::{
    answer::Answer,
    call::Call,
    error::{AwsError, UNBUILT, describe, is_unsent},
};
use crate::{ErrorKind, StoreError};

/// The error of `call`. Codes whose meaning depends on the operation (`ResourceNotFoundException`,
/// `TransactionCanceledException`) are [`ErrorKind::Other`] here. The backend handles them before it
/// calls this.
pub fn classify<E>(error: &SdkError<E, HttpResponse>, call: &Call<'_>) -> StoreError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    explain(error, call.action, &call.resource).of_call(call)
}

/// An error of one item in the response to a batch.
#[cfg(any(feature = "dynamodb", feature = "secretsmanager"))]
pub(crate) fn classify_code(code: &str, message: &str, call: &Call<'_>) -> StoreError {
    let answer = Answer {
        code: Some(code),
        message: Some(message),
        status: None,
    };
    answer.explain(call.action, &call.resource).of_call(call)
}

/// Like [`classify`], for calls that belong to no store.
pub(super) fn explain<E>(
    error: &SdkError<E, HttpResponse>,
    action: &str,
    resource: &str,
) -> AwsError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    if let Some(error) = AwsError::within(error) {
        return error.clone();
    }
    match error {
        // The status is a success, but the body cannot be parsed.
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

/// The error if credentials are requested outside a call of the SDK.
#[cfg(feature = "ssm")]
pub(super) fn explain_credentials(
    error: &aws_credential_types::provider::error::CredentialsError,
) -> AwsError {
    AwsError::within(error).cloned().unwrap_or_else(|| {
        let message = format!("no AWS credentials: {}", describe(error));
        let remedy = "check the profile or the variables that name the identity";
        AwsError::new(ErrorKind::Credentials, message, remedy)
    })
}

fn broken_off(answer: &HttpResponse) -> AwsError {
    let status = answer.status().as_u16();
    let kind = if status >= 500 {
        ErrorKind::Server
    } else {
        ErrorKind::Unreachable
    };
    AwsError::new(
        kind,
        format!("the answer (HTTP status {status}) broke off or cannot be parsed"),
        "it is tried again until the deadline; if it does not pass, see what stands between here and AWS",
    )
}

fn timed_out(action: &str) -> AwsError {
    let message = format!("no answer to {action} in time");
    AwsError::new(ErrorKind::TimedOut, message, REACH)
}

const REACH: &str = "check that the endpoint can be reached from here: AWS_REGION, AWS_ENDPOINT, network policies, the VPC's endpoints or its NAT, HTTPS_PROXY";

fn unreached(error: &ConnectorError, action: &str) -> AwsError {
    if is_unsent(error) {
        return unbuilt();
    }
    if let Some(tls) = sources(error).find_map(|error| error.downcast_ref::<rustls::Error>()) {
        return untrusted(tls);
    }
    // Without the SDK's own "io error" before it.
    let reason = error.source().map_or_else(|| error.to_string(), describe);
    if error.is_timeout() {
        let late = timed_out(action);
        return AwsError {
            message: format!("{}: {reason}", late.message),
            ..late
        };
    }
    AwsError::new(ErrorKind::Unreachable, reason, REACH)
}

fn untrusted(error: &rustls::Error) -> AwsError {
    let remedy = match error {
        rustls::Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => {
            "check that the clock of the node is right, and that the endpoint's certificate is current"
        }
        _ => {
            "let AWS_CA_BUNDLE name a PEM file with the root of the endpoint's certificate (a proxy that opens TLS has its own)"
        }
    };
    let kind = match error {
        rustls::Error::InvalidCertificate(_) => ErrorKind::Setup,
        _ => ErrorKind::Unreachable,
    };
    AwsError::new(kind, format!("TLS: {error}"), remedy)
}

/// The message contains no part of the SDK's error.
fn unbuilt() -> AwsError {
    AwsError::new(
        ErrorKind::Setup,
        UNBUILT,
        "check that AWS_REGION is the name of a Region, and that AWS_ENDPOINT, AWS_ENDPOINT_URL and the like, and endpoint_url in the profile are URLs",
    )
}

#[cfg(test)]
#[cfg(feature = "secretsmanager")]
mod tests;
