//! Executes a rotation against a store, within a retry budget.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kees_common::{Generated, Generation};
use tokio::time::sleep;

use super::{
    Current, RotateRequest, RotateStore, Rotation,
    machine::{Effect, End, Event, Machine, Shown},
};
use crate::{
    Backoff, ErrorKind, IdempotencyToken, RandomnessError, RetryBudget, StoreError,
    protocol::{
        Generator,
        machine::{Pause, WriteError},
    },
};

/// How long an incomplete generation is read again before it is an error, as for a reader.
const INCOMPLETE: Duration = Duration::from_secs(10);

/// What a rotation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotated {
    /// The generation was replaced by a new one, and is the previous one now.
    Rotated,
    /// It was not due.
    NotDue,
    /// There is no generation. Rotation creates none.
    Absent,
    /// Somebody else replaced or deleted it at the same time, so nothing was written.
    Changed,
}

/// Why a generation was not replaced.
#[derive(Debug, thiserror::Error)]
pub enum RotateError<E> {
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
    /// The new generation cannot be generated.
    #[error("the new generation cannot be generated")]
    Generate(#[source] E),
    /// There is no randomness for an identifier.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
}

/// Replaces `generation` by a new one if `is_due` says so of what the store holds. The time in which the
/// new generation is generated does not count.
///
/// # Errors
/// Why it was not replaced, or, if a request had no answer until the budget was spent, why it is not
/// known whether it was.
pub async fn rotate<S: RotateStore, G: Generator>(
    store: &S,
    generation: &Generation,
    generator: &G,
    is_due: impl Fn(&Current) -> bool,
    budget: &mut RetryBudget,
) -> Result<Rotated, RotateError<G::Error>> {
    let mut driver = Driver {
        store,
        generation,
        token: IdempotencyToken::random()?,
        values: None,
        error: None,
        backoff: Backoff::default(),
        incomplete_until: None,
    };
    let (mut machine, mut effect) = Machine::start();
    loop {
        let event = match effect {
            Effect::Read => driver.read(&is_due, budget).await,
            Effect::Generate => match generator.generate(generation).await {
                Ok(values) => Event::Generated(driver.own(values)),
                Err(error) => return Err(RotateError::Generate(error)),
            },
            Effect::Rotate => driver.rotate(machine.replaced(), budget).await,
            Effect::Pause(pause) => driver.pause(pause, budget).await,
            Effect::End(end) => return driver.finish(end).map_err(RotateError::Store),
        };
        // A machine answers every event that a driver reports.
        effect = machine.on(event).unwrap_or(Effect::End(End::RotateFailed));
    }
}

/// Removes the previous generation if `is_due` says so of what the store holds. Returns whether it was
/// removed.
///
/// # Errors
/// Of the store, when `budget` is spent or trying again cannot help.
pub async fn retire<S: RotateStore>(
    store: &S,
    generation: &Generation,
    is_due: impl Fn(&Current) -> bool,
    budget: &mut RetryBudget,
) -> Result<bool, StoreError> {
    let mut backoff = Backoff::default();
    loop {
        let step = async {
            match store.current(generation).await? {
                Some(current) if current.previous.is_some() && is_due(&current) => {
                    store.retire(generation, &current).await
                }
                _ => Ok(false),
            }
        };
        match budget.wait(step).await {
            None => return Err(late(generation)),
            Some(Err(error)) if error.is_transient() => {
                if budget.wait(sleep(backoff.pause())).await.is_none() {
                    return Err(error);
                }
            }
            Some(answer) => return answer,
        }
    }
}

struct Driver<'a, S> {
    store: &'a S,
    generation: &'a Generation,
    token: IdempotencyToken,
    values: Option<Generated>,
    /// The last error of the store.
    error: Option<StoreError>,
    backoff: Backoff,
    /// The budget that is left when an incomplete generation becomes an error.
    incomplete_until: Option<Duration>,
}

impl<S: RotateStore> Driver<'_, S> {
    async fn read(
        &mut self,
        is_due: impl Fn(&Current) -> bool,
        budget: &mut RetryBudget,
    ) -> Event<Current> {
        let Some(read) = budget.wait(self.store.current(self.generation)).await else {
            return Event::TimeIsOver;
        };
        match read {
            Ok(None) => Event::Read(Shown::Absent),
            Ok(Some(current)) if current.values.len() < self.generation.fields.len() => {
                self.error = Some(incomplete(self.generation, &current));
                Event::Read(Shown::Incomplete)
            }
            Ok(Some(current)) => {
                let is_due = is_due(&current);
                Event::Read(Shown::Complete { current, is_due })
            }
            Err(error) => {
                let is_transient = error.is_transient();
                self.error = Some(error);
                Event::ReadFailed { is_transient }
            }
        }
    }

    /// The new generation, as the store will show it.
    fn own(&mut self, values: Generated) -> Current {
        let fields = self.generation.fields.iter();
        let of_field = |(field, _): &(_, _)| Some((*field, values.get(*field)?.clone()));
        let own = Current {
            id: Some(self.token.as_str().to_owned()),
            values: fields.filter_map(of_field).collect(),
            since: None,
            previous: None,
        };
        self.values = Some(values);
        own
    }

    async fn rotate(
        &mut self,
        current: Option<&Current>,
        budget: &mut RetryBudget,
    ) -> Event<Current> {
        let (Some(current), Some(values)) = (current, &self.values) else {
            return Event::TimeIsOver;
        };
        let request = RotateRequest {
            generation: self.generation,
            current,
            values,
            token: &self.token,
            now: now(),
        };
        match budget.wait(self.store.rotate(&request)).await {
            None => Event::TimeIsOver,
            Some(Ok(Rotation::Rotated)) => Event::Rotated,
            Some(Ok(Rotation::Changed)) => Event::Changed,
            Some(Err(error)) => {
                let kind = match error.kind {
                    _ if error.is_transient() => WriteError::Transient,
                    ErrorKind::Denied { .. } => WriteError::Denied,
                    _ => WriteError::Permanent,
                };
                self.error = Some(error);
                Event::RotateFailed(kind)
            }
        }
    }

    async fn pause(&mut self, pause: Pause, budget: &mut RetryBudget) -> Event<Current> {
        let left = budget.left();
        let mut length = self.backoff.pause();
        if pause == Pause::Incomplete {
            let until = self
                .incomplete_until
                .get_or_insert(left.saturating_sub(INCOMPLETE));
            if left <= *until {
                return Event::TimeIsOver;
            }
            length = length.min(left.saturating_sub(*until));
        }
        match budget.wait(sleep(length)).await {
            Some(()) => Event::PauseEnded,
            None => Event::TimeIsOver,
        }
    }

    fn finish(self, end: End) -> Result<Rotated, StoreError> {
        match end {
            End::Rotated => Ok(Rotated::Rotated),
            End::NotDue => Ok(Rotated::NotDue),
            End::Absent => Ok(Rotated::Absent),
            End::Changed => Ok(Rotated::Changed),
            End::Incomplete | End::ReadFailed | End::RotateFailed | End::GenerationFailed => {
                Err(self.error.unwrap_or_else(|| late(self.generation)))
            }
        }
    }
}

fn incomplete(generation: &Generation, current: &Current) -> StoreError {
    let fields = generation.fields.iter();
    let is_missing = |(field, _): &&(_, _)| !current.values.iter().any(|(of, _)| of == field);
    let missing: Vec<&str> = fields
        .filter(is_missing)
        .map(|(_, path)| path.as_str())
        .collect();
    let missing = missing.join(" and ");
    let path = &generation.path;
    let message =
        format!("{missing} is missing, or of another generation than the other fields of {path}");
    let remedy = format!(
        "look for a writer of {path} that still runs; if there is none, restore {missing}, or delete \
         every field of {path} so that a new generation is created"
    );
    StoreError::new(ErrorKind::Malformed, generation.store, message, remedy).at(path)
}

fn late(generation: &Generation) -> StoreError {
    let message = "there was no answer in time; a rotation may have been carried out";
    let remedy = "check that the store can be reached, and look at the secret again";
    StoreError::new(ErrorKind::TimedOut, generation.store, message, remedy).at(&generation.path)
}

/// Seconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
