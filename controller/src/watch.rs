//! The watch on pods. It relists and resumes by itself and never ends.

use std::sync::Arc;

use futures_util::{Stream, StreamExt as _, TryStreamExt as _, future::ready, stream};
use kees_common::Domain;
use kube::{
    Api, Client,
    runtime::{
        WatchStreamExt as _,
        reflector::{ObjectRef, Store, reflector, store::Writer},
        watcher::{self, Event, watcher},
    },
};
use tokio::sync::{Notify, mpsc};

use crate::{health::Health, metrics::Metrics, pod::WatchedPod, records::Records};

/// The most pods in one response of a list, which is decoded as a whole and takes about four times its length. The annotations of
/// each pod can have 256 KiB, and the controller has 128 MiB.
const PAGE: u32 = 64;

/// Pods that have ended need no secrets.
const LIVE: &str = "status.phase!=Succeeded,status.phase!=Failed";

/// What the watch tells of.
pub(crate) struct Watch {
    pub(crate) domain: Domain,
    pub(crate) records: Arc<Records>,
    pub(crate) metrics: Metrics,
    pub(crate) health: Arc<Health>,
    /// Takes the pods that are gone.
    pub(crate) gone: mpsc::UnboundedSender<WatchedPod>,
    /// Is notified when all pods were listed.
    pub(crate) listed: Arc<Notify>,
    /// Is notified when a pod may have asked for a restart.
    pub(crate) asked: Arc<Notify>,
    /// Is notified when a pod may ask for another Kubernetes Secret.
    pub(crate) shared: Arc<Notify>,
}

/// The pods to look at: each one that is new or changed, and after each list all of them. `writer` is
/// kept up to date with the pods that ask for secrets, leases or restarts.
///
/// A pod that a list shows is in the store only after the whole list, so it is not requested before.
pub(crate) fn requests(
    client: Client,
    writer: Writer<WatchedPod>,
    watch: Watch,
) -> impl Stream<Item = ObjectRef<WatchedPod>> {
    let reader = writer.as_reader();
    let config = watcher::Config::default().fields(LIVE).page_size(PAGE);
    let domain = watch.domain.clone();
    let events = endless(Api::all(client), config)
        .default_backoff()
        .try_filter_map(move |event| ready(Ok(of_interest(event, &domain))));
    reflector(writer, events).flat_map(move |event| stream::iter(watch.on(event, &reader)))
}

/// A watch that begins again with a list if the API server answers its start with 410 Gone. kube's
/// watcher does so itself if 410 is an event of the watch. After the status 410, it would ask for the
/// same version forever.
fn endless(
    pods: Api<WatchedPod>,
    config: watcher::Config,
) -> impl Stream<Item = Result<Event<WatchedPod>, watcher::Error>> + Send {
    let until_gone = move || {
        let events = Box::pin(watcher(pods.clone(), config.clone()));
        stream::unfold(Some(events), |events| async move {
            let mut events = events?;
            let event = events.next().await?;
            // The watch is dropped at once. It might start, and then say nothing for a long time.
            let is_gone = matches!(&event, Err(error) if is_start_gone(error));
            Some((event, (!is_gone).then_some(events)))
        })
    };
    stream::repeat_with(until_gone).flatten()
}

fn is_start_gone(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::WatchStartFailed(kube::Error::Api(status)) if status.code == 410)
}

impl Watch {
    fn on(
        &self,
        event: Result<Event<WatchedPod>, watcher::Error>,
        reader: &Store<WatchedPod>,
    ) -> Vec<ObjectRef<WatchedPod>> {
        let requests = match event {
            Ok(Event::Apply(pod)) => {
                if pod.restart().is_some_and(|restart| restart.is_asked) {
                    self.asked.notify_one();
                }
                if pod.sharing().is_some() {
                    self.shared.notify_one();
                }
                vec![ObjectRef::from_obj(&pod)]
            }
            Ok(Event::InitDone) => {
                self.health.listed();
                self.metrics.lists.inc();
                self.records.retain(reader);
                self.listed.notify_one();
                self.asked.notify_one();
                self.shared.notify_one();
                all(reader)
            }
            Ok(Event::Delete(pod)) => {
                self.records.forget(&pod);
                if pod.asks_for_leases(&self.domain) {
                    // The receiver ends when the controller stops.
                    let _ = self.gone.send(pod);
                }
                Vec::new()
            }
            Ok(Event::Init | Event::InitApply(_)) => Vec::new(),
            Err(error) => {
                self.metrics.watch_errors.inc();
                tracing::warn!("the watch on pods is opened again: {error}");
                Vec::new()
            }
        };
        self.metrics
            .pods
            .set(i64::try_from(reader.len()).unwrap_or(i64::MAX));
        requests
    }
}

/// All pods of the store.
pub(crate) fn all(reader: &Store<WatchedPod>) -> Vec<ObjectRef<WatchedPod>> {
    let pods = reader.state();
    pods.iter().map(|pod| ObjectRef::from_obj(&**pod)).collect()
}

/// The event, reduced to what is kept. A pod that asks for nothing any more counts as deleted.
fn of_interest(event: Event<WatchedPod>, domain: &Domain) -> Option<Event<WatchedPod>> {
    match event {
        Event::Apply(mut pod) => {
            pod.reduce(domain);
            Some(if pod.asks(domain) {
                Event::Apply(pod)
            } else {
                Event::Delete(pod)
            })
        }
        Event::InitApply(mut pod) => {
            pod.reduce(domain);
            pod.asks(domain).then_some(Event::InitApply(pod))
        }
        Event::Delete(mut pod) => {
            pod.reduce(domain);
            Some(Event::Delete(pod))
        }
        Event::Init | Event::InitDone => Some(event),
    }
}
