//! The server's life: listen, accept, reload, drain.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use kees_inject::InjectSettings;
use rustls::ServerConfig;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    CertificateFiles, Router, WebhookError, admin,
    connection::{self, Shared},
    health::Health,
    metrics::Metrics,
    policy::PolicyFile,
    reload::Reload,
    slots::Slots,
    tls::Certificate,
};

/// Everything that a server needs to know.
#[derive(Debug)]
pub struct Config {
    /// Where `POST /mutate` is served; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where `/healthz`, `/readyz` and `/metrics` are served; port 0 takes a free one.
    pub admin_listen: SocketAddr,
    /// The certificate and its key.
    pub certificate: CertificateFiles,
    /// The policy file, which replaces the policy of `settings`.
    pub policy: Option<PolicyFile>,
    /// The time between two looks at the files.
    pub reload_interval: Duration,
    /// How much, and how long.
    pub limits: Limits,
    /// What is injected.
    pub settings: InjectSettings,
}

/// How much is served at the same time, and how long is waited.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at the same time; a further one gets the place of an idle one.
    pub max_connections: usize,
    /// Between the accepting of a connection and its first request, the TLS handshake included.
    pub first_request_timeout: Duration,
    /// Without a request, until a connection is closed. Longer than the 90 s for which the API
    /// server keeps an idle connection: else a request may cross the closing, and fail.
    pub idle_timeout: Duration,
    /// For a request's body. Shorter than the 3 s for which the API server waits for the answer
    /// (`timeoutSeconds`), so that one that waits for the memory of bodies that do not come gets
    /// an answer yet.
    pub body_timeout: Duration,
    /// Between two HTTP/2 PINGs, which find clients that are gone.
    pub ping_interval: Duration,
    /// For the answer to one.
    pub ping_timeout: Duration,
    /// Between SIGTERM and the last connection that is accepted.
    pub drain_delay: Duration,
    /// For the requests that are under way after that.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 256,
            first_request_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_mins(2),
            body_timeout: Duration::from_secs(2),
            ping_interval: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(10),
            drain_delay: Duration::from_secs(5),
            drain_timeout: Duration::from_secs(10),
        }
    }
}

/// How the server is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Not ready at once, but requests are taken for the drain delay: those who send them learn
    /// of it late.
    Drain,
    /// Without that delay. What is under way is answered all the same.
    Now,
}

/// A server that listens and has not accepted anything yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    admin: TcpListener,
    config: Config,
    certificate: (Reload<CertificateFiles>, Certificate),
    policy: Option<Reload<PolicyFile>>,
}

impl Server {
    /// Reads the files, checks everything, and listens.
    pub async fn bind(mut config: Config) -> Result<Self, WebhookError> {
        let policy = match config.policy.take() {
            Some(file) => {
                let (reload, policy) = Reload::first(file)?;
                config.settings.policy = policy;
                Some(reload)
            }
            None => None,
        };
        check(&config.settings)?;
        let certificate = Reload::first(config.certificate.clone())?;
        let listener = listen(config.listen).await?;
        let admin = listen(config.admin_listen).await?;
        Ok(Self {
            listener,
            admin,
            config,
            certificate,
            policy,
        })
    }

    /// Where `POST /mutate` is served.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Where `/healthz`, `/readyz` and `/metrics` are served.
    pub fn admin_address(&self) -> std::io::Result<SocketAddr> {
        self.admin.local_addr()
    }

    /// Serves until `stop` resolves, then drains.
    pub async fn run(self, stop: impl Future<Output = Stop>) {
        let Self {
            listener,
            admin,
            config,
            certificate,
            policy,
        } = self;
        let Config {
            reload_interval,
            limits,
            settings,
            ..
        } = config;
        announce(&listener, &admin, policy.is_some());

        let metrics = Metrics::new();
        let (certificates, certificate) = certificate;
        metrics.certificate_expiry.set(certificate.expires);
        let health = Arc::new(Health::new(certificate.expires));
        let (tls, tls_seen) = watch::channel(certificate.config);
        let (settings, settings_seen) = watch::channel(Arc::new(settings));
        let (end, ending) = watch::channel(false);

        // Ends, with all that is in it, when this function does.
        let mut tasks = JoinSet::new();
        tasks.spawn(admin::serve(admin, metrics.clone(), Arc::clone(&health)));
        tasks.spawn(watch_certificate(
            certificates,
            reload_interval,
            metrics.clone(),
            Arc::clone(&health),
            tls,
        ));
        if let Some(policy) = policy {
            tasks.spawn(watch_policy(
                policy,
                reload_interval,
                metrics.clone(),
                settings,
            ));
        }

        let slots = Arc::new(Semaphore::new(limits.max_connections));
        let router = Router::new(settings_seen, metrics.clone(), limits.body_timeout);
        let shared = Arc::new(Shared {
            router,
            metrics,
            limits: limits.clone(),
            ending,
        });
        let accepting = tasks.spawn(accept(listener, tls_seen, Arc::clone(&slots), shared));

        let stop = stop.await;
        health.drain();
        if stop == Stop::Drain {
            tracing::info!(seconds = limits.drain_delay.as_secs_f64(), "draining");
            sleep(limits.drain_delay).await;
        }
        accepting.abort();
        end.send_replace(true);
        finish(&slots, &limits).await;
    }
}

/// All that is wrong with the settings and the policy together.
fn check(settings: &InjectSettings) -> Result<(), WebhookError> {
    let problems = settings.problems();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(WebhookError::Settings(problems))
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, WebhookError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| WebhookError::Listen { address, source })
}

fn announce(listener: &TcpListener, admin: &TcpListener, has_policy: bool) {
    let address = |listener: &TcpListener| listener.local_addr().map(tracing::field::display).ok();
    tracing::info!(
        listen = address(listener),
        admin_listen = address(admin),
        version = env!("CARGO_PKG_VERSION"),
        "serving"
    );
    if !has_policy {
        tracing::warn!(
            "no policy file: the storage prefix that a pod names is taken as it is, and local \
             mode is off; give --policy to say which namespace may use which prefix"
        );
    }
}

async fn watch_certificate(
    certificates: Reload<CertificateFiles>,
    period: Duration,
    metrics: Metrics,
    health: Arc<Health>,
    tls: watch::Sender<Arc<ServerConfig>>,
) {
    let counted = metrics.clone();
    let publish = |certificate: Certificate| {
        counted.certificate_expiry.set(certificate.expires);
        health.certificate_replaced(certificate.expires);
        tls.send_replace(certificate.config);
    };
    certificates.watch(period, metrics, publish).await;
}

async fn watch_policy(
    file: Reload<PolicyFile>,
    period: Duration,
    metrics: Metrics,
    settings: watch::Sender<Arc<InjectSettings>>,
) {
    let publish = |policy| {
        settings.send_modify(|settings| {
            *settings = Arc::new(InjectSettings {
                policy,
                ..InjectSettings::clone(settings)
            });
        });
    };
    file.watch(period, metrics, publish).await;
}

/// Accepts connections, for ever; each is served by a task of its own and has a slot of those that
/// are `free`.
async fn accept(
    listener: TcpListener,
    tls: watch::Receiver<Arc<ServerConfig>>,
    free: Arc<Semaphore>,
    shared: Arc<Shared>,
) {
    let mut slots = Slots::new(free, shared.metrics.connections_evicted.clone());
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let Some(slot) = slots.take().await else {
                    return;
                };
                let (shared, tls) = (Arc::clone(&shared), tls.borrow().clone());
                tokio::spawn(connection::serve(shared, stream, tls, slot));
            }
            Err(error) => {
                // Out of files or memory: what is open now must end first.
                tracing::warn!(%error, "cannot accept a connection");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Waits until every connection has given its slot back.
async fn finish(slots: &Semaphore, limits: &Limits) {
    let all = u32::try_from(limits.max_connections).unwrap_or(u32::MAX);
    if timeout(limits.drain_timeout, slots.acquire_many(all))
        .await
        .is_err()
    {
        tracing::warn!("ended with requests under way");
    } else {
        tracing::info!("ended");
    }
}
