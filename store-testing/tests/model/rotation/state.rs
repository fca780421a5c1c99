//! The store, the rotators and the others, as they are at one moment of a run.

mod reader;
mod requests;
mod rotators;

use kees_store::{
    protocol::machine::{self as protocol, Rules, WhenAbsent, WriteError},
    rotation::machine::{Effect, Event, Machine, Shown},
    rows::{Asked, Marks, Row, doubtful, readable},
};

use super::{Mutation, Rotation, Store};

/// A generation, by its number. It is both value and name.
pub(super) type Generation = u8;

/// The fields of a generation, and those before.
pub(super) const FIELDS: usize = 2;
pub(super) const ROWS: usize = 2 * FIELDS;

/// The number of the creator as a sender.
const CREATOR: usize = 2;
/// The number of whoever retires.
const RETIRER: usize = 3;

pub(super) type Rows = [Option<Row<Generation, Generation>>; ROWS];

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    /// The current fields, and the previous ones.
    pub(super) rows: Rows,
    pub(super) rotators: [Option<Rotator>; 2],
    pub(super) creator: Option<Creator>,
    pub(super) has_creator_begun: bool,
    pub(super) reader: Option<Reader>,
    /// Requests on their way. The network delivers each at any time, or never.
    pub(super) requests: Vec<Request>,
    /// The tokens of requests that were carried out: their generations.
    pub(super) tokens: Vec<Generation>,
    next: Generation,
    pub(super) begins_left: u8,
    pub(super) reads_left: u8,
    pub(super) retirements_left: u8,
    pub(super) kills_left: u8,
    pub(super) faults_left: u8,
    pub(super) history: History,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Rotator {
    machine: Machine<Generation>,
    /// Whether a read is under way. If not, a request is.
    pub(super) reads: bool,
    own: Option<Generation>,
    /// What was carried out since it began.
    begin: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Creator {
    machine: protocol::Machine<Generation>,
    pub(super) reads: bool,
    own: Generation,
    is_repeated: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Reader {
    machine: protocol::Machine<Generation>,
    /// What a batch has read so far.
    #[expect(clippy::option_option, reason = "a row that was read may be absent")]
    pub(super) rows: [Option<Option<Row<Generation, Generation>>>; ROWS],
    /// Whether it reads all rows at one moment.
    pub(super) is_together: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Request {
    sender: usize,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum What {
    /// Store `own` if there is nothing.
    Create { own: Generation },
    /// Replace one generation by another one.
    Replace {
        replaced: Generation,
        own: Generation,
        /// Which begin of its sender it belongs to.
        begin: u8,
        /// With [`Mutation::FieldsApart`]: the one field that is still to be written.
        only_field: Option<usize>,
    },
    /// Remove the generation before this one.
    Retire { current: Generation },
}

/// What happened so far, as far as the properties need it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "one for each property")]
pub(super) struct History {
    /// Each replaced generation with the one that replaced it, and the begin that did it.
    replaced: Vec<(Generation, Generation, u8)>,
    /// Generations whose predecessor was removed.
    retired: Vec<Generation>,
    /// Secrets Manager: current and previous generation, at every moment.
    pub(super) stages: Vec<(Option<Generation>, Option<Generation>)>,
    pub(super) mixed: bool,
    pub(super) unlinked: bool,
    pub(super) lost: bool,
    pub(super) twice: bool,
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "a row that is there, beside one that is not"
)]
fn row(value: Generation, generation: Option<Generation>) -> Option<Row<Generation, Generation>> {
    let marks = Marks {
        generation,
        ..Marks::default()
    };
    Some(Row { value, marks })
}

impl State {
    pub(super) fn new(rotation: &Rotation) -> Self {
        let mut state = Self {
            rows: [const { None }; ROWS],
            rotators: [None, None],
            creator: None,
            has_creator_begun: false,
            reader: None,
            requests: Vec::new(),
            tokens: Vec::new(),
            next: 0,
            begins_left: rotation.begins,
            reads_left: rotation.reads,
            retirements_left: rotation.retirements,
            kills_left: rotation.kills,
            faults_left: rotation.faults,
            history: History::default(),
        };
        if rotation.is_stored {
            let first = state.generate();
            state.rows[..FIELDS].fill(row(first, None));
        }
        state.note_stages(rotation);
        state
    }

    fn generate(&mut self) -> Generation {
        self.next += 1;
        self.next
    }

    /// The current generation, if all its fields are stored.
    fn current(&self) -> Option<Generation> {
        let values = self.rows[..FIELDS]
            .iter()
            .map(|row| row.as_ref().map(|row| row.value));
        let values: Vec<_> = values.collect();
        values[0].filter(|_| values[0] == values[1])
    }

    /// Whether the fields that are stored are of one generation, and so are those before.
    pub(super) fn is_whole(&self) -> bool {
        let generation = |at: usize| self.rows[at].as_ref().map(|row| row.value);
        [0, FIELDS]
            .into_iter()
            .all(|at| generation(at) == generation(at + 1))
    }

    /// The current generation that has a generation before it.
    pub(super) fn previous(&self) -> Option<Generation> {
        let previous = self.rows[FIELDS].as_ref()?;
        previous
            .marks
            .superseded_by
            .filter(|by| self.current() == Some(*by))
    }

    fn note_stages(&mut self, rotation: &Rotation) {
        if rotation.store == Store::SecretsManager {
            let previous = self.rows[FIELDS].as_ref().map(|row| row.value);
            let stages = (self.current(), previous);
            if self.history.stages.last() != Some(&stages) {
                self.history.stages.push(stages);
            }
        }
    }
}

impl History {
    fn before(&self, generation: Generation) -> Option<Generation> {
        let by = self.replaced.iter().find(|(_, by, _)| *by == generation);
        by.map(|(replaced, ..)| *replaced)
    }

    fn replace(&mut self, replaced: Generation, own: Generation, begin: u8) {
        self.twice |= self
            .replaced
            .iter()
            .any(|(of, _, by)| *of == replaced || *by == begin);
        self.replaced.push((replaced, own, begin));
    }

    fn end_read(&mut self, values: &[Generation], previous: &[Option<Generation>]) {
        self.mixed |= values[0] != values[1] || previous[0] != previous[1];
        let before = self.before(values[0]);
        let is_retired = self.retired.contains(&values[0]);
        self.unlinked |= match previous[0] {
            Some(previous) => before != Some(previous),
            None => before.is_some() && !is_retired,
        };
    }
}

fn rules(rotation: &Rotation, when_absent: WhenAbsent) -> Rules {
    Rules {
        when_absent,
        names_all_fields: true,
        is_consistent: rotation.store == Store::DynamoDb,
    }
}

/// Both fields, and both fields before.
fn asked() -> [Asked<()>; ROWS] {
    std::array::from_fn(|row| Asked {
        secret: (),
        is_previous: row >= FIELDS,
    })
}
