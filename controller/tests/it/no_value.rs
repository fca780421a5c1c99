//! No value that the controller creates is in a log line, an Event or a metric.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use crate::support::{PASSWORD, Running, api::Api, eventually, prefix, stores::TestStores};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn no_value_is_logged_or_shown() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

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

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("not everything was created"), "{log}");
    let shown = format!("{log}\n{metrics}\n{:?}", api.state().events);
    let created = stores.created();
    assert_eq!(created.len(), 5);
    for (path, value) in created {
        let text = String::from_utf8_lossy(value.expose());
        assert!(!shown.contains(&*text), "the value of {path} is shown");
        let base64 = value.to_base64();
        assert!(!shown.contains(&*base64), "the base64 of {path} is shown");
    }
    assert!(!shown.contains("bWFya2Vy"), "a localModeValue is shown");
}
