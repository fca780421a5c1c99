//! Reading: every secret that is wanted once, in as few calls as there may be.
//!
//! Current versions go by twenty to `BatchGetSecretValue`. Its quota is a hundredth of
//! `GetSecretValue`'s (100 and 10,000 a second), and its permission is one that a role may lack, so
//! where it is throttled or denied, the secrets are asked for side by side.

use std::{borrow::Cow, collections::HashMap, mem, sync::atomic::Ordering};

use aws_sdk_secretsmanager::{
    error::{ProvideErrorMetadata as _, SdkError},
    operation::batch_get_secret_value::BatchGetSecretValueError,
    types::ApiErrorType,
};
use futures_util::{StreamExt as _, future, stream};
use kees_common::{Locator, StoragePath, StoreName};

use super::{SecretsManager, deletion::is_being_deleted, value::Held};
use crate::{
    ErrorKind, Found, StoreError,
    aws::{Call, classify, classify_code},
};

/// The most that one `BatchGetSecretValue` takes (API reference, `SecretIdList`).
const BATCH: usize = 20;
/// How many calls are under way at once.
const SIDE_BY_SIDE: usize = 16;

const STORE: StoreName = StoreName::SecretsManager;
const GET: &str = "secretsmanager:GetSecretValue";
const BATCH_GET: &str = "secretsmanager:BatchGetSecretValue";

/// The code for a secret, a version or a value that is not there.
const ABSENT: &str = "ResourceNotFoundException";

/// One version of one secret, as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Version {
    secret: StoragePath,
    stage: Option<String>,
    id: Option<String>,
}

impl Version {
    fn of(locator: &Locator) -> Self {
        Self {
            secret: locator.secret_id().clone(),
            stage: locator.version_stage.clone(),
            id: locator.version_id.clone(),
        }
    }

    fn is_current(&self) -> bool {
        self.stage.is_none() && self.id.is_none()
    }
}

/// What one secret's version turned out to be.
type Fetched = Result<Option<Held>, StoreError>;

/// What one batch came to.
struct Batch {
    done: Vec<(Version, Fetched)>,
    /// What it gave no answer for.
    rest: Vec<Version>,
}

impl Batch {
    /// Takes out of the rest what is `wanted`.
    fn take(&mut self, wanted: impl Fn(&Version) -> bool) -> Vec<Version> {
        self.rest
            .extract_if(.., |version| wanted(version))
            .collect()
    }
}

impl SecretsManager {
    pub(super) async fn fetch(&self, locators: &[Locator]) -> Vec<Found> {
        let mut wanted: Vec<Version> = Vec::new();
        for version in locators.iter().map(Version::of) {
            if !wanted.contains(&version) {
                wanted.push(version);
            }
        }
        let (current, others): (Vec<_>, Vec<_>) = wanted.into_iter().partition(Version::is_current);
        let (current, others) =
            future::join(self.current(&current), self.side_by_side(&others)).await;
        let fetched: HashMap<_, _> = current.into_iter().chain(others).collect();
        locators
            .iter()
            .map(|locator| found(&fetched, locator))
            .collect()
    }

    async fn current(&self, wanted: &[Version]) -> Vec<(Version, Fetched)> {
        if wanted.len() < 2 || self.batch_denied.load(Ordering::Relaxed) {
            return self.side_by_side(wanted).await;
        }
        let batches: Vec<_> = wanted
            .chunks(BATCH)
            .map(|wanted| self.batch(wanted))
            .collect();
        let batches: Vec<_> = stream::iter(batches).buffered(SIDE_BY_SIDE).collect().await;
        let (mut done, mut rest) = (Vec::new(), Vec::new());
        for batch in batches {
            done.extend(batch.done);
            rest.extend(batch.rest);
        }
        done.extend(self.side_by_side(&rest).await);
        done
    }

    async fn batch(&self, wanted: &[Version]) -> Batch {
        let mut batch = Batch {
            done: Vec::with_capacity(wanted.len()),
            rest: wanted.to_vec(),
        };
        let ids = wanted
            .iter()
            .map(|version| version.secret.to_string())
            .collect();
        let request = self
            .client
            .batch_get_secret_value()
            .set_secret_id_list(Some(ids));
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return self.without_batch(batch, &error),
        };
        for entry in answer.secret_values.unwrap_or_default() {
            let (arn, name) = (entry.arn.as_deref(), entry.name.as_deref());
            let same = batch.take(|version| is_of(&version.secret, arn, name));
            let held = Held::new(entry.secret_string, entry.secret_binary);
            batch
                .done
                .extend(same.into_iter().map(|version| (version, Ok(held.clone()))));
        }
        for error in answer.errors.unwrap_or_default() {
            let id = error.secret_id.as_deref();
            for version in batch.take(|version| is_of(&version.secret, id, id)) {
                let fetched = self.item_error(&version, &error).await;
                batch.done.push((version, fetched));
            }
        }
        batch
    }

    /// What is wrong with the batch as such leaves its secrets to be asked for one by one, and a
    /// fault of one of them is then told of that one. What is wrong on the way there does not.
    fn without_batch(&self, mut batch: Batch, error: &SdkError<BatchGetSecretValueError>) -> Batch {
        let resource = Cow::Borrowed("*");
        let call = Call {
            store: STORE,
            action: BATCH_GET,
            resource,
            path: None,
        };
        let error = classify(error, &call);
        tracing::debug!(code = error.code.as_deref(), "BatchGetSecretValue failed");
        match error.kind {
            ErrorKind::Denied { .. } => self.batch_denied.store(true, Ordering::Relaxed),
            ErrorKind::Throttled | ErrorKind::Other => {}
            _ => {
                let failed = mem::take(&mut batch.rest);
                batch.done.extend(
                    failed
                        .into_iter()
                        .map(|version| (version, Err(error.clone()))),
                );
            }
        }
        batch
    }

    async fn item_error(&self, version: &Version, error: &ApiErrorType) -> Fetched {
        let code = error.error_code.as_deref().unwrap_or_default();
        let message = error.message.as_deref().unwrap_or_default();
        if code == ABSENT {
            return Ok(None);
        }
        if is_being_deleted(code, message) {
            return Err(self.being_deleted(&version.secret, code).await);
        }
        Err(classify_code(
            code,
            message,
            &self.call(GET, &version.secret),
        ))
    }

    async fn side_by_side(&self, wanted: &[Version]) -> Vec<(Version, Fetched)> {
        let calls: Vec<_> = wanted.iter().map(|version| self.get(version)).collect();
        let fetched: Vec<_> = stream::iter(calls).buffered(SIDE_BY_SIDE).collect().await;
        wanted.iter().cloned().zip(fetched).collect()
    }

    async fn get(&self, version: &Version) -> Fetched {
        let answer = self
            .client
            .get_secret_value()
            .secret_id(version.secret.as_str())
            .set_version_stage(version.stage.clone())
            .set_version_id(version.id.clone())
            .send()
            .await;
        let error = match answer {
            Ok(answer) => return Ok(Held::new(answer.secret_string, answer.secret_binary)),
            Err(error) => error,
        };
        let (code, message) = (
            error.code().unwrap_or_default(),
            error.message().unwrap_or_default(),
        );
        if code == ABSENT {
            return Ok(None);
        }
        if is_being_deleted(code, message) {
            return Err(self.being_deleted(&version.secret, code).await);
        }
        Err(classify(&error, &self.call(GET, &version.secret)))
    }
}

/// Whether an answer with `arn` and `name` is about the secret that was asked for as `id`: by its
/// name, its ARN, or its ARN without the six random characters at the end.
fn is_of(id: &StoragePath, arn: Option<&str>, name: Option<&str>) -> bool {
    if !id.is_arn() {
        return name == Some(id.as_str());
    }
    arn.and_then(|arn| arn.strip_prefix(id.as_str()))
        .is_some_and(|end| end.is_empty() || (end.len() == 7 && end.starts_with('-')))
}

fn found(fetched: &HashMap<Version, Fetched>, locator: &Locator) -> Found {
    let result = match fetched.get(&Version::of(locator)) {
        Some(Ok(Some(held))) => held.value_at(locator),
        Some(Ok(None)) | None => Ok(None),
        Some(Err(error)) => Err(error.clone()),
    };
    result.map_err(|error| StoreError {
        path: Some(locator.path.clone()),
        ..error
    })
}
