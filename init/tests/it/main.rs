//! Whole runs: a pod's annotations in, files out.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may fail like this"
)]

mod bad_input;
mod binary;
mod canary;
mod cloud;
mod container;
mod documentation;
mod faults;
mod local_mode;
mod memory;
mod pod;
mod process;
mod refusals;
mod robustness;
mod stores;
mod waiting;
