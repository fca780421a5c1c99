//! The live pods of the cluster that ask for Kubernetes Secrets, kept in memory for the decisions about other pods.
//!
//! ```text
//! API server ──watch──> watch ──pod──> source ──> kees_inject::review_with_classes
//! ```
//!
//! Without them, pods are admitted all the same: kees-controller tells pods that want different contents.

mod pod;
mod source;
mod watch;

pub use source::PodSource;
pub(crate) use source::Surroundings;
pub(crate) use watch::{keep, wait};
