//! The stored values of a pod: what was obtained from the stores becomes a value or an error for each
//! entry.

use std::time::Duration;

use kees_common::{Entry, Field, Item, LocalMode, RegionUse, SecretValue, StoragePath, StoreName};
use kees_generate::GenerateError;
use kees_store::{
    RetryBudget, StoreError,
    protocol::{self, FoundValues, Obtained, Run, StoreSet},
};

use crate::{
    EntryError, FailedEntry, InitError, Origin, Progress, Request, RunError,
    generator::Generator,
    local::Derivation,
    settings::CreatePolicy,
    slots::{Slot, Slots},
    wants::{Annotations, Want, wants},
};

/// `TIMEOUT`. A longer `RETRY_DELAY` extends it, so that the absent value is read once more.
pub(crate) fn whole_budget(timeout: Duration, retry_delay: Option<Duration>) -> Duration {
    match retry_delay {
        Some(delay) if delay >= timeout => delay + timeout,
        _ => timeout,
    }
}

/// Asks the stores for everything, creates what is absent, and waits for the rest.
pub(crate) async fn obtain<'a>(
    request: &'a Request,
    stores: &impl StoreSet,
    generator: &Generator,
    derivation: &mut Derivation,
    progress: &dyn Progress,
) -> Result<Slots<'a>, RunError> {
    let wants = wants(request);
    let wanted: Vec<_> = wants.iter().map(|want| want.wanted.clone()).collect();
    let run = Run {
        stores,
        generator,
        observer: &Annotations {
            request,
            wants: &wants,
            progress,
        },
        namespace: request.namespace.as_deref(),
        retry_delay: request.retry_delay,
    };
    let whole = whole_budget(request.timeout, request.retry_delay);
    let mut budget = RetryBudget::new(whole);
    let obtained = protocol::obtain(&wanted, &run, &mut budget).await;
    let mut filling = Filling {
        request,
        derivation,
        waited: whole.saturating_sub(budget.left()),
        slots: Slots::new(&request.plan),
        errors: Vec::new(),
    };
    for (want, obtained) in wants.iter().zip(obtained) {
        filling.fill(want, obtained);
    }
    RunError::check(filling.errors)?;
    Ok(filling.slots)
}

/// Puts what was obtained into slots.
struct Filling<'r, 'd> {
    request: &'r Request,
    derivation: &'d mut Derivation,
    waited: Duration,
    slots: Slots<'r>,
    /// Errors of local mode.
    errors: Vec<InitError>,
}

impl Filling<'_, '_> {
    fn fill(&mut self, want: &Want<'_>, obtained: Obtained<GenerateError>) {
        match obtained {
            Obtained::Found(FoundValues { current, previous }) => {
                self.set(want, &current, &previous, Origin::Found);
            }
            Obtained::Created(values) => self.set(want, &values, &[], Origin::Created),
            Obtained::Absent(denied) => {
                for (at, _) in &want.items {
                    self.set_absent(*at, denied.as_ref());
                }
            }
            Obtained::NotRead(errors) => {
                for (at, field) in &want.items {
                    if let Some((_, error)) = errors.iter().find(|(of, _)| of == field) {
                        self.slots.fail(*at, EntryError::Store(error.clone()));
                    }
                }
            }
            Obtained::Failed(error) => {
                for (at, _) in &want.items {
                    self.slots.fail(*at, EntryError::Store(error.clone()));
                }
            }
            Obtained::NotGenerated(error) => {
                // One entry stands for all fields of the generation.
                if let Some((at, _)) = want.items.first() {
                    self.slots.fail(*at, EntryError::Generate(error));
                }
            }
            // With CREATE=never, the run reports every absent value without waiting.
            Obtained::Stopped if self.request.create == CreatePolicy::Never => {
                for (at, _) in &want.items {
                    self.set_absent(*at, None);
                }
            }
            Obtained::Stopped => {}
        }
    }

    fn set(
        &mut self,
        want: &Want<'_>,
        current: &[(Field, SecretValue)],
        previous: &[(Field, SecretValue)],
        origin: Origin,
    ) {
        for (at, field) in &want.items {
            let is_previous = self.is_previous(*at);
            let values = if is_previous { previous } else { current };
            let of_field = |(of, _): &&(Field, SecretValue)| of == field;
            if let Some((_, value)) = values.iter().find(of_field) {
                let value = value.clone();
                self.slots.set(*at, Slot::Found { value, origin });
            } else if is_previous {
                self.slots.set(*at, Slot::NoPrevious);
            }
        }
    }

    fn is_previous(&self, at: usize) -> bool {
        let item = self.request.plan.items.get(at);
        item.is_some_and(|item| item.locator.is_previous)
    }

    /// `remote-then-local` uses the local value of each entry whose value is absent in the store.
    fn set_absent(&mut self, at: usize, denied: Option<&StoreError>) {
        let Some(item) = self.request.plan.items.get(at) else {
            return;
        };
        if item.locator.is_previous {
            return self.slots.set(at, Slot::NoPrevious);
        }
        if self.request.local_mode == LocalMode::RemoteThenLocal
            && let Some(entry) = self.request.entries.get(item.entry)
        {
            match self.derivation.value(entry, self.request) {
                Ok(Some(value)) => {
                    let origin = Origin::Local;
                    return self.slots.set(at, Slot::Found { value, origin });
                }
                Ok(None) => {}
                Err(error) => return self.errors.push(error),
            }
        }
        let error = match denied {
            Some(denied) if self.request.waits_when_denied => {
                EntryError::Store(not_created(denied))
            }
            Some(denied) => EntryError::Store(denied.clone()),
            None => absent(self.request, item, self.waited),
        };
        self.slots.fail(at, error);
    }
}

/// Creating was denied, and no other writer stored the generation.
fn not_created(denied: &StoreError) -> StoreError {
    let mut error = denied.clone();
    error
        .remedy
        .push_str(", or let another writer create it: none did while this run waited");
    error
}

fn absent(request: &Request, item: &Item, waited: Duration) -> EntryError {
    let remedy = match (item.generation, request.local_mode, request.create) {
        _ if request.is_refresh => {
            "a refresh creates nothing: find out who removed it, or restart the pod to create it again"
        }
        _ if request.is_for_secret && item.generation.is_some() => {
            "the Secret is written when the pod's init container or a creator has created it"
        }
        (None, LocalMode::RemoteThenLocal, _) => {
            "store a value there, correct the path, or add localModeValue="
        }
        // In the wrong Region every secret is absent. DynamoDB instead reports that its table is
        // missing.
        (None, ..) if item.store.region() == RegionUse::Required => {
            "store a value there, or correct the path (the prefix and storageKey=) or AWS_REGION"
        }
        (None, ..) => "store a value there, or correct the path (the prefix and storageKey=)",
        (Some(_), _, CreatePolicy::Never) => {
            "CREATE=never, so this run does not create it: create it first"
        }
        (Some(_), ..) => {
            "CREATE=creator, so kees's creator has to create it: find out why it did not"
        }
    };
    EntryError::Absent {
        waited,
        remedy: remedy.to_owned(),
    }
}

/// The value of every slot, `None` where there is no previous value, or every error.
pub(crate) fn finish(
    request: &Request,
    slots: Slots<'_>,
) -> Result<Vec<Option<(SecretValue, Origin)>>, RunError> {
    let mut errors = Vec::new();
    let mut open = Vec::new();
    let mut values = Vec::new();
    for (item, slot) in request.plan.items.iter().zip(slots.into_inner()) {
        let Some(entry) = request.entries.get(item.entry) else {
            continue;
        };
        let place = || failed(entry, item);
        match slot {
            // A local value is encoded where it is derived.
            Slot::Found {
                value,
                origin: Origin::Local,
            } => values.push(Some((value, Origin::Local))),
            Slot::Found { value, origin } => values.push(Some((entry.encode(value), origin))),
            Slot::NoPrevious => values.push(None),
            // Not waited for, because something else failed.
            Slot::Open => open.push(place()),
            Slot::Failed(error) => errors.push(InitError::entry(place(), error)),
        }
    }
    // Values are matched with entries by their position, so a run without an error has no open slot.
    if errors.is_empty() {
        errors.extend(open.into_iter().map(unanswered));
    }
    RunError::check(errors)?;
    Ok(values)
}

/// An entry and its place, for an error.
pub(crate) fn failed(entry: &Entry, item: &Item) -> FailedEntry {
    let (store, path) = place(item);
    FailedEntry {
        annotation: entry.annotation.clone(),
        store,
        path,
    }
}

/// The run ended without an answer for this entry and without an error.
pub(crate) fn unanswered(entry: FailedEntry) -> InitError {
    let error = EntryError::Absent {
        waited: Duration::ZERO,
        remedy: "this run ended without an answer for it; run it again".to_owned(),
    };
    InitError::entry(entry, error)
}

/// The store of a value, and its path in the store.
pub(crate) fn place(item: &Item) -> (StoreName, StoragePath) {
    (item.store, item.locator.name_in(item.store).clone())
}
