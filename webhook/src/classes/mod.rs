//! The `SecretProviderClass` objects of the cluster and the roles of its ServiceAccounts, kept in memory for the decisions.
//!
//! ```text
//! API server ──watch──> watch ──> cache ──> lookups ──> kees_inject::review_with_classes
//!     └──────GET of what is not there──> api ──┘
//! ```
//!
//! An object that is not in memory may have been created a moment ago, with the pod. It is asked for once, before the
//! decision, with a short deadline.

mod api;
mod cache;
mod lookups;
mod source;
mod watch;

pub(crate) use lookups::{Fetched, Lookups};
pub use source::ClassSource;
pub(crate) use watch::{keep, wait};
