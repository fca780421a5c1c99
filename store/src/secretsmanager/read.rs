//! Reads each secret once, in as few calls as possible.
//!
//! `BatchGetSecretValue` reads twenty current versions in one call. Its quota is a hundredth of that of
//! `GetSecretValue` (100 and 10,000 calls a second), and a role may lack its permission. If it is
//! throttled or denied, each secret is read with a call of its own, several at the same time.

use std::{borrow::Cow, collections::HashMap, mem, sync::atomic::Ordering};

use aws_sdk_secretsmanager::{
    error::{ProvideErrorMetadata as _, SdkError},
    operation::batch_get_secret_value::BatchGetSecretValueError,
    primitives::Blob,
    types::ApiErrorType,
};
use futures_util::{StreamExt as _, future, stream};
use kees_common::{Locator, StoragePath};
use zeroize::Zeroizing;

use super::{
    SECRET, SecretsManager,
    error::{NOT_FOUND, is_being_deleted, not_found},
    version::Version,
};
use crate::{
    ErrorKind, Found, StoreError,
    aws::{Call, classify, classify_code},
    members::Content,
};

/// The most secrets in one `BatchGetSecretValue` (API reference, `SecretIdList`).
const BATCH: usize = 20;
/// The most calls at the same time.
const SIDE_BY_SIDE: usize = 16;

pub(super) const GET: &str = "secretsmanager:GetSecretValue";
const BATCH_GET: &str = "secretsmanager:BatchGetSecretValue";

/// The content of a version of a secret, or `None` if there is no such secret.
pub(super) type Fetched = Result<Option<Content>, StoreError>;

/// The outcome of one batch.
struct Batch {
    done: Vec<(Version, Fetched)>,
    /// The versions without a result.
    rest: Vec<Version>,
}

impl Batch {
    /// Removes the versions that are `wanted` from the rest.
    fn take(&mut self, wanted: impl Fn(&Version) -> bool) -> Vec<Version> {
        self.rest
            .extract_if(.., |version| wanted(version))
            .collect()
    }
}

impl SecretsManager {
    pub(super) async fn read_each(&self, locators: &[Locator]) -> Vec<Found> {
        let mut wanted: Vec<Version> = Vec::new();
        for version in locators.iter().map(Version::of) {
            if !wanted.contains(&version) {
                wanted.push(version);
            }
        }
        // Both versions of a secret whose previous one is asked for are read together.
        let previous = wanted.extract_if(.., |version| version.is_previous);
        let paired: Vec<_> = previous.map(|version| version.secret).collect();
        wanted.retain(|version| !(version.is_current() && paired.contains(&version.secret)));
        let pairs = paired.iter().map(|secret| self.pair(secret));
        let pairs: Vec<_> = stream::iter(pairs.collect::<Vec<_>>())
            .buffered(SIDE_BY_SIDE)
            .collect()
            .await;
        let (current, others): (Vec<_>, Vec<_>) = wanted.into_iter().partition(Version::is_current);
        let (current, others) =
            future::join(self.current(&current), self.side_by_side(&others)).await;
        let pairs = pairs.into_iter().flatten();
        let fetched: HashMap<_, _> = current.into_iter().chain(others).chain(pairs).collect();
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
            let content = content(entry.secret_string, entry.secret_binary);
            let done = same
                .into_iter()
                .map(|version| (version, Ok(content.clone())));
            batch.done.extend(done);
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

    /// After an error of the whole batch, each secret is read with a call of its own, so that the
    /// error of one secret is reported for that secret only. After an error of the connection or
    /// the service they are not.
    fn without_batch(&self, mut batch: Batch, error: &SdkError<BatchGetSecretValueError>) -> Batch {
        let resource = Cow::Borrowed("*");
        let call = Call {
            store: SECRET.store,
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
        if code == NOT_FOUND {
            return not_found(version, message).map(|()| None);
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
            Ok(answer) => return Ok(content(answer.secret_string, answer.secret_binary)),
            Err(error) => error,
        };
        let (code, message) = (
            error.code().unwrap_or_default(),
            error.message().unwrap_or_default(),
        );
        if code == NOT_FOUND {
            return not_found(version, message).map(|()| None);
        }
        if is_being_deleted(code, message) {
            return Err(self.being_deleted(&version.secret, code).await);
        }
        Err(classify(&error, &self.call(GET, &version.secret)))
    }
}

/// The content of a response, or `None` if it has none.
pub(super) fn content(text: Option<String>, binary: Option<Blob>) -> Option<Content> {
    match (text, binary) {
        (Some(text), _) => Some(Content::Text(Zeroizing::new(text))),
        (None, Some(binary)) => Some(Content::Binary(Zeroizing::new(binary.into_inner()))),
        (None, None) => None,
    }
}

/// Whether a response with `arn` and `name` is for the secret `id`, which is a name, an ARN, or an
/// ARN without the six random characters at its end.
fn is_of(id: &StoragePath, arn: Option<&str>, name: Option<&str>) -> bool {
    if !id.is_arn() {
        return name == Some(id.as_str());
    }
    arn.and_then(|arn| arn.strip_prefix(id.as_str()))
        .is_some_and(|end| end.is_empty() || (end.len() == 7 && end.starts_with('-')))
}

fn found(fetched: &HashMap<Version, Fetched>, locator: &Locator) -> Found {
    let result = match fetched.get(&Version::of(locator)) {
        Some(Ok(Some(content))) => content.value_at(locator, SECRET),
        Some(Ok(None)) | None => Ok(None),
        Some(Err(error)) => Err(error.clone()),
    };
    result.map_err(|error| error.at(&locator.path))
}
