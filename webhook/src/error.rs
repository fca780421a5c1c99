//! What can keep the webhook from starting, or a changed file from being taken.

use std::{io, net::SocketAddr, path::PathBuf};

use kees_inject::SettingsError;

/// Why the webhook does not start, or why a changed file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The settings contradict each other or lack something.
    #[error("{}", joined(.0))]
    Settings(Vec<SettingsError>),
    /// A file of the operator's cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The policy file cannot be used.
    #[error("the policy file {} cannot be used", path.display())]
    Policy {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        source: kees_inject::ParsePolicyError,
    },
    /// A certificate file or key file is not PEM, or holds nothing of use.
    #[error("{} holds no {expected} in PEM", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// `certificate` or `private key`.
        expected: &'static str,
        /// What the parser said.
        source: rustls::pki_types::pem::Error,
    },
    /// The certificate's dates cannot be read.
    #[error("{} holds a certificate that cannot be read: {reason}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        reason: String,
    },
    /// The certificate is not valid now.
    #[error(
        "the certificate in {} is valid from {not_before} to {not_after}, which is not now; renew \
         it, or set the clock", path.display()
    )]
    NotValidNow {
        /// The file.
        path: PathBuf,
        /// First moment of validity.
        not_before: String,
        /// Last moment of validity.
        not_after: String,
    },
    /// The two files do not belong together, or their algorithm is not supported.
    #[error("the key in {} does not serve the certificate in {}", key.display(), cert.display())]
    Pair {
        /// The file with the certificate chain.
        cert: PathBuf,
        /// The file with the private key.
        key: PathBuf,
        /// What the TLS library said.
        source: rustls::Error,
    },
    /// The TLS library refuses its configuration.
    #[error("cannot set up TLS")]
    Tls(#[from] rustls::Error),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address as given.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

fn joined(problems: &[SettingsError]) -> String {
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}
