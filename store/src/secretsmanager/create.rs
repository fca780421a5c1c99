//! Creates secrets: one `CreateSecret` for each generation. The call is atomic, and its token makes
//! it repeatable.

use std::mem;

use aws_sdk_secretsmanager::{error::ProvideErrorMetadata as _, primitives::Blob, types::Tag};

use super::{SECRET, SecretsManager, error::is_being_deleted};
use crate::{
    Creation, ErrorKind, IdempotencyToken, NewGeneration, StoreError,
    aws::classify,
    members::{Payload, invalid, without_values},
};

/// The most bytes of a secret (API reference, `CreateSecret`: "65536 bytes").
pub(super) const LARGEST: usize = 65_536;

const CREATE: &str = "secretsmanager:CreateSecret";
/// The permission that is needed in addition to [`CREATE`], because the secret gets tags.
const TAG: &str = "secretsmanager:TagResource";

impl SecretsManager {
    pub(super) async fn create_secret(
        &self,
        new: &NewGeneration<'_>,
        token: &IdempotencyToken,
    ) -> Result<Creation, StoreError> {
        let secret = &new.generation.path;
        let payload = Payload::new(new, SECRET)?;
        if payload.len() > LARGEST {
            let size = payload.len();
            let message = format!("the value has {size} bytes, and a secret holds {LARGEST}");
            return Err(invalid(secret, SECRET, message, "ask for a smaller size"));
        }
        let mut request = self
            .client
            .create_secret()
            .name(secret.as_str())
            .client_request_token(token.as_str())
            .set_tags(Some(tags(new)))
            .set_kms_key_id(self.kms_key.clone());
        request = match payload {
            Payload::Text(mut text) => request.secret_string(mem::take(&mut *text)),
            Payload::Binary(mut bytes) => request.secret_binary(Blob::new(mem::take(&mut *bytes))),
        };
        let Err(error) = request.send().await else {
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
            return Err(self.being_deleted(secret, code).await);
        }
        let mut error = classify(&error, &self.call(CREATE, secret));
        let values = new.values.iter().map(|(_, value)| value);
        error.message = without_values(error.message, values);
        if let ErrorKind::Denied { action, resource } = &error.kind
            && action == CREATE
        {
            error.remedy =
                format!("allow {CREATE} and {TAG} on {resource} in the policy of the role in use");
        }
        Err(error)
    }
}

fn tags(new: &NewGeneration<'_>) -> Vec<Tag> {
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
    let mut tags = vec![tag("kees/managed-by", "kees")];
    tags.extend(
        new.namespace
            .map(|namespace| tag("kees/namespace", namespace)),
    );
    tags.push(tag("kees/type", new.generation.spec.secret_type().as_str()));
    tags
}
