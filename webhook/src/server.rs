//! The life of the server: load the files, listen, serve, reload, drain.

use std::{future, net::SocketAddr, sync::Arc, time::Duration};

use kees_inject::InjectSettings;
use rustls::ServerConfig;
use tokio::{net::TcpListener, sync::watch, task::JoinSet, time::sleep};

use crate::{
    CertificateFiles, Config, Limits, PolicyFile, Stop, WebhookError, admin,
    connection::{Plain, Shared, Tls},
    health::Health,
    listener,
    metrics::Metrics,
    mutate,
    reload::Reload,
    tls::Certificate,
};

/// The most connections to the admin port: it has clients for two probes and a few scrapers.
const ADMIN_CONNECTIONS: usize = 16;

/// A server that listens but does not accept connections yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    admin: TcpListener,
    config: Config,
    certificate: (Reload<CertificateFiles>, Certificate),
    policy: Option<Reload<PolicyFile>>,
}

impl Server {
    /// Loads the files, checks the settings, and listens on both addresses.
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

    /// The address of `POST /mutate`.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The address of `/healthz`, `/readyz` and `/metrics`.
    pub fn admin_address(&self) -> std::io::Result<SocketAddr> {
        self.admin.local_addr()
    }

    /// Serves until `stop` resolves, then drains.
    pub async fn run(self, stop: impl Future<Output = Stop>) {
        let Self {
            listener,
            admin,
            config,
            certificate: (certificate_reload, certificate),
            policy,
        } = self;
        log_start(&listener, &admin, policy.is_some());

        let metrics = Metrics::new();
        metrics.certificate_expiry.set(certificate.expires);
        let health = Arc::new(Health::new(certificate.expires));
        let (tls_sender, tls) = watch::channel(certificate.config);
        let (settings_sender, settings) = watch::channel(Arc::new(config.settings));

        // Dropping the set at the end of this function ends its tasks.
        let mut tasks = JoinSet::new();
        tasks.spawn(serve_admin(
            admin,
            metrics.clone(),
            Arc::clone(&health),
            config.limits.clone(),
        ));
        tasks.spawn(watch_certificate(
            certificate_reload,
            config.reload_interval,
            metrics.clone(),
            Arc::clone(&health),
            tls_sender,
        ));
        if let Some(policy) = policy {
            tasks.spawn(watch_policy(
                policy,
                config.reload_interval,
                metrics.clone(),
                settings_sender,
            ));
        }

        let shared = Shared {
            handshake: Tls(tls),
            router: mutate::router(settings, metrics.clone(), config.limits.body_timeout),
            limits: config.limits.clone(),
            metrics: metrics.connections,
        };
        let stopped = drain_after(stop, &health, config.limits.drain_delay);
        if listener::serve(listener, shared, stopped).await {
            tracing::info!("ended");
        } else {
            tracing::warn!("ended with open requests");
        }
    }
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

async fn listen(address: SocketAddr) -> Result<TcpListener, WebhookError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| WebhookError::Listen { address, source })
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
        router: admin::router(metrics, health),
        limits: Limits {
            max_connections: ADMIN_CONNECTIONS,
            ..limits
        },
    };
    listener::serve(listener, shared, future::pending()).await;
}

async fn watch_certificate(
    certificates: Reload<CertificateFiles>,
    period: Duration,
    metrics: Metrics,
    health: Arc<Health>,
    tls: watch::Sender<Arc<ServerConfig>>,
) {
    let expiry = metrics.certificate_expiry.clone();
    let publish = |certificate: Certificate| {
        expiry.set(certificate.expires);
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
