//! Encodes a generation for a store with members.

use std::mem;

use kees_common::{Field, Generation, SecretValue, StoragePath};
use zeroize::Zeroizing;

use super::holder::Holder;
use crate::{ErrorKind, NewGeneration, StoreError};

const BUG: &str = "report this as a defect of kees";

/// A generation as one stored value.
pub(crate) enum Payload {
    Text(Zeroizing<String>),
    Binary(Zeroizing<Vec<u8>>),
}

impl Payload {
    /// A value of a type that is text is its text, another value its bytes. A generation with
    /// several fields is a JSON object.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] if a value is missing or is not text, because the write would
    /// be incomplete.
    pub(crate) fn new(new: &NewGeneration<'_>, holder: Holder) -> Result<Self, StoreError> {
        let Generation { path, spec, .. } = new.generation;
        if spec.fields() != [Field::Whole] {
            return object(new, holder).map(Self::Text);
        }
        let value = value(new, Field::Whole, holder)?;
        if spec.secret_type().is_text() {
            let text = value.expose_text().ok_or_else(|| not_text(path, holder))?;
            Ok(Self::Text(Zeroizing::new(text.to_owned())))
        } else {
            Ok(Self::Binary(Zeroizing::new(value.expose().to_vec())))
        }
    }

    #[cfg(feature = "secretsmanager")]
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

/// The fields as a JSON object, field name to text: GPG's armor and passphrase as they are, and
/// other values in base64, as in DynamoDB. The members are in the order of the type's fields, so
/// that a request that is sent again is the same to the byte.
fn object(new: &NewGeneration<'_>, holder: Holder) -> Result<Zeroizing<String>, StoreError> {
    let Generation { path, spec, .. } = new.generation;
    // JSON encodes one byte in at most six. The buffer has its final size from the start, because
    // growing leaves copies behind.
    let size: usize = new
        .values
        .iter()
        .map(|(_, value)| 6 * value.len() + 32)
        .sum();
    let mut json = Zeroizing::new(Vec::with_capacity(size));
    for (index, field) in spec.fields().iter().enumerate() {
        let value = value(new, *field, holder)?;
        json.push(if index == 0 { b'{' } else { b',' });
        json.extend_from_slice(format!("\"{field}\":").as_bytes());
        let written = if spec.secret_type().is_text() {
            let text = value.expose_text().ok_or_else(|| not_text(path, holder))?;
            serde_json::to_writer(&mut *json, text)
        } else {
            serde_json::to_writer(&mut *json, value.to_base64().as_str())
        };
        // The reason is left out, because it could contain the value.
        written.map_err(|_| not_text(path, holder))?;
    }
    json.push(b'}');
    String::from_utf8(mem::take(&mut *json))
        .map(Zeroizing::new)
        .map_err(|_| not_text(path, holder))
}

fn value<'a>(
    new: &'a NewGeneration<'_>,
    field: Field,
    holder: Holder,
) -> Result<&'a SecretValue, StoreError> {
    new.values.get(field).ok_or_else(|| {
        let message = format!("no value was generated for the field '{field}'");
        invalid(&new.generation.path, holder, message, BUG)
    })
}

/// The message of an error response. A value that it repeats from the request is removed.
pub(crate) fn without_values<'a>(
    message: String,
    values: impl IntoIterator<Item = &'a SecretValue>,
) -> String {
    let repeats = |text: &str| !text.is_empty() && message.contains(text);
    let is_told = values
        .into_iter()
        .any(|value| value.expose_text().is_some_and(repeats) || repeats(&value.to_base64()));
    if is_told {
        "AWS did not accept the value (its message repeats the value and is left out)".to_owned()
    } else {
        message
    }
}

fn not_text(path: &StoragePath, holder: Holder) -> StoreError {
    invalid(path, holder, "the generated value is not text", BUG)
}

/// A value that the store cannot hold.
pub(crate) fn invalid(
    path: &StoragePath,
    holder: Holder,
    message: impl Into<String>,
    remedy: &str,
) -> StoreError {
    StoreError::new(ErrorKind::Malformed, holder.store, message, remedy).at(path)
}
