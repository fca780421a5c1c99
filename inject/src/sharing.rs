//! Pods that ask for the same Kubernetes Secret: what each of them wants in it, and whether that is the same.
//!
//! ```text
//! other live pods ──> live_pods ──asks──> contents <──asks── the pod of the request
//!                                            │
//!                                            └──content──> check
//! ```

pub(crate) mod asks;
pub(crate) mod check;
mod content;
mod contents;
pub(crate) mod live_pods;
