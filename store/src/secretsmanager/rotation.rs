//! Rotation of a secret by its stages.
//!
//! `PutSecretValue` stores the new version with a stage of its own, and `UpdateSecretVersionStage` moves
//! AWSCURRENT to it on the condition that the version that was read has it. Secrets Manager then moves
//! AWSPREVIOUS to that version. A rotator that is killed between the two calls leaves a version that
//! nobody reads, and the next rotation takes its stage away.

use std::mem;

use aws_sdk_secretsmanager::{error::ProvideErrorMetadata as _, primitives::Blob};
use kees_common::{Field, Generation, Locator};

use super::{
    SECRET, SecretsManager,
    create::LARGEST,
    stages::{CURRENT, PREVIOUS},
};
use crate::{
    NewGeneration, StoreError,
    aws::classify,
    members::{Payload, invalid, without_values},
    rotation::{Current, RotateRequest, RotateStore, Rotation},
};

/// The stage of a new version until it is the current one.
const PENDING: &str = "KEESPENDING";

const PUT: &str = "secretsmanager:PutSecretValue";
const UPDATE: &str = "secretsmanager:UpdateSecretVersionStage";

impl RotateStore for SecretsManager {
    async fn current(&self, generation: &Generation) -> Result<Option<Current>, StoreError> {
        let secret = &generation.path;
        let Some(stages) = self.stages(secret).await? else {
            return Ok(None);
        };
        let id = stages.current.ok_or_else(|| Self::no_current(secret))?;
        let fixed = self.fixed(secret, &id).await?;
        let fixed = fixed.ok_or_else(|| Self::no_current(secret))?;
        let mut values = Vec::new();
        for (field, locator) in locators(generation) {
            let value = fixed.content.value_at(&locator, SECRET)?;
            values.extend(value.map(|value| (field, value)));
        }
        Ok(Some(Current {
            id: Some(id),
            values,
            since: fixed.created,
            previous: stages.previous,
        }))
    }

    async fn rotate(&self, request: &RotateRequest<'_>) -> Result<Rotation, StoreError> {
        self.put_pending(request).await?;
        let secret = &request.generation.path;
        let answer = self
            .client
            .update_secret_version_stage()
            .secret_id(secret.as_str())
            .version_stage(CURRENT)
            .set_remove_from_version_id(request.current.id.clone())
            .move_to_version_id(request.token.as_str())
            .send()
            .await;
        let Err(error) = answer else {
            return Ok(Rotation::Rotated);
        };
        let error = classify(&error, &self.call(UPDATE, secret));
        // Secrets Manager has no code of its own for a stage that another version has.
        if error.is_transient() || self.holds(request).await? {
            return Err(error);
        }
        Ok(Rotation::Changed)
    }

    async fn retire(&self, generation: &Generation, current: &Current) -> Result<bool, StoreError> {
        let secret = &generation.path;
        let Some(previous) = &current.previous else {
            return Ok(false);
        };
        let answer = self
            .client
            .update_secret_version_stage()
            .secret_id(secret.as_str())
            .version_stage(PREVIOUS)
            .remove_from_version_id(previous)
            .send()
            .await;
        let Err(error) = answer else { return Ok(true) };
        let error = classify(&error, &self.call(UPDATE, secret));
        let stages = self.stages(secret).await?.unwrap_or_default();
        if error.is_transient() || stages.previous.as_ref() == Some(previous) {
            return Err(error);
        }
        Ok(false)
    }

    /// Secrets Manager knows when a version was created.
    async fn remember_since(
        &self,
        _generation: &Generation,
        _current: &Current,
        _now: u64,
    ) -> Result<bool, StoreError> {
        Ok(true)
    }
}

impl SecretsManager {
    /// Stores the new version. The same request again is no other version.
    async fn put_pending(&self, request: &RotateRequest<'_>) -> Result<(), StoreError> {
        let secret = &request.generation.path;
        let new = NewGeneration {
            generation: request.generation,
            values: request.values,
            namespace: None,
        };
        let payload = Payload::new(&new, SECRET)?;
        if payload.len() > LARGEST {
            let size = payload.len();
            let message = format!("the value has {size} bytes, and a secret holds {LARGEST}");
            return Err(invalid(secret, SECRET, message, "ask for a smaller size"));
        }
        let put = self
            .client
            .put_secret_value()
            .secret_id(secret.as_str())
            .client_request_token(request.token.as_str())
            .version_stages(PENDING);
        let put = match payload {
            Payload::Text(mut text) => put.secret_string(mem::take(&mut *text)),
            Payload::Binary(mut bytes) => put.secret_binary(Blob::new(mem::take(&mut *bytes))),
        };
        let Err(error) = put.send().await else {
            return Ok(());
        };
        // The version is there, from an earlier request with this token.
        if error.code() == Some("ResourceExistsException") {
            return Ok(());
        }
        let mut error = classify(&error, &self.call(PUT, secret));
        let values = request.values.iter().map(|(_, value)| value);
        error.message = without_values(error.message, values);
        Err(error)
    }

    /// Whether the secret still holds what the request replaces.
    async fn holds(&self, request: &RotateRequest<'_>) -> Result<bool, StoreError> {
        let stages = self.stages(&request.generation.path).await?;
        Ok(stages.is_some_and(|stages| stages.current == request.current.id))
    }
}

/// Where each field is.
fn locators(generation: &Generation) -> impl Iterator<Item = (Field, Locator)> {
    let fields = generation.fields.iter();
    fields.map(|(field, _)| (*field, generation.locator(*field)))
}
