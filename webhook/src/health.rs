//! Whether this process should get requests: what `/readyz` answers.

use std::{
    fmt,
    sync::atomic::{AtomicBool, AtomicI64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

/// The state behind `/readyz`, shared by the server, the reloading of files and the admin port.
#[derive(Debug)]
pub struct Health {
    draining: AtomicBool,
    certificate_expires: AtomicI64,
}

impl Health {
    /// Ready, with a certificate that expires at `certificate_expires` (seconds since 1970).
    pub fn new(certificate_expires: i64) -> Self {
        Self {
            draining: AtomicBool::new(false),
            certificate_expires: AtomicI64::new(certificate_expires),
        }
    }

    /// From now on not ready: the process is about to end.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Another certificate is served.
    pub fn certificate_replaced(&self, expires: i64) {
        self.certificate_expires.store(expires, Ordering::Relaxed);
    }

    /// Why no request should come here, if there is a reason.
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

/// Why no request should come to this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotReady {
    /// It is about to end.
    Draining,
    /// No client would accept its certificate.
    CertificateExpired,
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
