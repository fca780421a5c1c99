//! AWS Secrets Manager: one secret a generation, or any secret that a pod refers to.
//!
//! A generation of several values is one JSON object, field name to text, so creating and reading
//! it are atomic by themselves. Secrets Manager has no consistent read: what was just created may
//! still be told absent.
//!
//! Values are wiped where this crate holds them. The SDK's own buffers (the HTTP body, what its
//! parser unescapes) and the scratch space in which `serde_json` unescapes a member are out of
//! reach; `kees-init` therefore runs on an allocator that wipes whatever is freed.

mod create;
mod deletion;
mod fetch;
mod value;

#[cfg(test)]
mod tests;

use std::{borrow::Cow, sync::atomic::AtomicBool};

use aws_sdk_secretsmanager::Client;
use kees_common::{Locator, StoragePath, StoreName};

use crate::{
    CreateStore, Creation, Found, NewGeneration, ReadStore, StoreError,
    aws::{Aws, Call},
};

/// The value at `locator` in a secret that holds `text`, for the fuzzer.
#[cfg(fuzzing)]
pub fn fuzz_value(text: &str, locator: &Locator) -> Found {
    match value::Held::new(Some(text.to_owned()), None) {
        Some(held) => held.value_at(locator),
        None => Ok(None),
    }
}

/// Secrets Manager in one Region and account.
#[derive(Debug)]
pub struct SecretsManager {
    client: Client,
    region: String,
    kms_key: Option<String>,
    /// A batch was denied once, so it is not asked for again.
    batch_denied: AtomicBool,
}

impl SecretsManager {
    /// `kms_key` (an id, ARN or alias) encrypts what is created here; `None`: the account's
    /// `aws/secretsmanager`.
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
            store: StoreName::SecretsManager,
            action,
            resource: Cow::Owned(self.resource(secret)),
            path: Some(secret),
        }
    }

    /// The secret as a policy names it. Secrets Manager ends each secret's ARN in `-` and six
    /// random characters (User Guide, "Determine who has permissions").
    fn resource(&self, secret: &StoragePath) -> String {
        if secret.is_arn() {
            return secret.as_str().to_owned();
        }
        let partition = match self.region.as_str() {
            region if region.starts_with("cn-") => "aws-cn",
            region if region.starts_with("us-gov-") => "aws-us-gov",
            region if region.starts_with("eusc-") => "aws-eusc",
            _ => "aws",
        };
        format!(
            "arn:{partition}:secretsmanager:{}:*:secret:{secret}-??????",
            self.region
        )
    }
}

impl ReadStore for SecretsManager {
    fn name(&self) -> StoreName {
        StoreName::SecretsManager
    }

    /// There is no consistent read.
    fn is_consistent(&self) -> bool {
        false
    }

    async fn read(&self, locators: &[Locator]) -> Vec<Found> {
        self.fetch(locators).await
    }

    /// One secret is one snapshot, and the values of one generation lie in one secret.
    async fn read_together(&self, locators: &[Locator]) -> Vec<Found> {
        self.fetch(locators).await
    }
}

impl CreateStore for SecretsManager {
    async fn create(&self, new: &NewGeneration<'_>) -> Result<Creation, StoreError> {
        self.create_secret(new).await
    }
}
