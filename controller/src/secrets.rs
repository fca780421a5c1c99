//! Writes the Kubernetes Secrets that pods ask for: by `init.DOMAIN/sync`, or by `secretObjects` of a class.
//!
//! ```text
//! pods, classes, policy ──> wanted ──jobs──> fetch ──contents──> choice, stored ──> api ──> API server
//!                                              ^                                       │
//!                                            stores           watch of Secrets <───────┘
//! ```
//!
//! Nothing is kept but when to look again, and which version of a Secret was right: values are read when they are
//! compared with the Secret, and dropped. A Secret that somebody changes or deletes is looked at again at once.

mod api;
mod by_annotations;
mod by_class;
mod candidate;
mod choice;
mod classes;
mod fetch;
pub(crate) mod regions;
mod schedule;
mod stored;
mod tell;
mod wanted;
mod watch;
mod write;

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use kees_common::{Domain, Period, names::init};
use kees_store::protocol::StoreSet;
use kube::{
    Client,
    runtime::reflector::{Store, store::Writer},
};
use tokio::{
    sync::{Notify, mpsc, watch as value},
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use self::{
    api::Secrets,
    by_class::Around,
    candidate::Problem,
    classes::Classes,
    fetch::Fetcher,
    regions::RegionStores,
    schedule::Schedule,
    tell::Teller,
    wanted::{Wanted, wanted},
    watch::Change,
    write::SecretWriter,
};
use crate::{
    events::{Events, Reason},
    health::Health,
    leader::until_it_leads,
    metrics::{Metrics, SecretResult},
    pod::WatchedPod,
    policy,
};

/// The least time between two looks at the pods.
const PAUSE: Duration = Duration::from_millis(500);

/// The most time between two looks at the pods.
const SWEEP: Duration = Duration::from_secs(30);

/// How many jobs run at the same time.
const CONCURRENT: usize = 16;

/// How Secrets are written.
#[derive(Debug, Clone)]
pub struct SecretSyncSettings {
    /// How often the values are read again.
    pub period: Period,
    /// The Region of classes that name none.
    pub region: Option<String>,
}

/// Writes Secrets.
pub(crate) struct Syncer<S, R> {
    /// `None`: pods that ask are told that nothing is written.
    pub(crate) settings: Option<SecretSyncSettings>,
    pub(crate) client: Client,
    pub(crate) stores: Arc<S>,
    pub(crate) regions: Arc<R>,
    pub(crate) domain: Domain,
    pub(crate) policy: value::Receiver<Arc<policy::Current>>,
    /// Whether this replica writes.
    pub(crate) leads: value::Receiver<bool>,
    pub(crate) reader: Store<WatchedPod>,
    pub(crate) events: Events,
    pub(crate) metrics: Metrics,
    pub(crate) health: Arc<Health>,
    /// Tells that pods may ask for other Secrets. The first time, all pods are listed.
    pub(crate) changed: Arc<Notify>,
    /// How long one job may wait for the stores.
    pub(crate) timeout: Duration,
}

impl<S, R> Syncer<S, R>
where
    S: StoreSet + Send + Sync + 'static,
    S::Store: Sync,
    R: RegionStores,
{
    /// Writes while this replica leads. Never ends.
    pub(crate) async fn run(self) {
        self.changed.notified().await;
        let Some(settings) = self.settings.clone() else {
            return self.tell_off().await;
        };
        // Dropping the set ends its tasks.
        let mut tasks = JoinSet::new();
        let writer = Writer::new(());
        let classes = Classes(writer.as_reader());
        tasks.spawn(classes::watch(
            self.client.clone(),
            writer,
            Arc::clone(&self.changed),
        ));
        let (sender, mut changes) = mpsc::unbounded_channel();
        let secrets = watch::watch(self.client.clone(), sender, Arc::clone(&self.health));
        tasks.spawn(secrets);
        let mut leads = self.leads.clone();
        loop {
            tokio::select! {
                () = until_it_leads(&mut leads) => {}
                // A replica that stands by does not keep them.
                () = forget(&mut changes) => {}
            }
            tokio::select! {
                () = self.lead(&settings, &classes, &mut changes) => {}
                _ = leads.wait_for(|leads| !*leads) => {}
            }
            self.metrics.secrets(0, 0);
        }
    }

    /// Tells pods that ask by an annotation.
    async fn tell_off(&self) {
        let of_sync = self.domain.init(init::SYNC);
        let teller = self.teller();
        let line = format!(
            "{of_sync}: no Secret is written, because the controller runs without --secret-sync; ask the operator \
             to switch it on"
        );
        loop {
            let pods = self.reader.state();
            let pods = pods.into_iter();
            let pods: Vec<_> = pods
                .filter(|pod| pod.annotation(&of_sync).is_some())
                .collect();
            if *self.leads.borrow() {
                let lines = [line.clone()];
                teller
                    .tell_about(&pods, &of_sync, Reason::SecretOff, &lines)
                    .await;
            }
            sleep(PAUSE).await;
            tokio::select! {
                () = sleep(SWEEP) => {}
                () = self.changed.notified() => {}
            }
        }
    }

    fn teller(&self) -> Teller {
        Teller {
            events: self.events.clone(),
            metrics: self.metrics.clone(),
        }
    }

    /// Runs jobs when they are due. Never ends.
    async fn lead(
        &self,
        settings: &SecretSyncSettings,
        classes: &Classes,
        changes: &mut mpsc::UnboundedReceiver<Change>,
    ) {
        let writer = SecretWriter {
            fetcher: Fetcher {
                stores: Arc::clone(&self.stores),
                regions: Arc::clone(&self.regions),
                domain: self.domain.clone(),
                metrics: self.metrics.clone(),
                timeout: self.timeout,
            },
            secrets: Secrets(self.client.clone()),
            teller: self.teller(),
            source: format!("kees.{}/source", self.domain),
        };
        let mut policy = self.policy.clone();
        let period = Duration::from_secs(settings.period.seconds());
        let mut schedule = Schedule::new(period);
        let mut running = FuturesUnordered::new();
        let mut look = Instant::now();
        loop {
            if look <= Instant::now() {
                let wanted = self.wanted(settings, classes);
                self.tell_problems(&writer.teller, &wanted.problems).await;
                schedule.set(wanted.jobs);
                look = Instant::now() + SWEEP;
            }
            while running.len() < CONCURRENT
                && let Some(job) = schedule.start_next()
            {
                let writer = &writer;
                // Boxed, because the future is large.
                let run = async move {
                    let states = writer.run(&job).await;
                    (job, states)
                };
                running.push(run.boxed());
            }
            let (count, failing) = schedule.counts();
            self.metrics.secrets(count, failing);
            let next = schedule.next().filter(|_| running.len() < CONCURRENT);
            let next = next.map_or(look, |next| next.min(look));
            tokio::select! {
                Some((job, states)) = running.next() => schedule.done(&job, states),
                Some(change) = changes.recv() => schedule.changed(&change),
                () = sleep_until(next) => {}
                () = self.changed.notified() => look = look.min(Instant::now() + PAUSE),
                Ok(()) = policy.changed() => look = look.min(Instant::now() + PAUSE),
            }
        }
    }

    fn wanted(&self, settings: &SecretSyncSettings, classes: &Classes) -> Wanted {
        let current = Arc::clone(&self.policy.borrow());
        let around = Around {
            current: &current,
            region: settings.region.as_deref(),
        };
        let classes = Some(classes).filter(|classes| classes.are_listed());
        wanted(&self.reader.state(), classes, around)
    }

    async fn tell_problems(&self, teller: &Teller, problems: &[Problem]) {
        for Problem {
            pods,
            subject,
            lines,
        } in problems
        {
            self.metrics.secret(SecretResult::Denied);
            teller
                .tell_about(pods, subject, Reason::SecretDenied, lines)
                .await;
        }
    }
}

/// Drops what happens to Secrets. Never ends.
async fn forget(changes: &mut mpsc::UnboundedReceiver<Change>) {
    while changes.recv().await.is_some() {}
    std::future::pending::<()>().await;
}
