//! Whether this process should get requests: the state behind `/readyz`.

use std::{
    fmt,
    sync::atomic::{AtomicBool, AtomicI64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

/// The state behind `/readyz`. The server, the certificate reload and the admin port share it.
#[derive(Debug)]
pub struct Health {
    draining: AtomicBool,
    certificate_expires: AtomicI64,
}

/// Why this process should get no requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotReady {
    /// It is about to stop.
    Draining,
    /// Clients reject its certificate.
    CertificateExpired,
}

impl Health {
    /// A ready process whose certificate expires at `certificate_expires` (seconds since 1970).
    pub fn new(certificate_expires: i64) -> Self {
        Self {
            draining: AtomicBool::new(false),
            certificate_expires: AtomicI64::new(certificate_expires),
        }
    }

    /// Makes the process not ready from now on, because it is about to stop.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Replaces the expiry of the certificate.
    pub fn certificate_replaced(&self, expires: i64) {
        self.certificate_expires.store(expires, Ordering::Relaxed);
    }

    /// Why the process is not ready, or `None` if it is ready.
    pub fn not_ready(&self) -> Option<NotReady> {
        if self.draining.load(Ordering::Relaxed) {
            Some(NotReady::Draining)
        } else if self.certificate_expires.load(Ordering::Relaxed) < now() {
            Some(NotReady::CertificateExpired)
        } else {
            None
        }
    }
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Draining => "draining",
            Self::CertificateExpired => "the certificate has expired",
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
    fn is_ready_until_it_drains() {
        let health = Health::new(now() + 60);
        assert_eq!(health.not_ready(), None);
        health.drain();
        assert_eq!(health.not_ready(), Some(NotReady::Draining));
    }

    #[test]
    fn an_expired_certificate_is_not_ready_until_it_is_replaced() {
        let health = Health::new(now() - 1);
        assert_eq!(health.not_ready(), Some(NotReady::CertificateExpired));
        health.certificate_replaced(now() + 60);
        assert_eq!(health.not_ready(), None);
    }
}
