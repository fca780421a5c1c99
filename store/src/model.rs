//! The protocol of [`crate::protocol`] as a state machine, checked exhaustively.
//!
//! Three writers want one generation with two halves. Between any two of their steps a process may
//! be killed and started again, a request may be lost, carried out late, carried out twice or
//! carried out without its answer arriving, and a read may see what a store is allowed to show:
//! DynamoDB's batch reads the halves at different moments, Secrets Manager may not show a new secret
//! for a while. The faults of a run are bounded, their order is not: every interleaving is visited.
//!
//! What holds in every state: all readers have the same generation, nobody has half of one, nothing
//! that exists changes, and a run in which nothing more can happen has finished for everyone. Two
//! mutations show that the checks can fail: the condition left out, and the halves stored one by one
//! as the original does.

use stateright::{Checker, Model, Property};

/// How many processes race. More add states, not behaviours: with three, one can win, one lose and
/// one come late.
const WRITERS: usize = 3;

/// A generation by the writer that made it and the writer's restarts at that time; also its token.
type Made = u8;

/// What is being modelled.
#[derive(Clone, Copy, Debug)]
struct Race {
    store: StoreKind,
    mutation: Option<Mutation>,
    /// What the original left behind before the race.
    left_behind: Option<Half>,
    /// The halves that each writer names, and so may read.
    named: [Named; WRITERS],
    /// Kills in a run, at most.
    kills: u8,
    /// Requests lost, delayed or repeated in a run, at most.
    network_faults: u8,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum StoreKind {
    /// Each half under its own key, transactions, consistent reads, batches that are no snapshot.
    DynamoDb,
    /// Both halves in one secret, reads that may lag behind.
    SecretsManager,
}

/// The protocol, broken.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mutation {
    /// Writes without the condition that the names are absent.
    NoCondition,
    /// Writes the halves one by one and ignores a conflict, as the original does.
    HalvesApart,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Half {
    Public,
    Private,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Named {
    Public,
    Private,
    Both,
}

impl Named {
    fn has(self, half: Half) -> bool {
        match self {
            Self::Both => true,
            Self::Public => half == Half::Public,
            Self::Private => half == Half::Private,
        }
    }
}

/// Where a writer stands: the steps of [`crate::protocol`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    /// Reads each half that it names, one after the other, as a batch does.
    Read {
        public: Option<Seen>,
        private: Option<Seen>,
    },
    /// Saw half of a generation and looks again, in one snapshot.
    ReadTogether,
    /// Makes a generation.
    Generate,
    /// Has a generation and is about to send it.
    Create { made: Made },
    /// Has sent it and waits for the answer.
    Await { made: Made },
    /// Had no answer, and looks at the store before it sends the same request again.
    LookAgain { made: Made },
    /// Was told that it won, and reads back what it wrote.
    ReadBack,
    /// Lost, and reads the winner's.
    ReadWinner,
    /// Wrote its files.
    Done,
    /// Refused: half of a generation lies in the store.
    Refused,
}

/// What a read saw of one half.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Seen {
    Absent,
    Value(Made),
}

/// A value that nobody in the race made.
const LEFT_BEHIND: Made = u8::MAX;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    public: Option<Made>,
    private: Option<Made>,
    /// Secrets Manager: every replica shows what was written.
    replicated: bool,
    /// Tokens that the store remembers as carried out.
    carried_out: u64,
    /// Requests on their way, by token; the network may deliver each at any time.
    on_its_way: u64,
    writers: [Writer; WRITERS],
    kills_left: u8,
    network_faults_left: u8,
    /// What any reader ever wrote into its files, halves apart; `None` while nobody has.
    read: [Option<Made>; 2],
    /// A reader wrote something else than another reader, or the halves of two generations.
    disagreed: bool,
    /// A value was replaced.
    overwritten: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Writer {
    step: Step,
    restarts: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    /// One half is read, by a batch that has not come to the other one yet.
    ReadHalf(usize, Half),
    /// The store answers a snapshot, a read back or the read of a winner.
    ReadAll(usize),
    /// A lagging replica answers that there is nothing.
    ReadStale(usize),
    Generate(usize),
    Send(usize),
    /// A request is carried out and its answer arrives, if its sender still waits for it.
    Deliver(Made),
    /// A request is carried out and its answer is lost.
    DeliverWithoutAnswer(Made),
    /// A request is carried out and stays on its way, to be carried out again.
    DeliverTwice(Made),
    /// A request is lost.
    Lose(Made),
    /// The sender gives up waiting, while its request is still on its way.
    GiveUp(usize),
    /// The process is killed; its pod starts it again from the beginning.
    Kill(usize),
    /// Every replica has what was written.
    Replicate,
    /// The mutation [`Mutation::HalvesApart`]: the second of two writes is carried out.
    DeliverSecondHalf(Made),
}

const START: Step = Step::Read {
    public: None,
    private: None,
};

/// A token's bit. Writers make at most eight generations each.
fn bit(made: Made) -> u64 {
    1 << made
}

/// The second half's request of [`Mutation::HalvesApart`], beside the first one's.
fn second_bit(made: Made) -> u64 {
    1 << (made + 32)
}

fn token(writer: usize, restarts: u8) -> Made {
    u8::try_from(writer).unwrap_or(u8::MAX) * 8 + restarts
}

fn sender(made: Made) -> usize {
    usize::from(made / 8)
}

impl Model for Race {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let left = |half| (self.left_behind == Some(half)).then_some(LEFT_BEHIND);
        vec![State {
            public: left(Half::Public),
            private: left(Half::Private),
            replicated: self.store == StoreKind::DynamoDb,
            carried_out: 0,
            on_its_way: 0,
            writers: [Writer {
                step: START,
                restarts: 0,
            }; WRITERS],
            kills_left: self.kills,
            network_faults_left: self.network_faults,
            read: [None, None],
            disagreed: false,
            overwritten: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (writer, Writer { step, .. }) in state.writers.iter().enumerate() {
            match *step {
                Step::Read { public, private } => match self.store {
                    StoreKind::DynamoDb => {
                        for (half, seen) in [(Half::Public, public), (Half::Private, private)] {
                            if seen.is_none() && self.named[writer].has(half) {
                                actions.push(Action::ReadHalf(writer, half));
                            }
                        }
                    }
                    StoreKind::SecretsManager => self.read_actions(state, writer, actions),
                },
                Step::ReadTogether | Step::LookAgain { .. } | Step::ReadBack | Step::ReadWinner => {
                    self.read_actions(state, writer, actions);
                }
                Step::Generate => actions.push(Action::Generate(writer)),
                Step::Create { .. } => actions.push(Action::Send(writer)),
                Step::Await { .. } if state.network_faults_left > 0 => {
                    actions.push(Action::GiveUp(writer));
                }
                Step::Await { .. } | Step::Done | Step::Refused => {}
            }
            if state.kills_left > 0 && !matches!(step, Step::Done | Step::Refused) {
                actions.push(Action::Kill(writer));
            }
        }
        for made in (0..32).filter(|made| state.on_its_way & bit(*made) != 0) {
            actions.push(Action::Deliver(made));
            if state.network_faults_left > 0 {
                actions.push(Action::DeliverWithoutAnswer(made));
                actions.push(Action::DeliverTwice(made));
                actions.push(Action::Lose(made));
            }
        }
        for made in (0..32).filter(|made| state.on_its_way & second_bit(*made) != 0) {
            actions.push(Action::DeliverSecondHalf(made));
        }
        if !state.replicated && state.public.is_some() {
            actions.push(Action::Replicate);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::ReadHalf(writer, half) => self.read_half(&mut state, writer, half),
            Action::ReadAll(writer) => self.read_all(&mut state, writer),
            Action::ReadStale(writer) => state.read_nothing(writer),
            Action::Generate(writer) => {
                let made = token(writer, state.writers[writer].restarts);
                state.writers[writer].step = Step::Create { made };
            }
            Action::Send(writer) => {
                let Step::Create { made } = state.writers[writer].step else {
                    return None;
                };
                state.on_its_way |= bit(made);
                state.writers[writer].step = Step::Await { made };
            }
            Action::Deliver(made) => {
                state.on_its_way &= !bit(made);
                let created = self.carry_out(&mut state, made);
                state.answer(made, created);
            }
            Action::DeliverWithoutAnswer(made) => {
                state.network_faults_left -= 1;
                state.on_its_way &= !bit(made);
                self.carry_out(&mut state, made);
                state.leave_unanswered(made);
            }
            Action::DeliverTwice(made) => {
                state.network_faults_left -= 1;
                let created = self.carry_out(&mut state, made);
                state.answer(made, created);
            }
            Action::Lose(made) => {
                state.network_faults_left -= 1;
                state.on_its_way &= !bit(made);
                state.leave_unanswered(made);
            }
            Action::GiveUp(writer) => {
                let Step::Await { made } = state.writers[writer].step else {
                    return None;
                };
                state.network_faults_left -= 1;
                state.writers[writer].step = Step::LookAgain { made };
            }
            Action::Kill(writer) => {
                state.kills_left -= 1;
                let restarts = state.writers[writer].restarts + 1;
                state.writers[writer] = Writer {
                    step: START,
                    restarts,
                };
            }
            Action::Replicate => state.replicated = true,
            Action::DeliverSecondHalf(made) => {
                state.on_its_way &= !second_bit(made);
                state.private.get_or_insert(made);
                state.answer(made, true);
            }
        }
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("all readers agree", |_, state: &State| !state.disagreed),
            Property::always(
                "nobody has half of a generation",
                |_, state: &State| !matches!(state.read, [Some(public), Some(private)] if public != private),
            ),
            Property::always("nothing is overwritten", |_, state: &State| {
                !state.overwritten
            }),
            Property::always(
                "a run that cannot go on has finished",
                |model: &Self, state: &State| {
                    model.can_go_on(state)
                        || state.writers.iter().all(|writer| match writer.step {
                            Step::Done => true,
                            Step::Refused => model.left_behind.is_some(),
                            _ => false,
                        })
                },
            ),
            Property::always(
                "only half a generation is refused",
                |model: &Self, state: &State| {
                    model.left_behind.is_some()
                        || state
                            .writers
                            .iter()
                            .all(|writer| writer.step != Step::Refused)
                },
            ),
        ]
    }
}

impl Race {
    /// The ways in which a read that is no batch may be answered.
    fn read_actions(self, state: &State, writer: usize, actions: &mut Vec<Action>) {
        actions.push(Action::ReadAll(writer));
        if self.store == StoreKind::SecretsManager && !state.replicated {
            actions.push(Action::ReadStale(writer));
        }
    }

    /// Whether any action changes anything.
    fn can_go_on(self, state: &State) -> bool {
        let mut actions = Vec::new();
        self.actions(state, &mut actions);
        actions
            .into_iter()
            .any(|action| self.next_state(state, action).is_some())
    }

    /// One half of a batch. The batch is over when all halves that the writer names were read.
    fn read_half(self, state: &mut State, writer: usize, half: Half) {
        let Step::Read {
            mut public,
            mut private,
        } = state.writers[writer].step
        else {
            return;
        };
        let stored = |value: Option<Made>| Some(value.map_or(Seen::Absent, Seen::Value));
        match half {
            Half::Public => public = stored(state.public),
            Half::Private => private = stored(state.private),
        }
        state.writers[writer].step = Step::Read { public, private };
        let named = self.named[writer];
        let over = (public.is_some() || !named.has(Half::Public))
            && (private.is_some() || !named.has(Half::Private));
        if !over {
            return;
        }
        let values = |seen: Option<Seen>| match seen {
            Some(Seen::Value(made)) => Some(made),
            _ => None,
        };
        self.settle_read(
            state,
            writer,
            [values(public), values(private)],
            Step::ReadTogether,
        );
    }

    /// A snapshot of the halves that the writer names.
    fn read_all(self, state: &mut State, writer: usize) {
        let named = self.named[writer];
        let seen = [
            state.public.filter(|_| named.has(Half::Public)),
            state.private.filter(|_| named.has(Half::Private)),
        ];
        self.settle_read(state, writer, seen, Step::Refused);
    }

    /// What a writer does with what it read; `half` is where half a generation leads.
    fn settle_read(self, state: &mut State, writer: usize, seen: [Option<Made>; 2], half: Step) {
        let named = self.named[writer];
        let wanted = usize::from(named.has(Half::Public)) + usize::from(named.has(Half::Private));
        match seen.iter().flatten().count() {
            0 => state.read_nothing(writer),
            found if found == wanted => state.finish(writer, seen),
            _ => state.writers[writer].step = half,
        }
        // After a lost race, a flat store that shows nothing under the names that this writer may
        // read has the other half: its reads are consistent.
        if self.store == StoreKind::DynamoDb
            && seen == [None, None]
            && state.writers[writer].step == Step::ReadWinner
        {
            state.writers[writer].step = Step::Refused;
        }
    }

    /// The store carries a request out. Returns whether it says that the write is there.
    fn carry_out(self, state: &mut State, made: Made) -> bool {
        match self.mutation {
            Some(Mutation::NoCondition) => {
                state.overwritten |= state.public.is_some_and(|old| old != made);
                (state.public, state.private) = (Some(made), Some(made));
                true
            }
            Some(Mutation::HalvesApart) => {
                state.public.get_or_insert(made);
                state.on_its_way |= second_bit(made);
                true
            }
            None if state.carried_out & bit(made) != 0 => true,
            None if state.public.is_some() || state.private.is_some() => false,
            None => {
                (state.public, state.private) = (Some(made), Some(made));
                state.carried_out |= bit(made);
                true
            }
        }
    }
}

impl State {
    /// A read that found none of the names.
    fn read_nothing(&mut self, writer: usize) {
        let step = &mut self.writers[writer].step;
        match step {
            Step::Read { .. } | Step::ReadTogether => *step = Step::Generate,
            Step::LookAgain { made } => *step = Step::Create { made: *made },
            // Somebody's generation is there, ours or the winner's: wait and look again.
            _ => {}
        }
    }

    /// The writer has all that it names and writes its files.
    fn finish(&mut self, writer: usize, values: [Option<Made>; 2]) {
        for (value, read) in values.into_iter().zip(&mut self.read) {
            if let Some(value) = value {
                self.disagreed |= read.is_some_and(|other| other != value);
                *read = Some(value);
            }
        }
        self.writers[writer].step = Step::Done;
    }

    /// An answer arrives, if its sender is still there and still waits for it.
    fn answer(&mut self, made: Made, created: bool) {
        let writer = &mut self.writers[sender(made)];
        if writer.step == (Step::Await { made }) {
            writer.step = if created {
                Step::ReadBack
            } else {
                Step::ReadWinner
            };
        }
    }

    /// No answer arrives for its sender, if that is still there.
    fn leave_unanswered(&mut self, made: Made) {
        let writer = &mut self.writers[sender(made)];
        if writer.step == (Step::Await { made }) {
            writer.step = Step::LookAgain { made };
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const RACE: Race = Race {
        store: StoreKind::DynamoDb,
        mutation: None,
        left_behind: None,
        named: [Named::Both; WRITERS],
        kills: 1,
        network_faults: 1,
    };

    /// `KEES_MODEL_FAULTS=N` allows N kills and N faults of the network in each run instead of one
    /// of each: `make model` visits millions of states, `cargo test` hundred thousands.
    fn with_faults_from_environment(race: Race) -> Race {
        let faults = std::env::var("KEES_MODEL_FAULTS").map_or(1, |text| {
            text.parse()
                .expect("KEES_MODEL_FAULTS is a small whole number")
        });
        Race {
            kills: faults,
            network_faults: faults,
            ..race
        }
    }

    /// Visits every state and prints how many there are, for `docs/reliability.md`.
    #[expect(
        clippy::print_stderr,
        reason = "the numbers of states are for the documentation"
    )]
    fn explore(name: &str, race: Race) -> impl Checker<Race> {
        let checker = race
            .checker()
            .threads(std::thread::available_parallelism().map_or(1, Into::into))
            .spawn_bfs()
            .join();
        eprintln!("model: {name}: {} states", checker.unique_state_count());
        checker
    }

    #[rstest]
    #[case::everyone_names_both_halves("DynamoDB, both halves named", RACE)]
    #[case::some_may_read_one_half_alone(
        "DynamoDB, one names both, two name one",
        Race { named: [Named::Both, Named::Public, Named::Private], ..RACE }
    )]
    #[case::a_public_half_was_left_behind(
        "DynamoDB, a public half left behind",
        Race { left_behind: Some(Half::Public), named: [Named::Both, Named::Public, Named::Private], ..RACE }
    )]
    #[case::a_private_half_was_left_behind(
        "DynamoDB, a private half left behind",
        Race { left_behind: Some(Half::Private), named: [Named::Both, Named::Public, Named::Private], ..RACE }
    )]
    #[case::reads_lag_behind(
        "Secrets Manager",
        Race { store: StoreKind::SecretsManager, named: [Named::Both, Named::Public, Named::Private], ..RACE }
    )]
    fn every_interleaving_ends_with_one_generation_for_all(#[case] name: &str, #[case] race: Race) {
        let checker = explore(name, with_faults_from_environment(race));
        checker.assert_properties();
        assert!(
            checker.unique_state_count() > 300,
            "the race hardly happened"
        );
    }

    #[rstest]
    #[case::without_the_condition(Mutation::NoCondition, "all readers agree")]
    #[case::without_the_condition(Mutation::NoCondition, "nothing is overwritten")]
    #[case::with_the_halves_one_by_one(Mutation::HalvesApart, "nobody has half of a generation")]
    fn a_broken_protocol_is_found(#[case] mutation: Mutation, #[case] property: &'static str) {
        // It takes no fault to break it.
        let race = Race {
            mutation: Some(mutation),
            kills: 0,
            network_faults: 0,
            ..RACE
        };
        let checker = explore("broken", race);
        let path = checker.discovery(property);
        assert!(path.is_some(), "{mutation:?} went unnoticed");
    }

    #[test]
    fn the_race_can_be_won_lost_and_seen_by_half() {
        for (what, race, reached) in [
            (
                "a lost race",
                RACE,
                (|s: &State| s.writers.iter().any(|w| w.step == Step::ReadWinner))
                    as fn(&State) -> bool,
            ),
            ("half a batch", RACE, |s| {
                s.writers.iter().any(|w| w.step == Step::ReadTogether)
            }),
            ("everyone done after every fault", RACE, |s| {
                s.kills_left == 0
                    && s.network_faults_left == 0
                    && s.writers.iter().all(|w| w.step == Step::Done)
            }),
        ] {
            assert!(reaches(race, reached), "{what} never happens in the model");
        }
    }

    /// Whether some run comes to a state that `reached` accepts.
    fn reaches(race: Race, reached: fn(&State) -> bool) -> bool {
        let mut seen = std::collections::HashSet::new();
        let mut left = race.init_states();
        while let Some(state) = left.pop() {
            if reached(&state) {
                return true;
            }
            if !seen.insert(state.clone()) {
                continue;
            }
            let mut actions = Vec::new();
            race.actions(&state, &mut actions);
            left.extend(
                actions
                    .into_iter()
                    .filter_map(|action| race.next_state(&state, action)),
            );
        }
        false
    }
}
