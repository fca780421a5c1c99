//! Whole runs: a pod's annotations in, files out.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may fail like this"
)]

mod binary;
mod canary;
mod faults;
mod local_mode;
mod pod;
mod robustness;
mod stores;
mod waiting;
