//! Combines the effects of all generations and references of one run into calls.
//!
//! A [`Group`] is a set of [`Machine`]s, and like them it has no I/O, clock or randomness. It uses
//! as few calls as possible for reads, writes generations that are ready at the same moment in one
//! request, and creates nothing once the run cannot succeed.

use super::machine::{Effect, End, Event, Machine, Pause, Rules, WriteError};

/// The properties of one machine of a group: its [`Rules`], and what the group needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MemberRules {
    /// The rules of the machine.
    pub rules: Rules,
    /// The index of the store. A call is for one store.
    pub store: usize,
    /// The limits of one write of this store.
    pub limits: WriteLimits,
}

/// The limits of one atomic write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WriteLimits {
    /// Values of all its generations together.
    pub values: usize,
    /// Bytes of those values as the store counts them.
    pub bytes: usize,
    /// Generations.
    pub generations: usize,
}

impl WriteLimits {
    /// A store that writes each generation by itself.
    pub const ONE_GENERATION: Self = Self {
        values: usize::MAX,
        bytes: usize::MAX,
        generations: 1,
    };

    /// A store that writes any number of generations in one transaction.
    pub const UNLIMITED: Self = Self {
        generations: usize::MAX,
        ..Self::ONE_GENERATION
    };
}

/// The size of a generation in a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Size {
    /// Its values.
    pub values: usize,
    /// Their bytes as the store counts them.
    pub bytes: usize,
}

/// Identifies one write request, and so its idempotency token.
pub type RequestId = usize;

/// What happened to members of a group, by their indexes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupEvent<V> {
    /// A read of one member succeeded: its values, or `None` if all are absent.
    Read(usize, Vec<Option<V>>),
    /// A read failed for one member.
    ReadFailed {
        /// The member.
        member: usize,
        /// Whether trying again may help.
        is_transient: bool,
    },
    /// A member was generated: the values of its named fields, and the size of all of them.
    Generated(usize, Vec<V>, Size),
    /// A member cannot be generated.
    GenerationFailed(usize),
    /// A request ended.
    Wrote(RequestId, WriteAnswer),
    /// A pause of these members is over.
    PauseEnded(Vec<usize>),
    /// There is no more time for what these members wait for.
    TimeIsOver(Vec<usize>),
}

/// The result of a write request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WriteAnswer {
    /// It was carried out.
    Created,
    /// Nothing was written, because a name exists.
    Exists,
    /// It failed, or there was no response.
    Failed(WriteError),
}

/// What to do next for members of a group, by their indexes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupEffect<V> {
    /// Read the named fields of these members in as few calls as the store allows.
    Read(Vec<usize>),
    /// Read the named fields of one member in one snapshot.
    ReadTogether(usize),
    /// Generate these members, in any order.
    Generate(Vec<usize>),
    /// Store all fields of these members in one atomic write. The same request always has the same
    /// members.
    Write(RequestId, Vec<usize>),
    /// Let these members pause, then report [`GroupEvent::PauseEnded`].
    Pause(Pause, Vec<usize>),
    /// A member has ended.
    End(usize, End<V>),
}

/// All machines of a run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Group<V> {
    members: Vec<Member<V>>,
    requests: Vec<Request>,
    next_request: RequestId,
    /// Whether the run cannot succeed any more. Then nothing is generated.
    has_failed: bool,
    /// Whether it failed before its deadline. Then the run does not wait for anything.
    has_failed_early: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Member<V> {
    machine: Machine<V>,
    store: usize,
    limits: WriteLimits,
    size: Size,
    /// Whether it is absent, and must not be generated before every member has been read.
    is_held: bool,
}

/// A write that was sent and has no response yet, or whose response was lost.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Request {
    id: RequestId,
    members: Vec<usize>,
    is_repeated: bool,
}

impl<V: Clone + PartialEq> Group<V> {
    /// A group, and what it does first.
    pub fn start(members: impl IntoIterator<Item = MemberRules>) -> (Self, Vec<GroupEffect<V>>) {
        let member = |of: MemberRules| Member {
            machine: Machine::new(of.rules),
            store: of.store,
            limits: of.limits,
            size: Size::default(),
            is_held: false,
        };
        let mut group = Self {
            members: members.into_iter().map(member).collect(),
            requests: Vec::new(),
            next_request: 0,
            has_failed: false,
            has_failed_early: false,
        };
        let reads = (0..group.members.len()).map(|index| (index, Effect::Read));
        let effects = group.together(reads.collect());
        (group, effects)
    }

    /// What to do next. Events that happened at the same moment belong into one call, so that their
    /// effects go into one call of a store.
    pub fn on(&mut self, events: Vec<GroupEvent<V>>) -> Vec<GroupEffect<V>> {
        let mut effects = Vec::new();
        for event in events {
            let is_time_over = matches!(event, GroupEvent::TimeIsOver(_));
            for (index, event) in self.events_of_members(event) {
                let effect = self.tell(index, event);
                if let Some(Effect::End(end)) = &effect {
                    self.note_end(index, end, is_time_over);
                }
                effects.extend(effect.map(|effect| (index, effect)));
            }
        }
        self.together(effects)
    }

    /// Whether every member has ended.
    pub fn has_ended(&self) -> bool {
        self.members.iter().all(|member| member.machine.has_ended())
    }

    /// Members that have not ended.
    pub fn remaining(&self) -> Vec<usize> {
        (0..self.members.len())
            .filter(|index| !self.members[*index].machine.has_ended())
            .collect()
    }

    /// Whether a request may still be repeated.
    pub fn is_open(&self, request: RequestId) -> bool {
        self.requests.iter().any(|open| open.id == request)
    }

    fn tell(&mut self, index: usize, event: Event<V>) -> Option<Effect<V>> {
        self.members.get_mut(index)?.machine.on(event)
    }

    fn events_of_members(&mut self, event: GroupEvent<V>) -> Vec<(usize, Event<V>)> {
        match event {
            GroupEvent::Read(member, found) => vec![(member, Event::Read(found))],
            GroupEvent::ReadFailed {
                member,
                is_transient,
            } => vec![(member, Event::ReadFailed { is_transient })],
            GroupEvent::Generated(member, values, size) => {
                if let Some(member) = self.members.get_mut(member) {
                    member.size = size;
                }
                vec![(member, Event::Generated(values))]
            }
            GroupEvent::GenerationFailed(member) => vec![(member, Event::GenerationFailed)],
            GroupEvent::Wrote(request, answer) => self.on_wrote(request, answer),
            GroupEvent::PauseEnded(members) => of_each(&members, &Event::PauseEnded),
            GroupEvent::TimeIsOver(members) => of_each(&members, &Event::TimeIsOver),
        }
    }

    fn on_wrote(&mut self, id: RequestId, answer: WriteAnswer) -> Vec<(usize, Event<V>)> {
        let Some(at) = self.requests.iter().position(|request| request.id == id) else {
            return Vec::new();
        };
        let Request {
            members,
            is_repeated,
            ..
        } = self.requests[at].clone();
        if answer != WriteAnswer::Failed(WriteError::Transient) {
            self.requests.remove(at);
        }
        let is_shared = members.len() > 1;
        let event = match answer {
            WriteAnswer::Created => Event::Created { is_repeated },
            WriteAnswer::Exists => Event::Exists { is_shared },
            WriteAnswer::Failed(error) => Event::WriteFailed { error, is_shared },
        };
        of_each(&members, &event)
    }

    /// Puts what can be done in one call into one effect.
    fn together(&mut self, effects: Vec<(usize, Effect<V>)>) -> Vec<GroupEffect<V>> {
        let mut all = Vec::new();
        let mut writes = Vec::new();
        for (index, effect) in effects {
            match effect {
                Effect::Read => self.add_read(&mut all, index),
                Effect::ReadTogether => all.push(GroupEffect::ReadTogether(index)),
                Effect::Generate => self.members[index].is_held = true,
                Effect::Write { is_alone } => writes.push((index, is_alone)),
                Effect::Pause(pause) => self.add_pause(&mut all, pause, index),
                Effect::End(end) => all.push(GroupEffect::End(index, end)),
            }
        }
        self.generate_or_stop(&mut all);
        all.extend(self.write(&writes));
        // If a member of a request has ended, the request is never repeated in the same form.
        let members = &self.members;
        let is_open = |member: &usize| !members[*member].machine.has_ended();
        self.requests
            .retain(|request| request.members.iter().all(is_open));
        all
    }

    fn add_read(&self, all: &mut Vec<GroupEffect<V>>, index: usize) {
        let store = self.members[index].store;
        for effect in all.iter_mut() {
            if let GroupEffect::Read(members) = effect
                && self.members[members[0]].store == store
            {
                return members.push(index);
            }
        }
        all.push(GroupEffect::Read(vec![index]));
    }

    fn add_pause(&self, all: &mut Vec<GroupEffect<V>>, pause: Pause, index: usize) {
        let store = self.members[index].store;
        for effect in all.iter_mut() {
            // Each incomplete generation has its own time.
            if pause != Pause::Incomplete
                && let GroupEffect::Pause(other, members) = effect
                && *other == pause
                && self.members[members[0]].store == store
            {
                return members.push(index);
            }
        }
        all.push(GroupEffect::Pause(pause, vec![index]));
    }

    fn note_end(&mut self, index: usize, end: &End<V>, is_time_over: bool) {
        let is_failure = end.is_failure(self.members[index].machine.when_absent());
        // The deadline is one for all. Only an incomplete generation has an earlier one.
        let is_deadline = is_time_over && !matches!(end, End::Incomplete(_));
        self.has_failed |= is_failure;
        self.has_failed_early |= is_failure && !is_deadline;
    }

    /// Generates what is absent, after every member has been read. If an entry has failed by then,
    /// the run cannot succeed, so it creates nothing and waits for nothing. An entry that still
    /// waits at the deadline of another entry is close to its own deadline, and reports its own
    /// error.
    fn generate_or_stop(&mut self, all: &mut Vec<GroupEffect<V>>) {
        if self.has_failed {
            let is_early = self.has_failed_early;
            for (index, member) in self.members.iter_mut().enumerate() {
                let waits = is_early && member.machine.waits_for_other_writer();
                if (member.is_held || waits)
                    && let Effect::End(end) = member.machine.stop()
                {
                    member.is_held = false;
                    all.push(GroupEffect::End(index, end));
                }
            }
        } else if !self.members.iter().any(|m| m.machine.is_in_first_look()) {
            let held: Vec<usize> = (0..self.members.len())
                .filter(|index| std::mem::take(&mut self.members[*index].is_held))
                .collect();
            if !held.is_empty() {
                all.push(GroupEffect::Generate(held));
            }
        }
    }

    /// Puts writes into requests. A request whose members all write again is repeated as it was,
    /// because its token belongs to these members. All other members that are ready share new
    /// requests.
    fn write(&mut self, writes: &[(usize, bool)]) -> Vec<GroupEffect<V>> {
        let mut effects = Vec::new();
        let mut ready: Vec<(usize, bool)> = writes.to_vec();
        for request in &mut self.requests {
            let writes_again = |member: &usize| {
                let mut of_member = ready.iter().filter(|(ready, _)| ready == member);
                of_member.any(|(_, is_alone)| !is_alone || request.members.len() == 1)
            };
            if request.members.iter().all(writes_again) {
                ready.retain(|(member, _)| !request.members.contains(member));
                request.is_repeated = true;
                effects.push(GroupEffect::Write(request.id, request.members.clone()));
            }
        }
        for members in self.fitting(&ready) {
            let id = self.next_request;
            self.next_request += 1;
            effects.push(GroupEffect::Write(id, members.clone()));
            // If a request is not repeated, some of its members were found, or are written alone.
            self.requests
                .retain(|request| !request.members.iter().any(|m| members.contains(m)));
            self.requests.push(Request {
                id,
                members,
                is_repeated: false,
            });
        }
        effects
    }

    /// The members of each new request.
    fn fitting(&self, ready: &[(usize, bool)]) -> Vec<Vec<usize>> {
        let mut requests: Vec<(Vec<usize>, Size)> = Vec::new();
        for (index, is_alone) in ready {
            let Member {
                store,
                limits,
                size,
                ..
            } = &self.members[*index];
            let fits = |(members, used): &&mut (Vec<usize>, Size)| {
                !is_alone
                    && self.members[members[0]].store == *store
                    && members.len() < limits.generations
                    && used.values + size.values <= limits.values
                    && used.bytes.saturating_add(size.bytes) <= limits.bytes
                    && !ready.contains(&(members[0], true))
            };
            match requests.iter_mut().find(fits) {
                Some((members, used)) => {
                    members.push(*index);
                    used.values += size.values;
                    used.bytes += size.bytes;
                }
                None => requests.push((vec![*index], *size)),
            }
        }
        requests.into_iter().map(|(members, _)| members).collect()
    }
}

fn of_each<V: Clone>(members: &[usize], event: &Event<V>) -> Vec<(usize, Event<V>)> {
    members
        .iter()
        .map(|member| (*member, event.clone()))
        .collect()
}

#[cfg(test)]
mod tests;
