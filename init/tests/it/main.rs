//! Whole runs, from a pod's annotations to its files.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may fail like this"
)]

mod aws_errors;
mod bad_input;
mod binary;
mod canary;
mod class_cases;
mod class_errors;
mod class_files;
mod class_identity;
mod class_regions;
mod class_volume;
mod cloud;
mod container;
mod credentials;
mod documentation;
mod encodings;
mod exec;
mod fast_start;
mod invalid;
mod lease_binary;
mod leases;
mod local_mode;
mod memory;
mod output;
mod pod;
mod previous;
mod process;
mod refresh_calls;
mod refreshing;
mod robustness;
mod stored_text;
mod stores;
mod volume;
mod waiting;
