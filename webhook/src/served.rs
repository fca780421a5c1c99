//! The certificate that new connections get, whether it comes from files or is the webhook's own.

use std::sync::Arc;

use rustls::{RootCertStore, ServerConfig, sign::CertifiedKey};
use tokio::sync::watch;

use crate::{
    WebhookError,
    health::Health,
    metrics::{Metrics, Watched},
    tls::{ServerTls, TlsSettings},
};

/// Tells the listener, `/readyz` and the metrics of each new certificate.
#[derive(Debug)]
pub(crate) struct Served {
    tls: ServerTls,
    health: Arc<Health>,
    metrics: Metrics,
}

impl Served {
    /// No certificate yet. `client_roots` are the CAs of clients, if clients need a certificate.
    pub(crate) fn new(
        settings: TlsSettings,
        client_roots: Option<RootCertStore>,
        health: Arc<Health>,
        metrics: Metrics,
    ) -> Self {
        Self {
            tls: ServerTls::new(settings, client_roots),
            health,
            metrics,
        }
    }

    /// The TLS configuration for new connections.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<Arc<ServerConfig>>> {
        self.tls.subscribe()
    }

    /// Serves `pair` on new connections from now on. It expires at `expires`, and the webhook's own CA,
    /// if it issued it, at `ca_expires` (seconds since 1970).
    pub(crate) fn replace(
        &self,
        pair: CertifiedKey,
        expires: i64,
        ca_expires: Option<i64>,
    ) -> Result<(), WebhookError> {
        self.tls.replace(pair)?;
        self.metrics.certificate_expiry.set(expires);
        self.metrics.loaded_now(Watched::Certificate);
        self.health.certificate_replaced(expires, ca_expires);
        Ok(())
    }

    /// Accepts the certificates of these CAs from clients from now on.
    pub(crate) fn replace_client_roots(&self, roots: RootCertStore) -> Result<(), WebhookError> {
        self.tls.replace_client_roots(roots)
    }

    /// The API server accepts the certificate.
    pub(crate) fn trusted(&self) {
        self.health.certificate_trusted();
    }

    /// The API server does not accept the certificate, or there is none.
    pub(crate) fn not_trusted(&self, reason: String) {
        self.health.certificate_not_trusted(reason);
    }
}
