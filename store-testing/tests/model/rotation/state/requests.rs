//! What becomes of requests in the store, and of their answers.

use super::*;

impl State {
    pub(in crate::rotation) fn begin_retirement(&mut self) {
        self.retirements_left -= 1;
        if let Some(current) = self.previous() {
            self.send(RETIRER, What::Retire { current });
        }
    }

    /// A request arrives at the store. Whether its condition was met.
    pub(in crate::rotation) fn carry_out(
        &mut self,
        rotation: &Rotation,
        request: &Request,
    ) -> bool {
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
    pub(in crate::rotation) fn answer(
        &mut self,
        rotation: &Rotation,
        request: &Request,
        is_met: Option<bool>,
    ) {
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
