//! The decision through the public API: from pods to patches and denials.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod class_oracle;
mod classes;
mod cluster;
mod denying;
mod eks;
mod exec;
mod hostile;
mod identity;
mod injecting;
mod large;
mod meshes;
mod neighbours;
mod oracle;
mod pods;
mod policy;
mod policy_results;
mod qos;
mod refreshing;
mod repeating;
mod reviewing;
mod settings;
mod sharing;
mod skipping;
mod starting;
mod warnings;
