//! The server around `kees-inject`: it receives an `AdmissionReview` over TLS, passes it to
//! [`kees_inject::review`], and sends the response.
//!
//! ```text
//! args ──> config ────────────────────────┐
//! files ──> reload ──> policy             │
//! certificate files, certificates ──> served ──> tls
//! classes, live_pods ─────────────────────┤
//!                                         v
//! socket ──> listener ──> connection ──> mutate ──> kees_inject::review
//!                 │                        │
//!                 └───────> admin <── metrics, health
//! ```
//!
//! The server does not read the pod itself. It calls Kubernetes only to keep its own certificates, and to know the
//! classes of CSI volumes and the pods with Kubernetes Secrets where that is switched on. What it logs of a request is in `audit`.

pub mod admin;
pub mod args;
mod audit;
mod body;
mod certificate_files;
mod certificates;
mod classes;
mod client_ca;
mod config;
mod connection;
mod error;
mod handshake;
pub mod health;
mod kube_client;
mod listener;
mod live_pods;
pub mod logging;
mod memory;
pub mod metrics;
pub mod mutate;
mod policy;
mod reviewer;
mod served;
mod server;
mod signals;
mod slots;
mod tls;
mod unsent;
mod watching;

pub use args::Args;
pub use body::BODY_LIMIT;
pub use certificate_files::CertificateFiles;
pub use certificates::{Lifetimes, OwnCertificates};
pub use classes::ClassSource;
pub use config::{CertificateSource, Config, Limits};
pub use error::WebhookError;
pub use live_pods::PodSource;
pub use policy::PolicyFile;
pub use reviewer::KnownCluster;
pub use server::Server;
pub use signals::{Stop, stop_signal};
pub use tls::{TlsSettings, TlsVersion};
