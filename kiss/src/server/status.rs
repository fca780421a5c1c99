//! Errors as status codes of gRPC.

use tonic::Status;

use super::{cloud::CloudErrorKind, operations::OperationError, token::TokenError};

/// The status for a token that is not accepted. A new token does not help while the keys of the provider are not known.
pub(super) fn of_token(error: &TokenError) -> Status {
    let message = error.to_string();
    match error {
        TokenError::Keys(_) => Status::unavailable(message),
        _ => Status::unauthenticated(message),
    }
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
        | OperationError::PolicyIsGone(_)
        | OperationError::Role { .. }
        | OperationError::NotManaged(_) => Status::not_found(message),
        OperationError::State(_) => Status::failed_precondition(message),
        OperationError::Deadline | OperationError::OutcomeOpen => {
            Status::deadline_exceeded(message)
        }
        OperationError::Cloud { source, .. } => {
            if matches!(
                source.kind,
                CloudErrorKind::Other | CloudErrorKind::NoAnswer
            ) {
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

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;
    use crate::server::token::KeysError;

    #[test]
    fn only_another_token_is_asked_for_if_it_would_help() {
        assert_eq!(
            of_token(&TokenError::UnknownKey).code(),
            Code::Unauthenticated
        );
        let keys = TokenError::Keys(KeysError);
        assert_eq!(of_token(&keys).code(), Code::Unavailable);
    }
}
