//! An error of an AWS call before the store is known. The SDK wraps it in its own errors, and this
//! module finds it in them.

use std::error::Error;

use aws_smithy_runtime_api::client::result::ConnectorError;
use kees_common::error_chain::{join, sources};

use super::call::Call;
use crate::{ErrorKind, StoreError};

/// An error with its complete explanation (no credentials, a wrong CA bundle). The SDK wraps it,
/// and [`AwsError::within`] finds it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub(super) struct AwsError {
    pub(super) kind: ErrorKind,
    /// The error code of AWS.
    pub(super) code: Option<String>,
    pub(super) message: String,
    pub(super) remedy: String,
}

impl AwsError {
    /// An error without a code of AWS.
    pub(super) fn new(
        kind: ErrorKind,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            code: None,
            message: message.into(),
            remedy: remedy.into(),
        }
    }

    /// The `AwsError` that `error` wraps, at any depth.
    pub(super) fn within<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        sources(error).find_map(|error| error.downcast_ref())
    }

    /// This error as the error of `call`.
    pub(super) fn of_call(self, call: &Call<'_>) -> StoreError {
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

/// The message for a request that could not be built. The SDK's own message may contain the
/// whole request with the value.
pub(super) const UNBUILT: &str = "the request could not be built";

/// Whether the SDK failed before it sent the request.
pub(super) fn is_unsent(error: &ConnectorError) -> bool {
    !error.is_io() && !error.is_timeout()
}

/// `error` and its sources in one line. The sources of a request that could not be built are left out.
pub(super) fn describe(error: &(dyn Error + 'static)) -> String {
    let mut is_below_unsent = false;
    let messages = sources(error).map_while(|error| {
        if is_below_unsent {
            return None;
        }
        is_below_unsent = error.downcast_ref().is_some_and(is_unsent);
        Some(if is_below_unsent {
            UNBUILT.to_owned()
        } else {
            error.to_string()
        })
    });
    join(messages)
}
