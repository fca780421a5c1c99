//! The table of the original kees in DynamoDB: `ENV_LABEL-kube-secret`, hash key `secretName` (S),
//! value `secretValue` (S, base64 of the raw value).
//!
//! Every read is consistent. A generation is written in one `TransactWriteItems`; each of its items
//! has the condition that its name is absent.

mod error;
mod item;
mod items;
mod leases;
mod record;
#[cfg(feature = "values")]
mod values;

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    types::{Put, TransactWriteItem},
};
use kees_common::{Locator, StoragePath, StoreName};

use crate::{
    CreateRequest, CreateStore, Creation, Found, ReadStore, StoreError, WriteLimits, aws::Aws,
};
use item::{FoundItem, Items, NAME};

/// The limits of one `TransactWriteItems` (DynamoDB API reference): 100 actions, 4 MB.
const WRITE: WriteLimits = WriteLimits {
    values: 100,
    bytes: 4 * 1024 * 1024,
    ..WriteLimits::UNLIMITED
};
const GET: &str = "dynamodb:GetItem";
/// The permission for a `TransactWriteItems` of puts (DynamoDB developer guide, "Using IAM with
/// DynamoDB transactions").
const PUT: &str = "dynamodb:PutItem";

/// The table in one Region and account.
#[derive(Debug)]
pub struct DynamoDb {
    client: Client,
    table: String,
    region: String,
}

impl DynamoDb {
    /// The table of the environment `env_label`.
    pub fn new(aws: &Aws, env_label: &str) -> Self {
        Self {
            client: aws.dynamodb(),
            table: format!("{env_label}-kube-secret"),
            region: aws.region().to_owned(),
        }
    }
}

impl ReadStore for DynamoDb {
    fn name(&self) -> StoreName {
        StoreName::DynamoDb
    }

    fn is_consistent(&self) -> bool {
        true
    }

    async fn read(&self, locators: &[Locator]) -> Vec<Found> {
        let items = self.items(locators.iter().map(|at| &at.path)).await;
        answers(locators, &values(items))
    }

    async fn read_together(&self, locators: &[Locator]) -> Vec<Found> {
        let items = self.items_together(locators.iter().map(|at| &at.path));
        answers(locators, &values(items.await))
    }
}

impl CreateStore for DynamoDb {
    fn write_limits(&self) -> WriteLimits {
        WRITE
    }

    async fn create(&self, request: &CreateRequest<'_>) -> Result<Creation, StoreError> {
        let mut puts = Vec::new();
        for (path, value) in request.items()? {
            let put = Put::builder()
                .table_name(&self.table)
                .set_item(Some(item::of(path, value)?))
                .condition_expression(format!("attribute_not_exists({NAME})"))
                .build()
                .map_err(|error| self.unbuilt(&error))?;
            puts.push(TransactWriteItem::builder().put(put).build());
        }
        let answer = self
            .client
            .transact_write_items()
            .set_transact_items(Some(puts))
            .client_request_token(request.token.as_str())
            .send()
            .await;
        match answer {
            Ok(_) => Ok(Creation::Created),
            Err(error) => self.create_error(&error, request),
        }
    }
}

/// The value in each item.
fn values(items: Items<'_>) -> HashMap<&StoragePath, Found> {
    let value_at = |(path, found): (_, FoundItem)| {
        let value = found.and_then(|item| item.map(|item| item::value(path, item)).transpose());
        (path, value)
    };
    items.into_iter().map(value_at).collect()
}

/// The result for each locator, in order.
fn answers(locators: &[Locator], found: &HashMap<&StoragePath, Found>) -> Vec<Found> {
    let nothing = Ok(None);
    locators
        .iter()
        .map(|locator| found.get(&locator.path).unwrap_or(&nothing).clone())
        .collect()
}

#[cfg(test)]
mod tests;
