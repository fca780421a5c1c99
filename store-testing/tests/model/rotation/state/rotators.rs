//! What rotators and the creator do.

use super::*;

impl State {
    pub(in crate::rotation) fn begin(&mut self, rotation: &Rotation, at: usize) {
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

    pub(super) fn tell(&mut self, rotation: &Rotation, at: usize, event: Event<Generation>) {
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

    pub(super) fn send(&mut self, sender: usize, what: What) {
        self.requests.push(Request { sender, what });
        self.requests.sort_by_key(|request| format!("{request:?}"));
    }

    pub(in crate::rotation) fn read_in_rotator(&mut self, rotation: &Rotation, at: usize) {
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

    pub(in crate::rotation) fn fail_read(&mut self, rotation: &Rotation, at: usize) {
        let is_transient = true;
        self.tell(rotation, at, Event::ReadFailed { is_transient });
    }

    pub(in crate::rotation) fn stop_waiting(&mut self, rotation: &Rotation, at: usize) {
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

    pub(in crate::rotation) fn create(&mut self, rotation: &Rotation) {
        self.has_creator_begun = true;
        let own = self.generate();
        self.creator = Some(Creator {
            machine: protocol::Machine::new(rules(rotation, WhenAbsent::Create)),
            reads: true,
            own,
            is_repeated: false,
        });
    }

    pub(in crate::rotation) fn read_in_creator(&mut self) {
        let found = self.rows[..FIELDS].iter();
        let found = found.map(|row| row.as_ref().map(|row| row.value)).collect();
        self.tell_creator(protocol::Event::Read(found));
    }

    pub(super) fn tell_creator(&mut self, event: protocol::Event<Generation>) {
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
}
