//! One writer: the protocol's own machines, and the calls that they wait for.

use kees_store::protocol::{
    group::{Group, GroupEffect, GroupEvent, MemberRules, RequestId, Size, WriteAnswer},
    machine::{Pause, Rules, WriteError},
};

use crate::{
    history::Seen,
    mutations::Mutation,
    race::Race,
    state::{Answer, FIELDS, GENERATIONS, Request, Sender, State, Value},
};

/// A process that wants generations.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Writer {
    pub(crate) group: Group<Value>,
    pub(crate) restarts: u8,
    pub(crate) calls: Vec<Call>,
    /// Generations whose write was not answered, and that have not been read since.
    unanswered: [bool; GENERATIONS],
    /// What the last batch showed, for [`Mutation::NoSecondLook`].
    batch: [Vec<Option<Value>>; GENERATIONS],
}

/// Something that a writer waits for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    /// A batch, which reads one field after the other.
    Read(Vec<OfGeneration>),
    /// A snapshot of one generation.
    ReadTogether(usize),
    /// A pause of one incomplete generation. Its end, and the end of its time, are events.
    Incomplete(usize),
    /// The answer of a write.
    Write(RequestId),
}

/// What a batch has read of one generation so far.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::option_option, reason = "not read yet, or read and absent")]
pub(crate) struct OfGeneration {
    pub(crate) generation: usize,
    /// For each field of the generation, what was read; `None` where it has not been read yet.
    found: [Option<Option<Value>>; FIELDS],
    seen: Option<Seen>,
}

impl Writer {
    /// One that wants nothing, until it is started.
    pub(crate) fn absent() -> Self {
        Self {
            group: Group::start([]).0,
            restarts: 0,
            calls: Vec::new(),
            unanswered: [false; GENERATIONS],
            batch: Default::default(),
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.group.has_ended()
    }

    fn sender(&self, writer: usize) -> Sender {
        Sender {
            writer,
            restarts: self.restarts,
        }
    }
}

impl State {
    /// A process starts.
    pub(crate) fn start(&mut self, race: &Race, writer: usize, restarts: u8) {
        let rules = |generation| MemberRules {
            rules: Rules {
                when_absent: race.when_absent[writer],
                names_all_fields: race.named(writer, generation).count() == race.fields[generation],
                is_consistent: race.is_consistent(),
            },
            store: 0,
            limits: race.limits(),
        };
        let (group, effects) = Group::start((0..race.generations()).map(rules));
        self.writers[writer] = Writer {
            group,
            restarts,
            ..Writer::absent()
        };
        self.perform(race, writer, effects, &[]);
    }

    /// Tells a writer's machines what happened, and does what they say. `seen` is when what they
    /// are told was true, by generation; now, where it says nothing.
    fn tell(
        &mut self,
        race: &Race,
        writer: usize,
        events: Vec<GroupEvent<Value>>,
        seen: &[(usize, Seen)],
    ) {
        let effects = self.writers[writer].group.on(events);
        self.perform(race, writer, effects, seen);
        if self.writers[writer].has_ended() {
            self.writers[writer].calls.clear();
        }
    }

    fn perform(
        &mut self,
        race: &Race,
        writer: usize,
        effects: Vec<GroupEffect<Value>>,
        seen: &[(usize, Seen)],
    ) {
        for effect in effects {
            match effect {
                GroupEffect::Read(generations) => self.begin_read(race, writer, generations),
                GroupEffect::ReadTogether(generation) => {
                    self.begin_read_together(race, writer, generation);
                }
                GroupEffect::Generate(generations) => {
                    let value = self.writers[writer].sender(writer).value();
                    let generated = generations.into_iter().map(|generation| {
                        let values = race.named(writer, generation).map(|_| value).collect();
                        GroupEvent::Generated(generation, values, Size::default())
                    });
                    let generated = generated.collect();
                    self.tell(race, writer, generated, seen);
                }
                GroupEffect::Write(number, generations) => {
                    self.begin_write(writer, number, generations);
                }
                GroupEffect::Pause(Pause::Incomplete, generations) => {
                    let calls = generations.into_iter().map(Call::Incomplete);
                    self.writers[writer].calls.extend(calls);
                }
                // What follows a pause is a read that may happen at any time, so the pause itself
                // adds nothing.
                GroupEffect::Pause(_, generations) => {
                    let over = vec![GroupEvent::PauseEnded(generations)];
                    self.tell(race, writer, over, seen);
                }
                GroupEffect::End(generation, end) => {
                    let told = seen.iter().find(|(of, _)| *of == generation);
                    let now = Seen::In(self.history.epochs[generation]);
                    let seen = told.map_or(now, |(_, seen)| *seen);
                    self.history.end(generation, &end, seen, race);
                }
            }
        }
    }

    fn begin_read(&mut self, race: &Race, writer: usize, generations: Vec<usize>) {
        let unanswered = self.writers[writer].unanswered;
        if race.mutation == Some(Mutation::NoLook) && generations.iter().any(|of| unanswered[*of]) {
            let absent =
                |of: usize| GroupEvent::Read(of, vec![None; race.named(writer, of).count()]);
            let absent = generations.into_iter().map(absent).collect();
            return self.tell(race, writer, absent, &[]);
        }
        let generations = generations.into_iter().map(|generation| OfGeneration {
            generation,
            found: [None; FIELDS],
            seen: None,
        });
        let call = Call::Read(generations.collect());
        self.writers[writer].calls.push(call);
    }

    fn begin_read_together(&mut self, race: &Race, writer: usize, generation: usize) {
        if race.mutation == Some(Mutation::NoSecondLook) {
            let batch = self.writers[writer].batch[generation].clone();
            let refused = vec![
                GroupEvent::Read(generation, batch),
                GroupEvent::TimeIsOver(vec![generation]),
            ];
            return self.tell(race, writer, refused, &[]);
        }
        self.writers[writer]
            .calls
            .push(Call::ReadTogether(generation));
    }

    fn begin_write(&mut self, writer: usize, number: RequestId, generations: Vec<usize>) {
        let of = &mut self.writers[writer];
        self.history.blind |= generations.iter().any(|of_| of.unanswered[*of_]);
        of.calls.push(Call::Write(number));
        let sender = of.sender(writer);
        self.send(Request {
            sender,
            number,
            generations,
            only_field: None,
        });
    }

    /// A batch reads one field. It is answered when all fields were read that the writer names.
    pub(crate) fn read_field(
        &mut self,
        race: &Race,
        writer: usize,
        call: usize,
        (generation, field): (usize, usize),
    ) {
        let epoch = self.history.epochs[generation];
        let value = self.stored[generation][field];
        let Call::Read(batch) = &mut self.writers[writer].calls[call] else {
            return;
        };
        for of in batch.iter_mut().filter(|of| of.generation == generation) {
            of.found[field] = Some(value);
            of.seen = match of.seen {
                None => Some(Seen::In(epoch)),
                Some(Seen::In(before)) if before == epoch => of.seen,
                Some(_) => Some(Seen::AcrossDeletion),
            };
        }
        let is_read = |of: &OfGeneration| {
            race.named(writer, of.generation)
                .all(|field| of.found[field].is_some())
        };
        if batch.iter().all(is_read) {
            self.end_read(race, writer, call);
        }
    }

    fn end_read(&mut self, race: &Race, writer: usize, call: usize) {
        let Call::Read(batch) = self.writers[writer].calls.remove(call) else {
            return;
        };
        let mut events = Vec::new();
        let mut seen = Vec::new();
        for of in batch {
            let generation = of.generation;
            let found: Vec<_> = race
                .named(writer, generation)
                .map(|field| of.found[field].flatten())
                .collect();
            let writer = &mut self.writers[writer];
            writer.unanswered[generation] = false;
            if race.mutation == Some(Mutation::NoSecondLook) {
                writer.batch[generation].clone_from(&found);
            }
            seen.extend(of.seen.map(|seen| (generation, seen)));
            events.push(GroupEvent::Read(generation, found));
        }
        self.tell(race, writer, events, &seen);
    }

    /// A read of whole generations is answered: a snapshot, or, where all fields of a generation
    /// are one secret, any read. `is_stale`: by a replica that lags behind and shows nothing.
    pub(crate) fn read_whole(&mut self, race: &Race, writer: usize, call: usize, is_stale: bool) {
        let generations = match self.writers[writer].calls.remove(call) {
            Call::Read(batch) => batch.into_iter().map(|of| of.generation).collect(),
            Call::ReadTogether(generation) => vec![generation],
            Call::Incomplete(_) | Call::Write(_) => return,
        };
        let mut events = Vec::new();
        for generation in generations {
            self.writers[writer].unanswered[generation] = false;
            let stored = self.stored[generation];
            let found = race.named(writer, generation);
            let found = found.map(|field| stored[field].filter(|_| !is_stale));
            events.push(GroupEvent::Read(generation, found.collect()));
        }
        self.tell(race, writer, events, &[]);
    }

    /// A read fails.
    pub(crate) fn fail_read(&mut self, race: &Race, writer: usize, call: usize) {
        let generations = match self.writers[writer].calls.remove(call) {
            Call::Read(batch) => batch.into_iter().map(|of| of.generation).collect(),
            Call::ReadTogether(generation) => vec![generation],
            Call::Incomplete(_) | Call::Write(_) => return,
        };
        let failed = |member| GroupEvent::ReadFailed {
            member,
            is_transient: true,
        };
        let failed = generations.into_iter().map(failed).collect();
        self.tell(race, writer, failed, &[]);
    }

    /// A pause of an incomplete generation ends, or the time for it does.
    pub(crate) fn end_pause(&mut self, race: &Race, writer: usize, call: usize, is_over: bool) {
        let Call::Incomplete(generation) = self.writers[writer].calls.remove(call) else {
            return;
        };
        let event = if is_over {
            GroupEvent::TimeIsOver(vec![generation])
        } else {
            GroupEvent::PauseEnded(vec![generation])
        };
        self.tell(race, writer, vec![event], &[]);
    }

    /// The deadline of a writer.
    pub(crate) fn give_up(&mut self, race: &Race, writer: usize) {
        let remaining = self.writers[writer].group.remaining();
        self.tell(race, writer, vec![GroupEvent::TimeIsOver(remaining)], &[]);
    }

    /// An answer arrives, if its sender is still there and waits for it; `None` says that none
    /// arrives any more.
    pub(crate) fn answer(&mut self, race: &Race, request: &Request, answer: Option<Answer>) {
        let Sender { writer, restarts } = request.sender;
        let of = &mut self.writers[writer];
        let waits = |call: &Call| *call == Call::Write(request.number);
        let call = of.calls.iter().position(waits);
        let Some(call) = call.filter(|_| of.restarts == restarts) else {
            return;
        };
        of.calls.remove(call);
        for generation in &request.generations {
            of.unanswered[*generation] = answer.is_none();
        }
        let answer = match answer {
            Some(Answer::Exists) if race.mutation == Some(Mutation::OwnKept) => {
                WriteAnswer::Created
            }
            Some(Answer::Exists) => WriteAnswer::Exists,
            Some(Answer::Created) => WriteAnswer::Created,
            Some(Answer::Denied) => WriteAnswer::Failed(WriteError::Denied),
            None => WriteAnswer::Failed(WriteError::Transient),
        };
        let events = vec![GroupEvent::Wrote(request.number, answer)];
        self.tell(race, writer, events, &[]);
        if answer == WriteAnswer::Created && race.mutation == Some(Mutation::NoReadBack) {
            self.skip_read_back(race, writer);
        }
    }

    /// Answers the read that follows a repeated write with the writer's own values.
    fn skip_read_back(&mut self, race: &Race, writer: usize) {
        let value = self.writers[writer].sender(writer).value();
        let reads = |call: &Call| matches!(call, Call::Read(_));
        let Some(call) = self.writers[writer].calls.iter().position(reads) else {
            return;
        };
        let Call::Read(batch) = self.writers[writer].calls.remove(call) else {
            return;
        };
        let own = |of: OfGeneration| {
            let named = race.named(writer, of.generation);
            GroupEvent::Read(of.generation, named.map(|_| Some(value)).collect())
        };
        let own = batch.into_iter().map(own).collect();
        self.tell(race, writer, own, &[]);
    }
}

/// Fields that a batch has still to read.
pub(crate) fn unread<'s>(
    race: &'s Race,
    writer: usize,
    batch: &'s [OfGeneration],
) -> impl Iterator<Item = (usize, usize)> + 's {
    batch.iter().flat_map(move |of| {
        race.named(writer, of.generation)
            .filter(|field| of.found[*field].is_none())
            .map(|field| (of.generation, field))
    })
}
