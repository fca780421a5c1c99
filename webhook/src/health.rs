//! Whether this process should get requests: the state behind `/readyz`.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

/// The state behind `/readyz`. The server, the certificates and the admin port share it.
#[derive(Debug)]
pub struct Health(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    draining: bool,
    expiry: Expiry,
    /// Why the API server does not accept the certificate.
    not_trusted: Option<String>,
    /// What is not known yet of the cluster, and why.
    waiting: BTreeMap<&'static str, String>,
}

/// When certificates expire, in seconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expiry {
    /// The certificate that is served. `None` if there is none yet.
    pub certificate: Option<i64>,
    /// The webhook's own CA. `None` if the certificate comes from files.
    pub ca: Option<i64>,
}

/// Why this process should get no requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotReady {
    /// It is about to stop.
    Draining,
    /// It has no certificate yet.
    NoCertificate,
    /// Clients reject its certificate.
    CertificateExpired,
    /// The API server does not accept the certificate, for this reason.
    NotTrusted(String),
    /// Something of the cluster is not known yet, for this reason.
    Waiting(String),
}

impl Health {
    /// A process without a certificate.
    pub fn new() -> Self {
        Self(Mutex::default())
    }

    /// Makes the process not ready from now on, because it is about to stop.
    pub fn drain(&self) {
        self.state().draining = true;
    }

    /// Replaces the expiry of the certificate, and of the webhook's own CA.
    pub fn certificate_replaced(&self, certificate: i64, ca: Option<i64>) {
        self.state().expiry = Expiry {
            certificate: Some(certificate),
            ca,
        };
    }

    /// The API server accepts the certificate.
    pub fn certificate_trusted(&self) {
        self.state().not_trusted = None;
    }

    /// The API server does not accept the certificate, or there is none, for this reason.
    pub fn certificate_not_trusted(&self, reason: String) {
        self.state().not_trusted = Some(reason);
    }

    /// Makes the process not ready until `what` has arrived.
    pub fn wait_for(&self, what: &'static str, reason: String) {
        self.state().waiting.insert(what, reason);
    }

    /// Replaces the reason, if the process waits for `what`.
    pub fn still_waiting(&self, what: &'static str, reason: &str) {
        if let Some(waiting) = self.state().waiting.get_mut(what) {
            reason.clone_into(waiting);
        }
    }

    /// It has arrived. The process never waits for it again.
    pub fn arrived(&self, what: &'static str) {
        self.state().waiting.remove(what);
    }

    /// When the certificates in use expire.
    pub fn expiry(&self) -> Expiry {
        self.state().expiry
    }

    /// Whether it is about to stop.
    pub fn is_draining(&self) -> bool {
        self.state().draining
    }

    /// Why the process is not ready, or `None` if it is ready.
    pub fn not_ready(&self) -> Option<NotReady> {
        let state = self.state();
        if state.draining {
            return Some(NotReady::Draining);
        }
        if let Some(reason) = &state.not_trusted {
            return Some(NotReady::NotTrusted(reason.clone()));
        }
        match state.expiry.certificate {
            None => Some(NotReady::NoCertificate),
            Some(expires) if expires < now() => Some(NotReady::CertificateExpired),
            Some(_) => state
                .waiting
                .values()
                .next()
                .cloned()
                .map(NotReady::Waiting),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Draining => "draining",
            Self::NoCertificate => "there is no certificate yet",
            Self::CertificateExpired => "the certificate has expired",
            Self::NotTrusted(reason) | Self::Waiting(reason) => reason,
        })
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_ready_from_the_first_certificate_until_it_drains() {
        let health = Health::new();
        assert_eq!(health.not_ready(), Some(NotReady::NoCertificate));
        health.certificate_replaced(now() + 60, None);
        assert_eq!(health.not_ready(), None);
        health.drain();
        assert_eq!(health.not_ready(), Some(NotReady::Draining));
    }

    #[test]
    fn is_not_ready_while_something_of_the_cluster_is_not_known() {
        let health = Health::new();
        health.certificate_replaced(now() + 60, None);
        health.wait_for("a", "a is not listed yet".to_owned());
        health.still_waiting("a", "a may not be listed");
        health.still_waiting("b", "b may not be listed");
        let reason = NotReady::Waiting("a may not be listed".to_owned());
        assert_eq!(health.not_ready(), Some(reason));
        health.arrived("a");
        health.still_waiting("a", "a may not be listed");
        assert_eq!(health.not_ready(), None);
    }

    #[test]
    fn an_expired_certificate_is_not_ready_until_it_is_replaced() {
        let health = Health::new();
        health.certificate_replaced(now() - 1, None);
        assert_eq!(health.not_ready(), Some(NotReady::CertificateExpired));
        health.certificate_replaced(now() + 60, None);
        assert_eq!(health.not_ready(), None);
    }

    #[test]
    fn a_certificate_that_is_not_trusted_is_not_ready_until_it_is() {
        let health = Health::new();
        health.certificate_replaced(now() + 60, Some(now() + 600));
        health.certificate_not_trusted("the caBundle is empty".to_owned());
        assert_eq!(
            health.not_ready().unwrap().to_string(),
            "the caBundle is empty"
        );
        health.certificate_trusted();
        assert_eq!(health.not_ready(), None);
    }
}
