//! What DynamoDB says instead of doing it.

use std::{borrow::Cow, error::Error};

use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata, SdkError},
    operation::{
        transact_get_items::TransactGetItemsError, transact_write_items::TransactWriteItemsError,
    },
    types::CancellationReason,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use kees_common::{Generation, StoragePath, StoreName};

use super::{DynamoDb, GET, PUT};
use crate::{
    Creation, ErrorKind, StoreError,
    aws::{Call, classify, classify_code},
};

impl DynamoDb {
    /// A refusal of a call as a whole.
    pub(super) fn refused<E>(
        &self,
        error: &SdkError<E, HttpResponse>,
        action: &'static str,
        path: Option<&StoragePath>,
    ) -> StoreError
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let refused = classify(error, &self.call(action, path));
        match refused.code.as_deref() {
            Some("ResourceNotFoundException") => self.no_table(refused),
            Some("ValidationException") if is_about_keys(&refused.message) => {
                self.other_table(refused)
            }
            // The answer to the same request, sent again while the first is under way, and to a
            // write beside another Region's (API reference, `TransactWriteItems`).
            Some(
                "TransactionInProgressException"
                | "TransactionConflictException"
                | "ReplicatedWriteConflictException",
            ) => contended(refused),
            _ => refused,
        }
    }

    /// What a refused write means: another writer was first, or an error.
    pub(super) fn write_refused(
        &self,
        error: &SdkError<TransactWriteItemsError, HttpResponse>,
        generation: &Generation,
    ) -> Result<Creation, StoreError> {
        let whole = self.refused(error, PUT, Some(&generation.path));
        let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) =
            error.as_service_error()
        else {
            return Err(whole);
        };
        let reasons = canceled.cancellation_reasons();
        if reasons
            .iter()
            .any(|reason| reason.code() == Some("ConditionalCheckFailed"))
        {
            return Ok(Creation::Exists);
        }
        let paths: Vec<_> = generation.fields.iter().map(|(_, path)| path).collect();
        Err(self.canceled(whole, reasons, &paths, PUT))
    }

    /// Why a snapshot was not taken.
    pub(super) fn read_canceled(
        &self,
        error: &SdkError<TransactGetItemsError, HttpResponse>,
        paths: &[&StoragePath],
    ) -> StoreError {
        let whole = self.refused(error, GET, paths.first().copied());
        match error.as_service_error() {
            Some(TransactGetItemsError::TransactionCanceledException(canceled)) => {
                self.canceled(whole, canceled.cancellation_reasons(), paths, GET)
            }
            _ => whole,
        }
    }

    /// The reason of a canceled transaction, which has one for each of its items, in their order.
    /// One that trying again cannot help goes before one that it may. The codes are those of the
    /// API reference, `TransactWriteItems`, "Cancellation reason codes".
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
            let refused = classify_code(code, message, &self.call(action, Some(path)));
            Some(match code {
                "TransactionConflict" => contended(refused),
                "ThrottlingError" | "ProvisionedThroughputExceeded" => throttled(refused),
                "ValidationError" if is_about_keys(message) => self.other_table(refused),
                _ => refused,
            })
        });
        // `min_by_key` keeps the first of equals.
        errors.min_by_key(StoreError::is_transient).unwrap_or(whole)
    }

    /// A batch in which the table processed no key at all.
    pub(super) fn unprocessed(&self) -> StoreError {
        throttled(StoreError {
            kind: ErrorKind::Throttled,
            store: StoreName::DynamoDb,
            path: None,
            code: None,
            message: format!(
                "the table {} left all keys of a batch unprocessed",
                self.table
            ),
            remedy: String::new(),
        })
    }

    /// A request that the SDK itself does not take.
    pub(super) fn unbuilt(&self, error: &(dyn Error + 'static)) -> StoreError {
        StoreError {
            kind: ErrorKind::Other,
            store: StoreName::DynamoDb,
            path: None,
            code: None,
            message: format!(
                "no request for the table {} could be built: {error}",
                self.table
            ),
            remedy: "report this as a defect of kees".to_owned(),
        }
    }

    fn call<'a>(&'a self, action: &'static str, path: Option<&'a StoragePath>) -> Call<'a> {
        Call {
            store: StoreName::DynamoDb,
            action,
            resource: Cow::Owned(self.arn()),
            path,
        }
    }

    /// The table as a policy names it; its account is not known here.
    fn arn(&self) -> String {
        let partition = match self.region.as_str() {
            region if region.starts_with("cn-") => "aws-cn",
            region if region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        };
        format!(
            "arn:{partition}:dynamodb:{}:*:table/{}",
            self.region, self.table
        )
    }

    fn no_table(&self, refused: StoreError) -> StoreError {
        let (table, region) = (&self.table, &self.region);
        StoreError {
            kind: ErrorKind::Setup,
            message: format!("there is no table {table} in {region}, or it is not active yet"),
            remedy: format!(
                "create the table {table} in {region} with the hash key secretName (S), or set \
                 ENV_LABEL, AWS_REGION and the role in use to where it is"
            ),
            ..refused
        }
    }

    fn other_table(&self, refused: StoreError) -> StoreError {
        StoreError {
            kind: ErrorKind::Setup,
            remedy: format!(
                "the table {} must have secretName (S) as its only key: create it anew",
                self.table
            ),
            ..refused
        }
    }
}

/// What DynamoDB says where a table has another key than the request ("The provided key element
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

fn contended(refused: StoreError) -> StoreError {
    StoreError {
        kind: ErrorKind::Throttled,
        remedy: "nothing: another transaction is under way, and it is tried again until the \
                 deadline"
            .to_owned(),
        ..refused
    }
}

fn throttled(refused: StoreError) -> StoreError {
    StoreError {
        kind: ErrorKind::Throttled,
        remedy: "nothing if it passes: it is tried again until the deadline; else raise the \
                 table's capacity"
            .to_owned(),
        ..refused
    }
}
