//! How long a run waits: `TIMEOUT` for all of its entries together, however many there are.

use std::{
    convert::Infallible,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use kees_common::{Field, Generated, Generation, Locator, Spec, StoreName};
use kees_store::{
    CreateRequest, CreateStore, Creation, ErrorKind, Found, ReadStore, StoreError,
    memory::Memory,
    protocol::{Generator, Observer, Obtained, Run, WhenAbsent, obtain},
};
use kees_store_testing::{
    One, generated_by, generation_at, obtain_all,
    scripted::{Play, Scripted, error_of},
    wanted,
};
use tokio::time::{Instant, sleep};

use crate::creating::{BOTH, MINUTE, minute, pair};

/// Throttles every write. Writes take a while, so that it is seen how many are under way.
#[derive(Default)]
struct Throttling {
    memory: Memory,
    under_way: AtomicUsize,
    most: AtomicUsize,
}

impl ReadStore for Throttling {
    fn name(&self) -> StoreName {
        StoreName::Memory
    }

    fn is_consistent(&self) -> bool {
        true
    }

    async fn read(&self, locators: &[Locator]) -> Vec<Found> {
        self.memory.read(locators).await
    }

    async fn read_together(&self, locators: &[Locator]) -> Vec<Found> {
        self.memory.read(locators).await
    }
}

impl CreateStore for Throttling {
    async fn create(&self, _: &CreateRequest<'_>) -> Result<Creation, StoreError> {
        let under_way = self.under_way.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(under_way, Ordering::Relaxed);
        sleep(Duration::from_millis(10)).await;
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        Err(error_of(&ErrorKind::Throttled))
    }
}

#[tokio::test(start_paused = true)]
async fn five_hundred_throttled_entries_end_at_the_deadline_of_one() {
    let (store, begun) = (Throttling::default(), Instant::now());
    let generations: Vec<Generation> = (0..500)
        .map(|nth| {
            let path = format!("/dev/password-{nth}").parse().unwrap();
            generation_at(StoreName::Memory, path, Spec::Password { bits: 128 })
        })
        .collect();
    let all: Vec<_> = generations
        .iter()
        .map(|of| wanted(of, &[Field::Whole], WhenAbsent::Create))
        .collect();
    let obtained = obtain_all(&store, "we", &all, &(), &mut minute()).await;
    assert!(begun.elapsed() <= MINUTE, "{:?}", begun.elapsed());
    assert_eq!(obtained.len(), 500);
    for obtained in obtained {
        let is_reported = matches!(&obtained, Obtained::Failed(_) | Obtained::NotRead(_));
        assert!(is_reported, "{obtained:?}");
    }
    assert_eq!(store.most.into_inner(), 16, "writes side by side");
}

/// Takes longer than the budget to generate.
struct Slow;

impl Generator for Slow {
    type Error = Infallible;

    async fn generate(&self, generation: &Generation) -> Result<Generated, Infallible> {
        if generation.fields.len() > 1 {
            sleep(MINUTE * 5).await;
        }
        Ok(generated_by("we", &generation.spec))
    }
}

#[tokio::test(start_paused = true)]
async fn a_generation_is_stored_as_soon_as_it_is_generated_however_long_another_one_takes() {
    let (store, begun, pair) = (Scripted::new(), Instant::now(), pair());
    let password = "/dev/password".parse().unwrap();
    let password = generation_at(StoreName::Memory, password, Spec::Password { bits: 128 });
    let all = [
        wanted(&pair, &BOTH, WhenAbsent::Create),
        wanted(&password, &[Field::Whole], WhenAbsent::Create),
    ];
    let run = Run {
        stores: &One(&store),
        generator: &Slow,
        observer: &(),
        namespace: None,
        retry_delay: None,
    };
    let mut budget = minute();
    let (obtained, ()) = tokio::join!(obtain(&all, &run, &mut budget), async {
        sleep(Duration::from_secs(1)).await;
        assert_eq!(store.log(), ["read 3", "create 1"]);
    });
    assert!(matches!(
        obtained[..],
        [Obtained::Created(_), Obtained::Created(_)]
    ));
    assert_eq!(store.log(), ["read 3", "create 1", "create 2"]);
    assert_eq!(begun.elapsed(), MINUTE * 5);
    assert_eq!(
        budget.left(),
        MINUTE,
        "generating is not waiting for stores"
    );
}

#[derive(Default)]
struct Recorded(Mutex<Vec<String>>);

impl Observer for Recorded {
    fn waiting(&self, wanted: &[usize]) {
        self.0.lock().unwrap().push(format!("waiting {wanted:?}"));
    }

    fn incomplete(&self, wanted: usize) {
        self.0.lock().unwrap().push(format!("incomplete {wanted}"));
    }

    fn creation_denied(&self, wanted: usize, error: &StoreError) {
        let mut recorded = self.0.lock().unwrap();
        recorded.push(format!("denied {wanted} {error}"));
    }

    fn store_unavailable(&self, error: &StoreError) {
        let mut recorded = self.0.lock().unwrap();
        recorded.push(format!("unavailable {} {error}", error.store));
    }
}

#[tokio::test(start_paused = true)]
async fn an_observer_is_told_what_is_waited_for_and_once_that_a_store_fails() {
    let store = Scripted::new()
        .put("/dev/signing_public", "original")
        .reads(vec![Play::Fail(ErrorKind::Unreachable); 3]);
    let (pair, recorded) = (pair(), Recorded::default());
    let password = "/dev/password".parse().unwrap();
    let password = generation_at(StoreName::Memory, password, Spec::Password { bits: 128 });
    let all = [
        wanted(&pair, &BOTH, WhenAbsent::Create),
        wanted(&password, &[Field::Whole], WhenAbsent::Wait),
    ];
    obtain_all(&store, "we", &all, &recorded, &mut minute()).await;
    let mut recorded = recorded.0.into_inner().unwrap();
    let unavailable = "unavailable memory as the test says";
    assert_eq!(recorded[0], unavailable);
    recorded.sort();
    recorded.dedup();
    assert_eq!(recorded, ["incomplete 0", unavailable, "waiting [1]"]);
}
