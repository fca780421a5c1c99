//! The errors that keep the controller from starting, or a changed policy from being used.

use std::{io, net::SocketAddr, path::PathBuf};

use kees_init::InitError;
use kees_inject::{ParsePolicyError, SettingsError};
use kees_server::ReadError;

/// Why the controller does not start, or why a changed policy is not used.
#[derive(Debug, thiserror::Error)]
pub enum ControllerError {
    /// The settings contradict each other.
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
    /// A store cannot be used.
    #[error(transparent)]
    Store(InitError),
    /// The API server is not known.
    #[error(
        "the API server is not known; run in a pod with a ServiceAccount token, or set KUBECONFIG"
    )]
    Cluster(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The controller cannot listen on an address.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The error of the system.
        source: io::Error,
    },
}

fn joined(errors: &[SettingsError]) -> String {
    let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
    errors.join("; ")
}
