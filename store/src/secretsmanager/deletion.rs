//! Secrets that are being deleted: nothing can be read of them, and their names stay blocked.

use aws_smithy_types::date_time::Format;
use kees_common::{StoragePath, StoreName};

use super::SecretsManager;
use crate::{ErrorKind, StoreError};

/// Whether a refusal says that the secret is being deleted. `GetSecretValue` says "marked for
/// deletion", `CreateSecret` "scheduled for deletion", both as an `InvalidRequestException`
/// (API reference, both operations), whose code has other meanings too.
pub(super) fn is_being_deleted(code: &str, message: &str) -> bool {
    code == "InvalidRequestException"
        && [
            "marked for deletion",
            "scheduled for deletion",
            "was deleted",
        ]
        .iter()
        .any(|words| message.contains(words))
}

impl SecretsManager {
    /// The error, with the date where the role may see it.
    pub(super) async fn being_deleted(&self, secret: &StoragePath, code: &str) -> StoreError {
        let date = self.deletion_date(secret).await;
        let when = date
            .as_ref()
            .map_or_else(String::new, |date| format!(" on or after {date}"));
        StoreError {
            kind: ErrorKind::ScheduledForDeletion { date },
            store: StoreName::SecretsManager,
            path: Some(secret.clone()),
            code: Some(code.to_owned()),
            message: format!(
                "the secret {secret} is scheduled for deletion{when}; its name is blocked until then, 7 to 30 days from its deletion"
            ),
            remedy: format!(
                "bring it back with `aws secretsmanager restore-secret --secret-id {secret}`, or wait"
            ),
        }
    }

    async fn deletion_date(&self, secret: &StoragePath) -> Option<String> {
        let answer = self
            .client
            .describe_secret()
            .secret_id(secret.as_str())
            .send()
            .await
            .ok()?;
        answer.deleted_date?.fmt(Format::DateTime).ok()
    }
}
