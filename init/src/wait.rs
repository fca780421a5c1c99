//! Waits for what somebody else has to store, until there is no budget left.

use std::time::Duration;

use kees_store::{Backoff, RetryBudget};

use crate::{
    EntryError, Progress, Sources, read,
    slots::{Slot, Slots},
};

/// A look that begins with less than this left would only be cut off.
const LAST_LOOK: Duration = Duration::from_millis(200);

/// Looks again and again at what is absent. Ends when all is there, when something turns out not
/// to be had at all, or when budget is over: what is open then stayed absent.
pub(crate) async fn wait(
    stores: &impl Sources,
    retry_delay: Option<Duration>,
    slots: &mut Slots<'_>,
    budget: &mut RetryBudget,
    progress: &dyn Progress,
) {
    let mut backoff = Backoff::default();
    while slots.any_open() && !slots.any_failed() {
        progress.waiting(slots.open().count());
        // Without a delay of the operator's the looks end close to the deadline, not long before.
        let pause = retry_delay.unwrap_or_else(|| backoff.pause().min(budget.left() / 2));
        if budget.left() < LAST_LOOK || !budget.pause(pause).await {
            return;
        }
        let absent: Vec<usize> = slots.open().map(|(at, _)| at).collect();
        read::look(stores, slots, budget).await;
        reopen_cut_off(slots, &absent, *budget);
    }
}

/// A last look that the deadline cut off says nothing: what it looked at was absent before.
fn reopen_cut_off(slots: &mut Slots<'_>, absent: &[usize], budget: RetryBudget) {
    if !budget.left().is_zero() {
        return;
    }
    let cut_off: Vec<usize> = slots
        .iter()
        .filter(|(at, _, slot)| absent.contains(at) && is_transient(slot))
        .map(|(at, ..)| at)
        .collect();
    for at in cut_off {
        slots.set(at, Slot::Open);
    }
}

fn is_transient(slot: &Slot) -> bool {
    matches!(slot, Slot::Failed(EntryError::Store(error)) if error.is_transient())
}
