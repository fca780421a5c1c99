//! Lists, puts and deletes secrets by their names.

use std::{borrow::Cow, mem};

use aws_sdk_secretsmanager::{
    error::ProvideErrorMetadata as _,
    primitives::{Blob, DateTime},
    types::{Filter, FilterNameStringType, Tag},
};
use aws_smithy_types::date_time::Format;
use kees_common::{SecretValue, StoragePath, StoragePrefix};
use zeroize::Zeroizing;

use super::{
    SECRET, SecretsManager,
    create::LARGEST,
    error::{NOT_FOUND, is_being_deleted, scheduled},
};
use crate::{
    Creation, StoreError,
    aws::{Call, classify},
    members::{Payload, invalid, without_values},
    values::{DeleteStore, ListStore, Metadata, Page, PageToken, PutRequest, PutStore, Recovery},
};

/// The most secrets on one page (API reference, `ListSecrets`).
const PAGE: i32 = 100;

const LIST: &str = "secretsmanager:ListSecrets";
const DESCRIBE: &str = "secretsmanager:DescribeSecret";
const CREATE: &str = "secretsmanager:CreateSecret";
const PUT: &str = "secretsmanager:PutSecretValue";
const DELETE: &str = "secretsmanager:DeleteSecret";

impl ListStore for SecretsManager {
    /// Secrets that are scheduled for deletion are left out.
    async fn list(
        &self,
        prefix: &StoragePrefix,
        token: Option<&PageToken>,
    ) -> Result<Page, StoreError> {
        // The filter compares the beginning of the name.
        let filter = (!prefix.trimmed().is_empty()).then(|| {
            Filter::builder()
                .key(FilterNameStringType::Name)
                .values(prefix.trimmed())
                .build()
        });
        let answer = self
            .client
            .list_secrets()
            .max_results(PAGE)
            .set_filters(filter.map(|filter| vec![filter]))
            .set_next_token(token.map(|PageToken(token)| token.clone()))
            .send()
            .await;
        let call = Call {
            store: SECRET.store,
            action: LIST,
            resource: Cow::Borrowed("*"),
            path: None,
        };
        let answer = answer.map_err(|error| classify(&error, &call))?;
        let listed = answer.secret_list.unwrap_or_default().into_iter();
        let values = listed.filter_map(|secret| {
            let name = secret.name.filter(|name| prefix.contains_name(name))?;
            Some(Metadata {
                name,
                size: None,
                created: date(secret.created_date),
                changed: date(secret.last_changed_date),
                version: None,
                kms_key: secret.kms_key_id,
                tags: tags(secret.tags),
            })
        });
        Ok(Page {
            values: values.collect(),
            next: answer.next_token.map(PageToken),
        })
    }

    async fn describe(&self, path: &StoragePath) -> Result<Option<Metadata>, StoreError> {
        let answer = self
            .client
            .describe_secret()
            .secret_id(path.as_str())
            .send()
            .await;
        let secret = match answer {
            Ok(secret) => secret,
            Err(error) if error.code() == Some(NOT_FOUND) => return Ok(None),
            Err(error) => return Err(classify(&error, &self.call(DESCRIBE, path))),
        };
        if secret.deleted_date.is_some() {
            return Err(scheduled(path, date(secret.deleted_date)));
        }
        Ok(Some(Metadata {
            name: secret.name.unwrap_or_else(|| path.to_string()),
            size: None,
            created: date(secret.created_date),
            changed: date(secret.last_changed_date),
            version: None,
            kms_key: secret.kms_key_id,
            tags: tags(secret.tags),
        }))
    }
}

impl PutStore for SecretsManager {
    /// Text is stored as `SecretString`, and other bytes as `SecretBinary`, so that a REFERENCE reads
    /// the same value. The secret gets no tags: kees did not generate it.
    async fn put(&self, request: &PutRequest<'_>) -> Result<Creation, StoreError> {
        let size = request.value.len();
        if size > LARGEST {
            let message = format!("the value has {size} bytes, and a secret holds {LARGEST}");
            return Err(invalid(request.path, SECRET, message, "store less"));
        }
        if request.overwrite && self.put_version(request).await? {
            return Ok(Creation::Created);
        }
        self.create_untagged(request).await
    }
}

impl DeleteStore for SecretsManager {
    async fn delete(&self, path: &StoragePath, recovery: Recovery) -> Result<bool, StoreError> {
        let delete = self.client.delete_secret().secret_id(path.as_str());
        let delete = match recovery {
            Recovery::Default => delete,
            Recovery::Days(days) => delete.recovery_window_in_days(i64::from(days)),
            Recovery::None => delete.force_delete_without_recovery(true),
        };
        let Err(error) = delete.send().await else {
            return Ok(true);
        };
        let (code, message) = (
            error.code().unwrap_or_default(),
            error.message().unwrap_or_default(),
        );
        if code == NOT_FOUND {
            return Ok(false);
        }
        if is_being_deleted(code, message) {
            return Err(self.being_deleted(path, code).await);
        }
        Err(classify(&error, &self.call(DELETE, path)))
    }
}

impl SecretsManager {
    /// Adds a version to an existing secret. Returns whether the secret exists.
    async fn put_version(&self, request: &PutRequest<'_>) -> Result<bool, StoreError> {
        let put = self
            .client
            .put_secret_value()
            .secret_id(request.path.as_str())
            .client_request_token(request.token.as_str());
        let put = match payload(request.value) {
            Payload::Text(mut text) => put.secret_string(mem::take(&mut *text)),
            Payload::Binary(mut bytes) => put.secret_binary(Blob::new(mem::take(&mut *bytes))),
        };
        let Err(error) = put.send().await else {
            return Ok(true);
        };
        let (code, message) = (
            error.code().unwrap_or_default(),
            error.message().unwrap_or_default(),
        );
        if code == NOT_FOUND {
            return Ok(false);
        }
        if is_being_deleted(code, message) {
            return Err(self.being_deleted(request.path, code).await);
        }
        let error = classify(&error, &self.call(PUT, request.path));
        Err(without_value(error, request.value))
    }

    async fn create_untagged(&self, request: &PutRequest<'_>) -> Result<Creation, StoreError> {
        let create = self
            .client
            .create_secret()
            .name(request.path.as_str())
            .client_request_token(request.token.as_str())
            .set_kms_key_id(self.kms_key.clone());
        let create = match payload(request.value) {
            Payload::Text(mut text) => create.secret_string(mem::take(&mut *text)),
            Payload::Binary(mut bytes) => create.secret_binary(Blob::new(mem::take(&mut *bytes))),
        };
        let Err(error) = create.send().await else {
            return Ok(Creation::Created);
        };
        let (code, message) = (
            error.code().unwrap_or_default(),
            error.message().unwrap_or_default(),
        );
        if code == "ResourceExistsException" {
            return Ok(Creation::Exists);
        }
        if is_being_deleted(code, message) {
            return Err(self.being_deleted(request.path, code).await);
        }
        let error = classify(&error, &self.call(CREATE, request.path));
        Err(without_value(error, request.value))
    }
}

fn payload(value: &SecretValue) -> Payload {
    match value.expose_text() {
        Some(text) => Payload::Text(Zeroizing::new(text.to_owned())),
        None => Payload::Binary(Zeroizing::new(value.expose().to_vec())),
    }
}

fn without_value(mut error: StoreError, value: &SecretValue) -> StoreError {
    error.message = without_values(error.message, [value]);
    error
}

fn date(date: Option<DateTime>) -> Option<String> {
    date?.fmt(Format::DateTime).ok()
}

fn tags(tags: Option<Vec<Tag>>) -> Vec<(String, String)> {
    let tags = tags.unwrap_or_default().into_iter();
    tags.filter_map(|tag| Some((tag.key?, tag.value?)))
        .collect()
}

#[cfg(test)]
mod tests;
