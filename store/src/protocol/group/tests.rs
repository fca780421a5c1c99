//! Tests of the group of machines: which effects the events of a transaction cause.

use super::*;
use crate::protocol::machine::WhenAbsent;

const RULES: MemberRules = MemberRules {
    rules: Rules {
        when_absent: WhenAbsent::Create,
        names_all_fields: true,
        is_consistent: true,
    },
    store: 0,
    limits: WriteLimits::UNLIMITED,
};

const WAIT: MemberRules = MemberRules {
    rules: Rules {
        when_absent: WhenAbsent::Wait,
        ..RULES.rules
    },
    ..RULES
};

type Effects = Vec<GroupEffect<u8>>;

const SMALL: Size = Size {
    values: 1,
    bytes: 100,
};

fn generated(members: &[usize]) -> Vec<GroupEvent<u8>> {
    let event = |member: &usize| GroupEvent::Generated(*member, vec![1], SMALL);
    members.iter().map(event).collect()
}

fn absent(members: &[usize]) -> Vec<GroupEvent<u8>> {
    let event = |member: &usize| GroupEvent::Read(*member, vec![None]);
    members.iter().map(event).collect()
}

/// A group whose members are all absent and have been generated at the same moment.
fn ready(rules: &[MemberRules]) -> (Group<u8>, Effects) {
    let (mut group, _) = Group::start(rules.iter().copied());
    let all: Vec<usize> = (0..rules.len()).collect();
    assert_eq!(group.on(absent(&all)), [GroupEffect::Generate(all.clone())]);
    let effects = group.on(generated(&all));
    (group, effects)
}

#[test]
fn each_store_is_read_in_one_call() {
    let other = MemberRules { store: 1, ..RULES };
    let (_, effects): (Group<u8>, _) = Group::start([RULES, other, RULES]);
    let expected = [GroupEffect::Read(vec![0, 2]), GroupEffect::Read(vec![1])];
    assert_eq!(effects, expected);
}

#[test]
fn generations_that_are_ready_together_share_a_request() {
    let (_, effects) = ready(&[RULES; 3]);
    assert_eq!(effects, [GroupEffect::Write(0, vec![0, 1, 2])]);
}

#[test]
fn a_request_is_as_large_as_the_store_allows() {
    let limits = |values, bytes, generations| MemberRules {
        limits: WriteLimits {
            values,
            bytes,
            generations,
        },
        ..RULES
    };
    for rules in [
        limits(2, usize::MAX, usize::MAX),
        limits(usize::MAX, 250, usize::MAX),
        limits(usize::MAX, usize::MAX, 2),
    ] {
        let (_, effects) = ready(&[rules; 3]);
        let expected = [
            GroupEffect::Write(0, vec![0, 1]),
            GroupEffect::Write(1, vec![2]),
        ];
        assert_eq!(effects, expected);
    }
}

#[test]
fn a_generation_is_written_when_it_is_generated() {
    let (mut group, _) = Group::start([RULES; 2]);
    group.on(absent(&[0, 1]));
    let effects = group.on(generated(&[1]));
    assert_eq!(effects, [GroupEffect::Write(0, vec![1])]);
    let effects = group.on(generated(&[0]));
    assert_eq!(effects, [GroupEffect::Write(1, vec![0])]);
}

#[test]
fn nothing_is_generated_before_everything_has_been_read() {
    let (mut group, _) = Group::start([RULES; 2]);
    assert_eq!(group.on(absent(&[0])), []);
    let effects = group.on(absent(&[1]));
    assert_eq!(effects, [GroupEffect::Generate(vec![0, 1])]);
}

#[test]
fn nothing_is_generated_or_waited_for_beside_an_entry_that_failed() {
    let (mut group, _) = Group::start([RULES, WAIT, RULES]);
    let mut events = absent(&[0, 1]);
    events.push(GroupEvent::ReadFailed {
        member: 2,
        is_transient: false,
    });
    let effects = group.on(events);
    for expected in [
        GroupEffect::End(0, End::Stopped),
        GroupEffect::End(1, End::Stopped),
        GroupEffect::End(2, End::ReadFailed),
    ] {
        assert!(effects.contains(&expected), "{effects:?}");
    }
    assert!(group.has_ended());
}

/// The answer of request 0 is lost, its members are read again, and these are absent then.
fn lost(group: &mut Group<u8>, members: &[usize], found: &[usize]) -> Effects {
    let error = WriteAnswer::Failed(WriteError::Transient);
    let effects = group.on(vec![GroupEvent::Wrote(0, error)]);
    let all: Vec<usize> = [members, found].concat();
    let [GroupEffect::Pause(Pause::RetryWrite, paused)] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(paused.len(), all.len());
    let effects = group.on(vec![GroupEvent::PauseEnded(paused.clone())]);
    assert_eq!(effects, [GroupEffect::Read(paused.clone())]);
    let mut events = absent(members);
    let of_another = |member: &usize| GroupEvent::Read(*member, vec![Some(2)]);
    events.extend(found.iter().map(of_another));
    group.on(events)
}

#[test]
fn a_lost_request_is_repeated_as_it_was_and_then_read_back() {
    let (mut group, _) = ready(&[RULES; 2]);
    let effects = lost(&mut group, &[0, 1], &[]);
    assert_eq!(effects, [GroupEffect::Write(0, vec![0, 1])]);
    assert!(group.is_open(0));
    let effects = group.on(vec![GroupEvent::Wrote(0, WriteAnswer::Created)]);
    assert_eq!(effects, [GroupEffect::Read(vec![0, 1])]);
}

#[test]
fn a_lost_request_of_which_something_was_found_is_not_repeated() {
    let (mut group, _) = ready(&[RULES; 3]);
    let effects = lost(&mut group, &[0, 2], &[1]);
    assert!(
        effects.contains(&GroupEffect::Write(1, vec![0, 2])),
        "another token for other members: {effects:?}"
    );
    assert!(!group.is_open(0));
    // The new request was sent once, so its success needs no read.
    let effects = group.on(vec![GroupEvent::Wrote(1, WriteAnswer::Created)]);
    let ends = |effect: &GroupEffect<u8>| matches!(effect, GroupEffect::End(..));
    assert!(effects.iter().all(ends), "{effects:?}");
    assert!(group.has_ended());
}

#[test]
fn after_a_failed_condition_what_remains_absent_is_written_one_by_one() {
    let (mut group, _) = ready(&[RULES; 3]);
    let effects = group.on(vec![GroupEvent::Wrote(0, WriteAnswer::Exists)]);
    assert_eq!(effects, [GroupEffect::Read(vec![0, 1, 2])]);
    let mut events = absent(&[0, 2]);
    events.push(GroupEvent::Read(1, vec![Some(2)]));
    let effects = group.on(events);
    for expected in [
        GroupEffect::Write(1, vec![0]),
        GroupEffect::Write(2, vec![2]),
    ] {
        assert!(effects.contains(&expected), "{effects:?}");
    }
}

/// A group of these members: the first is not allowed to create its generation.
fn denied(rules: &[MemberRules]) -> Group<u8> {
    let (mut group, _) = Group::start(rules.iter().copied());
    let all: Vec<usize> = (0..rules.len()).collect();
    group.on(absent(&all));
    group.on(generated(&[0]));
    let denied = WriteAnswer::Failed(WriteError::Denied);
    let effects = group.on(vec![GroupEvent::Wrote(0, denied)]);
    assert_eq!(effects, [GroupEffect::Pause(Pause::Absent, vec![0])]);
    group
}

#[test]
fn a_denied_write_is_reported_beside_an_entry_that_failed() {
    let mut group = denied(&[RULES, WAIT]);
    let effects = group.on(vec![
        GroupEvent::PauseEnded(vec![1]),
        GroupEvent::ReadFailed {
            member: 1,
            is_transient: false,
        },
    ]);
    for expected in [
        GroupEffect::End(1, End::ReadFailed),
        GroupEffect::End(0, End::CreationDenied),
    ] {
        assert!(effects.contains(&expected), "{effects:?}");
    }
    assert!(group.has_ended());
}

#[test]
fn the_deadline_of_one_entry_stops_no_other_that_waits() {
    let mut group = denied(&[RULES, WAIT, WAIT]);
    for (member, end) in [(1, End::Absent), (0, End::CreationDenied), (2, End::Absent)] {
        let effects = group.on(vec![GroupEvent::TimeIsOver(vec![member])]);
        assert_eq!(effects, [GroupEffect::End(member, end)]);
    }
}

#[test]
fn a_generation_that_stays_incomplete_stops_what_waits() {
    let (mut group, _) = Group::start([RULES, WAIT]);
    let incomplete = || GroupEvent::Read(0, vec![Some(1), None]);
    group.on([vec![incomplete()], absent(&[1])].concat());
    let effects = group.on(vec![incomplete()]);
    assert_eq!(effects, [GroupEffect::Pause(Pause::Incomplete, vec![0])]);
    let effects = group.on(vec![GroupEvent::TimeIsOver(vec![0])]);
    let expected = [
        GroupEffect::End(0, End::Incomplete(vec![1])),
        GroupEffect::End(1, End::Stopped),
    ];
    assert_eq!(effects, expected);
}
