//! The webhook's own CA and serving certificate, kept in a Secret without any work of the operator.
//!
//! ```text
//! Secret ─────────> material ─┐
//!                             ├─> plan ──> step ──> issue ──> Secret, caBundle
//! caBundle ───────> material ─┘
//!    └─> verify ──> the certificate is served, /readyz
//! ```
//!
//! [`plan`] decides and does no I/O, [`keeper`] reads, acts and waits. Every replica does all of this;
//! whichever is first writes, and the API server turns the others away by the object's version.

mod error;
mod issue;
mod keeper;
mod material;
#[cfg(test)]
mod model;
mod objects;
mod plan;
mod settings;
mod verify;

pub(crate) use keeper::keep;
pub use plan::Lifetimes;
pub use settings::OwnCertificates;
pub(crate) use settings::service_dns_name;
