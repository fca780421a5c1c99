//! A race of writers, and everything that may happen next in it.

use kees_store::{WriteLimits, protocol::WhenAbsent};
use stateright::{Model, Property};

use crate::{
    history::History,
    mutations::Mutation,
    state::{Answer, FIELDS, GENERATIONS, LEFT_BEHIND, Sender, State},
    writer::{Call, Writer, unread},
};

/// How many processes race. More add states, not behaviours: with three, one can win, one lose and
/// one come late.
pub(crate) const WRITERS: usize = 3;

/// Which store is modelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    /// Each field under its own key, transactions, consistent reads, batches that are no snapshot.
    DynamoDb,
    /// All fields in one secret, reads that may lag behind, one generation in a write.
    SecretsManager,
}

/// What is modelled.
#[derive(Clone, Debug)]
pub(crate) struct Race {
    pub(crate) store: Store,
    pub(crate) mutation: Option<Mutation>,
    /// How many fields each generation has; 0 if there is no such generation.
    pub(crate) fields: [usize; GENERATIONS],
    /// The fields of the first generation that each writer names, and so may read. A writer without
    /// any does not take part.
    pub(crate) named: [&'static [usize]; WRITERS],
    pub(crate) when_absent: [WhenAbsent; WRITERS],
    /// Whether the store denies each writer its writes.
    pub(crate) is_denied: [bool; WRITERS],
    /// The field of the first generation that was stored before the race.
    pub(crate) left_behind: Option<usize>,
    /// Whether the original's creator takes part.
    pub(crate) has_original: bool,
    /// How often processes are killed in a run, at most.
    pub(crate) kills: u8,
    /// How often requests are lost, delayed or repeated, answers lost, reads failed, tokens
    /// forgotten and deadlines reached, at most.
    pub(crate) faults: u8,
    /// How often a generation is deleted, at most.
    pub(crate) deletions: u8,
}

impl Race {
    pub(crate) fn is_consistent(&self) -> bool {
        self.store == Store::DynamoDb
    }

    pub(crate) fn limits(&self) -> WriteLimits {
        match self.store {
            Store::DynamoDb => WriteLimits::UNLIMITED,
            Store::SecretsManager => WriteLimits::ONE_GENERATION,
        }
    }

    pub(crate) fn generations(&self) -> usize {
        self.fields.iter().filter(|fields| **fields > 0).count()
    }

    /// The fields of a generation that a writer names. Every writer names the second one whole.
    pub(crate) fn named(&self, writer: usize, generation: usize) -> impl Iterator<Item = usize> {
        let named = self.named[writer];
        let count = self.fields[generation];
        (0..count).filter(move |field| generation > 0 || named.contains(field))
    }

    /// Whether somebody stores fields one by one.
    pub(crate) fn may_be_incomplete(&self) -> bool {
        self.left_behind.is_some() || self.has_original
    }

    fn writers(&self) -> impl Iterator<Item = usize> {
        let named = self.named;
        (0..WRITERS).filter(move |writer| !named[*writer].is_empty())
    }

    fn of_calls(&self, state: &State, writer: usize, actions: &mut Vec<Action>) {
        for (index, call) in state.writers[writer].calls.iter().enumerate() {
            let at = (writer, index);
            match call {
                Call::Read(batch) if self.is_consistent() => {
                    let unread = unread(self, writer, batch);
                    actions.extend(unread.map(|field| Action::ReadField(at, field)));
                }
                Call::Read(_) => {
                    actions.push(Action::ReadWhole(at));
                    if !state.is_replicated[0] {
                        actions.push(Action::ReadStale(at));
                    }
                }
                Call::ReadTogether(_) => actions.push(Action::ReadWhole(at)),
                Call::Incomplete(_) => {
                    actions.push(Action::EndPause(at));
                    actions.push(Action::EndTime(at));
                }
                Call::Write(_) => {}
            }
            if state.faults_left > 0 {
                match call {
                    Call::Read(_) | Call::ReadTogether(_) => actions.push(Action::FailRead(at)),
                    Call::Write(_) => actions.push(Action::StopWaiting(at)),
                    Call::Incomplete(_) => {}
                }
            }
        }
    }
}

/// A call of a writer.
type CallAt = (usize, usize);

/// Something that may happen next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// A batch reads one field.
    ReadField(CallAt, (usize, usize)),
    /// A read of whole generations is answered.
    ReadWhole(CallAt),
    /// A replica that lags behind responds that the value is absent.
    ReadStale(CallAt),
    /// A read fails.
    FailRead(CallAt),
    /// An incomplete generation is read again.
    EndPause(CallAt),
    /// An incomplete generation is not waited for any more.
    EndTime(CallAt),
    /// A request is executed, and its response arrives if its sender still waits for it.
    Deliver(usize),
    /// A request is executed, but its response is lost.
    DeliverWithoutAnswer(usize),
    /// A request is carried out, and a copy of it stays on its way.
    DeliverTwice(usize),
    /// A request is lost, or the store does not carry it out because it throttles.
    Lose(usize),
    /// A sender does not wait any longer for an answer, while its request is on its way.
    StopWaiting(CallAt),
    /// The deadline of a writer.
    GiveUp(usize),
    /// A process is killed; its pod starts it again.
    Kill(usize),
    /// The store forgets its tokens.
    ExpireTokens,
    /// Every replica has what was written.
    Replicate,
    /// The original's creator stores its next field.
    PutAsOriginal,
    /// Somebody deletes a generation.
    Delete(usize),
}

impl Model for Race {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut stored = [[None; FIELDS]; GENERATIONS];
        if let Some(field) = self.left_behind {
            stored[0][field] = Some(LEFT_BEHIND);
        }
        let mut state = State {
            stored,
            is_replicated: [true; GENERATIONS],
            requests: Vec::new(),
            tokens: Vec::new(),
            writers: vec![Writer::absent(); WRITERS],
            original: self.has_original.then_some(0),
            kills_left: self.kills,
            faults_left: self.faults,
            deletions_left: self.deletions,
            history: History::default(),
        };
        for writer in self.writers() {
            state.start(self, writer, 0);
        }
        vec![state]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for writer in self.writers() {
            self.of_calls(state, writer, actions);
            if !state.writers[writer].has_ended() {
                if state.kills_left > 0 {
                    actions.push(Action::Kill(writer));
                }
                if state.faults_left > 0 {
                    actions.push(Action::GiveUp(writer));
                }
            }
        }
        for request in 0..state.requests.len() {
            actions.push(Action::Deliver(request));
            if state.faults_left > 0 {
                actions.push(Action::DeliverWithoutAnswer(request));
                actions.push(Action::DeliverTwice(request));
                actions.push(Action::Lose(request));
            }
        }
        if state.faults_left > 0 && !state.tokens.is_empty() {
            actions.push(Action::ExpireTokens);
        }
        if state.original.is_some() {
            actions.push(Action::PutAsOriginal);
        }
        if !state.is_replicated[0] {
            actions.push(Action::Replicate);
        }
        for generation in 0..self.generations() {
            let is_stored = state.stored[generation].iter().any(Option::is_some);
            if state.deletions_left > 0 && is_stored {
                actions.push(Action::Delete(generation));
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::ReadField((writer, call), field) => state.read_field(self, writer, call, field),
            Action::ReadWhole((writer, call)) => state.read_whole(self, writer, call, false),
            Action::ReadStale((writer, call)) => state.read_whole(self, writer, call, true),
            Action::FailRead((writer, call)) => {
                state.faults_left -= 1;
                state.fail_read(self, writer, call);
            }
            Action::EndPause((writer, call)) => state.end_pause(self, writer, call, false),
            Action::EndTime((writer, call)) => state.end_pause(self, writer, call, true),
            Action::Deliver(at) => {
                let request = state.requests.remove(at);
                let answer = state.carry_out(self, &request);
                state.answer_whole(self, &request, Some(answer));
            }
            Action::DeliverWithoutAnswer(at) => {
                state.faults_left -= 1;
                let request = state.requests.remove(at);
                state.carry_out(self, &request);
                state.answer_whole(self, &request, None);
            }
            Action::DeliverTwice(at) => {
                state.faults_left -= 1;
                let request = state.requests[at].clone();
                let answer = state.carry_out(self, &request);
                state.answer_whole(self, &request, Some(answer));
            }
            Action::Lose(at) => {
                state.faults_left -= 1;
                let request = state.requests.remove(at);
                state.answer_whole(self, &request, None);
            }
            Action::StopWaiting((writer, call)) => {
                state.faults_left -= 1;
                state.stop_waiting(self, writer, call);
            }
            Action::GiveUp(writer) => {
                state.faults_left -= 1;
                state.give_up(self, writer);
            }
            Action::Kill(writer) => {
                state.kills_left -= 1;
                let restarts = state.writers[writer].restarts + 1;
                state.start(self, writer, restarts);
            }
            Action::ExpireTokens => {
                state.faults_left -= 1;
                state.tokens.clear();
            }
            Action::Replicate => state.is_replicated = [true; GENERATIONS],
            Action::PutAsOriginal => state.put_as_original(self),
            Action::Delete(generation) => state.delete(generation),
        }
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("all who succeed agree", |_, state: &State| {
                !state.history.disagreed
            }),
            Property::always(
                "no writer ends with fields of two generations",
                |_, state: &State| !state.history.mixed,
            ),
            Property::always("nothing is overwritten", |_, state: &State| {
                !state.history.overwritten
            }),
            Property::always(
                "an incomplete generation is not completed by another one",
                |_, state: &State| !state.history.completed,
            ),
            Property::always("no write is repeated without a look", |_, state: &State| {
                !state.history.blind
            }),
            Property::always(
                "missing fields are reported only where somebody stores fields one by one",
                |_, state: &State| !state.history.wrong_incomplete,
            ),
            Property::always(
                "a vanished generation is reported only after a deletion",
                |_, state: &State| !state.history.wrong_vanished,
            ),
            Property::always(
                "a run in which nothing more can happen has ended for every writer",
                |race: &Self, state: &State| {
                    let mut actions = Vec::new();
                    race.actions(state, &mut actions);
                    !actions.is_empty() || race.writers().all(|of| state.writers[of].has_ended())
                },
            ),
        ]
    }
}

/// The answer of a request that is not one of [`Mutation::FieldsApart`]'s later ones.
impl State {
    fn answer_whole(
        &mut self,
        race: &Race,
        request: &crate::state::Request,
        answer: Option<Answer>,
    ) {
        if request.only_field.is_none() {
            self.answer(race, request, answer);
        }
    }

    fn stop_waiting(&mut self, race: &Race, writer: usize, call: usize) {
        let of = &self.writers[writer];
        let Call::Write(number) = of.calls[call] else {
            return;
        };
        let sender = Sender {
            writer,
            restarts: of.restarts,
        };
        let is_sent =
            |request: &&crate::state::Request| request.sender == sender && request.number == number;
        if let Some(request) = self.requests.iter().find(is_sent).cloned() {
            self.answer_whole(race, &request, None);
        }
    }
}
