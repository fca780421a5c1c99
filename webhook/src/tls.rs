//! The TLS configuration for new connections: versions, protocols, certificate, and clients' CAs.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use clap::ValueEnum;
use rustls::{
    RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::aws_lc_rs,
    server::{NoServerSessionStorage, WebPkiClientVerifier},
    sign::{CertifiedKey, SingleCertAndKey},
    version::{TLS12, TLS13},
};
use tokio::sync::watch;

use crate::WebhookError;

/// What clients must speak and show.
#[derive(Debug, Clone, Default)]
pub struct TlsSettings {
    /// Whether clients may speak HTTP/2.
    pub http2: bool,
    /// The oldest version of TLS.
    pub min_version: TlsVersion,
    /// The CAs of clients, PEM. If given, a client needs a certificate of one of them.
    pub client_ca: Option<PathBuf>,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum TlsVersion {
    /// TLS 1.2
    #[default]
    #[value(name = "1.2")]
    Tls12,
    /// TLS 1.3
    #[value(name = "1.3")]
    Tls13,
}

impl TlsVersion {
    fn and_newer(self) -> &'static [&'static SupportedProtocolVersion] {
        static VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];
        match self {
            Self::Tls12 => &VERSIONS,
            Self::Tls13 => &VERSIONS[1..],
        }
    }
}

/// The TLS configuration for new connections. There is none while there is no certificate.
#[derive(Debug)]
pub(crate) struct ServerTls {
    settings: TlsSettings,
    parts: Mutex<Parts>,
    current: watch::Sender<Option<Arc<ServerConfig>>>,
}

#[derive(Debug)]
struct Parts {
    pair: Option<Arc<CertifiedKey>>,
    client_roots: Option<Arc<RootCertStore>>,
}

impl ServerTls {
    pub(crate) fn new(settings: TlsSettings, client_roots: Option<RootCertStore>) -> Self {
        Self {
            settings,
            parts: Mutex::new(Parts {
                pair: None,
                client_roots: client_roots.map(Arc::new),
            }),
            current: watch::Sender::new(None),
        }
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<Arc<ServerConfig>>> {
        self.current.subscribe()
    }

    /// Serves this certificate from now on.
    pub(crate) fn replace(&self, pair: CertifiedKey) -> Result<(), WebhookError> {
        self.change(|parts| parts.pair = Some(Arc::new(pair)))
    }

    /// Accepts the certificates of these CAs from clients from now on.
    pub(crate) fn replace_client_roots(&self, roots: RootCertStore) -> Result<(), WebhookError> {
        self.change(|parts| parts.client_roots = Some(Arc::new(roots)))
    }

    fn change(&self, change: impl FnOnce(&mut Parts)) -> Result<(), WebhookError> {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut parts);
        if let Some(pair) = &parts.pair {
            let roots = parts.client_roots.clone();
            let config = server_config(&self.settings, Arc::clone(pair), roots)?;
            self.current.send_replace(Some(Arc::new(config)));
        }
        Ok(())
    }
}

/// Each certificate gets a new configuration with its own ticket keys, so that no session is resumed
/// after its certificate, or the CA of its client, was replaced.
fn server_config(
    settings: &TlsSettings,
    pair: Arc<CertifiedKey>,
    client_roots: Option<Arc<RootCertStore>>,
) -> Result<ServerConfig, WebhookError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(settings.min_version.and_newer())?;
    let builder = match client_roots {
        None => builder.with_no_client_auth(),
        Some(roots) => builder.with_client_cert_verifier(
            WebPkiClientVerifier::builder_with_provider(roots, provider)
                .build()
                .map_err(|error| rustls::Error::General(error.to_string()))?,
        ),
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
    // The API server uses HTTP/1.1 for a Service. Without HTTP/2, the handshake fails for a client that
    // offers nothing else.
    config.alpn_protocols = if settings.http2 {
        vec![b"h2".to_vec(), b"http/1.1".to_vec()]
    } else {
        vec![b"http/1.1".to_vec()]
    };
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 1;
    Ok(config)
}
