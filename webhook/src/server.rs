//! The life of the server: load the files, listen, serve, reload, drain.

use std::{future, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{HeaderValue, header::CONNECTION},
    middleware,
    response::Response,
};
use kees_inject::InjectSettings;
use kees_server::{Reload, Source};
use rustls::RootCertStore;
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::watch,
    task::JoinSet,
    time::sleep,
};

use crate::{
    CertificateFiles, CertificateSource, Config, Limits, OwnCertificates, PolicyFile, Stop,
    WebhookError, admin,
    certificate_files::Certificate,
    certificates, classes,
    client_ca::ClientCa,
    connection::{Plain, Shared, Tls},
    handshake::RejectionWarning,
    health::Health,
    listener, live_pods,
    metrics::{Metrics, ReloadResult, Watched},
    mutate,
    policy::LoadedPolicy,
    reviewer::KnownCluster,
    served::Served,
};

/// The most connections to the admin port: it has clients for two probes and a few scrapers.
const ADMIN_CONNECTIONS: usize = 16;

/// The size of each buffer of a socket, which Linux doubles.
const SOCKET_BUFFER: u32 = 32 * 1024;

/// The most connections that wait until they are accepted.
const BACKLOG: u32 = 1024;

/// A server that listens but does not accept connections yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    admin: TcpListener,
    config: Config,
    certificate: LoadedCertificate,
    client_ca: Option<(Reload<ClientCa>, RootCertStore)>,
    /// The policy file, and the beginning of its SHA-256.
    policy: Option<(Reload<PolicyFile>, String)>,
}

/// Where the certificate comes from, and the files' content.
#[derive(Debug)]
enum LoadedCertificate {
    Files(Reload<CertificateFiles>, Certificate),
    Own(OwnCertificates),
}

impl Server {
    /// Loads the files, checks the settings, and listens on both addresses.
    pub fn bind(mut config: Config) -> Result<Self, WebhookError> {
        let policy = match config.policy.take() {
            Some(file) => {
                let (reload, loaded) = Reload::first(file.checked_with(&config.settings))?;
                config.settings.policy = loaded.policy;
                Some((reload, loaded.sha256))
            }
            None => None,
        };
        check(&config.settings)?;
        let certificate = match &config.certificate {
            CertificateSource::Files(files) => {
                let (reload, certificate) = Reload::first(files.clone())?;
                LoadedCertificate::Files(reload, certificate)
            }
            CertificateSource::Own(own) => LoadedCertificate::Own(own.clone()),
        };
        let client_ca = config.tls.client_ca.clone().map(ClientCa);
        let client_ca = client_ca.map(Reload::first).transpose()?;
        let listener = listen(config.listen)?;
        let admin = listen(config.admin_listen)?;
        Ok(Self {
            listener,
            admin,
            config,
            certificate,
            client_ca,
            policy,
        })
    }

    /// The address of `POST /mutate`.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The address of `/healthz`, `/readyz` and `/metrics`.
    pub fn admin_address(&self) -> std::io::Result<SocketAddr> {
        self.admin.local_addr()
    }

    /// Serves until `stop` resolves, then drains.
    ///
    /// # Errors
    /// The TLS library rejects its configuration.
    pub async fn run(self, stop: impl Future<Output = Stop>) -> Result<(), WebhookError> {
        let Self {
            listener,
            admin,
            config,
            certificate,
            client_ca,
            policy,
        } = self;
        log_start(&listener, &admin, policy.is_some());

        let metrics = Metrics::new();
        let health = Arc::new(Health::new());
        let (client_ca, client_roots) = client_ca.unzip();
        let served = Arc::new(Served::new(
            config.tls,
            client_roots,
            Arc::clone(&health),
            metrics.clone(),
        ));
        let (settings_sender, settings) = watch::channel(Arc::new(config.settings));

        // Dropping the set at the end of this function ends its tasks.
        let mut tasks = JoinSet::new();
        tasks.spawn(serve_admin(
            admin,
            metrics.clone(),
            Arc::clone(&health),
            config.limits.clone(),
        ));
        match certificate {
            LoadedCertificate::Files(reload, Certificate { pair, expires }) => {
                served.replace(pair, expires, None)?;
                tasks.spawn(watch_certificate(
                    reload,
                    config.reload_interval,
                    metrics.clone(),
                    Arc::clone(&served),
                ));
            }
            LoadedCertificate::Own(own) => {
                let served = Arc::clone(&served);
                tasks.spawn(certificates::keep(own, served, metrics.clone()));
            }
        }
        if let Some(client_ca) = client_ca {
            metrics.loaded_now(Watched::ClientCa);
            tasks.spawn(watch_client_ca(
                client_ca,
                config.reload_interval,
                metrics.clone(),
                Arc::clone(&served),
            ));
        }
        if let Some((policy, sha256)) = policy {
            metrics.loaded_now(Watched::Policy);
            metrics.policy_replaced(&sha256, settings.borrow().policy.rule_names());
            tasks.spawn(watch_policy(
                policy,
                config.reload_interval,
                metrics.clone(),
                settings_sender,
            ));
        }

        if let Some(source) = config.classes.clone() {
            classes::wait(&health);
            tasks.spawn(classes::keep(source, Arc::clone(&health), metrics.clone()));
        }

        if let Some(source) = config.live_pods.clone() {
            live_pods::wait(&health);
            let domain = settings.borrow().domain.clone();
            let (health, metrics) = (Arc::clone(&health), metrics.clone());
            tasks.spawn(live_pods::keep(source, domain, health, metrics));
        }

        let timeout = config.limits.body_timeout;
        let cluster = KnownCluster {
            classes: config.classes,
            live_pods: config.live_pods,
        };
        let router = mutate::router(settings, cluster, metrics.clone(), timeout);
        let shared = Shared {
            handshake: Tls(served.subscribe()),
            router: router.layer(middleware::map_response_with_state(
                Arc::clone(&health),
                close_when_draining,
            )),
            limits: config.limits.clone(),
            metrics: metrics.connections,
            rejections: RejectionWarning::default(),
        };
        let stopped = drain_after(stop, &health, config.limits.drain_delay);
        if listener::serve(listener, shared, stopped).await {
            tracing::info!("ended");
        } else {
            tracing::warn!("ended with open requests");
        }
        Ok(())
    }
}

/// Asks clients of HTTP/1.1 to close their connections as soon as the process drains. An API server keeps
/// connections open between requests. If the last of them were closed while it sends a request, that
/// request would fail.
async fn close_when_draining(
    State(health): State<Arc<Health>>,
    mut response: Response,
) -> Response {
    if health.is_draining() {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    response
}

/// Checks the settings together with the policy.
fn check(settings: &InjectSettings) -> Result<(), WebhookError> {
    let errors = settings.errors();
    if errors.is_empty() {
        Ok(())
    } else {
        Err(WebhookError::Settings(errors))
    }
}

/// The connections get the sizes of their socket buffers from the listening socket. The memory of
/// the buffers counts against the limit of the container.
fn listen(address: SocketAddr) -> Result<TcpListener, WebhookError> {
    let listen = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_reuseaddr(true)?;
        socket.set_recv_buffer_size(SOCKET_BUFFER)?;
        socket.set_send_buffer_size(SOCKET_BUFFER)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|source| WebhookError::Listen { address, source })
}

fn log_start(listener: &TcpListener, admin: &TcpListener, has_policy: bool) {
    let address = |listener: &TcpListener| listener.local_addr().map(tracing::field::display).ok();
    tracing::info!(
        listen = address(listener),
        admin_listen = address(admin),
        version = env!("CARGO_PKG_VERSION"),
        "serving"
    );
    if !has_policy {
        tracing::warn!(
            "no policy file: each pod may use any storage prefix, and local mode is off; use \
             --policy to allow prefixes by namespace"
        );
    }
}

/// Resolves when the server must accept no more connections. `/readyz` fails from `stop` on.
async fn drain_after(stop: impl Future<Output = Stop>, health: &Health, delay: Duration) {
    let stop = stop.await;
    health.drain();
    if stop == Stop::Drain {
        tracing::info!(seconds = delay.as_secs_f64(), "draining");
        sleep(delay).await;
    }
}

/// Serves the admin port until the process ends, also while the other port drains.
async fn serve_admin(listener: TcpListener, metrics: Metrics, health: Arc<Health>, limits: Limits) {
    let shared = Shared {
        handshake: Plain,
        metrics: metrics.admin_connections(),
        rejections: RejectionWarning::default(),
        router: admin::router(metrics, health),
        limits: Limits {
            max_connections: ADMIN_CONNECTIONS,
            ..limits
        },
    };
    listener::serve(listener, shared, future::pending()).await;
}

/// Watches `files`, counts the attempts to load them, and passes each valid change to `publish`.
async fn watch_files<S: Source>(
    files: Reload<S>,
    period: Duration,
    (watched, metrics): (Watched, Metrics),
    publish: impl Fn(S::Loaded),
) {
    let on = |result: Result<S::Loaded, &S::Error>| match result {
        Ok(loaded) => {
            publish(loaded);
            metrics.reloaded(watched, ReloadResult::Success);
        }
        Err(_) => metrics.reloaded(watched, ReloadResult::Error),
    };
    files.watch(period, on).await;
}

async fn watch_certificate(
    files: Reload<CertificateFiles>,
    period: Duration,
    metrics: Metrics,
    served: Arc<Served>,
) {
    let publish = |Certificate { pair, expires }| {
        if let Err(error) = served.replace(pair, expires, None) {
            tracing::error!("a certificate cannot be served: {error}");
        }
    };
    watch_files(files, period, (Watched::Certificate, metrics), publish).await;
}

async fn watch_client_ca(
    file: Reload<ClientCa>,
    period: Duration,
    metrics: Metrics,
    served: Arc<Served>,
) {
    let publish = |roots| {
        if let Err(error) = served.replace_client_roots(roots) {
            tracing::error!("the CAs of clients cannot be used: {error}");
        }
    };
    watch_files(file, period, (Watched::ClientCa, metrics), publish).await;
}

async fn watch_policy(
    file: Reload<PolicyFile>,
    period: Duration,
    metrics: Metrics,
    settings: watch::Sender<Arc<InjectSettings>>,
) {
    let of_policy = metrics.clone();
    let publish = |LoadedPolicy { policy, sha256 }| {
        of_policy.policy_replaced(&sha256, policy.rule_names());
        settings.send_modify(|settings| {
            *settings = Arc::new(InjectSettings {
                policy,
                ..InjectSettings::clone(settings)
            });
        });
    };
    watch_files(file, period, (Watched::Policy, metrics), publish).await;
}
