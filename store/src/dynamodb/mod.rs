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
mod rotation;
#[cfg(feature = "values")]
mod values;

use aws_sdk_dynamodb::{
    Client,
    types::{Put, TransactWriteItem},
};
use kees_common::{Locator, StoragePath, StoreName};

use crate::{
    CreateRequest, CreateStore, Creation, Found, ReadStore, StoreError, WriteLimits, aws::Aws,
    rotation::flat::RowStore as _, rows,
};
use item::NAME;

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
        let keys: Vec<StoragePath> = locators.iter().map(Locator::key).collect();
        let mut found = rotation::rows(&keys, self.items(keys.iter()).await);
        // A batch reads its items at different moments, so a rotation may lie between them.
        let doubtful = rows::doubtful(&rows::asked(locators), &rows::rows(&found));
        if !doubtful.is_empty() {
            let keys: Vec<_> = doubtful.iter().map(|index| keys[*index].clone()).collect();
            let together = self.snapshot(&keys).await;
            for (index, row) in doubtful.into_iter().zip(together) {
                found[index] = row;
            }
        }
        rows::answers(locators, found)
    }

    async fn read_together(&self, locators: &[Locator]) -> Vec<Found> {
        let keys: Vec<StoragePath> = locators.iter().map(Locator::key).collect();
        rows::answers(locators, self.snapshot(&keys).await)
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

#[cfg(test)]
mod tests;
