//! Creating: one `CreateSecret` a generation, atomic and, by its token, repeatable.

use std::mem;

use aws_sdk_secretsmanager::{error::ProvideErrorMetadata as _, primitives::Blob, types::Tag};
use kees_common::{Field, Generation, StoragePath, StoreName};
use zeroize::Zeroizing;

use super::{SecretsManager, deletion::is_being_deleted};
use crate::{Creation, ErrorKind, NewGeneration, StoreError, aws::classify};

/// The most that a secret holds (API reference, `CreateSecret`: "65536 bytes").
const LARGEST: usize = 65_536;

const CREATE: &str = "secretsmanager:CreateSecret";
/// What IAM asks for beside [`CREATE`], because tags are given.
const TAG: &str = "secretsmanager:TagResource";

/// A generation in the form in which one secret holds it.
enum Payload {
    Text(Zeroizing<String>),
    Binary(Zeroizing<Vec<u8>>),
}

impl SecretsManager {
    pub(super) async fn create_secret(
        &self,
        new: &NewGeneration<'_>,
    ) -> Result<Creation, StoreError> {
        let secret = &new.generation.path;
        let payload = Payload::new(new)?;
        if payload.len() > LARGEST {
            let message = format!(
                "the value has {} bytes, and a secret holds {LARGEST}",
                payload.len()
            );
            return Err(unsound(secret, message, "ask for a smaller size"));
        }
        let mut request = self
            .client
            .create_secret()
            .name(secret.as_str())
            .client_request_token(new.token.as_str())
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
        error.message = without_values(error.message, new);
        if let ErrorKind::Denied { action, resource } = &error.kind
            && action == CREATE
        {
            error.remedy =
                format!("allow {CREATE} and {TAG} on {resource} in the policy of the role in use");
        }
        Err(error)
    }
}

impl Payload {
    fn new(new: &NewGeneration<'_>) -> Result<Self, StoreError> {
        let Generation { path, spec, .. } = new.generation;
        if spec.fields() != [Field::Whole] {
            return object(new).map(Self::Text);
        }
        let value = new
            .values
            .get(Field::Whole)
            .ok_or_else(|| unsound(path, "the generation has no value".to_owned(), BUG))?;
        if spec.secret_type().is_text() {
            let text = value.expose_text().ok_or_else(|| not_text(path))?;
            Ok(Self::Text(Zeroizing::new(text.to_owned())))
        } else {
            Ok(Self::Binary(Zeroizing::new(value.expose().to_vec())))
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

const BUG: &str = "report this as a bug of kees";

/// The values as a JSON object, field name to text: GPG's armor and passphrase as they are, all
/// else in base64, as kees's table holds them.
fn object(new: &NewGeneration<'_>) -> Result<Zeroizing<String>, StoreError> {
    let path = &new.generation.path;
    // JSON makes at most six bytes of one. Sized once: growing would leave unwiped copies behind.
    let size: usize = new
        .values
        .iter()
        .map(|(_, value)| 6 * value.len() + 32)
        .sum();
    let mut json = Zeroizing::new(Vec::with_capacity(size));
    for (index, (field, value)) in new.values.iter().enumerate() {
        json.push(if index == 0 { b'{' } else { b',' });
        json.extend_from_slice(format!("\"{field}\":").as_bytes());
        let written = if new.generation.spec.secret_type().is_text() {
            let text = value.expose_text().ok_or_else(|| not_text(path))?;
            serde_json::to_writer(&mut *json, text)
        } else {
            serde_json::to_writer(&mut *json, value.to_base64().as_str())
        };
        // The reason is left out: it could quote the value.
        written.map_err(|_| not_text(path))?;
    }
    json.push(b'}');
    String::from_utf8(mem::take(&mut *json))
        .map(Zeroizing::new)
        .map_err(|_| not_text(path))
}

/// The message, without what it may repeat of the request.
fn without_values(message: String, new: &NewGeneration<'_>) -> String {
    let repeats = |text: &str| !text.is_empty() && message.contains(text);
    let told = new
        .values
        .iter()
        .any(|(_, value)| value.expose_text().is_some_and(repeats) || repeats(&value.to_base64()));
    if told {
        "AWS refused the value of 'secretString' or 'secretBinary' (its own words repeat the value and are left out)".to_owned()
    } else {
        message
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

fn not_text(secret: &StoragePath) -> StoreError {
    unsound(secret, "the generated value is not text".to_owned(), BUG)
}

fn unsound(secret: &StoragePath, message: String, remedy: &str) -> StoreError {
    StoreError {
        kind: ErrorKind::Malformed,
        store: StoreName::SecretsManager,
        path: Some(secret.clone()),
        code: None,
        message,
        remedy: remedy.to_owned(),
    }
}
