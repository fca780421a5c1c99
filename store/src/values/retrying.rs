//! Calls that are tried again while the store is throttled or cannot be reached.

use std::future::Future;

use kees_common::{StoragePrefix, StoreName};
use tokio::time::sleep;

use super::{ListStore, Metadata};
use crate::{Backoff, ErrorKind, ReadStore, RetryBudget, StoreError};

/// Makes `call` until it is answered, with backoff after each transient error.
///
/// # Errors
/// The error that is not transient, or the last one when `budget` is spent.
pub async fn retrying<T, F>(
    store: StoreName,
    budget: &mut RetryBudget,
    mut call: impl FnMut() -> F,
) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut backoff = Backoff::default();
    let mut last = None;
    loop {
        match budget.wait(call()).await {
            Some(Err(error)) if error.is_transient() => {
                if budget.wait(sleep(backoff.pause())).await.is_none() {
                    return Err(error);
                }
                last = Some(error);
            }
            Some(answer) => return answer,
            None => return Err(last.unwrap_or_else(|| late(store))),
        }
    }
}

fn late(store: StoreName) -> StoreError {
    StoreError::new(
        ErrorKind::TimedOut,
        store,
        "there was no answer in time",
        "give a longer --timeout, or check that the store can be reached from here",
    )
}

/// Every page of the names that `prefix` contains, sorted by name. `budget` is for each page, and `seen`
/// gets the number of names so far.
///
/// # Errors
/// That of the page that could not be read.
pub async fn list_all<S: ReadStore + ListStore>(
    store: &S,
    prefix: &StoragePrefix,
    budget: impl Fn() -> RetryBudget,
    mut seen: impl FnMut(usize),
) -> Result<Vec<Metadata>, StoreError> {
    let mut values = Vec::new();
    let mut token = None;
    loop {
        let list = || store.list(prefix, token.as_ref());
        let mut page = retrying(store.name(), &mut budget(), list).await?;
        values.append(&mut page.values);
        seen(values.len());
        if page.next.is_none() {
            break;
        }
        token = page.next;
    }
    values.sort_unstable_by(|a: &Metadata, b| a.name.cmp(&b.name));
    // A value that is stored while the pages are read can be on two of them.
    values.dedup_by(|a, b| a.name == b.name);
    Ok(values)
}
