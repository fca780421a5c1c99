//! Rotation of a parameter by its versions.
//!
//! `PutParameter` has no condition, so rotators of one parameter exclude each other by another one,
//! `NAME.rotating`, which only one of them can create. A rotator that is killed leaves it behind; after
//! [`STALE`] the next rotator deletes it. A request that arrives later than that can replace a newer
//! generation: Parameter Store has no means against it. Earlier versions stay readable by their number.

use std::time::{SystemTime, UNIX_EPOCH};

use kees_common::{Generation, SecretValue, StoragePath};
use serde::{Deserialize, Serialize};

use super::{PARAMETER, Ssm, create::explain_put, read::Numbered};
use crate::{
    Creation, ErrorKind, IdempotencyToken, NewGeneration, RandomnessError, StoreError,
    members::{Content, Payload},
    rotation::{Current, RotateRequest, RotateStore, Rotation},
};

/// After how many seconds a rotator that holds the lock counts as dead. A request has ended long before.
const STALE: u64 = 120;

const DELETE: &str = "ssm:DeleteParameter";

/// The response has nothing that is needed.
#[derive(Deserialize)]
struct Deleted {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DeleteParameter<'a> {
    name: &'a str,
}

impl RotateStore for Ssm {
    async fn current(&self, generation: &Generation) -> Result<Option<Current>, StoreError> {
        let Some(current) = self.numbered(&generation.path, None).await? else {
            return Ok(None);
        };
        let previous = self.numbered_before(&generation.path, &current).await?;
        let version = current.version.to_string();
        let content = Content::Text(current.text);
        let mut values = Vec::new();
        for (field, _) in &generation.fields {
            let value = content.value_at(&generation.locator(*field), PARAMETER)?;
            values.extend(value.map(|value| (*field, value)));
        }
        Ok(Some(Current {
            id: Some(version),
            values,
            since: current.since,
            previous: previous.map(|previous| previous.version.to_string()),
        }))
    }

    async fn rotate(&self, request: &RotateRequest<'_>) -> Result<Rotation, StoreError> {
        let new = NewGeneration {
            generation: request.generation,
            values: request.values,
            namespace: None,
        };
        let text = match Payload::new(&new, PARAMETER)? {
            Payload::Text(text) => text,
            Payload::Binary(bytes) => SecretValue::from(bytes).to_base64(),
        };
        let values = request.values.iter().map(|(_, value)| value);
        let replaced = self.replace(request.generation, request.current, &text);
        replaced.await.map_err(|error| explain_put(error, values))
    }

    /// Stores the current value once more, so that the version before it has the same value and is no
    /// previous generation any more.
    async fn retire(&self, generation: &Generation, current: &Current) -> Result<bool, StoreError> {
        let Some(stored) = self.numbered(&generation.path, None).await? else {
            return Ok(false);
        };
        let replaced = self.replace(generation, current, &stored.text).await?;
        Ok(replaced == Rotation::Rotated)
    }

    /// Parameter Store knows when a parameter was changed.
    async fn remember_since(
        &self,
        _generation: &Generation,
        _current: &Current,
        _now: u64,
    ) -> Result<bool, StoreError> {
        Ok(true)
    }
}

impl Ssm {
    /// Stores `text` if the parameter still has the values of `current`.
    async fn replace(
        &self,
        generation: &Generation,
        current: &Current,
        text: &str,
    ) -> Result<Rotation, StoreError> {
        let path = &generation.path;
        let lock = lock_of(path);
        self.lock(path, &lock).await?;
        let replaced = async {
            let now = RotateStore::current(self, generation).await?;
            if now.as_ref() != Some(current) {
                return Ok(Rotation::Changed);
            }
            self.put_parameter(path, text, true, Vec::new()).await?;
            Ok(Rotation::Rotated)
        };
        let replaced = replaced.await;
        // Without this, the next rotator waits until the lock is stale.
        let _ = self.delete_lock(&lock).await;
        replaced
    }

    async fn lock(&self, path: &StoragePath, lock: &StoragePath) -> Result<(), StoreError> {
        let now = now();
        let owner = IdempotencyToken::random().map_err(|error| Self::no_owner(path, error))?;
        let text = format!("{now} {}", owner.as_str());
        let created = self.put_parameter(lock, &text, false, Vec::new()).await?;
        if created == Creation::Created {
            return Ok(());
        }
        let held = self.numbered(lock, None).await?;
        let since = held.and_then(|held| held.text.split(' ').next()?.parse::<u64>().ok());
        if since.is_none_or(|since| now.saturating_sub(since) > STALE) {
            self.delete_lock(lock).await?;
        }
        let message = format!("another rotation of {path} is under way, and holds {lock}");
        let remedy =
            format!("nothing: the lock of a rotation that was killed ends after {STALE} s");
        Err(StoreError::new(ErrorKind::Throttled, PARAMETER.store, message, remedy).at(path))
    }

    fn no_owner(path: &StoragePath, error: RandomnessError) -> StoreError {
        let message = error.to_string();
        StoreError::new(ErrorKind::Other, PARAMETER.store, message, "try again").at(path)
    }

    async fn delete_lock(&self, lock: &StoragePath) -> Result<(), StoreError> {
        let request = DeleteParameter {
            name: lock.as_str(),
        };
        let call = self.call(DELETE, lock);
        let deleted = self
            .client
            .call::<Deleted>("DeleteParameter", &request, &call)
            .await;
        match deleted {
            Ok(Deleted {}) => Ok(()),
            Err(error) if error.code.as_deref() == Some("ParameterNotFound") => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The version before `current`, unless it has the same value.
    pub(super) async fn numbered_before(
        &self,
        path: &StoragePath,
        current: &Numbered,
    ) -> Result<Option<Numbered>, StoreError> {
        if current.version <= 1 {
            return Ok(None);
        }
        let previous = self.numbered(path, Some(current.version - 1)).await?;
        Ok(previous.filter(|previous| previous.text != current.text))
    }
}

fn lock_of(path: &StoragePath) -> StoragePath {
    path.with_suffix(StoragePath::ROTATING)
}

/// Seconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
