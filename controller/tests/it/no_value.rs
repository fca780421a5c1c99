//! No value that the controller creates is in a log line, an Event or a metric.

use crate::support::{
    PASSWORD, Running,
    api::Api,
    eventually,
    log::{Log, assert_hides},
    prefix,
    stores::TestStores,
};

#[tokio::test]
async fn no_value_is_logged_or_shown() {
    let (log, _guard) = Log::begin();
    let (api, stores) = (Api::new(), TestStores::new());
    stores.deny("/dev/denied");
    let controller = Running::start(&api, &stores);
    let key = ("secret.bsycorp.com/key_public", "kind=DYNAMIC,type=ED25519");
    let uuid = ("secret.bsycorp.com/id", "kind=DYNAMIC,type=UUID");
    let local = (
        "secret.bsycorp.com/local",
        "kind=DYNAMIC,type=PASSWORD,size=256,localModeValue=bWFya2VyLW9mLWxvY2FsLW1vZGU=",
    );
    api.apply(
        "team-a",
        "web",
        &[PASSWORD, key, uuid, local, prefix("/dev/web")],
    );
    api.apply(
        "team-a",
        "denied",
        &[PASSWORD, key, uuid, local, prefix("/dev/denied")],
    );
    eventually("both Events", || {
        !api.events_of("web").is_empty() && !api.events_of("denied").is_empty()
    })
    .await;
    let (_, metrics) = controller.get("/metrics").await;
    controller.stop().await;

    let log = log.text();
    assert!(log.contains("not everything was created"), "{log}");
    let shown = format!("{log}\n{metrics}\n{:?}", api.state().events);
    let created = stores.created();
    assert_eq!(created.len(), 5);
    for (path, value) in created {
        assert_hides(&shown, &format!("the value of {path}"), &value);
    }
    assert!(!shown.contains("bWFya2Vy"), "a localModeValue is shown");
}
