//! Why a TLS handshake failed: a metric by reason, and a warning if clients reject our certificate.

use std::{
    io,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use kees_common::error_chain;
use rustls::{AlertDescription, Error};

/// The shortest time between two warnings.
const WARNING_INTERVAL: Duration = Duration::from_mins(1);

/// Why a handshake failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum HandshakeError {
    /// The client does not know our CA.
    UnknownCa,
    /// The client rejects our certificate. Go sends this for an unknown CA too.
    BadCertificate,
    /// The client finds that our certificate has expired.
    CertificateExpired,
    /// The client has no certificate, or one that `--client-ca` does not accept.
    ClientCertificate,
    /// We have no certificate yet.
    NoCertificate,
    /// The client speaks no TLS, or no version or protocol that we speak.
    Protocol,
    /// The client closed the connection.
    Closed,
    /// The client took too long.
    Timeout,
}

impl HandshakeError {
    /// All of them.
    pub(crate) const ALL: [Self; 8] = [
        Self::UnknownCa,
        Self::BadCertificate,
        Self::CertificateExpired,
        Self::ClientCertificate,
        Self::NoCertificate,
        Self::Protocol,
        Self::Closed,
        Self::Timeout,
    ];

    /// The name in the metric.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::UnknownCa => "unknown_ca",
            Self::BadCertificate => "bad_certificate",
            Self::CertificateExpired => "certificate_expired",
            Self::ClientCertificate => "client_certificate",
            Self::NoCertificate => "no_certificate",
            Self::Protocol => "protocol",
            Self::Closed => "closed",
            Self::Timeout => "timeout",
        }
    }

    /// The reason behind `error`.
    pub(crate) fn of(error: &io::Error) -> Self {
        let mut sources = error_chain::sources(error);
        if let Some(error) = sources.find_map(|source| source.downcast_ref::<Error>()) {
            return Self::of_tls(error);
        }
        match error.kind() {
            io::ErrorKind::TimedOut => Self::Timeout,
            io::ErrorKind::NotConnected => Self::NoCertificate,
            _ => Self::Closed,
        }
    }

    fn of_tls(error: &Error) -> Self {
        match error {
            Error::AlertReceived(alert) => match alert {
                AlertDescription::UnknownCA => Self::UnknownCa,
                AlertDescription::CertificateExpired => Self::CertificateExpired,
                AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                // OpenSSL and rustls send it for a CA of the same name with another key.
                | AlertDescription::DecryptError
                | AlertDescription::CertificateUnknown => Self::BadCertificate,
                AlertDescription::CloseNotify | AlertDescription::UserCanceled => Self::Closed,
                _ => Self::Protocol,
            },
            Error::NoCertificatesPresented | Error::InvalidCertificate(_) => {
                Self::ClientCertificate
            }
            _ => Self::Protocol,
        }
    }

    /// Whether the client rejects our certificate.
    fn is_rejection(self) -> bool {
        matches!(
            self,
            Self::UnknownCa | Self::BadCertificate | Self::CertificateExpired
        )
    }
}

/// Warns when clients reject our certificate, at most once a minute.
#[derive(Debug, Default)]
pub(crate) struct RejectionWarning(Mutex<Recent>);

#[derive(Debug, Default)]
struct Recent {
    warned: Option<Instant>,
    /// Rejections since then.
    unreported: u64,
}

impl RejectionWarning {
    /// Takes note of a failed handshake.
    pub(crate) fn note(&self, error: HandshakeError) {
        if let Some(rejections) = self.due(error, Instant::now()) {
            tracing::warn!(
                alert = error.as_str(),
                rejections,
                "clients reject the certificate: if they are API servers, annotated pods cannot be \
                 created; check that the caBundle of the webhook configuration holds the CA of the \
                 certificate, and that the certificate is for the Service's name"
            );
        }
    }

    /// The number of rejections to report now, if any.
    fn due(&self, error: HandshakeError, now: Instant) -> Option<u64> {
        if !error.is_rejection() {
            return None;
        }
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        recent.unreported += 1;
        let is_recent = |warned| now.duration_since(warned) < WARNING_INTERVAL;
        if recent.warned.is_some_and(is_recent) {
            return None;
        }
        recent.warned = Some(now);
        Some(std::mem::take(&mut recent.unreported))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Error::AlertReceived(AlertDescription::UnknownCA), "unknown_ca")]
    #[case(
        Error::AlertReceived(AlertDescription::BadCertificate),
        "bad_certificate"
    )]
    #[case(
        Error::AlertReceived(AlertDescription::CertificateUnknown),
        "bad_certificate"
    )]
    #[case(
        Error::AlertReceived(AlertDescription::CertificateExpired),
        "certificate_expired"
    )]
    #[case(Error::AlertReceived(AlertDescription::HandshakeFailure), "protocol")]
    #[case(Error::NoCertificatesPresented, "client_certificate")]
    #[case(Error::DecryptError, "protocol")]
    fn the_reason_is_that_of_the_tls_error(#[case] error: Error, #[case] reason: &str) {
        let error = io::Error::new(io::ErrorKind::InvalidData, error);
        assert_eq!(HandshakeError::of(&error).as_str(), reason);
    }

    #[test]
    fn other_errors_are_those_of_the_connection() {
        let of = |kind: io::ErrorKind| HandshakeError::of(&kind.into()).as_str();
        assert_eq!(of(io::ErrorKind::TimedOut), "timeout");
        assert_eq!(of(io::ErrorKind::UnexpectedEof), "closed");
        assert_eq!(of(io::ErrorKind::ConnectionReset), "closed");
    }

    #[test]
    fn rejections_are_reported_once_a_minute_with_their_number() {
        let (warning, start) = (RejectionWarning::default(), Instant::now());
        let due = |error, seconds| warning.due(error, start + Duration::from_secs(seconds));
        assert_eq!(due(HandshakeError::Closed, 0), None);
        assert_eq!(due(HandshakeError::BadCertificate, 0), Some(1));
        assert_eq!(due(HandshakeError::UnknownCa, 1), None);
        assert_eq!(due(HandshakeError::BadCertificate, 59), None);
        assert_eq!(due(HandshakeError::BadCertificate, 60), Some(3));
        assert_eq!(due(HandshakeError::BadCertificate, 61), None);
    }
}
