//! Whole runs: a pod's annotations in, files out.

mod binary;
mod canary;
mod faults;
mod local_mode;
mod pod;
mod robustness;
mod stores;
mod waiting;
