//! Makes what is absent, on all cores, and stores each generation as soon as it is made, so that a
//! run that is stopped half-way gets further the next time.

use std::{cmp::Reverse, collections::BTreeMap, thread};

use futures_util::{StreamExt as _, stream};
use kees_common::{Generated, Spec};
use kees_generate::GenerateError;
use kees_store::{
    CreateStore, ErrorKind, IdempotencyToken, NewGeneration, ReadStore, RetryBudget, StoreError,
    protocol::{self, Outcome},
};

use crate::{
    EntryError, Origin, Progress, Sources,
    slots::{OpenGeneration, Slots},
    wipe_stack,
};

/// The most writes under way at a time; the stores' own quotas are not much wider.
const WRITES: usize = 16;

/// Generations that this run may not create, by their index, with the store's refusal.
pub(crate) type Refusals = BTreeMap<usize, StoreError>;

/// Generates every open generation and stores it, or reads what another writer stored first. One
/// whose creation is denied stays open, for somebody else to create.
pub(crate) async fn create_absent(
    stores: &impl Sources,
    namespace: Option<&str>,
    slots: &mut Slots<'_>,
    budget: &mut RetryBudget,
    progress: &dyn Progress,
) -> Refusals {
    let mut absent = slots.open_generations();
    // The longest first, so that no core is idle while another makes the last big key.
    absent.sort_by_key(|open| Reverse(open.generation.spec.rsa_bits()));
    progress.generating(absent.len());
    let begun = *budget;
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut created = stream::iter(absent)
        .map(|open| async move {
            let made = generate(&open.generation.spec).await;
            progress.generated(&open.generation.spec);
            (open, made)
        })
        .buffer_unordered(cores)
        .map(|(open, made)| async move {
            let mut budget = begun;
            let outcome = match (made, stores.get(open.generation.store)) {
                (Ok(values), Some(store)) => {
                    store_one(store, &open, &values, namespace, &mut budget)
                        .await
                        .map(Some)
                }
                (Ok(_), None) => Ok(None),
                (Err(error), _) => Err(EntryError::Generate(error)),
            };
            (open, outcome, budget)
        })
        .buffer_unordered(WRITES);

    let mut refusals = Refusals::new();
    while let Some((open, outcome, left)) = created.next().await {
        *budget = left.min(*budget);
        match outcome {
            Ok(Some(Outcome { values, created })) => {
                let origin = if created {
                    Origin::Created
                } else {
                    Origin::Found
                };
                slots.fill(&open, &values, origin);
            }
            Ok(None) => {}
            Err(EntryError::Store(error)) if matches!(error.kind, ErrorKind::Denied { .. }) => {
                tracing::warn!(
                    path = %open.generation.path,
                    %error,
                    "creating is denied; waiting for somebody else to create it"
                );
                refusals.insert(open.index, error);
            }
            Err(problem) => fail(slots, &open, problem),
        }
    }
    refusals
}

async fn store_one<S: ReadStore + CreateStore>(
    store: &S,
    open: &OpenGeneration<'_>,
    values: &Generated,
    namespace: Option<&str>,
    budget: &mut RetryBudget,
) -> Result<Outcome, EntryError> {
    let token = IdempotencyToken::random().map_err(|_| GenerateError::Random)?;
    let new = NewGeneration {
        generation: open.generation,
        values,
        token,
        namespace,
    };
    let outcome = protocol::create_once(store, &new, &open.named, budget).await?;
    tracing::debug!(path = %open.generation.path, created = outcome.created, "stored");
    Ok(outcome)
}

/// Every entry of the generation has the same problem.
fn fail(slots: &mut Slots<'_>, open: &OpenGeneration<'_>, problem: EntryError) {
    match problem {
        EntryError::Store(error) => {
            slots.fail_all(open, || EntryError::Store(error.clone()));
        }
        other => {
            let mut problem = Some(other);
            for (at, _) in &open.items {
                if let Some(problem) = problem.take() {
                    slots.fail(*at, problem);
                }
            }
        }
    }
}

/// Makes one generation; a key on a thread of its own, so that the stores are served meanwhile.
async fn generate(spec: &Spec) -> Result<Generated, GenerateError> {
    if spec.rsa_bits().is_none() {
        return kees_generate::generate(spec);
    }
    let owned = spec.clone();
    let made = tokio::task::spawn_blocking(move || {
        let made = kees_generate::generate(&owned);
        wipe_stack();
        made
    })
    .await;
    made.unwrap_or_else(|error| {
        Err(GenerateError::Key {
            key: spec.secret_type().as_str(),
            reason: error.to_string(),
        })
    })
}
