//! The program as a user runs it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod aws;
mod canary;
mod folder;
mod inject;
mod lint;
mod readme;
mod run;
mod wired;
