//! Every order of events in which writers create the same generations, visited by a model checker.
//!
//! Each writer executes the protocol's own [`Group`](kees_store::protocol::group::Group) and
//! [`Machine`](kees_store::protocol::machine::Machine)s, the types that ship. What is modelled is
//! their environment: the store, the network, kills, the original kees's creator, deletions, and
//! the time.
//!
//! `cargo test` allows few kills and faults in a run. `make model` allows more of them, and prints
//! how many states it has visited.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail like this"
)]

mod history;
mod leases;
mod mutations;
mod race;
mod races;
mod rotation;
mod state;
mod writer;
