//! Creating once: read, generate, create on condition, lose, read the winner's.
//!
//! However many writers start together and whenever one of them is killed, every reader gets the
//! same complete generation. The steps, by the names that they have in the model of this protocol
//! too:
//!
//! | step | function | goes on with |
//! | --- | --- | --- |
//! | read | [`read_all`] | all there: done; all absent: generate; half there: read together |
//! | read together | [`settle`] | the same, but half there is refused |
//! | generate | the caller | create |
//! | create | [`create_once`] | created: read back; exists: read the winner's; no answer, or throttled: look again |
//! | look again | [`create_once`] | all there: done; all absent: create again, with the same token |
//! | read back | [`create_once`] | all there: done. A token answers success for ten minutes even when what it wrote has been deleted since, so nothing is taken for stored that was not read |
//! | read the winner's | [`create_once`] | all there: done; absent: see [`create_once`] |
//! | refused | | an error that names the missing half; it is never completed by a new generation |
//!
//! Only fields that the pod names are read: its IAM may allow no other.

use kees_common::{Field, Generation, Locator, SecretValue};

use crate::{
    Backoff, CreateStore, Creation, ErrorKind, Found, NewGeneration, ReadStore, RetryBudget,
    StoreError,
};

/// The fields of one generation that a pod names, each once, and where each lies.
pub type Named = [(Field, Locator)];

/// The values of the fields that a pod names, in the order of [`Named`].
pub type Values = Vec<(Field, SecretValue)>;

/// How a generation came to be stored.
#[derive(Debug)]
pub struct Outcome {
    /// What the store holds.
    pub values: Values,
    /// Whether that is what this writer made; otherwise another was first.
    pub created: bool,
}

/// Reads every locator, one answer for each and in their order. Transient failures are tried
/// again, for the locators concerned alone, while there is budget; the last one is the answer
/// then.
pub async fn read_all<S: ReadStore>(
    store: &S,
    locators: &[Locator],
    budget: &mut RetryBudget,
) -> Vec<Found> {
    let mut answers: Vec<Found> = locators
        .iter()
        .map(|at| Err(no_answer(store, Some(at))))
        .collect();
    let mut open: Vec<usize> = (0..locators.len()).collect();
    let mut backoff = Backoff::default();
    while !open.is_empty() {
        let asked: Vec<Locator> = open.iter().map(|at| locators[*at].clone()).collect();
        let Some(found) = budget.wait(store.read(&asked)).await else {
            break;
        };
        for (at, found) in open.iter().zip(found) {
            answers[*at] = found;
        }
        open.retain(|at| is_transient(&answers[*at]));
        if !open.is_empty() && !budget.pause(backoff.pause()).await {
            break;
        }
    }
    answers
}

/// What a batch showed of one generation, settled: all that is named, or `None` where all is
/// absent. Half of it may be a batch that ran beside a transaction, so it is looked at again in
/// one snapshot.
///
/// # Errors
/// [`ErrorKind::Malformed`] where it is half a generation indeed, naming the missing half; the
/// store's own error where the second look fails.
pub async fn settle<S: ReadStore>(
    store: &S,
    generation: &Generation,
    named: &Named,
    found: Vec<Option<SecretValue>>,
    budget: &mut RetryBudget,
) -> Result<Option<Values>, StoreError> {
    match ReadState::new(named, found) {
        ReadState::Absent => Ok(None),
        ReadState::Whole(values) => Ok(Some(values)),
        ReadState::Half { .. } => match read_together(store, named, budget).await? {
            ReadState::Absent => Ok(None),
            ReadState::Whole(values) => Ok(Some(values)),
            ReadState::Half { missing } => Err(half(store, generation, &missing)),
        },
    }
}

/// Stores `new` unless its names exist, and reads what the store holds then: this writer's
/// generation, or the winner's.
///
/// # Errors
/// - the store's own error: at once where trying again cannot help, otherwise once budget is over
/// - [`ErrorKind::Malformed`] where the names exist and the named half is absent: the other half is
///   there
/// - [`ErrorKind::Absent`] where everything was written, by whomever, and is not there to be read:
///   deleted since, or, in a store without consistent reads, not shown while there was budget
pub async fn create_once<S: ReadStore + CreateStore>(
    store: &S,
    new: &NewGeneration<'_>,
    named: &Named,
    budget: &mut RetryBudget,
) -> Result<Outcome, StoreError> {
    let (creation, mut seen) = match create(store, new, named, budget).await? {
        Written::Answered(creation) => (creation, None),
        Written::Seen(sight) => (Creation::Exists, Some(sight)),
    };
    let mut backoff = Backoff::default();
    loop {
        let sight = match seen.take() {
            Some(sight) => sight,
            None => read_together(store, named, budget).await?,
        };
        match sight {
            ReadState::Whole(values) => {
                let created = values
                    .iter()
                    .all(|(field, value)| new.values.get(*field) == Some(value));
                return Ok(Outcome { values, created });
            }
            ReadState::Half { missing } => return Err(half(store, new.generation, &missing)),
            // The names that made the write fail are not among those that were read.
            ReadState::Absent
                if creation == Creation::Exists
                    && store.is_consistent()
                    && named.len() < new.generation.fields.len() =>
            {
                let missing: Vec<Field> = named.iter().map(|(field, _)| *field).collect();
                return Err(half(store, new.generation, &missing));
            }
            ReadState::Absent => {
                if store.is_consistent() || !budget.pause(backoff.pause()).await {
                    return Err(vanished(store, new.generation, creation));
                }
            }
        }
    }
}

/// How a write ended.
enum Written {
    /// The store answered it.
    Answered(Creation),
    /// It was not answered, and a look at the store showed that something is there by now.
    Seen(ReadState),
}

/// Sends the write until the store answers it, or shows that it is there.
///
/// The store is looked at before each repetition: reads are plentiful where writes are not, and of
/// many writers that were throttled together all but one have nothing to write any more
/// (`docs/scale.md`).
async fn create<S: CreateStore + ReadStore>(
    store: &S,
    new: &NewGeneration<'_>,
    named: &Named,
    budget: &mut RetryBudget,
) -> Result<Written, StoreError> {
    let mut last = no_answer(store, None);
    last.path = Some(new.generation.path.clone());
    let mut backoff = Backoff::default();
    loop {
        match budget.wait(store.create(new)).await {
            Some(Err(error)) if error.is_transient() => last = error,
            Some(answer) => return answer.map(Written::Answered),
            None => return Err(last),
        }
        if !budget.pause(backoff.pause()).await {
            return Err(last);
        }
        match read_together(store, named, budget).await {
            Ok(ReadState::Absent) => {}
            Ok(sight) => return Ok(Written::Seen(sight)),
            // RetryBudget is over, and what kept the write back is the better reason.
            Err(error) if error.is_transient() => return Err(last),
            Err(error) => return Err(error),
        }
    }
}

/// Reads the named fields in one snapshot, until the store answers.
async fn read_together<S: ReadStore>(
    store: &S,
    named: &Named,
    budget: &mut RetryBudget,
) -> Result<ReadState, StoreError> {
    let locators: Vec<Locator> = named.iter().map(|(_, locator)| locator.clone()).collect();
    let mut last = no_answer(store, locators.first());
    let mut backoff = Backoff::default();
    loop {
        let Some(found) = budget.wait(store.read_together(&locators)).await else {
            return Err(last);
        };
        match found.into_iter().collect() {
            Ok(found) => return Ok(ReadState::new(named, found)),
            Err(error) if StoreError::is_transient(&error) => last = error,
            Err(error) => return Err(error),
        }
        if !budget.pause(backoff.pause()).await {
            return Err(last);
        }
    }
}

/// What a read saw of the named fields.
enum ReadState {
    Whole(Values),
    Half { missing: Vec<Field> },
    Absent,
}

impl ReadState {
    fn new(named: &Named, found: Vec<Option<SecretValue>>) -> Self {
        let mut values = Values::new();
        let mut missing = Vec::new();
        for ((field, _), found) in named.iter().zip(found) {
            match found {
                Some(value) => values.push((*field, value)),
                None => missing.push(*field),
            }
        }
        match (values.len(), missing.len()) {
            (0, _) => Self::Absent,
            (_, 0) => Self::Whole(values),
            _ => Self::Half { missing },
        }
    }
}

fn is_transient(found: &Found) -> bool {
    found.as_ref().is_err_and(StoreError::is_transient)
}

/// RetryBudget was over before the store answered once.
fn no_answer<S: ReadStore>(store: &S, locator: Option<&Locator>) -> StoreError {
    StoreError {
        kind: ErrorKind::TimedOut,
        store: store.name(),
        path: locator.map(|locator| locator.path.clone()),
        code: None,
        message: "the store did not answer before the run's TIMEOUT was over".to_owned(),
        remedy: "check the store's endpoint and the network on the way to it, or give TIMEOUT \
                 more seconds"
            .to_owned(),
    }
}

fn half<S: ReadStore>(store: &S, generation: &Generation, missing: &[Field]) -> StoreError {
    let paths: Vec<&str> = missing
        .iter()
        .map(|field| {
            generation
                .path_of(*field)
                .unwrap_or(&generation.path)
                .as_str()
        })
        .collect();
    let (verb, paths) = (
        if paths.len() == 1 { "is" } else { "are" },
        paths.join(" and "),
    );
    StoreError {
        kind: ErrorKind::Malformed,
        store: store.name(),
        path: missing
            .first()
            .and_then(|field| generation.path_of(*field))
            .cloned(),
        code: None,
        message: format!(
            "half a generation: {paths} {verb} missing while another part of {} is stored",
            generation.path
        ),
        remedy: format!(
            "restore {paths} from where the rest was made, or delete all parts of {} so that a \
             new generation is made",
            generation.path
        ),
    }
}

fn vanished<S: ReadStore>(store: &S, generation: &Generation, creation: Creation) -> StoreError {
    let by = match creation {
        Creation::Created => "stored by this run",
        Creation::Exists => "stored by another writer",
    };
    let (message, remedy) = if store.is_consistent() {
        (
            format!("{} was {by} and has been deleted since", generation.path),
            "find out who deletes it; the next run stores it anew",
        )
    } else {
        (
            format!(
                "{} was {by} and is not shown by the store yet",
                generation.path
            ),
            "start again: the store shows a new secret to all readers only after a while",
        )
    };
    StoreError {
        kind: ErrorKind::Absent,
        store: store.name(),
        path: Some(generation.path.clone()),
        code: None,
        message,
        remedy: remedy.to_owned(),
    }
}

#[cfg(test)]
mod tests;
