//! The server around `kees-inject`: it takes an `AdmissionReview` over TLS, hands it to
//! [`kees_inject::review`], and answers with what comes back.
//!
//! ```text
//! args ──> settings ──────────────┐
//! files ──> reload ──> tls        v
//! socket ──> server ──> connection ──> router ──> kees_inject::review
//!                                        │
//! admin: /healthz /readyz /metrics <── metrics
//! ```
//!
//! Nothing here looks into a pod, and nothing here calls Kubernetes. What may be logged of a
//! request is its uid, its namespace, the outcome and the time it took.

pub mod admin;
pub mod args;
mod body;
mod connection;
mod error;
pub mod health;
pub mod logging;
pub mod metrics;
mod policy;
mod reload;
pub mod router;
pub mod server;
mod signals;
mod slots;
mod tls;

pub use args::Args;
pub use body::BODY_LIMIT;
pub use error::WebhookError;
pub use policy::PolicyFile;
pub use router::Router;
pub use server::{Config, Limits, Server, Stop};
pub use signals::stop_signal;
pub use tls::CertificateFiles;
