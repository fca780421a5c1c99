//! Executes claims and releases against a store and the API server.

use std::{collections::HashSet, future::Future};

use futures_util::{StreamExt as _, stream};
use kees_common::{LeaseRange, StoragePath};

use super::{
    Change, Claim, LeaseError, LeaseStore, Pod, PodIdentity, Record, Release, ReleaseEffect,
    ReleaseEvent,
    claim::{Abandoned, Effect, End, Event, Held},
    release::deletion,
};
use crate::{Backoff, ErrorKind, RetryBudget, StoreError};

/// How many numbers of a larger range are looked at before its records are searched.
const SAMPLE: usize = 100;

/// How many questions to the API server are under way at a time.
const QUESTIONS: usize = 8;

/// Knows which pods live.
pub trait LivingPods {
    /// Whether a pod of this name, namespace and uid exists and has not ended. Without `identity`, any
    /// pod of this name in any namespace counts.
    ///
    /// The answer must come from the API server after the call began, and not from a cache, because a
    /// number is given to another pod then.
    ///
    /// # Errors
    /// Why there is no answer.
    fn lives(
        &self,
        name: &str,
        identity: Option<&PodIdentity>,
    ) -> impl Future<Output = Result<bool, String>> + Send;

    /// Whether such a pod was seen to live lately, so that nobody asks whether its number is free.
    fn lived_lately(&self, _name: &str, _identity: Option<&PodIdentity>) -> bool {
        false
    }
}

/// Gives `pod` a number of `range`, unless it has one.
///
/// # Errors
/// The store or the API server failed until the budget was spent, or a record is invalid.
pub async fn claim(
    store: &impl LeaseStore,
    pods: &impl LivingPods,
    range: LeaseRange,
    pod: Pod,
    budget: &mut RetryBudget,
) -> Result<End, LeaseError> {
    let mut backoff = Backoff::default();
    let (mut claim, mut effect) = Claim::start(range, pod);
    loop {
        let result = budget.wait(perform(store, pods, &claim, effect)).await;
        let event = match result {
            None => return Err(LeaseError::TimedOut),
            Some(Ok(Performed::Event(event))) => event,
            Some(Ok(Performed::End(end))) => return Ok(end),
            Some(Err(error)) => {
                pause(error, &mut backoff, budget).await?;
                Event::Failed
            }
        };
        effect = claim.on(event)?;
    }
}

/// Frees what `pod`, which is gone, holds in `range`. Returns the number.
///
/// # Errors
/// As for [`claim`].
pub async fn release(
    store: &impl LeaseStore,
    range: LeaseRange,
    pod: &Pod,
    budget: &mut RetryBudget,
) -> Result<Option<i32>, LeaseError> {
    let mut backoff = Backoff::default();
    let path = pod.path(&range);
    let (mut release, mut effect) = Release::start(range.clone(), pod);
    loop {
        let step = async {
            Ok(match &effect {
                ReleaseEffect::ReadPodRecord => ReleaseEvent::PodRecord(one(store, &path).await?),
                ReleaseEffect::ReadNumberRecord(number) => {
                    let path = range.number_path(*number);
                    ReleaseEvent::NumberRecord(one(store, &path).await?)
                }
                ReleaseEffect::Swap(changes) => ReleaseEvent::Swapped(store.swap(changes).await?),
                ReleaseEffect::End(_) => ReleaseEvent::Failed,
            })
        };
        let event = match budget.wait(step).await {
            None => return Err(LeaseError::TimedOut),
            Some(Ok(event)) => event,
            Some(Err(error)) => {
                pause(error, &mut backoff, budget).await?;
                ReleaseEvent::Failed
            }
        };
        effect = release.on(event)?;
        if let ReleaseEffect::End(number) = effect {
            return Ok(number);
        }
    }
}

/// Frees every number of `range` whose holder is gone. Returns how many there were, and the last error:
/// a record that is invalid, or that cannot be freed now, keeps none of the others.
pub async fn free_abandoned(
    store: &impl LeaseStore,
    pods: &impl LivingPods,
    range: &LeaseRange,
    budget: &mut RetryBudget,
) -> (usize, Option<LeaseError>) {
    let mut backoff = Backoff::default();
    let held = loop {
        match budget.wait(all_held(store, range)).await {
            None => return (0, Some(LeaseError::TimedOut)),
            Some(Ok(held)) => break held,
            Some(Err(error)) => {
                if let Err(error) = pause(error, &mut backoff, budget).await {
                    return (0, Some(error));
                }
            }
        }
    };
    let (mut freed, mut last) = (0, None);
    for held in held {
        let free = async {
            let Some(abandoned) = abandoned(store, pods, range, held).await? else {
                return Ok(false);
            };
            Ok(store.swap(&deletions(range, abandoned)).await?)
        };
        match budget.wait(free).await {
            None => return (freed, Some(LeaseError::TimedOut)),
            Some(Ok(is_freed)) => freed += usize::from(is_freed),
            Some(Err(error)) => last = Some(error),
        }
    }
    (freed, last)
}

enum Performed {
    Event(Event),
    End(End),
}

async fn perform(
    store: &impl LeaseStore,
    pods: &impl LivingPods,
    claim: &Claim,
    effect: Effect,
) -> Result<Performed, LeaseError> {
    let (range, pod) = (claim.range(), claim.pod());
    Ok(Performed::Event(match effect {
        Effect::ReadPodRecord => Event::PodRecord(one(store, &pod.path(range)).await?),
        Effect::ReadNumberRecord(number) => {
            Event::NumberRecord(one(store, &range.number_path(number)).await?)
        }
        Effect::ReadNumbers => numbers(store, range).await?,
        Effect::AskWhetherPodLives => Event::Lives(
            pods.lives(&pod.name, Some(&pod.identity))
                .await
                .map_err(LeaseError::Kubernetes)?,
        ),
        Effect::FindGone(held) => Event::Gone(find_gone(store, pods, range, held).await?),
        Effect::Swap(changes) => Event::Swapped(store.swap(&changes).await?),
        Effect::End(end) => return Ok(Performed::End(end)),
    }))
}

/// Pauses after an error that may pass.
///
/// # Errors
/// The error itself, if it does not pass, or there is no time left.
async fn pause(
    error: LeaseError,
    backoff: &mut Backoff,
    budget: &mut RetryBudget,
) -> Result<(), LeaseError> {
    let is_transient = match &error {
        LeaseError::Store(error) => error.is_transient(),
        LeaseError::Kubernetes(_) => true,
        LeaseError::NoNumber(_) | LeaseError::TimedOut => false,
    };
    let length = backoff.pause();
    if !is_transient || length >= budget.left() {
        return Err(error);
    }
    budget.wait(tokio::time::sleep(length)).await;
    Ok(())
}

async fn one(store: &impl LeaseStore, path: &StoragePath) -> Result<Option<Record>, LeaseError> {
    let records = store.records(std::slice::from_ref(path)).await;
    let record = records.into_iter().next().unwrap_or(Ok(None));
    Ok(record?)
}

/// The numbers of a range that are held, and a free one.
async fn numbers(store: &impl LeaseStore, range: &LeaseRange) -> Result<Event, LeaseError> {
    if range.is_large() {
        let sample: HashSet<i32> = (0..SAMPLE)
            .map(|_| fastrand::i32(range.start()..=range.end()))
            .collect();
        let sample = read(store, range, sample.into_iter().collect()).await?;
        if let Some(free) = sample.free() {
            return Ok(Event::Numbers {
                held: sample.held,
                free: Some(free),
            });
        }
        let searched = search(store, range).await?;
        // Ends after at most as many steps as numbers are taken.
        let free = (range.start()..=range.end()).find(|number| !searched.taken.contains(number));
        return Ok(Event::Numbers {
            held: searched.held,
            free,
        });
    }
    let all = read(store, range, (range.start()..=range.end()).collect()).await?;
    let free = all.free();
    Ok(Event::Numbers {
        held: all.held,
        free,
    })
}

async fn all_held(store: &impl LeaseStore, range: &LeaseRange) -> Result<Vec<Held>, LeaseError> {
    let numbers = if range.is_large() {
        search(store, range).await?
    } else {
        read(store, range, (range.start()..=range.end()).collect()).await?
    };
    Ok(numbers.held)
}

/// What was read of a range.
#[derive(Default)]
struct Numbers {
    held: Vec<Held>,
    /// Numbers without a record.
    free: Vec<i32>,
    /// Numbers with a record, also one that cannot be read.
    taken: HashSet<i32>,
}

impl Numbers {
    /// A free number. Two controllers seldom choose the same one.
    fn free(&self) -> Option<i32> {
        fastrand::choice(&self.free).copied()
    }

    fn add(
        &mut self,
        number: i32,
        record: Result<Option<Record>, StoreError>,
    ) -> Result<(), LeaseError> {
        match record {
            Ok(None) => self.free.push(number),
            Ok(Some(record)) => {
                self.taken.insert(number);
                self.held.push(Held { number, record });
            }
            // Somebody else uses this path. The number is left out.
            Err(error) if error.kind == ErrorKind::Malformed => {
                tracing::warn!(number, "the record of a lease is invalid: {error}");
                self.taken.insert(number);
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

/// The records of these numbers.
async fn read(
    store: &impl LeaseStore,
    range: &LeaseRange,
    numbers: Vec<i32>,
) -> Result<Numbers, LeaseError> {
    let paths: Vec<_> = numbers.iter().map(|at| range.number_path(*at)).collect();
    let mut read = Numbers::default();
    for (number, record) in numbers.into_iter().zip(store.records(&paths).await) {
        read.add(number, record)?;
    }
    Ok(read)
}

/// Every record of the range, however many pages there are.
async fn search(store: &impl LeaseStore, range: &LeaseRange) -> Result<Numbers, LeaseError> {
    let mut found = Numbers::default();
    let mut start = None;
    loop {
        let prefix = range.number_prefix();
        let page = store.records_below(&prefix, start.as_deref()).await?;
        for (path, record) in page.records {
            if let Some(number) = range.number_at(&path) {
                found.add(number, record.map(Some))?;
            }
        }
        let Some(next) = page.next else {
            return Ok(found);
        };
        start = Some(next);
    }
}

/// One of `held` whose holder is gone.
async fn find_gone(
    store: &impl LeaseStore,
    pods: &impl LivingPods,
    range: &LeaseRange,
    mut held: Vec<Held>,
) -> Result<Option<Abandoned>, LeaseError> {
    fastrand::shuffle(&mut held);
    let questions = held
        .into_iter()
        .map(|held| abandoned(store, pods, range, held));
    let mut answers = stream::iter(questions.collect::<Vec<_>>()).buffer_unordered(QUESTIONS);
    let mut failed = None;
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(Some(abandoned)) => return Ok(Some(abandoned)),
            Ok(None) => {}
            Err(error) => failed = Some(error),
        }
    }
    // Without an answer about each holder it is not known that all of them live.
    failed.map_or(Ok(None), Err)
}

/// `held`, if its holder is gone.
async fn abandoned(
    store: &impl LeaseStore,
    pods: &impl LivingPods,
    range: &LeaseRange,
    held: Held,
) -> Result<Option<Abandoned>, LeaseError> {
    let Record { value: name, pod } = &held.record;
    let pod = pod.as_ref();
    let is_namespace = |pod: &PodIdentity| is_label(&pod.namespace);
    // Whoever wrote another text keeps the number: nobody can tell when it is free.
    let is_of_pod = is_pod_name(name) && pod.is_none_or(is_namespace);
    let lives = !is_of_pod || pods.lived_lately(name, pod) || {
        let answer = pods.lives(name, pod).await;
        answer.map_err(LeaseError::Kubernetes)?
    };
    if lives {
        return Ok(None);
    }
    let of_pod = match held.record.path_of_pod(range) {
        // What somebody else wrote there is left alone.
        Some(path) => match one(store, &path).await {
            Err(LeaseError::Store(error)) if error.kind == ErrorKind::Malformed => None,
            of_pod => of_pod?,
        },
        None => None,
    };
    Ok(Some(Abandoned { held, of_pod }))
}

/// The changes that free a number.
fn deletions(range: &LeaseRange, abandoned: Abandoned) -> Vec<Change> {
    let Abandoned { held, of_pod } = abandoned;
    let Held { number, record } = held;
    let is_its = |of_pod: &Record| of_pod.pod == record.pod && of_pod.value == number.to_string();
    let of_pod = of_pod.filter(is_its);
    let of_pod = record.path_of_pod(range).zip(of_pod);
    let of_pod = of_pod.map(|(path, record)| deletion(path, record));
    let of_number = deletion(range.number_path(number), record);
    std::iter::once(of_number).chain(of_pod).collect()
}

/// Whether `text` can be the name of a pod: an RFC 1123 subdomain (Kubernetes, "Object Names and IDs").
fn is_pod_name(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

/// Whether `text` can be a part of a name, or a namespace.
fn is_label(text: &str) -> bool {
    let is_end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let is_inner = |c: char| is_end(Some(c)) || c == '-';
    is_end(text.chars().next()) && is_end(text.chars().last()) && text.chars().all(is_inner)
}
