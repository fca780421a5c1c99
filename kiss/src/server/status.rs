//! Errors as status codes of gRPC.

use tonic::Status;

use super::{cloud::CloudErrorKind, operations::OperationError, token::TokenError};

/// The status for a token that is not accepted.
pub(super) fn unauthenticated(error: &TokenError) -> Status {
    Status::unauthenticated(error.to_string())
}

/// The status for an operation that is not done. The errors of AWS are logged, because callers do not see their
/// messages.
pub(super) fn of_operation(error: &OperationError) -> Status {
    let message = error.to_string();
    match error {
        OperationError::Name { .. } | OperationError::Value { .. } => {
            Status::invalid_argument(message)
        }
        OperationError::Exists(_) | OperationError::Taken { .. } => Status::already_exists(message),
        OperationError::NotFound(_)
        | OperationError::NoSecret(_)
        | OperationError::NoPolicy(_)
        | OperationError::Role { .. }
        | OperationError::NotManaged(_) => Status::not_found(message),
        OperationError::State(_) => Status::failed_precondition(message),
        OperationError::Deadline => Status::deadline_exceeded(message),
        OperationError::Cloud { source, .. } => {
            if source.kind == CloudErrorKind::Other {
                tracing::warn!(
                    action = source.action,
                    code = source.code,
                    "{}",
                    source.message
                );
            }
            Status::unknown(message)
        }
    }
}
