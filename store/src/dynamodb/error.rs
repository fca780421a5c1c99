//! The errors of DynamoDB's calls.

use std::{borrow::Cow, error::Error};

use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata, SdkError},
    operation::{
        transact_get_items::TransactGetItemsError, transact_write_items::TransactWriteItemsError,
    },
    types::CancellationReason,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use kees_common::{StoragePath, StoreName};

use super::{DynamoDb, GET, PUT};
use crate::{
    CreateRequest, Creation, ErrorKind, StoreError,
    aws::{Call, classify, classify_code, partition},
};

impl DynamoDb {
    /// The error of a call as a whole.
    pub(super) fn call_error<E>(
        &self,
        error: &SdkError<E, HttpResponse>,
        action: &'static str,
        path: Option<&StoragePath>,
    ) -> StoreError
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let error = classify(error, &self.call(action, path));
        match error.code.as_deref() {
            Some("ResourceNotFoundException") => self.no_table(error),
            Some("ValidationException") if is_about_keys(&error.message) => self.other_table(error),
            // The errors of a request that is sent again before the first has ended, and of a write
            // at the same time as a write in another Region (API reference, `TransactWriteItems`).
            Some(
                "TransactionInProgressException"
                | "TransactionConflictException"
                | "ReplicatedWriteConflictException",
            ) => contended(error),
            _ => error,
        }
    }

    /// The result of a create request that failed: another writer was first, or an error.
    pub(super) fn create_error(
        &self,
        error: &SdkError<TransactWriteItemsError, HttpResponse>,
        request: &CreateRequest<'_>,
    ) -> Result<Creation, StoreError> {
        // The token was used for a write of other values, so something may be stored by now. The
        // caller reads it, as if another writer had been first.
        if error.code() == Some("IdempotentParameterMismatchException") {
            return Ok(Creation::Exists);
        }
        let generations = request.generations.iter().map(|new| new.generation);
        let paths: Vec<_> = generations
            .flat_map(|generation| generation.fields.iter().map(|(_, path)| path))
            .collect();
        let whole = self.call_error(error, PUT, request.path());
        self.unmet_condition(error, whole, &paths)
            .map(|()| Creation::Exists)
    }

    /// `Ok` if a write failed because an item does not meet its condition, so that nothing was
    /// written. `whole` is the error of the call, and `paths` are those of its items.
    ///
    /// # Errors
    /// Why the write failed, if not for this reason.
    pub(super) fn unmet_condition(
        &self,
        error: &SdkError<TransactWriteItemsError, HttpResponse>,
        whole: StoreError,
        paths: &[&StoragePath],
    ) -> Result<(), StoreError> {
        let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) =
            error.as_service_error()
        else {
            return Err(whole);
        };
        let reasons = canceled.cancellation_reasons();
        let is_unmet =
            |reason: &CancellationReason| reason.code() == Some("ConditionalCheckFailed");
        if reasons.iter().any(is_unmet) {
            return Ok(());
        }
        Err(self.canceled(whole, reasons, paths, PUT))
    }

    /// The error of a read in one snapshot.
    pub(super) fn read_error(
        &self,
        error: &SdkError<TransactGetItemsError, HttpResponse>,
        paths: &[&StoragePath],
    ) -> StoreError {
        let whole = self.call_error(error, GET, paths.first().copied());
        match error.as_service_error() {
            Some(TransactGetItemsError::TransactionCanceledException(canceled)) => {
                self.canceled(whole, canceled.cancellation_reasons(), paths, GET)
            }
            _ => whole,
        }
    }

    /// The error of a canceled transaction, which has a reason for each of its items, in their
    /// order. A reason for which a retry is useless comes before one for which it may help. The
    /// codes are those of the API reference, `TransactWriteItems`, "Cancellation reason codes".
    fn canceled(
        &self,
        whole: StoreError,
        reasons: &[CancellationReason],
        paths: &[&StoragePath],
        action: &'static str,
    ) -> StoreError {
        let errors = reasons.iter().zip(paths).filter_map(|(reason, path)| {
            let code = reason.code().filter(|code| *code != "None")?;
            let message = reason.message().unwrap_or_default();
            let error = classify_code(code, message, &self.call(action, Some(path)));
            Some(match code {
                "TransactionConflict" => contended(error),
                "ThrottlingError" | "ProvisionedThroughputExceeded" => throttled(error),
                "ValidationError" if is_about_keys(message) => self.other_table(error),
                _ => error,
            })
        });
        // `min_by_key` returns the first of equal elements.
        errors.min_by_key(StoreError::is_transient).unwrap_or(whole)
    }

    /// The error of a batch of which the table processed no key.
    pub(super) fn unprocessed(&self) -> StoreError {
        let table = &self.table;
        throttled(StoreError::new(
            ErrorKind::Throttled,
            StoreName::DynamoDb,
            format!("the table {table} left all keys of a batch unprocessed"),
            "",
        ))
    }

    /// The error of a request that the SDK itself does not accept.
    pub(super) fn unbuilt(&self, error: &(dyn Error + 'static)) -> StoreError {
        let table = &self.table;
        StoreError::new(
            ErrorKind::Other,
            StoreName::DynamoDb,
            format!("no request for the table {table} could be built: {error}"),
            "report this as a defect of kees",
        )
    }

    fn call<'a>(&'a self, action: &'static str, path: Option<&'a StoragePath>) -> Call<'a> {
        Call {
            store: StoreName::DynamoDb,
            action,
            resource: Cow::Owned(partition::arn(
                "dynamodb",
                &self.region,
                &format!("table/{}", self.table),
            )),
            path,
        }
    }

    fn no_table(&self, error: StoreError) -> StoreError {
        let (table, region) = (&self.table, &self.region);
        StoreError {
            kind: ErrorKind::Setup,
            message: format!("there is no table {table} in {region}, or it is not active yet"),
            remedy: format!(
                "create the table {table} in {region} with the hash key secretName (S), or set \
                 ENV_LABEL, AWS_REGION and the role in use to where it is"
            ),
            ..error
        }
    }

    fn other_table(&self, error: StoreError) -> StoreError {
        StoreError {
            kind: ErrorKind::Setup,
            remedy: format!(
                "the table {} must have secretName (S) as its only key: create it anew",
                self.table
            ),
            ..error
        }
    }
}

/// Whether DynamoDB says that the table has another key than the request ("The provided key element
/// does not match the schema", "One of the required keys was not given a value", "Missing the key
/// … in the item", "Type mismatch for key …").
fn is_about_keys(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    [
        "match the schema",
        "required keys",
        "missing the key",
        "mismatch for key",
    ]
    .iter()
    .any(|words| message.contains(words))
}

fn contended(error: StoreError) -> StoreError {
    StoreError {
        kind: ErrorKind::Throttled,
        remedy: "another transaction is under way; it is tried again until the deadline".to_owned(),
        ..error
    }
}

fn throttled(error: StoreError) -> StoreError {
    StoreError {
        kind: ErrorKind::Throttled,
        remedy: "it is tried again until the deadline; if it does not pass, raise the capacity of \
                 the table"
            .to_owned(),
        ..error
    }
}
