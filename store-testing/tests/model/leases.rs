//! Every order of events in which two controllers give numbers to pods that come and go.
//!
//! The controllers execute the store's own [`Claim`] and [`Release`]. What is modelled is their
//! environment: the store, the API server, the network, kills, the life of the pods, and what their
//! init containers read.

mod races;
mod state;

use stateright::{Model, Property};

use state::{Controller, Life, POD_NAMES, State, Waiting};

/// One way to break the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Mutation {
    /// Swaps without comparing the records.
    NoCondition,
    /// Compares the values of the records only, as the original does.
    NameOnly,
    /// Believes that a pod lives without asking.
    NotAsked,
    /// Gives away the number of a pod that lives.
    NotGone,
    /// The init container takes the record of an earlier pod of its name for its own.
    InitIgnoresUid,
}

/// What is modelled.
#[derive(Clone, Debug)]
struct Leases {
    mutation: Option<Mutation>,
    /// How many numbers there are: 1 or 2.
    numbers: i32,
    /// How often a controller begins to claim or release, at most.
    begins: u8,
    /// How often a controller is killed, at most.
    kills: u8,
    /// How often a request is delayed or lost, an answer lost, or a read failed, at most.
    faults: u8,
}

/// Something that may happen next. The first number is that of a controller, if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Action {
    CreatePod(usize),
    DeletePod(usize),
    /// An init container reads the record of its pod.
    ReadInInit(usize),
    /// A controller, which may not have heard yet that the pod is gone, begins a claim.
    Claim(usize, usize),
    /// A controller that knows that the pod is gone begins a release.
    Release(usize, usize),
    /// A read is answered, or one record of a batch.
    Read(usize),
    FailRead(usize),
    /// The API server answers whether the pod lives.
    AnswerLives(usize),
    /// The API server and the store answer which number is abandoned: the one at this index, or none.
    AnswerGone(usize, Option<usize>),
    /// A swap arrives at the store, and its answer at its sender.
    Deliver(usize),
    /// A swap arrives; its answer is lost.
    DeliverWithoutAnswer(usize),
    Lose(usize),
    /// The sender does not wait any longer, while its swap is on its way.
    StopWaiting(usize),
    Kill(usize),
}

impl Leases {
    fn of_controller(&self, state: &State, at: usize, actions: &mut Vec<Action>) {
        let controller = &state.controllers[at];
        match controller {
            Controller::Idle if state.begins_left > 0 => {
                for (pod, life) in state.pods.iter().enumerate() {
                    match life {
                        Life::NotYet => {}
                        Life::Lives { .. } => actions.push(Action::Claim(at, pod)),
                        Life::Gone => {
                            actions.extend([Action::Claim(at, pod), Action::Release(at, pod)]);
                        }
                    }
                }
            }
            Controller::Idle => {}
            Controller::Busy { waiting, .. } => {
                match waiting {
                    Waiting::Record(_) | Waiting::Numbers(_) => {
                        actions.push(Action::Read(at));
                        if state.faults_left > 0 {
                            actions.push(Action::FailRead(at));
                        }
                    }
                    Waiting::Lives => actions.push(Action::AnswerLives(at)),
                    Waiting::Gone(held) => {
                        let gone = (0..held.len()).filter(|index| {
                            self.mutation == Some(Mutation::NotGone)
                                || !state.holder_lives(&held[*index].record)
                        });
                        let before = actions.len();
                        actions.extend(gone.map(|index| Action::AnswerGone(at, Some(index))));
                        if actions.len() == before {
                            actions.push(Action::AnswerGone(at, None));
                        }
                    }
                    Waiting::Swap(_) if state.faults_left > 0 => {
                        actions.push(Action::StopWaiting(at));
                    }
                    Waiting::Swap(_) => {}
                }
                if state.kills_left > 0 {
                    actions.push(Action::Kill(at));
                }
            }
        }
    }
}

impl Model for Leases {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (pod, life) in state.pods.iter().enumerate() {
            let mut earlier = (0..pod).filter(|other| POD_NAMES[*other] == POD_NAMES[pod]);
            match life {
                Life::NotYet => {
                    if earlier.all(|other| state.pods[other] == Life::Gone) {
                        actions.push(Action::CreatePod(pod));
                    }
                }
                Life::Lives { .. } => {
                    actions.extend([Action::DeletePod(pod), Action::ReadInInit(pod)]);
                }
                Life::Gone => {}
            }
        }
        for at in 0..state.controllers.len() {
            self.of_controller(state, at, actions);
        }
        for request in 0..state.requests.len() {
            actions.push(Action::Deliver(request));
            if state.faults_left > 0 {
                actions.extend([Action::DeliverWithoutAnswer(request), Action::Lose(request)]);
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::CreatePod(pod) => state.pods[pod] = Life::Lives { number: None },
            Action::DeletePod(pod) => state.pods[pod] = Life::Gone,
            Action::ReadInInit(pod) => state.read_in_init(self, pod),
            Action::Claim(at, pod) => state.begin_claim(self, at, pod),
            Action::Release(at, pod) => state.begin_release(self, at, pod),
            Action::Read(at) => state.read(self, at),
            Action::AnswerLives(at) => state.answer_lives(self, at),
            Action::AnswerGone(at, index) => state.answer_gone(self, at, index),
            Action::Deliver(request) => {
                let request = state.requests.remove(request);
                let is_made = state.carry_out(self, &request.changes);
                state.answer(self, &request, Some(is_made));
            }
            Action::DeliverWithoutAnswer(request) => {
                state.faults_left -= 1;
                let request = state.requests.remove(request);
                state.carry_out(self, &request.changes);
                state.answer(self, &request, None);
            }
            Action::Lose(request) => {
                state.faults_left -= 1;
                let request = state.requests.remove(request);
                state.answer(self, &request, None);
            }
            Action::FailRead(at) | Action::StopWaiting(at) => {
                state.faults_left -= 1;
                state.fail(self, at);
            }
            Action::Kill(at) => {
                state.kills_left -= 1;
                state.controllers[at] = Controller::Idle;
            }
        }
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(UNIQUE, |_, state: &State| !state.is_held_twice()),
            Property::always(STABLE, |_, state: &State| !state.has_number_changed),
            Property::always(AGREE, |leases: &Self, state: &State| {
                state.records_agree(leases)
            }),
        ]
    }
}

const UNIQUE: &str = "no number is held by two pods that live";
const STABLE: &str = "the number of a pod does not change while it lives";
const AGREE: &str = "the record of a pod that lives and that of its number agree";
