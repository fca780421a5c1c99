//! The life of the controller: load the files, open the stores, watch, create, stop.

use std::{
    collections::BTreeSet, convert::Infallible, io, net::SocketAddr, pin::pin, sync::Arc,
    time::Duration,
};

use futures_util::{Stream, StreamExt as _, future::ready, stream};
use kees_common::{Period, StoreName};
use kees_init::{Generator, InitError};
use kees_inject::InjectSettings;
use kees_server::Reload;
use kees_store::{
    StoreSettings, Stores, leases::LeaseStore, protocol::StoreSet, rotation::RotateStore,
};
use kube::{
    Client,
    runtime::{
        applier,
        controller::{self, Action, ReconcileRequest},
        reflector::{ObjectRef, Store, store::Writer},
    },
};
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::{Notify, mpsc, oneshot, watch},
    task::JoinSet,
    time::timeout,
};

use crate::{
    ControllerError, admin,
    conditions::Conditions,
    creator::Creator,
    events::Events,
    health::Health,
    leader::{self, Candidate},
    leases::{Leases, Shared},
    metrics::Metrics,
    pod::WatchedPod,
    policy::{self, Current, PolicyFile, PolicySource},
    records::Records,
    restarts::{RestartSettings, Restarter},
    rotation::Rotator,
    secrets::{SecretSyncSettings, Syncer, regions::RegionStores},
    watch::{self as pods, Watch},
};

/// The configuration of a controller.
#[derive(Debug)]
pub struct Config {
    /// The address of `/healthz`, `/readyz` and `/metrics`.
    pub admin_listen: SocketAddr,
    /// The policy file. Without it a pod may name any prefix.
    pub policy: Option<PolicyFile>,
    /// The time between two checks of the policy file.
    pub reload_interval: Duration,
    /// The most pods at the same time.
    pub concurrency: u16,
    /// How long one attempt for a pod may wait for the stores.
    pub store_timeout: Duration,
    /// A shorter `rotate=` counts as this.
    pub rotation_minimum: Period,
    /// How workloads are restarted when the files of their pods have changed. `None`: they are not.
    pub restart: Option<RestartSettings>,
    /// How Kubernetes Secrets are written. `None`: they are not.
    pub secret_sync: Option<SecretSyncSettings>,
    /// How long the attempts that run may go on after a signal.
    pub drain_timeout: Duration,
    /// The Lease that the leader holds. Without it, every replica creates.
    pub leader_lease: Option<String>,
    /// Whether conditions of pods are written.
    pub pod_condition: bool,
    /// The name of the controller's own pod, for its Events and its Lease.
    pub instance: Option<String>,
    /// The domain, the cluster's name, and the stores: what the policy is checked and applied with.
    pub settings: InjectSettings,
}

/// A controller that has loaded its policy and listens on its admin port.
#[derive(Debug)]
pub struct Controller {
    config: Config,
    admin: TcpListener,
    policy: Option<Reload<PolicySource>>,
}

impl Config {
    /// Opens each store that a pod may name.
    ///
    /// # Errors
    /// A setting of a store is missing or wrong.
    pub async fn open_stores(&self, settings: &StoreSettings) -> Result<Stores, ControllerError> {
        let InjectSettings { store, stores, .. } = &self.settings;
        let names: BTreeSet<StoreName> = stores.iter().chain([store]).copied().collect();
        let opened = Stores::open(names, settings).await;
        opened.map_err(|error| ControllerError::Store(InitError::Store(error)))
    }
}

impl Controller {
    /// Loads the policy, checks the settings, and listens on the admin port. Needs a runtime.
    ///
    /// # Errors
    /// The policy is invalid, or the address is in use.
    pub fn bind(mut config: Config) -> Result<Self, ControllerError> {
        let (policy, settings) = policy::load(config.policy.take(), config.settings)?;
        config.settings = settings;
        let address = config.admin_listen;
        let admin =
            listen(address).map_err(|source| ControllerError::Listen { address, source })?;
        Ok(Self {
            config,
            admin,
            policy,
        })
    }

    /// The address of the admin port.
    ///
    /// # Errors
    /// As [`TcpListener::local_addr`].
    pub fn admin_address(&self) -> io::Result<SocketAddr> {
        self.admin.local_addr()
    }

    /// Watches the pods of `client`'s cluster and creates in `stores` until `stop` resolves. Then it
    /// finishes the attempts that run. What classes name is read in `regions`.
    #[expect(
        clippy::too_many_lines,
        reason = "it connects the parts, one after the other"
    )]
    pub async fn run<S, R>(
        self,
        client: Client,
        stores: S,
        regions: R,
        stop: impl Future<Output = ()>,
    ) where
        S: StoreSet + Send + Sync + 'static,
        S::Store: LeaseStore + RotateStore + Sync,
        R: RegionStores,
    {
        let Self {
            config,
            admin,
            policy,
        } = self;
        log_start(&admin, policy.is_some());
        let metrics = Metrics::new();
        let health = Arc::new(Health::default());
        let records = Arc::new(Records::default());
        let (sender, current) = watch::channel(Arc::new(Current {
            number: 1,
            settings: config.settings,
        }));

        // Dropping the set at the end of this function ends its tasks.
        let mut tasks = JoinSet::new();
        let router = admin::router(metrics.clone(), Arc::clone(&health));
        // It never ends by itself.
        tasks.spawn(async { axum::serve(admin, router).await.unwrap_or_default() });
        if let Some(file) = policy {
            let period = config.reload_interval;
            tasks.spawn(policy::watch(file, period, metrics.clone(), sender));
        }

        let candidate = config
            .leader_lease
            .map(|lease| Candidate::new(client.clone(), lease, config.instance.clone()));
        let (leads, election) = leader::start(candidate, &metrics, &mut tasks);

        let writer = Writer::<WatchedPod>::new(());
        let reader = writer.as_reader();
        let (gone, gone_pods) = mpsc::unbounded_channel();
        let (woken, woken_pods) = mpsc::unbounded_channel();
        let listed = Arc::new(Notify::new());
        let asked = Arc::new(Notify::new());
        let shared = Arc::new(Notify::new());
        let watch = Watch {
            domain: current.borrow().settings.domain.clone(),
            records: Arc::clone(&records),
            metrics: metrics.clone(),
            health: Arc::clone(&health),
            gone,
            listed: Arc::clone(&listed),
            asked: Arc::clone(&asked),
            shared: Arc::clone(&shared),
        };
        let stores = Arc::new(stores);
        let leases = Shared {
            stores: Arc::clone(&stores),
            policy: current.clone(),
            leads: leads.clone(),
            records: Arc::clone(&records),
            woken,
            metrics: metrics.clone(),
            timeout: config.store_timeout,
        };
        let leases = Arc::new(Leases::new(leases, client.clone(), reader.clone()));
        tasks.spawn(Arc::clone(&leases).free_gone(gone_pods));
        tasks.spawn(Arc::clone(&leases).search(listed));
        let mut conditions = Conditions::off();
        if config.pod_condition {
            let domain = &current.borrow().settings.domain;
            conditions = Conditions::new(domain, client.clone(), &records, &metrics, &mut tasks);
        }
        let events = Events {
            client: client.clone(),
            instance: config.instance,
            records: Arc::clone(&records),
            metrics: metrics.clone(),
        };
        let rotations = Arc::new(Notify::new());
        let rotator = Rotator {
            stores: Arc::clone(&stores),
            policy: current.clone(),
            leads: leads.clone(),
            reader: reader.clone(),
            generator: Generator::default(),
            events: events.clone(),
            metrics: metrics.clone(),
            minimum: config.rotation_minimum,
            created: Arc::clone(&rotations),
            timeout: config.store_timeout,
        };
        tasks.spawn(rotator.run());
        let restarter = Restarter {
            settings: config.restart,
            client: client.clone(),
            domain: current.borrow().settings.domain.clone(),
            leads: leads.clone(),
            reader: reader.clone(),
            events: events.clone(),
            metrics: metrics.clone(),
            asked,
        };
        tasks.spawn(restarter.run());
        if config.secret_sync.is_some() {
            health.need_secrets();
        }
        let syncer = Syncer {
            settings: config.secret_sync,
            client: client.clone(),
            stores: Arc::clone(&stores),
            regions: Arc::new(regions),
            domain: current.borrow().settings.domain.clone(),
            policy: current.clone(),
            leads: leads.clone(),
            reader: reader.clone(),
            events: events.clone(),
            metrics: metrics.clone(),
            health: Arc::clone(&health),
            changed: shared,
            timeout: config.store_timeout,
        };
        tasks.spawn(syncer.run());
        let creator = Arc::new(Creator {
            stores,
            leases,
            rotations,
            generator: Generator::default(),
            policy: current.clone(),
            leads: leads.clone(),
            records: Arc::clone(&records),
            events,
            conditions,
            metrics: metrics.clone(),
            timeout: config.store_timeout,
        });
        let (stopping, stopped) = oneshot::channel::<()>();
        let turns = stream::select(changes(current), turns_of_leader(leads, records, metrics));
        let again = requests_again(turns, reader.clone(), woken_pods);
        let queue = stream::select(pods::requests(client, writer, watch), again)
            .map(|pod| Ok::<_, Infallible>(ReconcileRequest::from(pod)))
            .take_until(stopped);
        let work = applier(
            |pod: Arc<WatchedPod>, creator: Arc<Creator<S>>| {
                Box::pin(async move { creator.reconcile(&pod).await })
            },
            |_, unfinished, _| Action::requeue(unfinished.pause),
            creator,
            reader,
            queue,
            controller::Config::default().concurrency(config.concurrency),
        );
        // Errors are logged where they occur. A pod that is gone before its turn is no error.
        let mut work = pin!(work.for_each(|_| async {}));
        tokio::select! {
            () = &mut work => return,
            () = stop => {}
        }
        health.stopping();
        drop(stopping);
        tokio::join!(drain(work, config.drain_timeout), election.end());
    }
}

/// Finishes the attempts that run, if they do not take longer than `most`.
async fn drain(work: impl Future<Output = ()>, most: Duration) {
    if timeout(most, work).await.is_ok() {
        tracing::info!("ended");
    } else {
        tracing::warn!("ended with open attempts, which the next start makes again");
    }
}

/// All pods at each of `turns`, and the pods that wait no longer.
fn requests_again(
    turns: impl Stream<Item = ()>,
    reader: Store<WatchedPod>,
    woken: mpsc::UnboundedReceiver<ObjectRef<WatchedPod>>,
) -> impl Stream<Item = ObjectRef<WatchedPod>> {
    let all = turns.flat_map(move |()| stream::iter(pods::all(&reader)));
    let woken = stream::unfold(woken, |mut pods| async { Some((pods.recv().await?, pods)) });
    stream::select(all, woken)
}

/// An item for each change of a value.
fn changes<T>(receiver: watch::Receiver<T>) -> impl Stream<Item = ()> {
    stream::unfold(receiver, |mut receiver| async {
        if receiver.changed().await.is_err() {
            // Nothing changes the value any more.
            std::future::pending::<()>().await;
        }
        Some(((), receiver))
    })
}

/// An item each time this replica becomes the leader.
fn turns_of_leader(
    leads: watch::Receiver<bool>,
    records: Arc<Records>,
    metrics: Metrics,
) -> impl Stream<Item = ()> {
    changes(leads.clone()).filter(move |()| {
        let leads_now = *leads.borrow();
        if !leads_now {
            records.stand_by();
            metrics.failing(0);
        }
        ready(leads_now)
    })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(64)
}

fn log_start(admin: &TcpListener, has_policy: bool) {
    tracing::info!(
        admin_listen = admin.local_addr().map(tracing::field::display).ok(),
        version = env!("CARGO_PKG_VERSION"),
        "watching pods"
    );
    if !has_policy {
        tracing::warn!(
            "no policy file: each pod may name any storage prefix, and secrets are created there; use \
             --policy to allow prefixes by namespace"
        );
    }
}
