//! The records of leases in the table. They are read as values are, and changed in one
//! `TransactWriteItems`.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    error::BuildError,
    types::{AttributeValue, ConditionCheck, Delete, Put, TransactWriteItem},
};
use kees_common::{StoragePath, StoreName};

use super::{
    DynamoDb, PUT,
    item::{self, Item, NAME},
    record,
};
use crate::{
    StoreError,
    lease_changes::check_changes,
    leases::{Change, LeaseStore, Record, RecordPage},
};

const SCAN: &str = "dynamodb:Scan";
const DELETE: &str = "dynamodb:DeleteItem";
const CHECK: &str = "dynamodb:ConditionCheckItem";

impl LeaseStore for DynamoDb {
    async fn records(&self, paths: &[StoragePath]) -> Vec<Result<Option<Record>, StoreError>> {
        let items = self.items(paths.iter()).await;
        let decode = |path: &StoragePath, item: &Item| record::record(path.as_str(), item);
        let record_at = |path| match items.get(path) {
            Some(Ok(Some(item))) => decode(path, item).map(Some),
            Some(Ok(None)) | None => Ok(None),
            Some(Err(error)) => Err(error.clone()),
        };
        paths.iter().map(record_at).collect()
    }

    /// One page of a scan, which reads up to 1 MB of the table.
    async fn records_below(
        &self,
        prefix: &str,
        start: Option<&str>,
    ) -> Result<RecordPage, StoreError> {
        let name = |name: &str| AttributeValue::S(name.to_owned());
        let start = start.map(|start| HashMap::from([(NAME.to_owned(), name(start))]));
        let answer = self
            .client
            .scan()
            .table_name(&self.table)
            .consistent_read(true)
            .filter_expression(format!("begins_with({NAME}, :prefix)"))
            .expression_attribute_values(":prefix", name(prefix))
            .set_exclusive_start_key(start)
            .send()
            .await;
        let answer = answer.map_err(|error| self.call_error(&error, SCAN, None))?;
        let items = answer.items.unwrap_or_default();
        let records = items.iter().filter_map(|item| {
            let name = item::name(item)?;
            Some((name.to_owned(), record::record(name, item)))
        });
        let next = answer.last_evaluated_key;
        Ok(RecordPage {
            records: records.collect(),
            next: next.as_ref().and_then(item::name).map(str::to_owned),
        })
    }

    async fn swap(&self, changes: &[Change]) -> Result<bool, StoreError> {
        check_changes(StoreName::DynamoDb, changes)?;
        let writes = changes.iter().map(|change| self.write(change));
        let writes = writes
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| self.unbuilt(&error))?;
        // The SDK makes a token for each call, so the same step twice is two transactions.
        let answer = self
            .client
            .transact_write_items()
            .set_transact_items(Some(writes))
            .send()
            .await;
        let Err(error) = answer else { return Ok(true) };
        let paths: Vec<_> = changes.iter().map(|change| &change.path).collect();
        let whole = self.call_error(&error, action(changes), paths.first().copied());
        self.unmet_condition(&error, whole, &paths).map(|()| false)
    }
}

/// The action that a denial names if DynamoDB's message names none.
fn action(changes: &[Change]) -> &'static str {
    let mut changes = changes
        .iter()
        .filter(|change| change.new != change.expected);
    match changes.next() {
        Some(Change { new: Some(_), .. }) => PUT,
        Some(_) => DELETE,
        None => CHECK,
    }
}

impl DynamoDb {
    /// One action of a transaction: a put, a delete, or a check if nothing changes.
    fn write(&self, change: &Change) -> Result<TransactWriteItem, BuildError> {
        let (condition, values) = record::condition(change.expected.as_ref());
        let values = Some(values).filter(|values| !values.is_empty());
        let write = TransactWriteItem::builder();
        let write = if change.new == change.expected {
            let check = ConditionCheck::builder()
                .table_name(&self.table)
                .set_key(Some(item::key(&change.path)))
                .condition_expression(condition)
                .set_expression_attribute_values(values);
            write.condition_check(check.build()?)
        } else if let Some(new) = &change.new {
            let put = Put::builder()
                .table_name(&self.table)
                .set_item(Some(record::of(&change.path, new)))
                .condition_expression(condition)
                .set_expression_attribute_values(values);
            write.put(put.build()?)
        } else {
            let delete = Delete::builder()
                .table_name(&self.table)
                .set_key(Some(item::key(&change.path)))
                .condition_expression(condition)
                .set_expression_attribute_values(values);
            write.delete(delete.build()?)
        };
        Ok(write.build())
    }
}

#[cfg(test)]
mod tests;
