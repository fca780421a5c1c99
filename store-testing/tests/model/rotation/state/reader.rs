//! What the reader does.

use super::*;

impl State {
    pub(in crate::rotation) fn begin_read(&mut self, rotation: &Rotation) {
        self.reads_left -= 1;
        self.reader = Some(Reader {
            machine: protocol::Machine::new(rules(rotation, WhenAbsent::Fail)),
            rows: [const { None }; ROWS],
            is_together: false,
        });
    }

    pub(in crate::rotation) fn read_row(&mut self, rotation: &Rotation, at: usize) {
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

    pub(in crate::rotation) fn read_together(&mut self, rotation: &Rotation) {
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

    pub(in crate::rotation) fn read_stages(&mut self, moment: usize) {
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
}
