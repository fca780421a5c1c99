//! Tests of the controller, with an API server and a store in memory.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::float_cmp,
    unreachable_pub,
    reason = "a test fails by panicking, and compares counts"
)]

mod conditions;
mod creator;
mod documentation;
mod leader;
mod leases;
mod no_value;
mod restarts;
mod rotation;
mod secrets;
mod support;
