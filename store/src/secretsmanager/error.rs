//! Errors that only the message of Secrets Manager distinguishes: a secret that is being deleted,
//! and a secret without a value.

use aws_smithy_types::date_time::Format;
use kees_common::StoragePath;

use super::{SECRET, SecretsManager, version::Version};
use crate::{ErrorKind, StoreError};

/// The error code for an absent secret, version or value.
pub(super) const NOT_FOUND: &str = "ResourceNotFoundException";

/// Whether an error says that the secret is being deleted. `GetSecretValue` says "marked for
/// deletion", `CreateSecret` "scheduled for deletion", `DeleteSecret` "marked deleted", each as an
/// `InvalidRequestException` (API reference of the operations), a code that has other meanings too.
pub(super) fn is_being_deleted(code: &str, message: &str) -> bool {
    code == "InvalidRequestException"
        && [
            "marked for deletion",
            "marked deleted",
            "scheduled for deletion",
            "was deleted",
        ]
        .iter()
        .any(|words| message.contains(words))
}

/// Whether a [`NOT_FOUND`] says that the secret exists, but has no such version: "Secrets Manager
/// can't find the specified secret value for staging label: AWSCURRENT". For an absent secret the
/// message is "can't find the specified secret.".
fn has_no_value(message: &str) -> bool {
    message.contains("can't find the specified secret value")
}

/// What a [`NOT_FOUND`] for `version` means: the secret is absent, or it has no such version.
pub(super) fn not_found(version: &Version, message: &str) -> Result<(), StoreError> {
    if !has_no_value(message) {
        return Ok(());
    }
    let secret = &version.secret;
    let (which, remedy) = match (&version.id, &version.stage) {
        (Some(id), _) => (
            format!("version {id}"),
            "let versionId= (objectVersion of a SecretProviderClass) name a version that exists, or remove it".to_owned(),
        ),
        (None, Some(stage)) => (
            format!("version with the stage {stage}"),
            "let versionStage= (objectVersionLabel of a SecretProviderClass) name a stage that the secret has, or remove it".to_owned(),
        ),
        (None, None) => (
            "value (no version with the stage AWSCURRENT)".to_owned(),
            format!(
                "store a value in it with `aws secretsmanager put-secret-value --secret-id \
                 {secret}`, or delete the secret"
            ),
        ),
    };
    let message = format!("the secret {secret} exists and has no {which}");
    Err(
        StoreError::new(ErrorKind::NoValue, SECRET.store, message, remedy)
            .at(secret)
            .with_code(NOT_FOUND),
    )
}

impl SecretsManager {
    /// The error, with the date if the role is allowed to see it.
    pub(super) async fn being_deleted(&self, secret: &StoragePath, code: &str) -> StoreError {
        let date = self.deletion_date(secret).await;
        scheduled(secret, date).with_code(code)
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

/// The error for a secret that is deleted on `date`.
pub(super) fn scheduled(secret: &StoragePath, date: Option<String>) -> StoreError {
    let when = date
        .as_ref()
        .map_or_else(String::new, |date| format!(" on or after {date}"));
    StoreError::new(
        ErrorKind::ScheduledForDeletion { date },
        SECRET.store,
        format!(
            "the secret {secret} is scheduled for deletion{when}; its name is blocked until then, 7 to 30 days from its deletion"
        ),
        format!(
            "restore it with `aws secretsmanager restore-secret --secret-id {secret}`, or wait"
        ),
    )
    .at(secret)
}
