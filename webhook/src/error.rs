//! The errors that keep the webhook from starting, or a changed file from being used.

use std::{io, net::SocketAddr, path::PathBuf};

use kees_inject::{ParsePolicyError, SettingsError};
use kees_server::ReadError;
use rustls::pki_types::pem;
use x509_parser::{error::X509Error, nom};

/// Why the webhook does not start, or why a changed file is not used.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The settings are incomplete or contradict each other.
    #[error("{}", joined(.0))]
    Settings(Vec<SettingsError>),
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The policy file is invalid.
    #[error("the policy file {} is invalid", path.display())]
    Policy {
        /// The file.
        path: PathBuf,
        /// What is invalid in it.
        source: ParsePolicyError,
    },
    /// A certificate file or key file is not PEM, or does not contain what it should.
    #[error("{} contains no {expected} in PEM", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// `certificate` or `private key`.
        expected: &'static str,
        /// The error of the PEM parser.
        source: pem::Error,
    },
    /// The certificate is not valid X.509.
    #[error("{} contains an invalid certificate", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// The error of the certificate parser.
        source: nom::Err<X509Error>,
    },
    /// The certificate is not valid at this time.
    #[error(
        "the certificate in {} is valid from {not_before} to {not_after}, which is not now; renew \
         it, or set the clock", path.display()
    )]
    NotValidNow {
        /// The file.
        path: PathBuf,
        /// The beginning of the validity.
        not_before: String,
        /// The end of the validity.
        not_after: String,
    },
    /// The file with the CAs of clients has a certificate that is no CA.
    #[error("{} contains an invalid CA certificate", path.display())]
    ClientCa {
        /// The file.
        path: PathBuf,
        /// The error of the TLS library.
        source: rustls::Error,
    },
    /// The namespace of the webhook is unknown, and it is needed for the webhook's own certificates.
    #[error(
        "the namespace is not known; set --namespace, or give a certificate with --tls-cert and \
         --tls-key"
    )]
    NoNamespace,
    /// A serving certificate would outlive its CA.
    #[error(
        "--ca-lifetime is shorter than --certificate-lifetime; a CA must live at least as long"
    )]
    Lifetimes,
    /// The key does not belong to the certificate, or its algorithm is not supported.
    #[error("the key in {} does not belong to the certificate in {}", key.display(), cert.display())]
    Pair {
        /// The file with the certificate chain.
        cert: PathBuf,
        /// The file with the private key.
        key: PathBuf,
        /// The error of the TLS library.
        source: rustls::Error,
    },
    /// The TLS library rejects its configuration.
    #[error("cannot set up TLS")]
    Tls(#[from] rustls::Error),
    /// The server cannot listen on an address.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The error of the system.
        source: io::Error,
    },
}

fn joined(errors: &[SettingsError]) -> String {
    errors
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}
