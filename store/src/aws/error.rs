//! An error of an AWS call that is not yet about a store, and how it is found again below the SDK's
//! own errors.

use std::error::Error;

use aws_smithy_runtime_api::client::result::ConnectorError;
use kees_common::error_chain::{join, sources};

use super::call::Call;
use crate::{ErrorKind, StoreError};

/// An error that is fully explained where it happens (no credentials, a wrong CA bundle). The SDK
/// wraps it; [`AwsError::within`] finds it again.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub(super) struct AwsError {
    pub(super) kind: ErrorKind,
    /// AWS's own code.
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

    /// The same error, as that of `call`.
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

/// The message for a request that could not be built. The SDK's own message may hold the whole
/// request, with the value that was to be written.
pub(super) const UNBUILT: &str = "the request could not be built";

/// Whether the SDK failed before the request came to the transport.
pub(super) fn is_unsent(error: &ConnectorError) -> bool {
    !error.is_io() && !error.is_timeout()
}

/// `error` and its sources in one line. What is below a request that could not be built is left out.
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
