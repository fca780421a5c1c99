//! Tests of the machine of one generation: which effect each event causes.

use rstest::rstest;

use super::*;

const RULES: Rules = Rules {
    when_absent: WhenAbsent::Create,
    names_all_fields: true,
    is_consistent: true,
};

/// A value is the number of its writer: 1 is this one.
type TestMachine = Machine<u8>;

const ABSENT: [Option<u8>; 2] = [None, None];
const SOME: [Option<u8>; 2] = [Some(2), None];

fn read(found: [Option<u8>; 2]) -> Event<u8> {
    Event::Read(found.to_vec())
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "compared with the machine's answer"
)]
fn stored(value: u8, is_created: bool) -> Option<Effect<u8>> {
    let values = vec![value; 2];
    Some(Effect::End(End::Stored { values, is_created }))
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "compared with the machine's answer"
)]
fn ended(end: End<u8>) -> Option<Effect<u8>> {
    Some(Effect::End(end))
}

/// A machine that has sent its write.
fn writing(rules: Rules) -> TestMachine {
    let mut machine = TestMachine::new(rules);
    assert_eq!(machine.on(read(ABSENT)), Some(Effect::Generate));
    let write = Effect::Write { is_alone: false };
    assert_eq!(machine.on(Event::Generated(vec![1, 1])), Some(write));
    machine
}

/// A machine whose write was answered with success only when it was sent again.
fn reading_back(rules: Rules) -> TestMachine {
    let mut machine = writing(rules);
    let event = Event::Created { is_repeated: true };
    assert_eq!(machine.on(event), Some(Effect::Read));
    machine
}

/// A machine that lost the race.
fn losing(rules: Rules) -> TestMachine {
    let mut machine = writing(rules);
    let event = Event::Exists { is_shared: false };
    assert_eq!(machine.on(event), Some(Effect::Read));
    machine
}

#[test]
fn a_first_success_ends_without_another_read() {
    let mut machine = writing(RULES);
    let event = Event::Created { is_repeated: false };
    assert_eq!(machine.on(event), stored(1, true));
    assert!(machine.has_ended());
    assert_eq!(machine.on(read(ABSENT)), None, "a late answer");
}

#[test]
fn a_repeated_success_is_read_back() {
    assert_eq!(reading_back(RULES).on(read([Some(1); 2])), stored(1, true));
    assert_eq!(reading_back(RULES).on(read([Some(2); 2])), stored(2, false));
    let vanished = End::Vanished { is_created: true };
    assert_eq!(reading_back(RULES).on(read(ABSENT)), ended(vanished));
}

#[test]
fn a_lost_race_ends_with_the_winners_values() {
    assert_eq!(losing(RULES).on(read([Some(2); 2])), stored(2, false));
    let vanished = End::Vanished { is_created: false };
    assert_eq!(losing(RULES).on(read(ABSENT)), ended(vanished));
}

#[test]
fn reads_that_lag_behind_are_repeated_until_the_time_is_over() {
    let rules = Rules {
        is_consistent: false,
        ..RULES
    };
    let mut machine = losing(rules);
    let pause = Some(Effect::Pause(Pause::Replication));
    assert_eq!(machine.on(read(ABSENT)), pause);
    assert_eq!(machine.on(Event::PauseEnded), Some(Effect::Read));
    assert_eq!(machine.on(read(ABSENT)), pause);
    let vanished = End::Vanished { is_created: false };
    assert_eq!(machine.on(Event::TimeIsOver), ended(vanished));
}

#[test]
fn fields_missing_in_a_batch_are_read_together_and_then_waited_for() {
    let mut machine = TestMachine::new(RULES);
    assert_eq!(machine.on(read(SOME)), Some(Effect::ReadTogether));
    assert!(machine.is_in_first_look());
    let pause = Some(Effect::Pause(Pause::Incomplete));
    assert_eq!(machine.on(read(SOME)), pause);
    assert!(!machine.is_in_first_look());
    assert_eq!(machine.on(Event::PauseEnded), Some(Effect::ReadTogether));
    assert_eq!(machine.on(read(SOME)), pause);
    let mut other = machine.clone();
    let missing = End::Incomplete(vec![1]);
    assert_eq!(other.on(Event::TimeIsOver), ended(missing));
    assert_eq!(machine.on(Event::PauseEnded), Some(Effect::ReadTogether));
    assert_eq!(machine.on(read([Some(2); 2])), stored(2, false));
}

#[test]
fn an_incomplete_generation_that_is_deleted_is_created() {
    let mut machine = TestMachine::new(RULES);
    machine.on(read(SOME));
    machine.on(read(SOME));
    machine.on(Event::PauseEnded);
    assert_eq!(machine.on(read(ABSENT)), Some(Effect::Generate));
}

#[test]
fn a_name_that_exists_while_the_named_field_is_absent_is_an_incomplete_generation() {
    let mut machine = TestMachine::new(Rules {
        names_all_fields: false,
        ..RULES
    });
    machine.on(Event::Read(vec![None]));
    machine.on(Event::Generated(vec![1]));
    machine.on(Event::Exists { is_shared: false });
    let pause = Some(Effect::Pause(Pause::Incomplete));
    assert_eq!(machine.on(Event::Read(vec![None])), pause);
    let mut other = machine.clone();
    let missing = End::Incomplete(vec![0]);
    assert_eq!(other.on(Event::TimeIsOver), ended(missing));
    assert_eq!(machine.on(Event::PauseEnded), Some(Effect::Read));
    let values = vec![2];
    let is_created = false;
    let end = End::Stored { values, is_created };
    assert_eq!(machine.on(Event::Read(vec![Some(2)])), ended(end));
}

#[test]
fn a_write_without_an_answer_is_repeated_only_after_a_read() {
    let mut machine = writing(RULES);
    let lost = Event::WriteFailed {
        error: WriteError::Transient,
        is_shared: false,
    };
    assert_eq!(machine.on(lost), Some(Effect::Pause(Pause::RetryWrite)));
    assert_eq!(machine.on(Event::PauseEnded), Some(Effect::Read));
    let write = Some(Effect::Write { is_alone: false });
    assert_eq!(machine.clone().on(read(ABSENT)), write);
    assert_eq!(machine.clone().on(read([Some(1); 2])), stored(1, true));
    assert_eq!(machine.on(read([Some(2); 2])), stored(2, false));
}

#[rstest]
#[case::exists(Event::Exists { is_shared: true }, Effect::Read)]
#[case::denied(
    Event::WriteFailed { error: WriteError::Denied, is_shared: true },
    Effect::Write { is_alone: true }
)]
#[case::permanent(
    Event::WriteFailed { error: WriteError::Permanent, is_shared: true },
    Effect::Write { is_alone: true }
)]
fn what_a_shared_write_is_told_may_be_about_another_generation(
    #[case] event: Event<u8>,
    #[case] effect: Effect<u8>,
) {
    let mut machine = writing(RULES);
    assert_eq!(machine.on(event), Some(effect.clone()));
    if effect == Effect::Read {
        let alone = Some(Effect::Write { is_alone: true });
        assert_eq!(machine.on(read(ABSENT)), alone);
    }
}

#[test]
fn a_writer_that_is_denied_waits_for_another_one() {
    let mut machine = writing(RULES);
    let denied = Event::WriteFailed {
        error: WriteError::Denied,
        is_shared: false,
    };
    assert_eq!(machine.on(denied), Some(Effect::Pause(Pause::Absent)));
    assert!(machine.waits_for_other_writer());
    assert_eq!(machine.on(Event::PauseEnded), Some(Effect::Read));
    let mut other = machine.clone();
    assert_eq!(other.on(read([Some(2); 2])), stored(2, false));
    machine.on(read(ABSENT));
    assert_eq!(machine.on(Event::TimeIsOver), ended(End::CreationDenied));
}

#[test]
fn a_writer_that_waits_for_no_other_ends_when_it_is_denied() {
    let mut machine = writing(Rules {
        when_absent: WhenAbsent::CreateOrFail,
        ..RULES
    });
    let denied = |is_shared| Event::WriteFailed {
        error: WriteError::Denied,
        is_shared,
    };
    let alone = Effect::Write { is_alone: true };
    assert_eq!(machine.on(denied(true)), Some(alone));
    assert_eq!(machine.on(denied(false)), ended(End::CreationDenied));
}

#[rstest]
#[case(WhenAbsent::Create, Effect::Generate)]
#[case(WhenAbsent::CreateOrFail, Effect::Generate)]
#[case(WhenAbsent::Wait, Effect::Pause(Pause::Absent))]
#[case(WhenAbsent::Fail, Effect::End(End::Absent))]
#[case(WhenAbsent::Report, Effect::End(End::Absent))]
fn an_absent_value_is_treated_as_the_rules_say(
    #[case] when_absent: WhenAbsent,
    #[case] effect: Effect<u8>,
) {
    let mut machine = TestMachine::new(Rules {
        when_absent,
        ..RULES
    });
    assert_eq!(machine.on(read(ABSENT)), Some(effect));
    assert_eq!(
        End::<u8>::Absent.is_failure(when_absent),
        when_absent != WhenAbsent::Report
    );
}

#[test]
fn a_read_that_fails_at_the_deadline_is_what_is_reported() {
    let failed = || Event::ReadFailed { is_transient: true };
    let mut machine = TestMachine::new(Rules {
        when_absent: WhenAbsent::Wait,
        ..RULES
    });
    assert_eq!(machine.on(failed()), Some(Effect::Pause(Pause::RetryRead)));
    assert_eq!(
        machine.clone().on(Event::TimeIsOver),
        ended(End::ReadFailed)
    );
    machine.on(Event::PauseEnded);
    machine.on(read(ABSENT));
    assert_eq!(machine.clone().on(Event::TimeIsOver), ended(End::Absent));
    machine.on(Event::PauseEnded);
    machine.on(failed());
    assert_eq!(machine.on(Event::TimeIsOver), ended(End::ReadFailed));
}
