//! Incomplete generations: another writer may be storing the missing field.

use std::time::Duration;

use futures_util::future::join_all;
use kees_common::{Field, Generation, SecretValue};
use kees_store::{
    ErrorKind, RetryBudget,
    memory::Memory,
    protocol::{Obtained, WhenAbsent},
};
use kees_store_testing::{obtain_all, obtain_one, scripted::Scripted, wanted};
use rstest::rstest;
use tokio::time::{Instant, sleep};

use crate::creating::{BOTH, MINUTE, minute, obtain, pair, texts};

/// Stores a field as the original kees does: by itself, whatever else is there.
fn put(store: &Memory, generation: &Generation, field: Field) {
    let value = SecretValue::new(format!("original-{field}").into_bytes());
    store.put(generation.path_of(field).unwrap().clone(), value);
}

#[rstest]
#[case(Duration::from_millis(20))]
#[case(Duration::from_millis(200))]
#[case(Duration::from_secs(5))]
#[tokio::test(start_paused = true)]
async fn a_pair_that_is_stored_field_by_field_is_read_whole_by_every_reader(
    #[case] pause: Duration,
    #[values(&BOTH[..], &[Field::Public], &[Field::Private])] fields: &[Field],
    #[values(
        [Field::Public, Field::Private],
        [Field::Private, Field::Public]
    )]
    order: [Field; 2],
) {
    let (store, generation) = (Memory::new(), pair());
    let creator = async {
        sleep(Duration::from_millis(50)).await;
        put(&store, &generation, order[0]);
        sleep(pause).await;
        put(&store, &generation, order[1]);
    };
    // They start before, between and after the two writes.
    let readers = (0..30).map(|nth| {
        let (store, generation) = (&store, &generation);
        async move {
            sleep(Duration::from_millis(51) + pause * nth / 25).await;
            obtain_one(store, "we", generation, fields, &mut minute()).await
        }
    });
    let ((), read) = tokio::join!(creator, join_all(readers));
    let expected: Vec<_> = fields.iter().map(|f| format!("original-{f}")).collect();
    for read in read {
        let (values, is_created) = read.unwrap();
        assert_eq!(texts(&values), expected);
        assert!(!is_created);
    }
}

#[rstest]
#[case::the_missing_one("/dev/signing_private", &[Field::Public], "/dev/signing_public")]
#[case::both("/dev/signing_private", &BOTH, "/dev/signing_public")]
#[case::the_other_field("/dev/signing_public", &BOTH, "/dev/signing_private")]
#[tokio::test(start_paused = true)]
async fn a_generation_that_stays_incomplete_is_refused_after_ten_seconds_and_not_completed(
    #[case] stored: &str,
    #[case] fields: &[Field],
    #[case] missing: &str,
) {
    let begun = Instant::now();
    let store = Scripted::new().put(stored, "original");
    let error = obtain(&store, fields).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Malformed);
    assert_eq!(error.path.unwrap().as_str(), missing);
    let message = format!("{missing} is missing while another field of /dev/signing is stored");
    assert!(error.message.contains(&message), "{}", error.message);
    let advice = "look for a writer of /dev/signing that still runs before you delete anything";
    assert!(error.remedy.starts_with(advice), "{}", error.remedy);
    let waited = begun.elapsed();
    assert!(
        (Duration::from_secs(10)..Duration::from_secs(11)).contains(&waited),
        "{waited:?}"
    );
    assert_eq!(store.memory.get(&missing.parse().unwrap()), None);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waits_for_a_creator_waits_for_a_missing_field_until_the_deadline() {
    let begun = Instant::now();
    let store = Scripted::new().put("/dev/signing_public", "original");
    let (generation, mut budget) = (pair(), RetryBudget::new(MINUTE));
    let wanted = [wanted(&generation, &BOTH, WhenAbsent::Wait)];
    let mut obtained = obtain_all(&store, "we", &wanted, &(), &mut budget).await;
    let Some(Obtained::Failed(error)) = obtained.pop() else {
        panic!("{obtained:?}")
    };
    assert_eq!(error.kind, ErrorKind::Malformed);
    assert!(begun.elapsed() > Duration::from_secs(59));
}
