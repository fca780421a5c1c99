//! The store, the network and the other writers, as they are at one moment of a run.

use crate::{history::History, mutations::Mutation, race::Race, writer::Writer};

/// The most generations of a race, and the most fields of each.
pub(crate) const GENERATIONS: usize = 2;
pub(crate) const FIELDS: usize = 3;

/// Which run of which writer generated a value. All fields of one generation have the same.
pub(crate) type Value = u8;

/// What the original kees's creator stores.
pub(crate) const ORIGINAL: Value = 100;
/// What was stored before the race.
pub(crate) const LEFT_BEHIND: Value = 101;

/// One run of a writer, from its start until it is killed or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Sender {
    pub(crate) writer: usize,
    pub(crate) restarts: u8,
}

impl Sender {
    /// What this run generates.
    pub(crate) fn value(self) -> Value {
        u8::try_from(self.writer).unwrap() * 8 + self.restarts
    }
}

/// A write request on its way. Sender and number are its idempotency token.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Request {
    pub(crate) sender: Sender,
    pub(crate) number: usize,
    /// The generations that it holds.
    pub(crate) generations: Vec<usize>,
    /// With [`Mutation::FieldsApart`]: the one field that is still to be written.
    pub(crate) only_field: Option<usize>,
}

/// A moment of a run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) stored: [[Option<Value>; FIELDS]; GENERATIONS],
    /// Secrets Manager: whether every replica shows what was written.
    pub(crate) is_replicated: [bool; GENERATIONS],
    /// Requests on their way, sorted. The network delivers each at any time, or never.
    pub(crate) requests: Vec<Request>,
    /// Tokens that the store remembers as carried out, sorted.
    pub(crate) tokens: Vec<(Sender, usize)>,
    pub(crate) writers: Vec<Writer>,
    /// The next field of the first generation that the original's creator stores.
    pub(crate) original: Option<usize>,
    pub(crate) kills_left: u8,
    pub(crate) faults_left: u8,
    pub(crate) deletions_left: u8,
    pub(crate) history: History,
}

/// How the store answers a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Created,
    Exists,
    Denied,
}

impl State {
    /// A request arrives at the store.
    pub(crate) fn carry_out(&mut self, race: &Race, request: &Request) -> Answer {
        if race.is_denied[request.sender.writer] {
            return Answer::Denied;
        }
        let token = (request.sender, request.number);
        if self.tokens.contains(&token) {
            return Answer::Created;
        }
        match race.mutation {
            Some(Mutation::NoCondition) => {}
            Some(Mutation::FieldsApart) => return self.carry_out_apart(race, request),
            _ => {
                let exists =
                    |generation: &usize| self.stored[*generation].iter().any(Option::is_some);
                if request.generations.iter().any(exists) {
                    return Answer::Exists;
                }
            }
        }
        for generation in &request.generations {
            for field in 0..race.fields[*generation] {
                self.put(*generation, field, request.sender.value());
            }
            self.is_replicated[*generation] = race.is_consistent();
        }
        self.tokens.push(token);
        self.tokens.sort_unstable();
        Answer::Created
    }

    /// One field now; a request for the next one is on its way then.
    fn carry_out_apart(&mut self, race: &Race, request: &Request) -> Answer {
        let field = request.only_field.unwrap_or(0);
        for generation in &request.generations {
            if self.stored[*generation][field].is_none() {
                self.put(*generation, field, request.sender.value());
            }
        }
        if field + 1 < race.fields[0] {
            self.send(Request {
                only_field: Some(field + 1),
                ..request.clone()
            });
        }
        Answer::Created
    }

    fn put(&mut self, generation: usize, field: usize, value: Value) {
        let fields = &mut self.stored[generation];
        let others = fields.iter().flatten();
        self.history.overwritten |= fields[field].is_some_and(|old| old != value);
        self.history.completed |=
            fields[field].is_none() && others.clone().any(|old| *old != value);
        fields[field] = Some(value);
    }

    /// The original's creator stores one more field, unless it is there. It ignores a conflict.
    pub(crate) fn put_as_original(&mut self, race: &Race) {
        let Some(field) = self.original else { return };
        self.stored[0][field].get_or_insert(ORIGINAL);
        self.original = Some(field + 1).filter(|next| *next < race.fields[0]);
    }

    /// Somebody deletes a generation.
    pub(crate) fn delete(&mut self, generation: usize) {
        self.deletions_left -= 1;
        self.stored[generation] = [None; FIELDS];
        self.history.epochs[generation] += 1;
    }

    /// Puts a request on its way. A second copy changes nothing: it may be delivered twice anyway.
    pub(crate) fn send(&mut self, request: Request) {
        if let Err(at) = self.requests.binary_search(&request) {
            self.requests.insert(at, request);
        }
    }
}
