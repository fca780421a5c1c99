//! One writer and one generation: an event in, an effect out.
//!
//! A [`Machine`] has no connection, clock or randomness of its own. The driver executes its effects
//! against a store, and the model checker executes them against every order of events that a store,
//! a network and other writers can produce.
//!
//! | the machine | goes on with |
//! | --- | --- |
//! | reads the named fields, in a batch | all there: end; all absent: generate, wait or end; some missing: read them together |
//! | reads them together, in one snapshot | the same; still some missing: another writer may be storing them, so pause and read together again |
//! | writes | created by the first request: end; created by a repeated request: read back; exists: read the winner's; no answer: pause, then read before the request is repeated |
//! | reads before a write | all there: end; all absent: write |
//! | reads back | all there: end. A store answers a repeated token with success for ten minutes, even where the values have been deleted since |
//! | reads the winner's | all there: end; absent: an error, or one more read where reads may lag behind writes |
//!
//! An incomplete generation is never completed with the fields of a new one.

mod event;
#[cfg(test)]
mod tests;

use std::mem;

pub use event::{Effect, End, Event, Pause, WhenAbsent, WriteError};

/// What a machine has to know about its generation and the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rules {
    /// What to do when the generation is absent.
    pub when_absent: WhenAbsent,
    /// Whether this writer names, and so may read, every field of the generation.
    pub names_all_fields: bool,
    /// Whether a read sees every write that was answered before it.
    pub is_consistent: bool,
}

/// One writer that wants the fields that it names of one generation, each of them a `V`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Machine<V> {
    rules: Rules,
    state: State,
    /// What this writer generated.
    own: Option<Vec<V>>,
    /// Whether creating was denied.
    is_denied: bool,
    /// Whether a write that held other generations too has failed for good.
    is_alone: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum State {
    Reading(Reading),
    Generating,
    Writing,
    Ended,
}

/// A read, or the pause before it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Reading {
    purpose: Purpose,
    /// Whether the next read, or the one under way, is a snapshot.
    is_together: bool,
    /// What the last answer showed.
    seen: Seen,
    /// Whether the last attempt failed.
    has_failed: bool,
}

/// Why the store is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Purpose {
    /// Nothing is known yet.
    FirstLook,
    /// The value was absent, and another writer has to store it.
    Wait,
    /// A write was not carried out, or not answered.
    BeforeWrite,
    /// A repeated write was answered with success.
    ReadBack,
    /// A write found that a name exists.
    Winner,
}

/// What the last answered read showed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Seen {
    Nothing,
    Absent,
    Incomplete(Vec<usize>),
}

impl<V: Clone + PartialEq> Machine<V> {
    /// A writer that starts with [`Effect::Read`].
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            state: State::Reading(Reading::new(Purpose::FirstLook)),
            own: None,
            is_denied: false,
            is_alone: false,
        }
    }

    /// What to do about an absent value.
    pub fn when_absent(&self) -> WhenAbsent {
        self.rules.when_absent
    }

    /// Whether it is not known yet if the value is there.
    pub fn is_in_first_look(&self) -> bool {
        matches!(&self.state, State::Reading(reading)
            if reading.purpose == Purpose::FirstLook && reading.seen == Seen::Nothing)
    }

    /// Whether [`Machine::on`] has answered [`Effect::End`].
    pub fn has_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// What to do next. `None` where the event is of no interest any more.
    pub fn on(&mut self, event: Event<V>) -> Option<Effect<V>> {
        match (mem::replace(&mut self.state, State::Ended), event) {
            (State::Reading(reading), Event::Read(found)) => Some(self.on_read(reading, found)),
            (State::Reading(reading), Event::ReadFailed { is_transient: true }) => {
                let reading = Reading {
                    has_failed: true,
                    ..reading
                };
                Some(self.pause(Pause::RetryRead, reading))
            }
            (State::Reading(_), Event::ReadFailed { .. }) => Some(self.end(End::ReadFailed)),
            (State::Reading(reading), Event::PauseEnded) => Some(self.read(reading)),
            (State::Reading(reading), Event::TimeIsOver) => Some(self.on_time_is_over(&reading)),
            (State::Generating, Event::Generated(own)) => {
                self.own = Some(own);
                Some(self.write())
            }
            (State::Generating, Event::GenerationFailed) => Some(self.end(End::GenerationFailed)),
            (State::Writing, Event::Created { is_repeated: false }) => {
                let values = self.own.take().unwrap_or_default();
                Some(self.end(End::Stored {
                    values,
                    is_created: true,
                }))
            }
            (State::Writing, Event::Created { is_repeated: true }) => {
                Some(self.read(Reading::new(Purpose::ReadBack)))
            }
            (State::Writing, Event::Exists { is_shared: true }) => {
                self.is_alone = true;
                Some(self.read(Reading::new(Purpose::BeforeWrite)))
            }
            (State::Writing, Event::Exists { is_shared: false }) => {
                Some(self.read(Reading::new(Purpose::Winner)))
            }
            (State::Writing, Event::WriteFailed { error, is_shared }) => {
                Some(self.on_write_failed(error, is_shared))
            }
            (State::Writing, Event::TimeIsOver) => Some(self.end(End::WriteFailed)),
            (state, _) => {
                self.state = state;
                None
            }
        }
    }

    /// Whether it pauses, or reads, only because another writer has to store the value.
    pub fn waits_for_other_writer(&self) -> bool {
        matches!(&self.state, State::Reading(reading)
            if reading.purpose == Purpose::Wait && reading.seen == Seen::Absent)
    }

    /// Ends because another entry failed: with [`End::Stopped`] or, where creating was denied, with
    /// that error of its own.
    pub fn stop(&mut self) -> Effect<V> {
        self.end(if self.is_denied {
            End::CreationDenied
        } else {
            End::Stopped
        })
    }

    fn on_read(&mut self, mut reading: Reading, found: Vec<Option<V>>) -> Effect<V> {
        reading.has_failed = false;
        let missing: Vec<usize> = (0..found.len())
            .filter(|index| found.get(*index).is_some_and(Option::is_none))
            .collect();
        if missing.len() == found.len() {
            reading.is_together = false;
            reading.seen = Seen::Absent;
            return self.on_absent(reading);
        }
        if missing.is_empty() {
            let values: Vec<V> = found.into_iter().flatten().collect();
            let is_created = self.own.as_ref() == Some(&values);
            return self.end(End::Stored { values, is_created });
        }
        // A batch beside another writer's transaction can show some of its fields only.
        let is_second_look = reading.is_together;
        reading.is_together = true;
        if is_second_look {
            reading.seen = Seen::Incomplete(missing);
            self.pause(Pause::Incomplete, reading)
        } else {
            self.read(reading)
        }
    }

    fn on_absent(&mut self, mut reading: Reading) -> Effect<V> {
        match (reading.purpose, self.rules.when_absent) {
            (Purpose::FirstLook, WhenAbsent::Create | WhenAbsent::CreateOrFail) => {
                self.state = State::Generating;
                Effect::Generate
            }
            (Purpose::FirstLook, WhenAbsent::Fail | WhenAbsent::Report) => self.end(End::Absent),
            (Purpose::FirstLook | Purpose::Wait, _) => {
                reading.purpose = Purpose::Wait;
                self.pause(Pause::Absent, reading)
            }
            (Purpose::BeforeWrite, _) => self.write(),
            (Purpose::ReadBack | Purpose::Winner, _) if !self.rules.is_consistent => {
                self.pause(Pause::Replication, reading)
            }
            (Purpose::Winner, _) if !self.rules.names_all_fields => {
                // The name that exists is that of a field which this writer may not read.
                let named = self.own.as_ref().map_or(0, Vec::len);
                reading.seen = Seen::Incomplete((0..named).collect());
                self.pause(Pause::Incomplete, reading)
            }
            (Purpose::ReadBack, _) => self.end(End::Vanished { is_created: true }),
            (Purpose::Winner, _) => self.end(End::Vanished { is_created: false }),
        }
    }

    fn on_write_failed(&mut self, error: WriteError, is_shared: bool) -> Effect<V> {
        match error {
            WriteError::Transient => {
                self.pause(Pause::RetryWrite, Reading::new(Purpose::BeforeWrite))
            }
            // The error may be about another generation; by itself each one is told its own.
            WriteError::Denied | WriteError::Permanent if is_shared => {
                self.is_alone = true;
                self.write()
            }
            WriteError::Denied if self.rules.when_absent == WhenAbsent::CreateOrFail => {
                self.end(End::CreationDenied)
            }
            WriteError::Denied => {
                self.is_denied = true;
                let reading = Reading {
                    seen: Seen::Absent,
                    ..Reading::new(Purpose::Wait)
                };
                self.pause(Pause::Absent, reading)
            }
            WriteError::Permanent => self.end(End::WriteFailed),
        }
    }

    fn on_time_is_over(&mut self, reading: &Reading) -> Effect<V> {
        let end = match (&reading.seen, reading.purpose) {
            (Seen::Incomplete(missing), _) if !reading.has_failed => {
                End::Incomplete(missing.clone())
            }
            (_, Purpose::BeforeWrite) => End::WriteFailed,
            (Seen::Nothing | Seen::Incomplete(_), _) => End::ReadFailed,
            (Seen::Absent, _) if reading.has_failed => End::ReadFailed,
            (Seen::Absent, Purpose::ReadBack) => End::Vanished { is_created: true },
            (Seen::Absent, Purpose::Winner) => End::Vanished { is_created: false },
            (Seen::Absent, _) if self.is_denied => End::CreationDenied,
            (Seen::Absent, _) => End::Absent,
        };
        self.end(end)
    }

    fn read(&mut self, reading: Reading) -> Effect<V> {
        let is_together = reading.is_together;
        self.state = State::Reading(reading);
        if is_together {
            Effect::ReadTogether
        } else {
            Effect::Read
        }
    }

    fn pause(&mut self, pause: Pause, next: Reading) -> Effect<V> {
        self.state = State::Reading(next);
        Effect::Pause(pause)
    }

    fn write(&mut self) -> Effect<V> {
        self.state = State::Writing;
        Effect::Write {
            is_alone: self.is_alone,
        }
    }

    fn end(&mut self, end: End<V>) -> Effect<V> {
        self.state = State::Ended;
        self.own = None;
        Effect::End(end)
    }
}

impl Reading {
    fn new(purpose: Purpose) -> Self {
        Self {
            purpose,
            is_together: false,
            seen: Seen::Nothing,
            has_failed: false,
        }
    }
}
