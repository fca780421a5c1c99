//! What a run waits for, and how long. The clock is paused, so the tests wait for nothing.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
    time::Duration,
};

use kees_common::{Field, SecretValue, Spec, StoreName};
use kees_init::{
    Exit, Origin,
    settings::{CreatePolicy, Pause, Timeout},
};
use kees_store::ErrorKind;
use tokio::time::Instant;

use crate::{
    cloud::Cloud,
    container::{Container, run},
    pod::{Pod, Scripted, denied},
};

const PASSWORD: &str = "kind=DYNAMIC,type=PASSWORD,size=128";

fn value(text: &str) -> SecretValue {
    SecretValue::new(text.as_bytes().to_vec())
}

#[tokio::test(start_paused = true)]
async fn a_run_waits_for_a_reference_that_is_stored_later() {
    let stores = Scripted::put_later(3, [("/token", value("t"))]);
    let report = Pod::new()
        .run(&[("secret/token", "kind=REFERENCE")], &stores)
        .await
        .unwrap();
    assert_eq!((report.count(Origin::Found), stores.reads()), (1, 4));
}

#[tokio::test(start_paused = true)]
async fn a_pair_that_another_writer_stores_field_by_field_is_read_whole() {
    let generated = kees_generate::generate(&Spec::Rsa { bits: 2048 }).unwrap();
    let of = |field| generated.get(field).unwrap().clone();
    let stores = Scripted::put_later(4, [("/tls_private", of(Field::Private))]);
    stores
        .memory
        .put("/tls_public".parse().unwrap(), of(Field::Public));
    let rsa = "kind=DYNAMIC,type=RSA,size=2048";
    let annotations = [("secret/tls_public", rsa), ("secret/tls_private", rsa)];
    let report = Pod::new().run(&annotations, &stores).await.unwrap();
    assert_eq!((report.count(Origin::Found), stores.creations()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn what_stays_absent_is_an_error_at_the_deadline() {
    let (pod, stores, begun) = (Pod::new(), Scripted::default(), Instant::now());
    let error = pod
        .run(&[("resource/url", ""), ("secret/p", PASSWORD)], &stores)
        .await
        .unwrap_err();
    assert_eq!(error.exit(), Exit::Absent);
    let waited = begun.elapsed();
    assert!(
        (Duration::from_secs(59)..Duration::from_secs(61)).contains(&waited),
        "{waited:?}"
    );
    assert_eq!(
        error.termination_message(),
        "nothing was written: 1 error, exit 75, something is absent\n\
         resource.bsycorp.com/url (memory /url): absent after 59 s; store a value there, or correct \
         the path (the prefix and storageKey=)"
    );
    assert_eq!(
        (stores.creations(), pod.files().len()),
        (1, 0),
        "it is created, and the next run finds it"
    );
}

#[tokio::test(start_paused = true)]
async fn a_retry_delay_is_the_pause_before_another_read() {
    for (timeout, delay, looks) in [(10, 4, 3), (10, 30, 2)] {
        let (mut pod, stores) = (Pod::new(), Scripted::default());
        pod.settings.storage.timeout = Timeout::nearest(Duration::from_secs(timeout));
        pod.settings.storage.retry_delay = Some(Pause::nearest(Duration::from_secs(delay)));
        let error = pod.run(&[("resource/url", "")], &stores).await.unwrap_err();
        assert_eq!((error.exit(), stores.reads()), (Exit::Absent, looks));
    }
}

#[tokio::test(start_paused = true)]
async fn with_creator_a_run_waits_for_another_writer() {
    let made = kees_generate::generate(&Spec::Password { bits: 128 }).unwrap();
    let made = made.get(kees_common::Field::Whole).unwrap().clone();
    let stores = Scripted::put_later(2, [("/p", made)]);
    let mut pod = Pod::new();
    pod.settings.storage.create = CreatePolicy::Creator;
    let report = pod.run(&[("secret/p", PASSWORD)], &stores).await.unwrap();
    assert_eq!((report.count(Origin::Found), stores.creations()), (1, 0));

    let error = pod
        .run(&[("secret/q", PASSWORD)], &Scripted::default())
        .await
        .unwrap_err();
    assert_eq!(error.exit(), Exit::Absent);
    assert!(error.to_string().contains("CREATE=creator"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn with_never_an_absent_secret_is_an_error_at_once() {
    let (mut pod, stores, begun) = (Pod::new(), Scripted::default(), Instant::now());
    pod.settings.storage.create = CreatePolicy::Never;
    let error = pod
        .run(&[("secret/p", PASSWORD)], &stores)
        .await
        .unwrap_err();
    assert_eq!(
        (error.exit(), stores.reads(), begun.elapsed()),
        (Exit::Absent, 1, Duration::ZERO)
    );
    assert!(error.to_string().contains("CREATE=never"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_may_not_create_waits_for_another_writer() {
    let stores = Scripted {
        creating: Some(denied("dynamodb:PutItem")),
        ..Scripted::put_later(2, [("/p", value("made elsewhere"))])
    };
    let report = Pod::new()
        .run(&[("secret/p", PASSWORD)], &stores)
        .await
        .unwrap();
    assert_eq!((report.count(Origin::Found), stores.creations()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_may_not_create_is_denied_if_no_other_writer_does() {
    let stores = Scripted {
        creating: Some(denied("dynamodb:PutItem")),
        ..Scripted::default()
    };
    let begun = Instant::now();
    let error = Pod::new()
        .run(&[("secret/p", PASSWORD)], &stores)
        .await
        .unwrap_err();
    assert_eq!(error.exit(), Exit::Denied);
    assert!(begun.elapsed() > Duration::from_secs(59));
    let message = error.termination_message();
    for part in [
        "secret.bsycorp.com/p (memory /p)",
        "AccessDeniedException",
        "allow dynamodb:PutItem",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[rstest::rstest]
#[case(denied("dynamodb:GetItem"), Exit::Denied, false, false)]
#[case(ErrorKind::Credentials, Exit::Denied, false, true)]
#[case(ErrorKind::Setup, Exit::Unavailable, false, true)]
#[case(ErrorKind::Malformed, Exit::Data, false, false)]
#[case(ErrorKind::Other, Exit::Unavailable, false, false)]
#[case(ErrorKind::ScheduledForDeletion { date: None }, Exit::Absent, false, false)]
#[case(ErrorKind::Throttled, Exit::Unavailable, true, true)]
#[case(ErrorKind::Unreachable, Exit::Unavailable, true, true)]
#[case(ErrorKind::TimedOut, Exit::Unavailable, true, true)]
#[case(ErrorKind::Server, Exit::Unavailable, true, true)]
#[tokio::test(start_paused = true)]
async fn each_error_of_a_store_has_its_exit_status(
    #[case] kind: ErrorKind,
    #[case] exit: Exit,
    #[case] is_tried_again: bool,
    #[case] concerns_store: bool,
) {
    let (pod, begun) = (Pod::new(), Instant::now());
    let stores = Scripted {
        reading: Some(kind),
        ..Scripted::default()
    };
    let annotations = [("secret/p", PASSWORD), ("resource/url", "")];
    let error = pod.run(&annotations, &stores).await.unwrap_err();
    assert_eq!(error.exit(), exit, "{error}");
    let errors = if concerns_store { 1 } else { 2 };
    assert_eq!(error.errors().len(), errors, "{error}");
    for entry in ["secret.bsycorp.com/p (", "resource.bsycorp.com/url ("] {
        assert!(error.to_string().contains(entry), "{error}");
    }
    assert_eq!(stores.reads() > 1, is_tried_again);
    assert_eq!(
        begun.elapsed() > Duration::from_secs(50),
        is_tried_again,
        "{:?}",
        begun.elapsed()
    );
    assert_eq!((stores.creations(), pod.files().len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_value_stays_absent_if_the_store_stops_responding() {
    let stores = Scripted {
        silent_after: Some(1),
        ..Scripted::default()
    };
    let error = Pod::new()
        .run(&[("resource/url", "")], &stores)
        .await
        .unwrap_err();
    assert_eq!(error.exit(), Exit::Absent, "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_run_neither_creates_nor_waits_if_a_read_is_denied() {
    let (pod, begun) = (Pod::new(), Instant::now());
    let stores = Scripted {
        reading: Some(denied("dynamodb:GetItem")),
        only: Some("/token"),
        ..Scripted::default()
    };
    let annotations = [
        ("secret/p", PASSWORD),
        ("secret/token", "kind=REFERENCE"),
        ("resource/absent", ""),
    ];
    let error = pod.run(&annotations, &stores).await.unwrap_err();
    assert_eq!((error.exit(), error.errors().len()), (Exit::Denied, 1));
    assert_eq!((stores.creations(), begun.elapsed()), (0, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_field_that_is_denied_does_not_count_as_absent() {
    let rsa = "kind=DYNAMIC,type=RSA,size=2048";
    let stores = Scripted {
        reading: Some(denied("dynamodb:GetItem")),
        only: Some("/tls_public"),
        ..Scripted::default()
    };
    stores.put("/tls_private", "there");
    let annotations = [("secret/tls_public", rsa), ("secret/tls_private", rsa)];
    let error = Pod::new().run(&annotations, &stores).await.unwrap_err();
    assert_eq!(
        (error.exit(), error.errors().len()),
        (Exit::Denied, 1),
        "{error}"
    );
    assert_eq!((stores.reads(), stores.creations()), (1, 0));
}

/// The process has a clock of its own: it ends at its deadline, and the log of that time is read.
#[test]
fn the_log_names_the_entries_that_a_run_waits_for() {
    let container = Container::new(&[
        ("secret/token", "kind=REFERENCE"),
        ("resource/url", ""),
        ("secret/p", PASSWORD),
    ]);
    let (status, stderr) = run(container.embedded().env("TIMEOUT", "3"));
    assert_eq!(status, 75, "{stderr}");
    let waiting = "waiting for values that are absent: ";
    let lines: Vec<_> = stderr
        .lines()
        .filter(|line| line.contains(waiting))
        .collect();
    for entry in ["secret.bsycorp.com/token", "resource.bsycorp.com/url"] {
        let named = lines.iter().filter(|line| line.contains(entry)).count();
        assert_eq!(named, 2, "at once and after 2 s: {stderr}");
    }
    assert!(
        !lines
            .iter()
            .any(|line| line.contains("secret.bsycorp.com/p")),
        "{stderr}"
    );
}

/// The deadline is far: what is logged before it can only be logged early.
#[test]
fn a_store_that_cannot_be_reached_is_logged_within_the_first_seconds() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let container = Container::new(&[("secret/token", "kind=REFERENCE")]);
    let mut command = container.command();
    let command = Cloud::start()
        .configure(&mut command, StoreName::DynamoDb)
        .env("AWS_ENDPOINT", format!("http://{address}"))
        .env("TIMEOUT", "600")
        .stderr(Stdio::piped());
    let begun = std::time::Instant::now();
    let mut init = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(init.stderr.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    init.kill().unwrap();
    init.wait().unwrap();
    assert!(
        line.contains("the store dynamodb cannot be used; trying again"),
        "{line}"
    );
    assert!(
        begun.elapsed() < Duration::from_secs(30),
        "{:?}",
        begun.elapsed()
    );
}
