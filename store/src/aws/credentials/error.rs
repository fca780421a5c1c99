//! The errors that all sources of credentials have in common.

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::result::ConnectorError;
use kees_common::error_chain::sources;

use crate::{
    ErrorKind,
    aws::error::{AwsError, is_unsent},
};

/// The kind of the error if the source of credentials could not be reached.
pub(super) fn unreached(error: &CredentialsError) -> Option<ErrorKind> {
    if matches!(error, CredentialsError::ProviderTimedOut(_)) {
        return Some(ErrorKind::TimedOut);
    }
    let connector = sources(error).find_map(|error| error.downcast_ref::<ConnectorError>())?;
    if is_unsent(connector) {
        None
    } else if connector.is_timeout() {
        Some(ErrorKind::TimedOut)
    } else {
        Some(ErrorKind::Unreachable)
    }
}

/// Whether a setting of the source is invalid.
pub(super) fn is_misconfigured(error: &CredentialsError) -> bool {
    matches!(error, CredentialsError::InvalidConfiguration(_))
}

/// An error of the credentials, with what to do about it.
pub(super) fn credentials_error(message: impl Into<String>, remedy: &str) -> AwsError {
    AwsError::new(ErrorKind::Credentials, message, remedy)
}
