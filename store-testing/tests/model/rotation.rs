//! Every order of events in which rotators replace a generation that others create, read and retire.
//!
//! The rotators execute the store's own [`machine`](kees_store::rotation::machine), the creator and
//! the reader the protocol's own machine, and what a reader gets of its rows is decided by the store's
//! own [`rows`](kees_store::rows). What is modelled is their environment: the store, the network,
//! kills, and the expiry of tokens.

mod races;
mod state;

use stateright::{Model, Property};

use state::{ROWS, State};

/// Which store is modelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Store {
    /// Each field has a row of its own; a batch reads the rows one after the other.
    DynamoDb,
    /// Stages show both generations at one moment, which may be long ago.
    SecretsManager,
}

/// One way to break the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutation {
    /// Replaces whatever the store holds.
    NoCondition,
    /// Writes the rows of the two fields one after the other.
    FieldsApart,
    /// Begins again after a lost answer, without a look.
    NoLook,
    /// The reader takes the rows of a batch as they are.
    NoMarks,
    /// The reader takes a previous row that another generation has replaced.
    NoLink,
    /// Removes whatever the previous generation is.
    RetiresAny,
}

/// What is modelled.
#[derive(Clone, Copy, Debug)]
struct Rotation {
    store: Store,
    mutation: Option<Mutation>,
    /// Whether the generation is stored before the race. If not, the creator creates it.
    is_stored: bool,
    /// Whether only a generation that was never rotated is due, as for two controllers with one date.
    is_due_once: bool,
    /// How often a rotator begins, at most.
    begins: u8,
    /// How often somebody begins to read, at most.
    reads: u8,
    /// How often somebody begins to retire, at most.
    retirements: u8,
    /// How often a process is killed, at most.
    kills: u8,
    /// How often a request is lost, delayed or repeated, an answer lost, or tokens forgotten, at most.
    faults: u8,
}

/// Something that may happen next.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Action {
    /// A rotator begins.
    Begin(usize),
    /// The read of a rotator is answered, in one snapshot.
    ReadInRotator(usize),
    FailRead(usize),
    /// The creator begins.
    Create,
    /// The creator reads both fields at one moment. Its reads are the subject of another model.
    ReadInCreator,
    /// A reader begins.
    BeginRead,
    /// The batch of the reader reads this row.
    ReadRow(usize),
    /// The reader reads all rows at one moment.
    ReadTogether,
    /// A replica answers the reader with the stages at this moment of the past.
    ReadStages(usize),
    /// Somebody reads what is previous, and wants to remove it.
    BeginRetirement,
    /// A request is carried out, and answered if its sender waits.
    Deliver(usize),
    /// A request is carried out; its answer is lost.
    DeliverWithoutAnswer(usize),
    /// A request is carried out, and a copy of it stays on its way.
    DeliverTwice(usize),
    Lose(usize),
    /// A sender does not wait any longer, while its request is on its way.
    StopWaiting(usize),
    /// A rotator is killed.
    Kill(usize),
    ExpireTokens,
}

impl Model for Rotation {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for at in 0..state.rotators.len() {
            match &state.rotators[at] {
                None if state.begins_left > 0 => actions.push(Action::Begin(at)),
                None => {}
                Some(rotator) => {
                    if rotator.reads {
                        actions.push(Action::ReadInRotator(at));
                        if state.faults_left > 0 {
                            actions.push(Action::FailRead(at));
                        }
                    } else if state.faults_left > 0 {
                        actions.push(Action::StopWaiting(at));
                    }
                    if state.kills_left > 0 {
                        actions.push(Action::Kill(at));
                    }
                }
            }
        }
        if !state.has_creator_begun && !self.is_stored {
            actions.push(Action::Create);
        }
        if state.creator.as_ref().is_some_and(|creator| creator.reads) {
            actions.push(Action::ReadInCreator);
        }
        self.of_reader(state, actions);
        if state.retirements_left > 0 && state.previous().is_some() {
            actions.push(Action::BeginRetirement);
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
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        if matches!(
            action,
            Action::FailRead(_)
                | Action::DeliverWithoutAnswer(_)
                | Action::DeliverTwice(_)
                | Action::Lose(_)
                | Action::StopWaiting(_)
                | Action::ExpireTokens
        ) {
            state.faults_left -= 1;
        }
        match action {
            Action::Begin(at) => state.begin(self, at),
            Action::ReadInRotator(at) => state.read_in_rotator(self, at),
            Action::FailRead(at) => state.fail_read(self, at),
            Action::Create => state.create(self),
            Action::ReadInCreator => state.read_in_creator(),
            Action::BeginRead => state.begin_read(self),
            Action::ReadRow(row) => state.read_row(self, row),
            Action::ReadTogether => state.read_together(self),
            Action::ReadStages(moment) => state.read_stages(moment),
            Action::BeginRetirement => state.begin_retirement(),
            Action::Deliver(at) => {
                let request = state.requests.remove(at);
                let answer = state.carry_out(self, &request);
                state.answer(self, &request, Some(answer));
            }
            Action::DeliverWithoutAnswer(at) => {
                let request = state.requests.remove(at);
                state.carry_out(self, &request);
                state.answer(self, &request, None);
            }
            Action::DeliverTwice(at) => {
                let request = state.requests[at].clone();
                let answer = state.carry_out(self, &request);
                state.answer(self, &request, Some(answer));
            }
            Action::Lose(at) => {
                let request = state.requests.remove(at);
                state.answer(self, &request, None);
            }
            Action::StopWaiting(at) => state.stop_waiting(self, at),
            Action::Kill(at) => {
                state.kills_left -= 1;
                state.rotators[at] = None;
            }
            Action::ExpireTokens => state.tokens.clear(),
        }
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(STORED, |_, state: &State| state.is_whole()),
            Property::always(WHOLE, |_, state: &State| !state.history.mixed),
            Property::always(LINKED, |_, state: &State| !state.history.unlinked),
            Property::always(KEPT, |_, state: &State| !state.history.lost),
            Property::always(ONCE, |_, state: &State| !state.history.twice),
        ]
    }
}

const STORED: &str = "the stored fields are of one generation";
const WHOLE: &str = "no reader ends with fields of two generations";
const LINKED: &str = "who gets a generation gets the one before it, unless that was retired";
const KEPT: &str = "the generation before the current one is stored until it is retired";
const ONCE: &str =
    "a rotator that begins once replaces one generation, and no two replace the same one";

impl Rotation {
    fn of_reader(&self, state: &State, actions: &mut Vec<Action>) {
        let Some(reader) = &state.reader else {
            if state.reads_left > 0 {
                actions.push(Action::BeginRead);
            }
            return;
        };
        if self.store == Store::SecretsManager {
            let moments = 0..state.history.stages.len();
            actions.extend(moments.map(Action::ReadStages));
        } else if reader.is_together {
            actions.push(Action::ReadTogether);
        } else {
            let unread = (0..ROWS).filter(|row| reader.rows[*row].is_none());
            actions.extend(unread.map(Action::ReadRow));
        }
    }
}
