//! Executes the effects of a [`Group`] against stores, within a [`RetryBudget`].

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use kees_common::{Field, Generated, Generation, Locator, SecretValue, StoreName};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    call::{Call, Done, Write, execute},
    errors,
    group::{Group, GroupEffect, GroupEvent, MemberRules, RequestId, Size, WriteAnswer},
    machine::{End, Pause, Rules, WriteError},
    pauses::Pauses,
    wanted::{FoundValues, Generator, Obtained, Run, StoreSet, Values, Wanted},
};
use crate::{
    CreateStore, Creation, ErrorKind, Found, IdempotencyToken, ReadStore, RetryBudget, StoreError,
    WriteLimits,
};

/// The most writes that are sent, or wait to be tried again, at the same time.
const WRITES: usize = 16;

/// Reads everything that is wanted, creates what is absent and may be created, and waits for the
/// rest. Returns one result for each, in their order.
///
/// Waiting for stores uses up `budget`. The time in which keys are generated does not count, so
/// that a key that takes long to generate can still be stored.
pub async fn obtain<S, G>(
    wanted: &[Wanted<'_>],
    run: &Run<'_, S, G>,
    budget: &mut RetryBudget,
) -> Vec<Obtained<G::Error>>
where
    S: StoreSet,
    G: Generator,
{
    let mut driver = Driver::new(wanted, run);
    let (mut group, mut effects) = Group::start(driver.rules());
    let mut under_way = FuturesUnordered::new();
    loop {
        let mut events = Vec::new();
        for effect in effects {
            match driver.begin(effect, budget.left()) {
                Begun::Calls(calls) => under_way.extend(calls.into_iter().map(execute)),
                Begun::Event(event) => events.push(event),
                Begun::Ended => {}
            }
        }
        if !events.is_empty() {
            effects = group.on(events);
            continue;
        }
        if group.has_ended() {
            return driver.finish();
        }
        driver.places.retain(|request, _| group.is_open(*request));
        // The group gets all events that are ready together, so that their effects can go into one
        // call of a store.
        let mut done = (&mut under_way).ready_chunks(wanted.len());
        let done = if driver.generating > 0 {
            done.next().await
        } else {
            budget.wait(done.next()).await.flatten()
        };
        let events = match done {
            Some(done) => done.into_iter().flat_map(|done| driver.end(done)).collect(),
            None => vec![GroupEvent::TimeIsOver(group.remaining())],
        };
        effects = group.on(events);
    }
}

/// What a driver does for an effect.
enum Begun<'a, S: StoreSet, G> {
    /// Execute these calls.
    Calls(Vec<Call<'a, S, G>>),
    /// The effect cannot be executed, for example because there is no time for a pause and a read.
    Event(GroupEvent<SecretValue>),
    /// A member has ended.
    Ended,
}

/// What the driver keeps for the machines: values, errors, tokens, and the lengths of pauses.
struct Driver<'a, S, G: Generator> {
    wanted: &'a [Wanted<'a>],
    run: &'a Run<'a, S, G>,
    obtained: Vec<Option<Obtained<G::Error>>>,
    generated: HashMap<usize, Arc<Generated>>,
    not_generated: HashMap<usize, G::Error>,
    read_errors: HashMap<usize, Vec<(Field, StoreError)>>,
    /// The previous values that the last read of each member has shown.
    previous: HashMap<usize, Values>,
    write_errors: HashMap<usize, StoreError>,
    /// The members of each request.
    requests: HashMap<RequestId, (Vec<usize>, IdempotencyToken)>,
    writing: Arc<Semaphore>,
    /// The permits of requests that wait to be tried again.
    places: HashMap<RequestId, OwnedSemaphorePermit>,
    pauses: Pauses,
    /// The stores of which an error was reported.
    unavailable: HashSet<StoreName>,
    /// How many members are being generated.
    generating: usize,
}

impl<'a, S: StoreSet, G: Generator> Driver<'a, S, G> {
    fn new(wanted: &'a [Wanted<'a>], run: &'a Run<'a, S, G>) -> Self {
        Self {
            wanted,
            run,
            obtained: wanted.iter().map(|_| None).collect(),
            generated: HashMap::new(),
            not_generated: HashMap::new(),
            read_errors: HashMap::new(),
            previous: HashMap::new(),
            write_errors: HashMap::new(),
            requests: HashMap::new(),
            writing: Arc::new(Semaphore::new(WRITES)),
            places: HashMap::new(),
            pauses: Pauses::new(run.retry_delay),
            unavailable: HashSet::new(),
            generating: 0,
        }
    }

    fn rules(&self) -> Vec<MemberRules> {
        self.wanted
            .iter()
            .map(|wanted| {
                let store = self.run.stores.get(wanted.store);
                let fields = wanted.generation.map_or(1, |of| of.fields.len());
                MemberRules {
                    rules: Rules {
                        when_absent: wanted.when_absent,
                        names_all_fields: wanted.fields.len() == fields,
                        is_consistent: store.is_none_or(ReadStore::is_consistent),
                    },
                    store: self
                        .wanted
                        .iter()
                        .position(|of| of.store == wanted.store)
                        .unwrap_or(0),
                    limits: store.map_or(WriteLimits::ONE_GENERATION, CreateStore::write_limits),
                }
            })
            .collect()
    }

    /// The result of every member.
    fn finish(self) -> Vec<Obtained<G::Error>> {
        self.obtained
            .into_iter()
            .map(|obtained| obtained.unwrap_or(Obtained::Stopped))
            .collect()
    }

    fn begin(&mut self, effect: GroupEffect<SecretValue>, left: Duration) -> Begun<'a, S, G> {
        match effect {
            GroupEffect::Read(members) => self.read(members, false),
            GroupEffect::ReadTogether(member) => self.read(vec![member], true),
            GroupEffect::Generate(members) => self.generate(&members),
            GroupEffect::Write(request, members) => self.write(request, members),
            GroupEffect::Pause(pause, members) => self.pause(pause, members, left),
            GroupEffect::End(member, end) => {
                let obtained = self.obtain(member, end);
                self.obtained[member] = Some(obtained);
                Begun::Ended
            }
        }
    }

    fn read(&self, members: Vec<usize>, is_together: bool) -> Begun<'a, S, G> {
        let Some(store) = self.store_of(&members) else {
            return Begun::Event(GroupEvent::TimeIsOver(members));
        };
        let locators = members
            .iter()
            .flat_map(|member| self.wanted[*member].locators())
            .cloned()
            .collect();
        Begun::Calls(vec![Call::Read {
            store,
            members,
            locators,
            is_together,
        }])
    }

    fn generate(&mut self, members: &[usize]) -> Begun<'a, S, G> {
        self.run.observer.generating(members);
        let calls: Vec<_> = members
            .iter()
            .filter_map(|member| {
                Some(Call::Generate {
                    generator: self.run.generator,
                    member: *member,
                    generation: self.wanted[*member].generation?,
                })
            })
            .collect();
        self.generating += calls.len();
        Begun::Calls(calls)
    }

    fn write(&mut self, request: RequestId, members: Vec<usize>) -> Begun<'a, S, G> {
        let Some(store) = self.store_of(&members) else {
            return Begun::Event(GroupEvent::TimeIsOver(members));
        };
        let generations: Vec<_> = members
            .iter()
            .filter_map(|member| {
                let generated = self.generated.get(member)?;
                Some((self.wanted[*member].generation?, Arc::clone(generated)))
            })
            .collect();
        if !self.requests.contains_key(&request) {
            let Ok(token) = IdempotencyToken::random() else {
                for member in &members {
                    let error = self.wanted[*member].generation.map(errors::no_token);
                    self.write_errors
                        .extend(error.map(|error| (*member, error)));
                }
                let answer = WriteAnswer::Failed(WriteError::Permanent);
                return Begun::Event(GroupEvent::Wrote(request, answer));
            };
            self.requests.insert(request, (members, token));
        }
        let token = self.requests[&request].1.clone();
        Begun::Calls(vec![Call::Write(Write {
            store,
            request,
            generations,
            namespace: self.run.namespace,
            token,
            places: Arc::clone(&self.writing),
            place: self.places.remove(&request),
        })])
    }

    fn store_of(&self, members: &[usize]) -> Option<&'a S::Store> {
        self.run.stores.get(self.wanted[*members.first()?].store)
    }

    fn pause(&mut self, pause: Pause, members: Vec<usize>, left: Duration) -> Begun<'a, S, G> {
        let Some(first) = members.first().copied() else {
            return Begun::Ended;
        };
        match pause {
            Pause::Absent => self.run.observer.waiting(&members),
            Pause::Incomplete => self.run.observer.incomplete(first),
            Pause::RetryRead | Pause::RetryWrite | Pause::Replication => {}
        }
        let when_absent = self.wanted[first].when_absent;
        match self.pauses.next(pause, &members, when_absent, left) {
            Some(length) => Begun::Calls(vec![Call::Pause { members, length }]),
            None => Begun::Event(GroupEvent::TimeIsOver(members)),
        }
    }

    /// What happened to members when a call has ended.
    fn end(&mut self, done: Done<G::Error>) -> Vec<GroupEvent<SecretValue>> {
        match done {
            Done::Read { members, found } => self.end_read(&members, found),
            Done::Generated { member, generated } => vec![self.end_generate(member, generated)],
            Done::Wrote {
                request,
                creation,
                place,
            } => vec![self.end_write(request, creation, place)],
            Done::PauseEnded(members) => vec![GroupEvent::PauseEnded(members)],
        }
    }

    fn end_read(&mut self, members: &[usize], found: Vec<Found>) -> Vec<GroupEvent<SecretValue>> {
        let mut found = found.into_iter();
        let mut events = Vec::with_capacity(members.len());
        for member in members {
            let fields = &self.wanted[*member].fields;
            let (mut values, mut errors) = (Vec::new(), Vec::new());
            for ((field, _), found) in fields.iter().zip(&mut found) {
                match found {
                    Ok(value) => values.push(value),
                    Err(error) => errors.push((*field, error)),
                }
            }
            let mut previous = Vec::new();
            for ((field, _), found) in self.wanted[*member].previous.iter().zip(&mut found) {
                match found {
                    Ok(value) => previous.extend(value.map(|value| (*field, value))),
                    Err(error) => errors.push((*field, error)),
                }
            }
            self.previous.insert(*member, previous);
            if errors.is_empty() {
                self.read_errors.remove(member);
                self.pauses.read_succeeded(*member);
                events.push(GroupEvent::Read(*member, values));
                continue;
            }
            let is_transient = errors.iter().all(|(_, error)| error.is_transient());
            if is_transient {
                self.tell_unavailable(&errors[0].1);
            }
            self.read_errors.insert(*member, errors);
            events.push(GroupEvent::ReadFailed {
                member: *member,
                is_transient,
            });
        }
        events
    }

    fn end_generate(
        &mut self,
        member: usize,
        generated: Result<Generated, G::Error>,
    ) -> GroupEvent<SecretValue> {
        self.generating -= 1;
        self.run.observer.generated(member);
        match generated {
            Ok(generated) => {
                let wanted = &self.wanted[member];
                // A write that lacks one of its values is not sent.
                let value = |(field, _): &(Field, _)| generated.get(*field).cloned();
                let values = wanted.fields.iter().filter_map(value).collect();
                let size = wanted
                    .generation
                    .map_or_else(Size::default, |generation| size_of(generation, &generated));
                self.generated.insert(member, Arc::new(generated));
                GroupEvent::Generated(member, values, size)
            }
            Err(error) => {
                self.not_generated.insert(member, error);
                GroupEvent::GenerationFailed(member)
            }
        }
    }

    fn end_write(
        &mut self,
        request: RequestId,
        creation: Result<Creation, StoreError>,
        place: Option<OwnedSemaphorePermit>,
    ) -> GroupEvent<SecretValue> {
        let error = match creation {
            Ok(Creation::Created) => return GroupEvent::Wrote(request, WriteAnswer::Created),
            Ok(Creation::Exists) => return GroupEvent::Wrote(request, WriteAnswer::Exists),
            Err(error) => error,
        };
        let members = &self.requests[&request].0;
        let kind = match error.kind {
            _ if error.is_transient() => WriteError::Transient,
            ErrorKind::Denied { .. } => WriteError::Denied,
            _ => WriteError::Permanent,
        };
        if kind == WriteError::Denied
            && let [member] = members[..]
        {
            self.run.observer.creation_denied(member, &error);
        }
        for member in members {
            self.write_errors.insert(*member, error.clone());
        }
        if kind == WriteError::Transient {
            self.tell_unavailable(&error);
            self.places.extend(place.map(|place| (request, place)));
        }
        GroupEvent::Wrote(request, WriteAnswer::Failed(kind))
    }

    fn tell_unavailable(&mut self, error: &StoreError) {
        if self.unavailable.insert(error.store) {
            self.run.observer.store_unavailable(error);
        }
    }

    fn obtain(&mut self, member: usize, end: End<SecretValue>) -> Obtained<G::Error> {
        let wanted = &self.wanted[member];
        let write_error = self.write_errors.remove(&member);
        match (end, wanted.generation) {
            (End::Stored { values, is_created }, _) => {
                let fields = wanted.fields.iter().map(|(field, _)| *field);
                let values = fields.zip(values).collect();
                if is_created {
                    Obtained::Created(values)
                } else {
                    Obtained::Found(FoundValues {
                        current: values,
                        previous: self.previous.remove(&member).unwrap_or_default(),
                    })
                }
            }
            (End::Absent, _) => Obtained::Absent(None),
            (End::CreationDenied, _) => Obtained::Absent(write_error),
            (End::GenerationFailed, _) => match self.not_generated.remove(&member) {
                Some(error) => Obtained::NotGenerated(error),
                None => Obtained::Stopped,
            },
            (End::Incomplete(missing), Some(generation)) => {
                let fields = missing.into_iter().filter_map(|at| wanted.fields.get(at));
                let missing: Vec<Field> = fields.map(|(field, _)| *field).collect();
                Obtained::Failed(errors::incomplete(generation, &missing))
            }
            (End::Vanished { is_created }, Some(generation)) => {
                let store = self.run.stores.get(wanted.store);
                let is_consistent = store.is_none_or(ReadStore::is_consistent);
                Obtained::Failed(errors::vanished(generation, is_consistent, is_created))
            }
            (End::WriteFailed, _) if write_error.is_some() => {
                write_error.map_or(Obtained::Stopped, Obtained::Failed)
            }
            (End::Stopped, _) => Obtained::Stopped,
            (End::ReadFailed | End::WriteFailed | End::Incomplete(_) | End::Vanished { .. }, _) => {
                Obtained::NotRead(self.read_errors.remove(&member).unwrap_or_else(|| {
                    let no_answer = |(field, locator): &(Field, Locator)| {
                        let error = errors::no_answer(wanted.store, Some(&locator.path));
                        (*field, error)
                    };
                    wanted.fields.iter().map(no_answer).collect()
                }))
            }
        }
    }
}

/// The size of a generation in a write: its names and its values in base64, with some bytes
/// for the names of attributes.
fn size_of(generation: &Generation, generated: &Generated) -> Size {
    const ATTRIBUTES: usize = 64;
    let names = generation
        .fields
        .iter()
        .map(|(_, path)| path.as_str().len() + ATTRIBUTES);
    let values = generated
        .iter()
        .map(|(_, value)| value.len().div_ceil(3) * 4);
    Size {
        values: generation.fields.len(),
        bytes: names.chain(values).sum(),
    }
}
