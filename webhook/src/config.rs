//! What a server is configured with: addresses, files, settings and limits.

use std::{net::SocketAddr, time::Duration};

use kees_inject::InjectSettings;

use crate::{CertificateFiles, ClassSource, OwnCertificates, PodSource, PolicyFile, TlsSettings};

/// The configuration of a [`Server`](crate::Server).
#[derive(Debug)]
pub struct Config {
    /// The address for `POST /mutate`. Port 0 takes a free port.
    pub listen: SocketAddr,
    /// The address for `/healthz`, `/readyz` and `/metrics`. Port 0 takes a free port.
    pub admin_listen: SocketAddr,
    /// Where the certificate and its key come from.
    pub certificate: CertificateSource,
    /// Versions and protocols of TLS, and the CAs of clients.
    pub tls: TlsSettings,
    /// The classes of the cluster, if the CSI volumes of pods that ask for it are replaced.
    pub classes: Option<ClassSource>,
    /// The live pods with Kubernetes Secrets, if pods that want different contents in one Secret are denied.
    pub live_pods: Option<PodSource>,
    /// The policy file. It replaces the policy in `settings`.
    pub policy: Option<PolicyFile>,
    /// How often the files are read again.
    pub reload_interval: Duration,
    /// Limits and timeouts of the server.
    pub limits: Limits,
    /// What is injected into pods.
    pub settings: InjectSettings,
}

/// Where the certificate and its key come from.
#[derive(Debug)]
pub enum CertificateSource {
    /// Files that somebody else renews.
    Files(CertificateFiles),
    /// The webhook's own CA, kept in a Secret.
    Own(OwnCertificates),
}

/// Limits and timeouts of a [`Server`](crate::Server).
#[derive(Debug, Clone)]
pub struct Limits {
    /// The most connections at the same time. A further connection replaces an idle one.
    pub max_connections: usize,
    /// The time from accepting a connection to its first request, including the TLS handshake.
    pub first_request_timeout: Duration,
    /// The time without a request after which a connection is closed. It is longer than the 90 s
    /// for which the API server keeps an idle connection. If the webhook closed first, a request
    /// that was sent at the same moment would fail.
    pub idle_timeout: Duration,
    /// The time in which the body of a request must arrive, including the wait for memory. It is
    /// shorter than `timeoutSeconds` (3 s), so that the API server still gets a response.
    pub body_timeout: Duration,
    /// The time after which a connection is closed if the client has not read a response. The API
    /// server waits no longer for one (`timeoutSeconds`).
    pub response_timeout: Duration,
    /// The time between two HTTP/2 PINGs, which detect clients that are gone.
    pub ping_interval: Duration,
    /// The time in which a client must answer a PING.
    pub ping_timeout: Duration,
    /// The time from SIGTERM until no new connection is accepted.
    pub drain_delay: Duration,
    /// The time that open requests get to finish after that.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 256,
            first_request_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_mins(2),
            body_timeout: Duration::from_secs(2),
            response_timeout: Duration::from_secs(3),
            ping_interval: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(10),
            drain_delay: Duration::from_secs(5),
            drain_timeout: Duration::from_secs(10),
        }
    }
}
