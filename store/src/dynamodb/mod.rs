//! The table of the original kees in DynamoDB: `ENV_LABEL-kube-secret`, hash key `secretName` (S),
//! value `secretValue` (S, base64 of the raw value).
//!
//! Every read is consistent. A generation is written in one `TransactWriteItems`; each of its items
//! has the condition that its name is absent.

mod error;
mod item;
#[cfg(feature = "values")]
mod values;

use std::{collections::HashMap, mem};

use aws_sdk_dynamodb::{
    Client,
    types::{Get, KeysAndAttributes, Put, TransactGetItem, TransactWriteItem},
};
use futures_util::{StreamExt as _, future::join_all, stream};
use kees_common::{Locator, StoragePath, StoreName};

use crate::{
    CreateRequest, CreateStore, Creation, ErrorKind, Found, ReadStore, StoreError, WriteLimits,
    aws::Aws,
};
use item::{Item, NAME};

/// The most keys in one `BatchGetItem` or `TransactGetItems` (DynamoDB API reference).
const BATCH: usize = 100;
/// The limits of one `TransactWriteItems` (DynamoDB API reference): 100 actions, 4 MB.
const WRITE: WriteLimits = WriteLimits {
    values: 100,
    bytes: 4 * 1024 * 1024,
    ..WriteLimits::UNLIMITED
};
/// The most calls at the same time if items are read one by one.
const SIDE_BY_SIDE: usize = 16;

const GET: &str = "dynamodb:GetItem";
const BATCH_GET: &str = "dynamodb:BatchGetItem";
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
        let paths = distinct(locators);
        let batches = join_all(paths.chunks(BATCH).map(|batch| self.read_batch(batch))).await;
        answers(locators, &batches.into_iter().flatten().collect())
    }

    async fn read_together(&self, locators: &[Locator]) -> Vec<Found> {
        let paths = distinct(locators);
        let snapshots = join_all(paths.chunks(BATCH).map(|batch| self.read_snapshot(batch))).await;
        answers(locators, &snapshots.into_iter().flatten().collect())
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
            Err(error) => self.write_error(&error, request),
        }
    }
}

/// The paths of `locators`, each once.
fn distinct(locators: &[Locator]) -> Vec<&StoragePath> {
    let mut seen = std::collections::HashSet::with_capacity(locators.len());
    locators
        .iter()
        .map(|locator| &locator.path)
        .filter(|path| seen.insert(*path))
        .collect()
}

type ByPath<'a> = HashMap<&'a StoragePath, Found>;

/// The result for each locator, in order.
fn answers(locators: &[Locator], found: &ByPath<'_>) -> Vec<Found> {
    let nothing = Ok(None);
    locators
        .iter()
        .map(|locator| found.get(&locator.path).unwrap_or(&nothing).clone())
        .collect()
}

/// The same error for each path.
fn all<'a>(paths: &[&'a StoragePath], error: &StoreError) -> ByPath<'a> {
    let error_at = |path: &&'a StoragePath| (*path, Err(error.clone().at(path)));
    paths.iter().map(error_at).collect()
}

impl DynamoDb {
    /// Reads at most [`BATCH`] different paths. Keys that the table leaves unprocessed (a
    /// response has at most 16 MB) are read again, as long as each response processes some. If a
    /// response processes none, the table is throttling.
    async fn read_batch<'a>(&self, paths: &[&'a StoragePath]) -> ByPath<'a> {
        if let [path] = paths {
            return HashMap::from([(*path, self.get(path).await)]);
        }
        let mut found = HashMap::with_capacity(paths.len());
        let mut left = paths.to_vec();
        while !left.is_empty() {
            match self.batch_get(&left).await {
                Ok((processed, unprocessed)) if processed.is_empty() => {
                    found.extend(all(&unprocessed, &self.unprocessed()));
                    break;
                }
                Ok((processed, unprocessed)) => {
                    found.extend(processed);
                    left = unprocessed;
                }
                Err(error) if matches!(error.kind, ErrorKind::Denied { .. }) => {
                    found.extend(self.get_each(&left).await);
                    break;
                }
                Err(error) => {
                    found.extend(all(&left, &error));
                    break;
                }
            }
        }
        found
    }

    /// Calls `BatchGetItem` once. Returns what it found, and the paths that it left unprocessed.
    async fn batch_get<'a>(
        &self,
        paths: &[&'a StoragePath],
    ) -> Result<(ByPath<'a>, Vec<&'a StoragePath>), StoreError> {
        let keys = KeysAndAttributes::builder()
            .set_keys(Some(paths.iter().map(|path| item::key(path)).collect()))
            .consistent_read(true)
            .build()
            .map_err(|error| self.unbuilt(&error))?;
        let answer = self
            .client
            .batch_get_item()
            .request_items(&self.table, keys)
            .send()
            .await;
        let mut answer = answer.map_err(|error| self.call_error(&error, BATCH_GET, None))?;

        let unprocessed = answer.unprocessed_keys.take().unwrap_or_default();
        let unprocessed = unprocessed
            .get(&self.table)
            .map_or(&[][..], KeysAndAttributes::keys);
        let (unprocessed, processed): (Vec<_>, Vec<_>) = paths
            .iter()
            .partition(|path| unprocessed.iter().any(|key| item::is_named(key, path)));

        let items = answer
            .responses
            .take()
            .and_then(|mut tables| tables.remove(&self.table));
        let mut items: HashMap<String, Item> = items
            .unwrap_or_default()
            .into_iter()
            .filter_map(|item| Some((item::name(&item)?.to_owned(), item)))
            .collect();
        let processed = processed
            .into_iter()
            .map(|path: &StoragePath| {
                let item = items.remove(path.as_str());
                (path, item.map(|item| item::value(path, item)).transpose())
            })
            .collect();
        Ok((processed, unprocessed))
    }

    /// Calls `GetItem` for each path, so that each denial is reported with its path.
    async fn get_each<'a>(&self, paths: &[&'a StoragePath]) -> ByPath<'a> {
        let gets: Vec<_> = paths
            .iter()
            .map(|path| async { (*path, self.get(path).await) })
            .collect();
        stream::iter(gets)
            .buffer_unordered(SIDE_BY_SIDE)
            .collect()
            .await
    }

    async fn get(&self, path: &StoragePath) -> Found {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(item::key(path)))
            .consistent_read(true)
            .send()
            .await;
        match answer {
            Ok(answer) => answer.item.map(|item| item::value(path, item)).transpose(),
            Err(error) => Err(self.call_error(&error, GET, Some(path))),
        }
    }

    /// Reads at most [`BATCH`] different paths in one snapshot. `BatchGetItem` reads the items at
    /// different moments, so it can see a part of a generation while a transaction writes it.
    async fn read_snapshot<'a>(&self, paths: &[&'a StoragePath]) -> ByPath<'a> {
        if let [path] = paths {
            return HashMap::from([(*path, self.get(path).await)]);
        }
        match self.transact_get(paths).await {
            Ok(found) => found,
            Err(error) => all(paths, &error),
        }
    }

    async fn transact_get<'a>(&self, paths: &[&'a StoragePath]) -> Result<ByPath<'a>, StoreError> {
        let get = |path: &&StoragePath| {
            let get = Get::builder()
                .table_name(&self.table)
                .set_key(Some(item::key(path)));
            let get = get.build().map_err(|error| self.unbuilt(&error))?;
            Ok(TransactGetItem::builder().get(get).build())
        };
        let gets: Vec<_> = paths.iter().map(get).collect::<Result<_, StoreError>>()?;
        let answer = self
            .client
            .transact_get_items()
            .set_transact_items(Some(gets))
            .send()
            .await;
        let mut answer = answer.map_err(|error| self.read_error(&error, paths))?;
        // One response for each get, in their order; empty where there is no item.
        let responses = answer.responses.as_mut().map(mem::take).unwrap_or_default();
        let mut items = responses.into_iter().map(|response| response.item);
        Ok(paths
            .iter()
            .map(|path| {
                let item = items.next().flatten().filter(|item| !item.is_empty());
                (*path, item.map(|item| item::value(path, item)).transpose())
            })
            .collect())
    }
}

#[cfg(test)]
mod tests;
