//! Waits for what somebody else has to store, until there is no patience left.

use std::time::Duration;

use kees_store::{Backoff, Patience};

use crate::{
    EntryProblem, Progress, Sources, read,
    slots::{Slot, Slots},
};

/// A look that begins with less than this left would only be cut off.
const LAST_LOOK: Duration = Duration::from_millis(200);

/// Looks again and again at what is absent. Ends when all is there, when something turns out not
/// to be had at all, or when patience is over: what is open then stayed absent.
pub(crate) async fn wait(
    stores: &impl Sources,
    retry_delay: Option<Duration>,
    slots: &mut Slots<'_>,
    patience: &mut Patience,
    progress: &dyn Progress,
) {
    let mut backoff = Backoff::default();
    while slots.any_open() && !slots.any_failed() {
        progress.waiting(slots.open().count());
        // Without a delay of the operator's the looks end close to the deadline, not long before.
        let pause = retry_delay.unwrap_or_else(|| backoff.pause().min(patience.left() / 2));
        if patience.left() < LAST_LOOK || !patience.pause(pause).await {
            return;
        }
        let absent: Vec<usize> = slots.open().map(|(at, _)| at).collect();
        read::look(stores, slots, patience).await;
        reopen_cut_off(slots, &absent, *patience);
    }
}

/// A last look that the deadline cut off says nothing: what it looked at was absent before.
fn reopen_cut_off(slots: &mut Slots<'_>, absent: &[usize], patience: Patience) {
    if !patience.left().is_zero() {
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
    matches!(slot, Slot::Failed(EntryProblem::Store(error)) if error.is_transient())
}
