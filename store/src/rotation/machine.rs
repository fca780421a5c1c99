//! One rotator and one generation: an event in, an effect out.
//!
//! | the machine | goes on with |
//! | --- | --- |
//! | reads the current generation | absent or not due: end; incomplete: pause and read again; complete: generate |
//! | rotates, on the condition that the store holds what was read | rotated: end; something else is there: end if the request was sent once, else look; no answer: pause, then look |
//! | looks | its own generation: rotated; the one that it read: rotate again with the same token; another one: end |
//!
//! So a rotator replaces at most the one generation that it has read first. Of several rotators that
//! read the same generation, one replaces it.

use std::mem;

use crate::protocol::machine::{Pause, WriteError};

/// One rotator. `C` is a generation as a store shows it, with its name and values.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Machine<C> {
    state: State,
    /// What is replaced.
    replaced: Option<C>,
    /// What this rotator has generated.
    own: Option<C>,
    /// Whether the request was sent more than once.
    is_repeated: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum State {
    /// Reads, or pauses before a read. `is_incomplete`: the last read showed some fields only.
    Reading {
        is_incomplete: bool,
    },
    Generating,
    Rotating,
    /// Reads, or pauses before a read, because it is not known whether the request was carried out.
    Looking,
    Ended,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<C> {
    /// A read was answered.
    Read(Shown<C>),
    /// A read failed.
    ReadFailed {
        /// Whether trying again may help.
        is_transient: bool,
    },
    /// The new generation, as the store will show it.
    Generated(C),
    /// It cannot be generated.
    GenerationFailed,
    /// The request was carried out.
    Rotated,
    /// The store does not hold what was to be replaced.
    Changed,
    /// The request failed, or its answer was lost.
    RotateFailed(WriteError),
    /// The pause that was asked for is over.
    PauseEnded,
    /// There is no more time.
    TimeIsOver,
}

/// What a read has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown<C> {
    /// No field.
    Absent,
    /// Some fields, or fields of different generations.
    Incomplete,
    /// All fields of one generation.
    Complete {
        /// The generation.
        current: C,
        /// Whether it is to be replaced.
        is_due: bool,
    },
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Read the current generation, in one snapshot.
    Read,
    /// Generate a new one.
    Generate,
    /// Replace the generation that was read first by the new one, in one atomic step.
    Rotate,
    /// Do nothing for a while, then report [`Event::PauseEnded`].
    Pause(Pause),
    /// Nothing: the machine has ended.
    End(End),
}

/// How a machine ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// This rotator has replaced the generation.
    Rotated,
    /// The generation is not due.
    NotDue,
    /// There is no generation. Rotation creates none.
    Absent,
    /// Some fields stayed absent.
    Incomplete,
    /// Somebody else has replaced or deleted the generation meanwhile.
    Changed,
    /// It could not be read.
    ReadFailed,
    /// The last request failed. If it had no answer, it may have been carried out.
    RotateFailed,
    /// It cannot be generated.
    GenerationFailed,
}

impl<C: Clone + PartialEq> Machine<C> {
    /// A rotator, and its first effect.
    pub fn start() -> (Self, Effect) {
        let machine = Self {
            state: State::Reading {
                is_incomplete: false,
            },
            replaced: None,
            own: None,
            is_repeated: false,
        };
        (machine, Effect::Read)
    }

    /// What is replaced, after [`Effect::Generate`].
    pub fn replaced(&self) -> Option<&C> {
        self.replaced.as_ref()
    }

    /// Whether it has answered [`Effect::End`].
    pub fn has_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// What to do next. `None` where the event is of no interest any more.
    pub fn on(&mut self, event: Event<C>) -> Option<Effect> {
        let state = mem::replace(&mut self.state, State::Ended);
        Some(match (state, event) {
            (State::Reading { .. }, Event::Read(shown)) => self.on_first_look(shown),
            (State::Looking, Event::Read(shown)) => self.on_look(shown),
            (state @ (State::Reading { .. } | State::Looking), Event::PauseEnded) => {
                self.go(state, Effect::Read)
            }
            (
                state @ (State::Reading { .. } | State::Looking),
                Event::ReadFailed { is_transient: true },
            ) => self.go(state, Effect::Pause(Pause::RetryRead)),
            (State::Reading { .. }, Event::ReadFailed { .. }) => Effect::End(End::ReadFailed),
            (State::Reading { is_incomplete }, Event::TimeIsOver) => {
                Effect::End(if is_incomplete {
                    End::Incomplete
                } else {
                    End::ReadFailed
                })
            }
            (State::Generating, Event::Generated(own)) => {
                self.own = Some(own);
                self.go(State::Rotating, Effect::Rotate)
            }
            (State::Generating, Event::GenerationFailed) => Effect::End(End::GenerationFailed),
            (State::Rotating, Event::Rotated) => Effect::End(End::Rotated),
            (State::Rotating, Event::Changed) if self.is_repeated => {
                self.go(State::Looking, Effect::Read)
            }
            (State::Rotating, Event::Changed) => Effect::End(End::Changed),
            (State::Rotating, Event::RotateFailed(WriteError::Transient)) => {
                self.go(State::Looking, Effect::Pause(Pause::RetryWrite))
            }
            (State::Rotating, Event::RotateFailed(_) | Event::TimeIsOver)
            | (State::Looking, Event::ReadFailed { .. } | Event::TimeIsOver) => {
                Effect::End(End::RotateFailed)
            }
            (state, _) => {
                self.state = state;
                return None;
            }
        })
    }

    fn on_first_look(&mut self, shown: Shown<C>) -> Effect {
        match shown {
            Shown::Absent => Effect::End(End::Absent),
            Shown::Incomplete => {
                let state = State::Reading {
                    is_incomplete: true,
                };
                self.go(state, Effect::Pause(Pause::Incomplete))
            }
            Shown::Complete { is_due: false, .. } => Effect::End(End::NotDue),
            Shown::Complete { current, .. } => {
                self.replaced = Some(current);
                self.go(State::Generating, Effect::Generate)
            }
        }
    }

    fn on_look(&mut self, shown: Shown<C>) -> Effect {
        match shown {
            Shown::Complete { current, .. } if self.own.as_ref() == Some(&current) => {
                Effect::End(End::Rotated)
            }
            Shown::Complete { current, .. } if self.replaced.as_ref() == Some(&current) => {
                self.is_repeated = true;
                self.go(State::Rotating, Effect::Rotate)
            }
            Shown::Incomplete => self.go(State::Looking, Effect::Pause(Pause::Incomplete)),
            Shown::Complete { .. } | Shown::Absent => Effect::End(End::Changed),
        }
    }

    fn go(&mut self, state: State, effect: Effect) -> Effect {
        self.state = state;
        effect
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(current: u8) -> Event<u8> {
        let is_due = true;
        Event::Read(Shown::Complete { current, is_due })
    }

    const LOST: Event<u8> = Event::RotateFailed(WriteError::Transient);

    /// The effects of `events`, one after the other.
    fn effects(events: impl IntoIterator<Item = Event<u8>>) -> Vec<Effect> {
        let (mut machine, first) = Machine::start();
        let rest = events.into_iter().filter_map(|event| machine.on(event));
        [first]
            .into_iter()
            .chain(rest.collect::<Vec<_>>())
            .collect()
    }

    fn last(events: impl IntoIterator<Item = Event<u8>>) -> Effect {
        *effects(events).last().unwrap()
    }

    #[test]
    fn a_generation_is_read_and_replaced() {
        let events = [complete(1), Event::Generated(2), Event::Rotated];
        let expected = [
            Effect::Read,
            Effect::Generate,
            Effect::Rotate,
            Effect::End(End::Rotated),
        ];
        assert_eq!(effects(events), expected);
    }

    #[test]
    fn nothing_is_generated_for_what_is_absent_or_not_due() {
        assert_eq!(last([Event::Read(Shown::Absent)]), Effect::End(End::Absent));
        let not_due = Shown::Complete {
            current: 1,
            is_due: false,
        };
        assert_eq!(last([Event::Read(not_due)]), Effect::End(End::NotDue));
    }

    #[test]
    fn what_somebody_else_has_replaced_is_not_replaced_again() {
        let events = [complete(1), Event::Generated(2), Event::Changed];
        assert_eq!(last(events), Effect::End(End::Changed));
    }

    #[test]
    fn a_lost_answer_is_followed_by_a_look() {
        let lost = || [complete(1), Event::Generated(2), LOST, Event::PauseEnded];
        assert_eq!(last(lost()), Effect::Read);
        let with = |event| last(lost().into_iter().chain([event]));
        assert_eq!(with(complete(2)), Effect::End(End::Rotated));
        assert_eq!(with(complete(1)), Effect::Rotate);
        assert_eq!(with(complete(3)), Effect::End(End::Changed));
        assert_eq!(with(Event::Read(Shown::Absent)), Effect::End(End::Changed));
        assert_eq!(with(Event::TimeIsOver), Effect::End(End::RotateFailed));
    }

    #[test]
    fn a_repeated_request_that_finds_another_generation_looks_whether_it_is_its_own() {
        let again = [complete(1), Event::Changed, complete(2)];
        let events = [complete(1), Event::Generated(2), LOST, Event::PauseEnded];
        assert_eq!(
            last(events.into_iter().chain(again)),
            Effect::End(End::Rotated)
        );
    }

    #[test]
    fn an_incomplete_generation_is_read_again_until_there_is_no_time() {
        let incomplete = || Event::Read(Shown::Incomplete);
        assert_eq!(last([incomplete()]), Effect::Pause(Pause::Incomplete));
        assert_eq!(
            last([incomplete(), Event::PauseEnded, complete(1)]),
            Effect::Generate
        );
        assert_eq!(
            last([incomplete(), Event::TimeIsOver]),
            Effect::End(End::Incomplete)
        );
    }

    #[test]
    fn errors_that_stay_end_it() {
        let denied = Event::ReadFailed {
            is_transient: false,
        };
        assert_eq!(last([denied]), Effect::End(End::ReadFailed));
        let denied = Event::RotateFailed(WriteError::Denied);
        assert_eq!(
            last([complete(1), Event::Generated(2), denied]),
            Effect::End(End::RotateFailed)
        );
        assert_eq!(
            last([complete(1), Event::GenerationFailed]),
            Effect::End(End::GenerationFailed)
        );
    }
}
