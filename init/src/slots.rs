//! What is known about each value that a store is asked for, while a run goes on.

use kees_common::{Field, Generation, Item, Locator, Plan, SecretValue};
use kees_store::protocol::Values;

use crate::{EntryError, Origin};

/// One slot for each of [`Plan::items`], in their order.
#[derive(Debug)]
pub(crate) struct Slots<'a> {
    plan: &'a Plan,
    slots: Vec<Slot>,
}

/// What is known about one value.
#[derive(Debug)]
pub(crate) enum Slot {
    /// Not looked for yet, or absent when it was last looked for.
    Open,
    /// It is here.
    Had {
        /// The value.
        value: SecretValue,
        /// How it came to be.
        origin: Origin,
    },
    /// It cannot be had.
    Failed(EntryError),
}

impl<'a> Slots<'a> {
    pub(crate) fn new(plan: &'a Plan) -> Self {
        Self {
            plan,
            slots: plan.items.iter().map(|_| Slot::Open).collect(),
        }
    }

    /// Every item with its index and slot.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &'a Item, &Slot)> {
        self.plan
            .items
            .iter()
            .zip(&self.slots)
            .enumerate()
            .map(|(at, (item, slot))| (at, item, slot))
    }

    /// Items that are still open, by index.
    pub(crate) fn open(&self) -> impl Iterator<Item = (usize, &'a Item)> {
        self.iter()
            .filter(|(_, _, slot)| matches!(slot, Slot::Open))
            .map(|(at, item, _)| (at, item))
    }

    pub(crate) fn any_open(&self) -> bool {
        self.open().next().is_some()
    }

    pub(crate) fn any_failed(&self) -> bool {
        self.slots
            .iter()
            .any(|slot| matches!(slot, Slot::Failed(_)))
    }

    pub(crate) fn set(&mut self, at: usize, slot: Slot) {
        if let Some(place) = self.slots.get_mut(at) {
            *place = slot;
        }
    }

    /// Fails an item, or all open ones of the generation that it belongs to.
    pub(crate) fn fail(&mut self, at: usize, problem: EntryError) {
        self.set(at, Slot::Failed(problem));
    }

    /// Generations of which an item is open, by index.
    pub(crate) fn open_generations(&self) -> Vec<OpenGeneration<'a>> {
        let mut open: Vec<OpenGeneration<'a>> = Vec::new();
        for (at, item) in self.open() {
            let Some((index, field)) = item.generation else {
                continue;
            };
            let Some(generation) = self.plan.generations.get(index) else {
                continue;
            };
            let place = open
                .iter()
                .position(|o| o.index == index)
                .unwrap_or_else(|| {
                    let (named, items) = (Vec::new(), Vec::new());
                    open.push(OpenGeneration {
                        index,
                        generation,
                        named,
                        items,
                    });
                    open.len() - 1
                });
            let Some(found) = open.get_mut(place) else {
                continue;
            };
            found.items.push((at, field));
            // Two annotations may name one value.
            if !found.named.iter().any(|(named, _)| *named == field) {
                found.named.push((field, item.locator.clone()));
            }
        }
        open
    }

    /// Fills the items of a generation.
    pub(crate) fn fill(&mut self, open: &OpenGeneration<'_>, values: &Values, origin: Origin) {
        for (at, field) in &open.items {
            if let Some((_, value)) = values.iter().find(|(of, _)| of == field) {
                self.set(
                    *at,
                    Slot::Had {
                        value: value.clone(),
                        origin,
                    },
                );
            }
        }
    }

    /// Fails the items of a generation, for one reason.
    pub(crate) fn fail_all(&mut self, open: &OpenGeneration<'_>, problem: impl Fn() -> EntryError) {
        for (at, _) in &open.items {
            self.fail(*at, problem());
        }
    }

    pub(crate) fn into_inner(self) -> Vec<Slot> {
        self.slots
    }
}

/// A generation that is not here yet, and what the pod names of it.
#[derive(Debug)]
pub(crate) struct OpenGeneration<'a> {
    /// Its place in [`Plan::generations`].
    pub(crate) index: usize,
    pub(crate) generation: &'a Generation,
    /// Each field that the pod names, once.
    pub(crate) named: Vec<(Field, Locator)>,
    /// The items that wait for it, by index, each with its field.
    pub(crate) items: Vec<(usize, Field)>,
}
