//! The creator of the original, as far as the table sees it.

use anyhow::Context as _;
use aws_sdk_dynamodb::{operation::put_item::PutItemError, types::AttributeValue};
use base64::prelude::{BASE64_STANDARD, Engine as _};

use crate::{DynamoDbLocal, dynamodb::table, wait};

/// Stores values as the original's creator does: each field by a call of its own, only if it is absent.
/// It ignores a conflict, and then stores the next field.
#[derive(Debug, Clone, Copy)]
pub struct OriginalCreator<'a> {
    /// The store.
    pub store: &'a DynamoDbLocal,
    /// The environment label of the table.
    pub label: &'a str,
}

impl OriginalCreator<'_> {
    /// Stores one field. Returns whether it was absent, which the original does not look at.
    pub fn put(&self, path: &str, value: &[u8]) -> anyhow::Result<bool> {
        let text = AttributeValue::S(BASE64_STANDARD.encode(value));
        let put = self
            .store
            .client()
            .put_item()
            .table_name(table(self.label))
            .item("secretName", AttributeValue::S(path.to_owned()))
            .item("secretValue", text)
            .condition_expression("attribute_not_exists(secretName)");
        let Err(error) = wait(put.send()) else {
            return Ok(true);
        };
        match error.into_service_error() {
            PutItemError::ConditionalCheckFailedException(_) => Ok(false),
            error => Err(error.into()),
        }
    }

    /// Reads a value as the original's init container does: one `GetItem`, eventually consistent, of an
    /// item with two texts.
    pub fn get(&self, path: &str) -> anyhow::Result<Vec<u8>> {
        let get = self
            .store
            .client()
            .get_item()
            .table_name(table(self.label))
            .key("secretName", AttributeValue::S(path.to_owned()));
        let item = wait(get.send())?
            .item
            .with_context(|| format!("there is no {path}"))?;
        let value = item.get("secretValue").and_then(|value| value.as_s().ok());
        let value = value.with_context(|| format!("{path} has no text"))?;
        BASE64_STANDARD
            .decode(value)
            .with_context(|| format!("{path} is not base64"))
    }
}
