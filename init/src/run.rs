//! One run, from a request to files: read, create, wait, verify, write.

use std::time::Duration;

use kees_common::{Entry, Item, LocalMode, RegionUse, SecretValue, StoragePath, StoreName};
use kees_store::{CreateStore, ReadStore, RetryBudget, StoreError, Stores};

use crate::{
    EntryError, FailedEntry, InitError, Origin, Progress, Report, Request, RunError,
    create::{self, Refusals},
    files,
    local::Derivation,
    read,
    report::Row,
    settings::CreatePolicy,
    slots::{Slot, Slots},
    verify, wait, write,
};

/// The stores that a run may ask, by name.
pub trait Sources {
    /// What each of them is.
    type Store: ReadStore + CreateStore;

    /// The store of that name; it is there for each of [`Request::stores`].
    fn get(&self, name: StoreName) -> Option<&Self::Store>;
}

impl Sources for Stores {
    type Store = kees_store::Store;

    fn get(&self, name: StoreName) -> Option<&Self::Store> {
        Stores::get(self, name)
    }
}

/// Gets every value that `request` names, and writes all files or none.
///
/// Dropping the future before it is done leaves no file: writing is one step at the end, without
/// an await in it.
///
/// # Errors
/// [`RunError`] with every error. What was created stays created, so that another run finds it.
pub async fn run(
    request: &Request,
    stores: &impl Sources,
    progress: &dyn Progress,
) -> Result<Report, RunError> {
    let values = values(request, stores, progress).await?;
    let plain: Vec<&SecretValue> = values.iter().map(|(value, _)| value).collect();
    let files = files::fill(&request.layout, &request.entries, &plain).map_err(RunError::new)?;
    let folders = files::folders(&request.layout);
    write::write(&files, &folders, request.file_mode, request.timeout)
        .await
        .map_err(InitError::from)?;
    Ok(Report {
        rows: rows(request, &values),
        files: files.into_iter().map(|file| file.path).collect(),
        warnings: request.warnings().to_vec(),
    })
}

/// A value and how it came to be.
type Valued = (SecretValue, Origin);

/// The value of every entry, in their order. Outside local mode there are no leases, so entries and
/// the plan's items are the same.
async fn values(
    request: &Request,
    stores: &impl Sources,
    progress: &dyn Progress,
) -> Result<Vec<Valued>, RunError> {
    let mut derivation = Derivation::default();
    if request.local_mode == LocalMode::On {
        return all_or_causes(request.entries.iter().map(|entry| {
            let value = derivation.value(entry, request)?;
            value
                .map(|value| (value, Origin::Local))
                .ok_or_else(|| no_value(entry))
        }));
    }
    let mut slots = Slots::new(&request.plan);
    let whole = whole_budget(request.timeout, request.retry_delay);
    let mut budget = RetryBudget::new(whole);
    let refusals = fill(
        request,
        stores,
        &mut slots,
        &mut budget,
        &mut derivation,
        progress,
    )
    .await?;
    verify::verify(request, &mut slots);
    let absence = Absence {
        request,
        refusals: &refusals,
        waited: whole.saturating_sub(budget.left()),
    };
    finish(request, slots, &absence)
}

/// `TIMEOUT`; a `RETRY_DELAY` that is longer still gets its one more look.
fn whole_budget(timeout: Duration, retry_delay: Option<Duration>) -> Duration {
    match retry_delay {
        Some(delay) if delay >= timeout => delay + timeout,
        _ => timeout,
    }
}

/// Goes through the phases until everything is there, or something cannot be had. What one phase
/// fails, no later one creates or waits for.
async fn fill(
    request: &Request,
    stores: &impl Sources,
    slots: &mut Slots<'_>,
    budget: &mut RetryBudget,
    derivation: &mut Derivation,
    progress: &dyn Progress,
) -> Result<Refusals, RunError> {
    let mut refusals = Refusals::new();
    read::look(stores, slots, budget).await;
    if request.local_mode == LocalMode::RemoteThenLocal {
        take_local(request, slots, derivation)?;
    } else if !slots.any_failed() && request.create == CreatePolicy::Init {
        let namespace = request.namespace.as_deref();
        refusals = create::create_absent(stores, namespace, slots, budget, progress).await;
    }
    let never = request.create == CreatePolicy::Never && !slots.open_generations().is_empty();
    if !never {
        wait::wait(stores, request.retry_delay, slots, budget, progress).await;
    }
    Ok(refusals)
}

/// `remote-then-local`: the local value where the store has answered that there is none.
fn take_local(
    request: &Request,
    slots: &mut Slots<'_>,
    derivation: &mut Derivation,
) -> Result<(), RunError> {
    let mut causes = Vec::new();
    let open: Vec<(usize, usize)> = slots.open().map(|(at, item)| (at, item.entry)).collect();
    for (at, entry) in open {
        let Some(entry) = request.entries.get(entry) else {
            continue;
        };
        match derivation.value(entry, request) {
            Ok(Some(value)) => slots.set(
                at,
                Slot::Had {
                    value,
                    origin: Origin::Local,
                },
            ),
            Ok(None) => {}
            Err(cause) => causes.push(cause),
        }
    }
    RunError::check(causes)
}

/// What every slot came to, or every cause.
fn finish(
    request: &Request,
    slots: Slots<'_>,
    absence: &Absence<'_>,
) -> Result<Vec<Valued>, RunError> {
    let any_failed = slots.any_failed();
    let mut causes = Vec::new();
    let mut values = Vec::new();
    for (item, slot) in request.plan.items.iter().zip(slots.into_inner()) {
        let Some(entry) = request.entries.get(item.entry) else {
            continue;
        };
        let problem = match slot {
            // A local value is encoded where it is derived.
            Slot::Had {
                value,
                origin: Origin::Local,
            } => {
                values.push((value, Origin::Local));
                continue;
            }
            Slot::Had { value, origin } => {
                values.push((entry.encode(value), origin));
                continue;
            }
            Slot::Failed(problem) => problem,
            // Not waited for to the end, because something else failed.
            Slot::Open if any_failed => continue,
            Slot::Open => absence.problem(item),
        };
        let failed = FailedEntry {
            annotation: entry.annotation.clone(),
            store: item.store,
            path: place(item).1,
        };
        causes.push(InitError::entry(failed, problem));
    }
    RunError::check(causes)?;
    Ok(values)
}

/// What to say of a value that stayed absent.
struct Absence<'a> {
    request: &'a Request,
    refusals: &'a Refusals,
    waited: Duration,
}

impl Absence<'_> {
    fn problem(&self, item: &Item) -> EntryError {
        let generation = item.generation.map(|(index, _)| index);
        if let Some(refusal) = generation.and_then(|index| self.refusals.get(&index)) {
            let mut refusal: StoreError = refusal.clone();
            refusal
                .remedy
                .push_str(", or let somebody else create it: nobody did while this run waited");
            return EntryError::Store(refusal);
        }
        let remedy = match (generation, self.request.local_mode, self.request.create) {
            (None, LocalMode::RemoteThenLocal, _) => {
                "store a value there, correct the path, or add localModeValue="
            }
            // Another Region's secrets are absent as well; a table's absence is told apart.
            (None, ..) if item.store.region() == RegionUse::Required => {
                "store a value there, or correct the path (the prefix and storageKey=) or AWS_REGION"
            }
            (None, ..) => "store a value there, or correct the path (the prefix and storageKey=)",
            (Some(_), _, CreatePolicy::Never) => {
                "CREATE=never, so this run does not make it: make it first"
            }
            (Some(_), ..) => "CREATE=creator, so kees's creator has to make it: see why it did not",
        };
        EntryError::Absent {
            waited: self.waited,
            remedy: remedy.to_owned(),
        }
    }
}

fn rows(request: &Request, values: &[Valued]) -> Vec<Row> {
    let row = |(index, (entry, (value, origin))): (usize, (&Entry, &Valued))| {
        let item = request.plan.items.iter().find(|item| item.entry == index);
        let (store, path) = item.map(place).unzip();
        let store = store.filter(|_| request.local_mode != LocalMode::On);
        Row::new(entry, store, path, *origin, value.len())
    };
    request
        .entries
        .iter()
        .zip(values)
        .enumerate()
        .map(row)
        .collect()
}

/// The store of a value, and what it is called there.
fn place(item: &Item) -> (StoreName, StoragePath) {
    (item.store, item.locator.name_in(item.store).clone())
}

fn no_value(entry: &Entry) -> InitError {
    kees_common::AnnotationErrorKind::NoLocalValue
        .at(&entry.annotation)
        .into()
}

/// Every value, or every cause.
fn all_or_causes(
    results: impl Iterator<Item = Result<Valued, InitError>>,
) -> Result<Vec<Valued>, RunError> {
    let mut causes = Vec::new();
    let values = results
        .filter_map(|result| result.map_err(|cause| causes.push(cause)).ok())
        .collect();
    RunError::check(causes)?;
    Ok(values)
}
