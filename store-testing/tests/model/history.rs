//! What has happened in a run so far, and what must never happen.

use kees_store::protocol::machine::End;

use crate::{
    race::Race,
    state::{GENERATIONS, Value},
};

/// How often a generation may be deleted in a run, and one.
const EPOCHS: usize = 3;

/// What happened in a run, as far as the properties need it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "one for each property")]
pub(crate) struct History {
    /// How often each generation has been deleted. What was read or written after one deletion and
    /// before the next one is of one epoch.
    pub(crate) epochs: [u8; GENERATIONS],
    /// The generation that writers ended with, by epoch.
    agreed: [[Option<Value>; EPOCHS]; GENERATIONS],
    /// A writer ended with another generation than another writer of the same epoch.
    pub(crate) disagreed: bool,
    /// A writer ended with fields of two generations.
    pub(crate) mixed: bool,
    /// A stored value was replaced.
    pub(crate) overwritten: bool,
    /// A field was added to fields of another generation.
    pub(crate) completed: bool,
    /// A write was sent again without a read since the answer of the first one was lost.
    pub(crate) blind: bool,
    /// A writer reported missing fields although every generation was written in one piece.
    pub(crate) wrong_incomplete: bool,
    /// A writer reported that a generation vanished although nothing was deleted, and no read lags
    /// behind.
    pub(crate) wrong_vanished: bool,
}

/// When a writer's answer was true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Seen {
    /// In one epoch.
    In(u8),
    /// A batch read some fields before a deletion and some after it. It can show fields of two
    /// generations, which no protocol over such reads can tell.
    AcrossDeletion,
}

impl History {
    /// A writer has ended.
    pub(crate) fn end(&mut self, generation: usize, end: &End<Value>, seen: Seen, race: &Race) {
        let is_deleted = self.epochs[generation] > 0;
        match (end, seen) {
            (End::Stored { values, .. }, Seen::In(epoch)) => {
                let first = values.first().copied();
                self.mixed |= values.iter().any(|value| Some(*value) != first);
                let agreed = &mut self.agreed[generation][usize::from(epoch)];
                self.disagreed |= agreed.is_some() && *agreed != first;
                *agreed = first;
            }
            (End::Incomplete(_), _) => {
                self.wrong_incomplete |= !race.may_be_incomplete() && !is_deleted;
            }
            (End::Vanished { .. }, _) => {
                self.wrong_vanished |= race.is_consistent() && !is_deleted;
            }
            _ => {}
        }
    }
}
