//! Reads items of the table, each consistently, in as few calls as possible.

use std::{
    collections::{HashMap, HashSet},
    mem,
};

use aws_sdk_dynamodb::types::{Get, KeysAndAttributes, TransactGetItem};
use futures_util::{StreamExt as _, future::join_all, stream};
use kees_common::StoragePath;

use super::{
    DynamoDb, GET,
    item::{self, FoundItem, Item, Items},
};
use crate::{ErrorKind, StoreError};

/// The most keys in one `BatchGetItem` or `TransactGetItems` (DynamoDB API reference).
const BATCH: usize = 100;
/// The most calls at the same time if items are read one by one.
const SIDE_BY_SIDE: usize = 16;

const BATCH_GET: &str = "dynamodb:BatchGetItem";

impl DynamoDb {
    /// The items at `paths`, in as few calls as possible.
    pub(super) async fn items<'a>(
        &self,
        paths: impl Iterator<Item = &'a StoragePath>,
    ) -> Items<'a> {
        let paths = distinct(paths);
        let batches = join_all(paths.chunks(BATCH).map(|batch| self.read_batch(batch))).await;
        batches.into_iter().flatten().collect()
    }

    /// The items at `paths`, in one snapshot for each 100 of them.
    pub(super) async fn items_together<'a>(
        &self,
        paths: impl Iterator<Item = &'a StoragePath>,
    ) -> Items<'a> {
        let paths = distinct(paths);
        let snapshots = join_all(paths.chunks(BATCH).map(|batch| self.read_snapshot(batch))).await;
        snapshots.into_iter().flatten().collect()
    }

    /// Reads at most [`BATCH`] different paths. Keys that the table leaves unprocessed (a
    /// response has at most 16 MB) are read again, as long as each response processes some. If a
    /// response processes none, the table is throttling.
    async fn read_batch<'a>(&self, paths: &[&'a StoragePath]) -> Items<'a> {
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
    ) -> Result<(Items<'a>, Vec<&'a StoragePath>), StoreError> {
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
                (path, Ok(item))
            })
            .collect();
        Ok((processed, unprocessed))
    }

    /// Calls `GetItem` for each path, so that each denial is reported with its path.
    async fn get_each<'a>(&self, paths: &[&'a StoragePath]) -> Items<'a> {
        let gets: Vec<_> = paths
            .iter()
            .map(|path| async { (*path, self.get(path).await) })
            .collect();
        stream::iter(gets)
            .buffer_unordered(SIDE_BY_SIDE)
            .collect()
            .await
    }

    async fn get(&self, path: &StoragePath) -> FoundItem {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(item::key(path)))
            .consistent_read(true)
            .send()
            .await;
        match answer {
            Ok(answer) => Ok(answer.item),
            Err(error) => Err(self.call_error(&error, GET, Some(path))),
        }
    }

    /// Reads at most [`BATCH`] different paths in one snapshot. `BatchGetItem` reads the items at
    /// different moments, so it can see a part of a generation while a transaction writes it.
    async fn read_snapshot<'a>(&self, paths: &[&'a StoragePath]) -> Items<'a> {
        if let [path] = paths {
            return HashMap::from([(*path, self.get(path).await)]);
        }
        match self.transact_get(paths).await {
            Ok(found) => found,
            Err(error) => all(paths, &error),
        }
    }

    async fn transact_get<'a>(&self, paths: &[&'a StoragePath]) -> Result<Items<'a>, StoreError> {
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
                (*path, Ok(item))
            })
            .collect())
    }
}

/// Each of `paths` once.
fn distinct<'a>(paths: impl Iterator<Item = &'a StoragePath>) -> Vec<&'a StoragePath> {
    let mut seen = HashSet::new();
    paths.filter(|path| seen.insert(*path)).collect()
}

/// The same error for each path.
fn all<'a>(paths: &[&'a StoragePath], error: &StoreError) -> Items<'a> {
    let error_at = |path: &&'a StoragePath| (*path, Err(error.clone().at(path)));
    paths.iter().map(error_at).collect()
}
