//! The result for each value of a run.

use kees_common::{Item, Plan, SecretValue};

use crate::{EntryError, Origin};

/// One slot for each of [`Plan::items`], in their order.
#[derive(Debug)]
pub(crate) struct Slots<'a> {
    plan: &'a Plan,
    slots: Vec<Slot>,
}

/// The result for one value.
#[derive(Debug)]
pub(crate) enum Slot {
    /// Absent or unknown, and not waited for, because another value failed.
    Open,
    /// There is a value.
    Found {
        /// The value.
        value: SecretValue,
        /// Where it comes from.
        origin: Origin,
    },
    /// There is no previous value, which is no error.
    NoPrevious,
    /// There is no value.
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

    pub(crate) fn set(&mut self, at: usize, slot: Slot) {
        if let Some(place) = self.slots.get_mut(at) {
            *place = slot;
        }
    }

    /// An error of a value. That of a previous value is told for the current one, which is read in the
    /// same call.
    pub(crate) fn fail(&mut self, at: usize, error: EntryError) {
        let item = self.plan.items.get(at);
        let slot = if item.is_some_and(|item| item.locator.is_previous) {
            Slot::NoPrevious
        } else {
            Slot::Failed(error)
        };
        self.set(at, slot);
    }

    pub(crate) fn into_inner(self) -> Vec<Slot> {
        self.slots
    }
}
