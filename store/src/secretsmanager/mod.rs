//! AWS Secrets Manager: one secret for each generation, and any secret that a pod refers to.
//!
//! A generation with several fields is one JSON object, field name to text, so one call creates or
//! reads it as a whole. Secrets Manager has no consistent read: a secret that was just created may
//! still look absent.
//!
//! This crate overwrites its own copies of values. It cannot overwrite the SDK's buffers (the HTTP
//! body, the output of its parser) and the buffer in which `serde_json` unescapes a member.
//! Therefore the allocator of `kees-init` overwrites all memory that is freed.

mod create;
mod error;
mod read;
mod rotation;
mod stages;
#[cfg(feature = "values")]
mod values;
mod version;

#[cfg(test)]
mod tests;

use std::{borrow::Cow, sync::atomic::AtomicBool};

use aws_sdk_secretsmanager::Client;
use kees_common::{Locator, StoragePath, StoreName};

#[cfg(fuzzing)]
use crate::members::Content;
use crate::{
    CreateRequest, CreateStore, Creation, Found, ReadStore, StoreError,
    aws::{Aws, Call, partition},
    members::Holder,
};

/// The value at `locator` in a secret with the content `text`, for the fuzzer.
#[cfg(fuzzing)]
pub fn fuzz_value(text: &str, locator: &Locator) -> Found {
    Content::Text(text.to_owned().into()).value_at(locator, SECRET)
}

/// The word for a stored value in messages.
const SECRET: Holder = Holder {
    store: StoreName::SecretsManager,
    noun: "secret",
};

/// Secrets Manager in one Region and account.
#[derive(Debug)]
pub struct SecretsManager {
    client: Client,
    region: String,
    kms_key: Option<String>,
    /// Whether a batch was denied. Then no other batch is sent.
    batch_denied: AtomicBool,
}

impl SecretsManager {
    /// `kms_key` (an id, ARN or alias) encrypts what is created. `None`: the AWS managed
    /// key `aws/secretsmanager`.
    pub fn new(aws: &Aws, kms_key: Option<String>) -> Self {
        Self {
            client: aws.secrets_manager(),
            region: aws.region().to_owned(),
            kms_key,
            batch_denied: AtomicBool::new(false),
        }
    }

    fn call<'a>(&self, action: &'static str, secret: &'a StoragePath) -> Call<'a> {
        Call {
            store: SECRET.store,
            action,
            resource: Cow::Owned(self.resource(secret)),
            path: Some(secret),
        }
    }

    /// The secret as an IAM policy names it. Secrets Manager adds `-` and six random characters to
    /// the name (User Guide, "Determine who has permissions").
    fn resource(&self, secret: &StoragePath) -> String {
        if secret.is_arn() {
            return secret.as_str().to_owned();
        }
        let resource = format!("secret:{secret}-??????");
        partition::arn("secretsmanager", &self.region, &resource)
    }
}

impl ReadStore for SecretsManager {
    fn name(&self) -> StoreName {
        SECRET.store
    }

    /// Secrets Manager has no consistent read.
    fn is_consistent(&self) -> bool {
        false
    }

    async fn read(&self, locators: &[Locator]) -> Vec<Found> {
        self.read_each(locators).await
    }

    /// A secret is read as a whole, and it holds all fields of its generation.
    async fn read_together(&self, locators: &[Locator]) -> Vec<Found> {
        self.read_each(locators).await
    }
}

impl CreateStore for SecretsManager {
    /// Each secret needs a call of its own, so a request has one generation.
    async fn create(&self, request: &CreateRequest<'_>) -> Result<Creation, StoreError> {
        let new = request.only_generation()?;
        self.create_secret(new, request.token).await
    }
}
