//! The store, the rotators and the others, as they are at one moment of a run.

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

    pub(super) fn begin(&mut self, rotation: &Rotation, at: usize) {
        self.begins_left -= 1;
        let begin = self.begins_left;
        let (machine, effect) = Machine::start();
        self.rotators[at] = Some(Rotator {
            machine,
            reads: true,
            own: None,
            begin,
        });
        self.perform(rotation, at, effect);
    }

    fn tell(&mut self, rotation: &Rotation, at: usize, event: Event<Generation>) {
        let effect = self.rotators[at]
            .as_mut()
            .and_then(|of| of.machine.on(event));
        if let Some(effect) = effect {
            self.perform(rotation, at, effect);
        }
    }

    fn perform(&mut self, rotation: &Rotation, at: usize, effect: Effect) {
        match effect {
            Effect::Read => {
                if let Some(rotator) = &mut self.rotators[at] {
                    rotator.reads = true;
                }
            }
            // What follows a pause is a read that may happen at any time.
            Effect::Pause(_) => self.tell(rotation, at, Event::PauseEnded),
            Effect::Generate => {
                let own = self.generate();
                if let Some(rotator) = &mut self.rotators[at] {
                    rotator.own = Some(own);
                }
                self.tell(rotation, at, Event::Generated(own));
            }
            Effect::Rotate => {
                let Some(rotator) = &mut self.rotators[at] else {
                    return;
                };
                rotator.reads = false;
                let what = What::Replace {
                    replaced: *rotator.machine.replaced().unwrap(),
                    own: rotator.own.unwrap(),
                    begin: rotator.begin,
                    only_field: None,
                };
                self.send(at, what);
            }
            Effect::End(_) => self.rotators[at] = None,
        }
    }

    fn send(&mut self, sender: usize, what: What) {
        self.requests.push(Request { sender, what });
        self.requests.sort_by_key(|request| format!("{request:?}"));
    }

    pub(super) fn read_in_rotator(&mut self, rotation: &Rotation, at: usize) {
        let stored = &self.rows[..FIELDS];
        let shown = if stored.iter().all(Option::is_none) {
            Shown::Absent
        } else if let Some(current) = self.current() {
            let is_first = stored[0]
                .as_ref()
                .is_some_and(|row| row.marks.generation.is_none());
            let is_due = is_first || !rotation.is_due_once;
            Shown::Complete { current, is_due }
        } else {
            Shown::Incomplete
        };
        self.tell(rotation, at, Event::Read(shown));
    }

    pub(super) fn fail_read(&mut self, rotation: &Rotation, at: usize) {
        let is_transient = true;
        self.tell(rotation, at, Event::ReadFailed { is_transient });
    }

    pub(super) fn stop_waiting(&mut self, rotation: &Rotation, at: usize) {
        if rotation.mutation == Some(Mutation::NoLook) {
            // It begins again, and replaces whatever it finds.
            let begin = self.rotators[at].as_ref().unwrap().begin;
            let (machine, effect) = Machine::start();
            self.rotators[at] = Some(Rotator {
                machine,
                reads: true,
                own: None,
                begin,
            });
            return self.perform(rotation, at, effect);
        }
        self.tell(rotation, at, Event::RotateFailed(WriteError::Transient));
    }

    pub(super) fn create(&mut self, rotation: &Rotation) {
        self.has_creator_begun = true;
        let own = self.generate();
        self.creator = Some(Creator {
            machine: protocol::Machine::new(rules(rotation, WhenAbsent::Create)),
            reads: true,
            own,
            is_repeated: false,
        });
    }

    pub(super) fn read_in_creator(&mut self) {
        let found = self.rows[..FIELDS].iter();
        let found = found.map(|row| row.as_ref().map(|row| row.value)).collect();
        self.tell_creator(protocol::Event::Read(found));
    }

    fn tell_creator(&mut self, event: protocol::Event<Generation>) {
        let Some(creator) = &mut self.creator else {
            return;
        };
        let own = creator.own;
        match creator.machine.on(event) {
            Some(protocol::Effect::Read | protocol::Effect::ReadTogether) => creator.reads = true,
            Some(protocol::Effect::Generate) => {
                let event = protocol::Event::Generated(vec![own; FIELDS]);
                self.tell_creator(event);
            }
            Some(protocol::Effect::Write { .. }) => {
                creator.reads = false;
                self.send(CREATOR, What::Create { own });
            }
            Some(protocol::Effect::Pause(_)) => {
                self.tell_creator(protocol::Event::PauseEnded);
            }
            Some(protocol::Effect::End(end)) => {
                if let protocol::End::Stored { values, .. } = end {
                    self.history.mixed |= values[0] != values[1];
                }
                self.creator = None;
            }
            None => {}
        }
    }

    pub(super) fn begin_read(&mut self, rotation: &Rotation) {
        self.reads_left -= 1;
        self.reader = Some(Reader {
            machine: protocol::Machine::new(rules(rotation, WhenAbsent::Fail)),
            rows: [const { None }; ROWS],
            is_together: false,
        });
    }

    pub(super) fn read_row(&mut self, rotation: &Rotation, at: usize) {
        let Some(reader) = &mut self.reader else {
            return;
        };
        reader.rows[at] = Some(self.rows[at].clone());
        let read: Vec<_> = reader.rows.iter().flatten().cloned().collect();
        let Ok(rows) = Rows::try_from(read) else {
            return;
        };
        if rotation.mutation == Some(Mutation::NoMarks) {
            return self.end_read(rotation, &rows);
        }
        let by_reference = rows.each_ref().map(Option::as_ref);
        if doubtful(&asked(), &by_reference).is_empty()
            || rotation.mutation == Some(Mutation::NoLink)
        {
            self.end_read(rotation, &rows);
        } else {
            reader.is_together = true;
        }
    }

    pub(super) fn read_together(&mut self, rotation: &Rotation) {
        let rows = self.rows.clone();
        self.end_read(rotation, &rows);
    }

    /// What the rows show is told to the machine of the reader.
    fn end_read(&mut self, rotation: &Rotation, rows: &Rows) {
        let by_reference = rows.each_ref().map(Option::as_ref);
        let mut is_readable = readable(&asked(), &by_reference);
        match rotation.mutation {
            Some(Mutation::NoMarks) => is_readable.fill(true),
            Some(Mutation::NoLink) => is_readable[FIELDS..].fill(true),
            _ => {}
        }
        let shown = rows.iter().zip(is_readable);
        let shown = shown.map(|(row, is_readable)| {
            let row = row.as_ref().filter(|_| is_readable);
            row.map(|row| row.value)
        });
        let shown: Vec<_> = shown.collect();
        self.tell_reader(&shown[..FIELDS], &shown[FIELDS..]);
    }

    pub(super) fn read_stages(&mut self, moment: usize) {
        let (current, previous) = self.history.stages[moment];
        self.tell_reader(&[current; FIELDS], &[previous; FIELDS]);
    }

    fn tell_reader(&mut self, current: &[Option<Generation>], previous: &[Option<Generation>]) {
        let Some(reader) = &mut self.reader else {
            return;
        };
        let effect = reader.machine.on(protocol::Event::Read(current.to_vec()));
        match effect {
            Some(protocol::Effect::End(end)) => {
                self.reader = None;
                if let protocol::End::Stored { values, .. } = end {
                    self.history.end_read(&values, previous);
                }
            }
            Some(protocol::Effect::ReadTogether) => reader.is_together = true,
            Some(_) => {
                // It pauses because the generation is incomplete, and then reads again.
                reader.machine.on(protocol::Event::PauseEnded);
                reader.is_together = true;
            }
            None => {}
        }
    }

    pub(super) fn begin_retirement(&mut self) {
        self.retirements_left -= 1;
        if let Some(current) = self.previous() {
            self.send(RETIRER, What::Retire { current });
        }
    }

    /// A request arrives at the store. Whether its condition was met.
    pub(super) fn carry_out(&mut self, rotation: &Rotation, request: &Request) -> bool {
        let is_done = match request.what {
            What::Create { own } => self.carry_out_create(own),
            What::Replace {
                replaced,
                own,
                begin,
                only_field,
            } => self.replace(rotation, request.sender, (replaced, own), begin, only_field),
            What::Retire { current } => self.retire(rotation, current),
        };
        self.note_stages(rotation);
        self.note_loss();
        is_done
    }

    fn carry_out_create(&mut self, own: Generation) -> bool {
        if self.tokens.contains(&own) {
            return true;
        }
        if self.rows[..FIELDS].iter().any(Option::is_some) {
            return false;
        }
        self.rows[..FIELDS].fill(row(own, None));
        self.tokens.push(own);
        true
    }

    fn replace(
        &mut self,
        rotation: &Rotation,
        sender: usize,
        (replaced, own): (Generation, Generation),
        begin: u8,
        only_field: Option<usize>,
    ) -> bool {
        if only_field.is_none() && self.tokens.contains(&own) {
            return true;
        }
        let is_apart = rotation.mutation == Some(Mutation::FieldsApart);
        let holds = |row: &Option<Row<_, _>>| row.as_ref().is_some_and(|row| row.value == replaced);
        let is_met = rotation.mutation == Some(Mutation::NoCondition)
            || self.rows[..FIELDS]
                .iter()
                .enumerate()
                .all(|(field, row)| (is_apart && only_field.unwrap_or(0) != field) || holds(row));
        if !is_met {
            return false;
        }
        let fields = match only_field {
            Some(field) => field..field + 1,
            None if is_apart => 0..1,
            None => 0..FIELDS,
        };
        for field in fields {
            self.rows[FIELDS + field] = self.rows[field].clone().map(|mut row| {
                row.marks.superseded_by = Some(own);
                row
            });
            self.rows[field] = row(own, Some(own));
        }
        if only_field.is_none() {
            self.tokens.push(own);
            self.history.replace(replaced, own, begin);
            if is_apart {
                let what = What::Replace {
                    replaced,
                    own,
                    begin,
                    only_field: Some(1),
                };
                self.send(sender, what);
            }
        }
        true
    }

    fn retire(&mut self, rotation: &Rotation, current: Generation) -> bool {
        let is_of = |row: &Option<Row<_, _>>| {
            row.as_ref()
                .is_some_and(|row| row.marks.superseded_by == Some(current))
        };
        if rotation.mutation != Some(Mutation::RetiresAny) && !self.rows[FIELDS..].iter().all(is_of)
        {
            return false;
        }
        self.rows[FIELDS..].fill(None);
        self.history.retired.push(current);
        true
    }

    /// Whether the predecessor of the current generation is stored, unless it was retired.
    fn note_loss(&mut self) {
        let Some(current) = self.current() else {
            return;
        };
        let Some(before) = self.history.before(current) else {
            return;
        };
        let is_kept = |row: &Option<Row<_, _>>| row.as_ref().is_some_and(|row| row.value == before);
        self.history.lost |=
            !self.history.retired.contains(&current) && !self.rows[FIELDS..].iter().all(is_kept);
    }

    /// An answer arrives, if its sender still waits for it; `None`: none arrives any more.
    pub(super) fn answer(&mut self, rotation: &Rotation, request: &Request, is_met: Option<bool>) {
        match (request.what, request.sender) {
            (
                What::Replace {
                    only_field: Some(_),
                    ..
                }
                | What::Retire { .. },
                _,
            ) => {}
            (What::Replace { own, .. }, at) => {
                let waits = self.rotators[at]
                    .as_ref()
                    .is_some_and(|rotator| !rotator.reads && rotator.own == Some(own));
                if !waits {
                    return;
                }
                match is_met {
                    Some(true) => self.tell(rotation, at, Event::Rotated),
                    Some(false) => self.tell(rotation, at, Event::Changed),
                    None => self.stop_waiting(rotation, at),
                }
            }
            (What::Create { .. }, _) => {
                let Some(creator) = self.creator.as_mut().filter(|creator| !creator.reads) else {
                    return;
                };
                let is_repeated = creator.is_repeated;
                let is_shared = false;
                let event = match is_met {
                    Some(true) => protocol::Event::Created { is_repeated },
                    Some(false) => protocol::Event::Exists { is_shared },
                    None => {
                        creator.is_repeated = true;
                        let error = WriteError::Transient;
                        protocol::Event::WriteFailed { error, is_shared }
                    }
                };
                self.tell_creator(event);
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
