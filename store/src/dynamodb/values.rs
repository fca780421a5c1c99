//! Lists, puts and deletes items. The table has no index of names, so a list reads the whole table.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    error::ProvideErrorMetadata as _,
    types::{AttributeValue, ReturnConsumedCapacity},
};
use kees_common::{StoragePath, StoragePrefix};

use super::{
    DynamoDb, GET, PUT,
    item::{self, NAME},
};
use crate::{
    Creation, StoreError,
    values::{
        DeleteStore, ListStore, Metadata, Page, PageToken, PutRequest, PutStore, Recovery,
        create_alone,
    },
};

const SCAN: &str = "dynamodb:Scan";
const DELETE: &str = "dynamodb:DeleteItem";

impl ListStore for DynamoDb {
    /// One page of a scan, which reads up to 1 MB of the table. Only names leave the table.
    async fn list(
        &self,
        prefix: &StoragePrefix,
        token: Option<&PageToken>,
    ) -> Result<Page, StoreError> {
        let start = token.map(|PageToken(name)| {
            HashMap::from([(NAME.to_owned(), AttributeValue::S(name.clone()))])
        });
        let mut scan = self
            .client
            .scan()
            .table_name(&self.table)
            .consistent_read(true)
            .projection_expression(NAME)
            .set_exclusive_start_key(start)
            .return_consumed_capacity(ReturnConsumedCapacity::None);
        if !prefix.trimmed().is_empty() {
            let begins = AttributeValue::S(prefix.trimmed().to_owned());
            scan = scan
                .filter_expression(format!("begins_with({NAME}, :prefix)"))
                .expression_attribute_values(":prefix", begins);
        }
        let answer = scan.send().await;
        let answer = answer.map_err(|error| self.call_error(&error, SCAN, None))?;
        let items = answer.items.unwrap_or_default();
        let names = items.iter().filter_map(item::name);
        let contained = names.filter(|name| prefix.contains_name(name));
        let next = answer.last_evaluated_key;
        Ok(Page {
            values: contained.map(Metadata::named).collect(),
            next: next
                .as_ref()
                .and_then(item::name)
                .map(|name| PageToken(name.to_owned())),
        })
    }

    async fn describe(&self, path: &StoragePath) -> Result<Option<Metadata>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(item::key(path)))
            .projection_expression(NAME)
            .consistent_read(true)
            .send()
            .await;
        let answer = answer.map_err(|error| self.call_error(&error, GET, Some(path)))?;
        let item = answer.item.filter(|item| !item.is_empty());
        Ok(item.map(|_| Metadata::named(path.as_str())))
    }
}

impl PutStore for DynamoDb {
    async fn put(&self, request: &PutRequest<'_>) -> Result<Creation, StoreError> {
        if !request.overwrite {
            return create_alone(self, request).await;
        }
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item::of(request.path, request.value)?))
            .send()
            .await;
        match put {
            Ok(_) => Ok(Creation::Created),
            Err(error) => Err(self.call_error(&error, PUT, Some(request.path))),
        }
    }
}

impl DeleteStore for DynamoDb {
    async fn delete(&self, path: &StoragePath, _: Recovery) -> Result<bool, StoreError> {
        let deleted = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(item::key(path)))
            .condition_expression(format!("attribute_exists({NAME})"))
            .send()
            .await;
        match deleted {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(false),
            Err(error) => Err(self.call_error(&error, DELETE, Some(path))),
        }
    }
}

#[cfg(test)]
mod tests;
