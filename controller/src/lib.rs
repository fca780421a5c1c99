//! The controller of kees. Its one task today is the *creator*: it watches pods and creates the
//! secrets that their annotations ask for, so that the pods themselves only read.
//!
//! ```text
//! API server ──watch──> watch ──requests──> queue (kube's applier: one run a pod, backoff)
//!                                             v
//!            policy file ──> policy ──> creator ──> kees_inject::creation ──> kees_init::create ──> stores
//!                                             v
//!                                    events, conditions, metrics, health ──> admin
//! ```
//!
//! A restart loses nothing, because nothing is kept but what can be listed again. Two controllers at
//! once are safe, because the protocol of the stores creates each generation once. To save work, only
//! the leader creates.

mod admin;
pub mod args;
mod conditions;
mod creator;
mod error;
mod events;
mod health;
mod leader;
mod leases;
pub mod logging;
pub mod metrics;
mod pod;
mod policy;
mod progress;
mod records;
mod restarts;
mod rotation;
mod secrets;
mod server;
mod watch;

pub use args::Args;
pub use error::ControllerError;
pub use policy::PolicyFile;
pub use restarts::RestartSettings;
pub use secrets::{
    SecretSyncSettings,
    regions::{AwsRegions, RegionStores},
};
pub use server::{Config, Controller};
