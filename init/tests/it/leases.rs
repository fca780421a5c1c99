//! The numbers of leases: a run reads them and waits for kees-controller to give them.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use kees_common::{Locator, StoragePath, StoreName};
use kees_init::{Exit, Origin, Progress, run};
use kees_store::{
    CreateRequest, CreateStore, Creation, ErrorKind, Found, ReadStore, StoreError, StoreSettings,
    Stores,
    leases::{Change, LeaseStore, PodIdentity, Record, RecordPage},
    memory::Memory,
    protocol::StoreSet,
};
use rstest::rstest;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::pod::{Pod, Scripted, denied, error};

const NODE: (&str, &str) = ("lease/node", "kind=INDEX,rangeStart=0,rangeEnd=9");
const OWN: &str = "/leases/node/team-a/web-0/0-9";
const UID: &str = "0b5f9a3e-uid";

/// A store in AWS that keeps its records in memory.
#[derive(Default)]
struct Table {
    memory: Memory,
    /// The calls that read records.
    looks: AtomicUsize,
    /// The records that kees-controller writes after a number of calls.
    later: Mutex<Option<(usize, String, Record)>>,
    /// The error of every call about a path that contains the text.
    failing: Option<(&'static str, ErrorKind)>,
}

impl Table {
    async fn with<const N: usize>(records: [(&str, Record); N]) -> Self {
        let table = Self::default();
        for (path, record) in records {
            table.put(path, record).await;
        }
        table
    }

    async fn put(&self, path: &str, record: Record) {
        let path: StoragePath = path.parse().unwrap();
        let before = self.memory.records(std::slice::from_ref(&path)).await;
        let change = Change {
            expected: before.into_iter().next().unwrap().unwrap(),
            new: Some(record),
            path,
        };
        assert_eq!(self.memory.swap(&[change]).await, Ok(true));
    }

    fn looks(&self) -> usize {
        self.looks.load(Ordering::Relaxed)
    }

    async fn count_look(&self) {
        let before = self.looks.fetch_add(1, Ordering::Relaxed);
        let due = self
            .later
            .lock()
            .unwrap()
            .take_if(|(looks, ..)| *looks <= before);
        if let Some((_, path, record)) = due {
            self.put(&path, record).await;
        }
    }

    fn error_at(&self, path: &str) -> Option<StoreError> {
        let (part, kind) = self.failing.as_ref()?;
        path.contains(part).then(|| error(kind))
    }
}

impl ReadStore for Table {
    fn name(&self) -> StoreName {
        StoreName::DynamoDb
    }

    fn is_consistent(&self) -> bool {
        true
    }

    async fn read(&self, locators: &[Locator]) -> Vec<Found> {
        let found = self.memory.read(locators).await;
        let found = locators.iter().zip(found);
        found
            .map(|(at, found)| self.error_at(at.path.as_str()).map_or(found, Err))
            .collect()
    }

    async fn read_together(&self, locators: &[Locator]) -> Vec<Found> {
        self.read(locators).await
    }
}

impl CreateStore for Table {
    async fn create(&self, request: &CreateRequest<'_>) -> Result<Creation, StoreError> {
        self.memory.create(request).await
    }
}

impl LeaseStore for Table {
    async fn records(&self, paths: &[StoragePath]) -> Vec<Result<Option<Record>, StoreError>> {
        self.count_look().await;
        let records = self.memory.records(paths).await;
        let records = paths.iter().zip(records);
        records
            .map(|(path, record)| self.error_at(path.as_str()).map_or(record, Err))
            .collect()
    }

    async fn records_below(
        &self,
        prefix: &str,
        start: Option<&str>,
    ) -> Result<RecordPage, StoreError> {
        self.count_look().await;
        let mut page = self.memory.records_below(prefix, start).await?;
        for (path, record) in &mut page.records {
            if let Some(error) = self.error_at(path) {
                *record = Err(error);
            }
        }
        Ok(page)
    }

    async fn swap(&self, _: &[Change]) -> Result<bool, StoreError> {
        panic!("a run gives no numbers itself")
    }
}

impl StoreSet for Table {
    type Store = Self;

    fn get(&self, name: StoreName) -> Option<&Self> {
        (name == StoreName::DynamoDb).then_some(self)
    }
}

/// The record of a pod in `team-a`, or of a number that it holds.
fn record(value: &str, uid: &str) -> Record {
    in_namespace("team-a", value, uid)
}

fn in_namespace(namespace: &str, value: &str, uid: &str) -> Record {
    Record {
        value: value.to_owned(),
        pod: Some(PodIdentity {
            namespace: namespace.to_owned(),
            uid: uid.to_owned(),
        }),
    }
}

/// A record as the original writes it.
fn original(pod: &str) -> Record {
    Record {
        value: pod.to_owned(),
        pod: None,
    }
}

/// An injected pod.
fn pod() -> Pod {
    let mut pod = by_hand();
    pod.settings.pod.pod_namespace = Some("team-a".to_owned());
    pod.settings.pod.pod_uid = Some(UID.to_owned());
    pod
}

/// A pod that was wired by hand for the original: only its name is known.
fn by_hand() -> Pod {
    let mut pod = Pod::new();
    pod.settings.storage.flags.store = StoreName::DynamoDb;
    pod.settings.storage.flags.env_label = Some("dev".to_owned());
    pod.settings.pod.pod_namespace = None;
    pod
}

/// The number that a run writes.
async fn number(pod: &Pod, table: &Table) -> String {
    pod.run(&[NODE], table).await.unwrap();
    pod.read("node")
}

/// The error of a run.
async fn failure(pod: &Pod, table: &Table) -> (Exit, String) {
    let error = pod.run(&[NODE], table).await.unwrap_err();
    assert_eq!(pod.files(), [""; 0]);
    (error.exit(), error.to_string())
}

#[tokio::test(start_paused = true)]
async fn a_number_is_read_from_the_record_of_the_pod_and_written_as_in_local_mode() {
    let table = Table::with([(OWN, record("7", UID))]).await;
    let (pod, begun) = (pod(), Instant::now());
    let report = pod.run(&[NODE], &table).await.unwrap();
    assert_eq!(pod.read("leases.properties"), "node=Nw==\n");
    assert_eq!(pod.read("node"), "7");
    let row = &report.rows[0];
    assert_eq!((row.word, row.origin), ("lease", Origin::Found));
    assert_eq!(row.store, Some(StoreName::DynamoDb));
    assert_eq!(row.path.as_ref().map(StoragePath::as_str), Some(OWN));
    assert_eq!((table.looks(), begun.elapsed()), (1, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_run_waits_until_the_controller_has_given_a_number() {
    let table = Table::default();
    *table.later.lock().unwrap() = Some((3, OWN.to_owned(), record("4", UID)));
    assert_eq!(number(&pod(), &table).await, "4");
    assert_eq!(table.looks(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_number_of_an_earlier_pod_of_the_same_name_is_not_taken() {
    let table = Table::with([(OWN, record("7", "earlier"))]).await;
    *table.later.lock().unwrap() = Some((2, OWN.to_owned(), record("4", UID)));
    assert_eq!(number(&pod(), &table).await, "4");

    let table = Table::with([(OWN, record("7", "earlier"))]).await;
    let (exit, message) = failure(&pod(), &table).await;
    assert_eq!(exit, Exit::Absent);
    assert!(message.contains("an earlier pod of this name"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_number_that_stays_absent_is_an_error_that_says_who_gives_numbers() {
    let (pod, begun) = (pod(), Instant::now());
    let error = pod.run(&[NODE], &Table::default()).await.unwrap_err();
    assert_eq!(error.exit(), Exit::Absent);
    assert!(begun.elapsed() > Duration::from_secs(59));
    insta::assert_snapshot!(error.termination_message(), @r"
    nothing was written: 1 error, exit 75, something is absent
    lease.bsycorp.com/node (dynamodb /leases/node/team-a/web-0/0-9): absent after 59 s; kees-controller has to give the pod a number: look at the Events of the pod web-0; all 10 numbers of the range may be held by other pods
    ");
}

#[tokio::test(start_paused = true)]
async fn leases_and_secrets_are_read_side_by_side_within_one_deadline() {
    let (pod, begun) = (pod(), Instant::now());
    let annotations = [
        NODE,
        ("resource/url", ""),
        ("secret/token", "kind=REFERENCE"),
    ];
    let error = pod.run(&annotations, &Table::default()).await.unwrap_err();
    assert_eq!(error.errors().len(), 3, "{error}");
    assert!(begun.elapsed() < Duration::from_secs(61));
}

#[tokio::test(start_paused = true)]
async fn a_number_is_not_waited_for_if_a_secret_fails() {
    let table = Table {
        failing: Some(("/token", denied("dynamodb:GetItem"))),
        ..Table::default()
    };
    let (pod, begun) = (pod(), Instant::now());
    let annotations = [NODE, ("secret/token", "kind=REFERENCE")];
    let error = pod.run(&annotations, &table).await.unwrap_err();
    assert_eq!((error.exit(), error.errors().len()), (Exit::Denied, 1));
    assert_eq!((table.looks(), begun.elapsed()), (1, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn several_leases_are_one_read() {
    let other = ("lease/port", "kind=INDEX,rangeStart=5,rangeEnd=5");
    let table = Table::with([
        (OWN, record("7", UID)),
        ("/leases/port/team-a/web-0/5-5", record("5", UID)),
    ])
    .await;
    let pod = pod();
    let secret = ("secret/p", "kind=DYNAMIC,type=PASSWORD,size=128");
    let report = pod.run(&[NODE, secret, other], &table).await.unwrap();
    assert_eq!(pod.read("leases.properties"), "node=Nw==\nport=NQ==\n");
    assert_eq!(report.summary(), "3 entries written (1 created, 2 found)");
    assert_eq!(table.looks(), 1);
}

#[rstest]
#[case("ten")]
#[case("10")]
#[case("-1")]
#[case("")]
#[tokio::test(start_paused = true)]
async fn a_record_that_is_no_number_of_the_range_is_an_error_that_names_the_path(
    #[case] value: &str,
) {
    let table = Table::with([(OWN, record(value, UID))]).await;
    let (exit, message) = failure(&pod(), &table).await;
    assert_eq!(exit, Exit::Data);
    assert!(message.contains(OWN), "{message}");
    assert!(message.contains("is no number from 0 to 9"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_denied_read_names_the_action_and_the_path() {
    let table = Table {
        failing: Some((OWN, denied("dynamodb:GetItem"))),
        ..Table::default()
    };
    let begun = Instant::now();
    let (exit, message) = failure(&pod(), &table).await;
    assert_eq!((exit, begun.elapsed()), (Exit::Denied, Duration::ZERO));
    for part in ["allow dynamodb:GetItem", OWN, "lease.bsycorp.com/node"] {
        assert!(message.contains(part), "{message}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_for_a_while_is_read_again() {
    let table = Table {
        failing: Some((OWN, ErrorKind::Throttled)),
        ..Table::default()
    };
    let (exit, message) = failure(&pod(), &table).await;
    assert_eq!(exit, Exit::Unavailable);
    assert!(message.contains("raise the capacity"), "{message}");
    assert!(table.looks() > 5);
}

/// The annotations that a run reports while it waits.
#[derive(Default)]
struct Waited(Mutex<Vec<String>>);

impl Progress for Waited {
    fn waiting(&self, annotations: &[&str]) {
        let annotations = annotations.iter().map(|name| (*name).to_owned());
        self.0.lock().unwrap().extend(annotations);
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_reports_the_leases_that_it_waits_for() {
    let table = Table::default();
    *table.later.lock().unwrap() = Some((2, OWN.to_owned(), record("4", UID)));
    let waited = Waited::default();
    let request = pod().request(&[NODE]).unwrap();
    run(&request, &table, &waited).await.unwrap();
    assert_eq!(
        waited.0.into_inner().unwrap(),
        ["lease.bsycorp.com/node"; 2]
    );
}

#[rstest]
#[case::of_the_original(original("web-0"), Some("3"))]
#[case::of_the_controller(record("web-0", "any"), Some("3"))]
#[case::of_another_pod(original("web-1"), None)]
#[tokio::test(start_paused = true)]
async fn without_namespace_and_uid_the_name_decides(
    #[case] record: Record,
    #[case] expected: Option<&str>,
) {
    let table = Table::with([("/leases/node.3", record)]).await;
    let pod = by_hand();
    match expected {
        Some(expected) => assert_eq!(number(&pod, &table).await, expected),
        None => assert_eq!(failure(&pod, &table).await.0, Exit::Absent),
    }
}

#[rstest]
#[case::own_record(OWN, record("3", "any"), true)]
#[case::of_the_original("/leases/node.3", original("web-0"), true)]
#[case::of_this_namespace("/leases/node.3", record("web-0", "any"), true)]
#[case::of_another_namespace("/leases/node.3", in_namespace("team-b", "web-0", "any"), false)]
#[tokio::test(start_paused = true)]
async fn without_uid_the_namespace_and_name_decide(
    #[case] path: &str,
    #[case] record: Record,
    #[case] is_taken: bool,
) {
    let table = Table::with([(path, record)]).await;
    let mut pod = by_hand();
    pod.settings.pod.pod_namespace = Some("team-a".to_owned());
    if is_taken {
        assert_eq!(number(&pod, &table).await, "3");
    } else {
        assert_eq!(failure(&pod, &table).await.0, Exit::Absent);
    }
}

#[rstest]
#[case(UID, true)]
#[case("another", false)]
#[tokio::test(start_paused = true)]
async fn a_uid_without_a_namespace_is_compared(#[case] uid: &str, #[case] is_taken: bool) {
    let table = Table::with([("/leases/node.3", record("web-0", uid))]).await;
    let mut pod = by_hand();
    pod.settings.pod.pod_uid = Some(UID.to_owned());
    assert_eq!(pod.run(&[NODE], &table).await.is_ok(), is_taken);
}

#[tokio::test(start_paused = true)]
async fn pods_of_one_name_in_several_namespaces_need_a_namespace() {
    let table = Table::with([
        ("/leases/node.3", record("web-0", "a")),
        ("/leases/node.4", in_namespace("team-b", "web-0", "b")),
    ])
    .await;
    let (exit, message) = failure(&by_hand(), &table).await;
    assert_eq!(exit, Exit::Usage);
    assert!(message.contains("set POD_NAMESPACE"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn an_injected_pod_takes_no_record_of_the_original() {
    let table = Table::with([("/leases/node.3", original("web-0"))]).await;
    assert_eq!(failure(&pod(), &table).await.0, Exit::Absent);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_decoded_is_of_no_pod() {
    let mut table = Table::with([("/leases/node.3", original("web-0"))]).await;
    table.failing = Some(("node.2", ErrorKind::Malformed));
    assert_eq!(number(&by_hand(), &table).await, "3");
    table.failing = Some(("node.2", denied("dynamodb:GetItem")));
    assert_eq!(failure(&by_hand(), &table).await.0, Exit::Denied);
}

#[tokio::test(start_paused = true)]
async fn a_large_range_is_read_page_by_page() {
    let table = Table::default();
    for number in 0..350 {
        let name = format!("web-{}", if number == 320 { 0 } else { number + 1 });
        let path = format!("/leases/node.{number}");
        table.put(&path, original(&name)).await;
    }
    // The same key prefix, and no number of the range.
    table.put("/leases/node.5000", original("web-0")).await;
    let pod = by_hand();
    let large = ("lease/node", "kind=INDEX,rangeStart=0,rangeEnd=1000");
    pod.run(&[large], &table).await.unwrap();
    assert_eq!((pod.read("node"), table.looks()), ("320".to_owned(), 4));
}

#[rstest]
#[case::given(Some(record("7", UID)), "7", Origin::Found)]
#[case::absent(None, "1", Origin::Local)]
#[case::of_an_earlier_pod(Some(record("7", "earlier")), "1", Origin::Local)]
#[tokio::test(start_paused = true)]
async fn remote_then_local_derives_a_number_at_once_where_the_store_has_none(
    #[case] stored: Option<Record>,
    #[case] expected: &str,
    #[case] origin: Origin,
) {
    let table = Table::default();
    if let Some(record) = stored {
        table.put(OWN, record).await;
    }
    let (pod, begun) = (pod(), Instant::now());
    let annotations = [NODE, ("init/local-mode", "remote-then-local")];
    let report = pod.run(&annotations, &table).await.unwrap();
    assert_eq!((&*pod.read("node"), report.count(origin)), (expected, 1));
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_lease_needs_the_name_of_the_pod() {
    let mut pod = pod();
    pod.settings.pod.pod_name = None;
    let error = pod.run(&[NODE], &Table::default()).await.unwrap_err();
    assert_eq!(error.exit(), Exit::Usage);
    assert!(error.to_string().contains("POD_NAME is missing"), "{error}");
}

/// Two pods share the two numbers of a range in a local store.
async fn two_pods_share_two_numbers(stores: &impl StoreSet<Store: LeaseStore>, store: StoreName) {
    let lease = ("lease/node", "kind=INDEX,rangeStart=3,rangeEnd=4");
    let named = |name: &str| {
        let mut pod = Pod::new();
        pod.settings.storage.flags.store = store;
        pod.settings.storage.embedded_file = Some("unused".into());
        pod.settings.pod.pod_name = Some(name.to_owned());
        pod
    };
    let mut numbers = BTreeSet::new();
    for name in ["web-0", "web-1"] {
        let pod = named(name);
        let first = pod.run(&[lease], stores).await.unwrap();
        let number = pod.read("node");
        let again = pod.run(&[lease], stores).await.unwrap();
        assert_eq!(pod.read("node"), number);
        let origins = [first.rows[0].origin, again.rows[0].origin];
        assert_eq!(origins, [Origin::Created, Origin::Found]);
        numbers.insert(number);
    }
    assert_eq!(numbers, ["3", "4"].map(str::to_owned).into());
    let error = named("web-2").run(&[lease], stores).await.unwrap_err();
    assert_eq!(error.exit(), Exit::Absent);
    assert!(error.to_string().contains("use a larger range"), "{error}");
}

#[tokio::test]
async fn a_store_in_memory_has_no_controller_so_the_run_gives_the_number() {
    let stores = Scripted::default();
    two_pods_share_two_numbers(&stores, StoreName::Memory).await;
}

#[tokio::test]
async fn an_embedded_store_has_no_controller_so_the_run_gives_the_number() {
    let folder = TempDir::new().unwrap();
    let settings = StoreSettings {
        embedded_file: Some(folder.path().join("kees.sqlite")),
        ..StoreSettings::default()
    };
    let stores = Stores::open([StoreName::Embedded], &settings).await;
    two_pods_share_two_numbers(&stores.unwrap(), StoreName::Embedded).await;
}
