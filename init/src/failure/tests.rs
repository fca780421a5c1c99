use rstest::rstest;

use super::*;

fn setting(problem: &str) -> InitError {
    InitError::Setting {
        variable: "ENV_LABEL",
        problem: problem.to_owned(),
    }
}

fn entry(problem: EntryError) -> InitError {
    InitError::Entry {
        annotation: "secret.bsycorp.com/db".to_owned(),
        store: StoreName::DynamoDb,
        path: "/dev/db".parse().unwrap(),
        problem,
    }
}

fn denied() -> InitError {
    entry(EntryError::Store(StoreError {
        kind: ErrorKind::Denied {
            action: "dynamodb:GetItem".to_owned(),
            resource: "arn:aws:dynamodb:x".to_owned(),
        },
        store: StoreName::DynamoDb,
        path: None,
        code: Some("AccessDeniedException".to_owned()),
        message: "not\nauthorized".to_owned(),
        remedy: "allow dynamodb:GetItem on arn:aws:dynamodb:x".to_owned(),
    }))
}

fn absent() -> InitError {
    entry(EntryError::Absent {
        waited: Duration::from_mins(1),
        remedy: "store it".to_owned(),
    })
}

fn full() -> InitError {
    InitError::Write(WriteError::File {
        path: PathBuf::from("/v/secrets.properties"),
        source: io::ErrorKind::StorageFull.into(),
    })
}

#[rstest]
#[case(vec![absent(), denied()], Exit::Denied, 77)]
#[case(vec![absent(), full()], Exit::CannotWrite, 73)]
#[case(vec![denied(), setting("is missing")], Exit::Usage, 64)]
#[case(vec![absent()], Exit::Absent, 75)]
fn the_gravest_of_several_causes_gives_the_status(
    #[case] causes: Vec<InitError>,
    #[case] exit: Exit,
    #[case] code: u8,
) {
    let failure = RunError::new(causes);
    assert_eq!((failure.exit(), failure.exit().code()), (exit, code));
}

#[test]
fn the_statuses_stand_for_each_other_in_the_documented_order() {
    let mut all = [
        Exit::Absent,
        Exit::Denied,
        Exit::Usage,
        Exit::Unavailable,
        Exit::CannotWrite,
        Exit::Data,
    ];
    all.sort_unstable();
    assert_eq!(all.map(Exit::code), [64, 65, 77, 73, 69, 75]);
}

#[test]
fn a_termination_message_has_a_summary_and_a_line_for_each_entry() {
    insta::assert_snapshot!(RunError::new(vec![absent(), denied(), full()]).termination_message(), @r"
    nothing was written: 3 faults, exit 77, denied
    secret.bsycorp.com/db (dynamodb /dev/db): AccessDeniedException: not authorized; allow dynamodb:GetItem on arn:aws:dynamodb:x
    the file /v/secrets.properties cannot be written (old and new files must fit side by side: raise the sizeLimit of the volume): no storage space
    secret.bsycorp.com/db (dynamodb /dev/db): absent after 60 s; store it
    ");
}

#[test]
fn a_termination_message_says_how_much_it_leaves_out() {
    let failure = RunError::new((0..500).map(|_| denied()).collect());
    let message = failure.termination_message();
    assert!(message.len() <= TERMINATION_MESSAGE_BYTES);
    let lines = message.lines().count() - 2;
    assert!(message.ends_with(&format!(
        "\n… and {} more in the container's log",
        500 - lines
    )));
}

#[test]
fn a_long_line_is_cut_between_characters() {
    let failure = RunError::new(vec![setting(&"ä".repeat(2000)), absent()]);
    let message = failure.termination_message();
    assert!(message.len() <= TERMINATION_MESSAGE_BYTES);
    assert!(message.contains("ä…\nsecret.bsycorp.com/db"));
}
