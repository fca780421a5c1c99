//! Reads everything that is not here yet: each path once, all stores side by side.

use std::collections::{BTreeMap, HashMap};

use futures_util::future::join_all;
use kees_common::{Locator, StoreName};
use kees_store::{Found, RetryBudget, StoreError, protocol};

use crate::{
    EntryError, Origin, Sources,
    slots::{Slot, Slots},
};

/// What each path of a store answered.
type Answers = HashMap<(StoreName, Locator), Found>;

/// Looks at every open slot. What is there fills it, what cannot be had fails it, and what is
/// absent leaves it open.
pub(crate) async fn look(stores: &impl Sources, slots: &mut Slots<'_>, budget: &mut RetryBudget) {
    let answers = ask(stores, slots, budget).await;
    let generations = slots.open_generations();
    let open: Vec<_> = slots.open().collect();
    for (at, item) in open {
        match answers.get(&(item.store, item.locator.clone())) {
            Some(Err(error)) => slots.fail(at, EntryError::Store(error.clone())),
            Some(Ok(Some(value))) if item.generation.is_none() => {
                slots.set(
                    at,
                    Slot::Had {
                        value: value.clone(),
                        origin: Origin::Found,
                    },
                );
            }
            // Of a generation all is there or nothing, which is found out below.
            Some(Ok(_)) | None => {}
        }
    }
    for open in generations {
        let store = open.generation.store;
        let found = open.named.iter().map(|(_, locator)| {
            answers
                .get(&(store, locator.clone()))
                .cloned()
                .unwrap_or(Ok(None))
        });
        // A half that could not be read has failed above.
        let Ok(found) = found.collect::<Result<Vec<_>, StoreError>>() else {
            continue;
        };
        let Some(backend) = stores.get(store) else {
            continue;
        };
        match protocol::settle(backend, open.generation, &open.named, found, budget).await {
            Ok(Some(values)) => slots.fill(&open, &values, Origin::Found),
            Ok(None) => {}
            Err(error) => slots.fail_all(&open, || EntryError::Store(error.clone())),
        }
    }
}

/// Asks each store once for every path that an open slot needs.
async fn ask(stores: &impl Sources, slots: &Slots<'_>, budget: &mut RetryBudget) -> Answers {
    let mut locators: BTreeMap<StoreName, Vec<Locator>> = BTreeMap::new();
    for (_, item) in slots.open() {
        let of_store = locators.entry(item.store).or_default();
        if !of_store.contains(&item.locator) {
            of_store.push(item.locator.clone());
        }
    }
    // Each store may use up all the budget; what the slowest left is left of it.
    let begun = *budget;
    let looks = locators.into_iter().filter_map(|(name, locators)| {
        let store = stores.get(name)?;
        Some(async move {
            let mut budget = begun;
            let found = protocol::read_all(store, &locators, &mut budget).await;
            (name, locators, found, budget)
        })
    });
    let mut answers = Answers::new();
    for (name, locators, found, left) in join_all(looks).await {
        *budget = left.min(*budget);
        answers.extend(
            locators
                .into_iter()
                .map(|locator| (name, locator))
                .zip(found),
        );
    }
    answers
}
