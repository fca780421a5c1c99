//! For the tests of stores and of what uses them: the conformance suite that every backend passes,
//! a store that fails as a test says, and AWS at HTTP level.
//!
//! The model checker (`tests/model`) and the scale simulation (`tests/scale`) are tests of this
//! crate, because they drive the protocol of `kees-store` as it ships.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test that cannot go on has failed"
)]

pub mod conformance;
mod generations;
pub mod leases;
pub mod rotation;
pub mod scripted;
#[cfg(feature = "aws")]
pub mod stub;
#[cfg(feature = "values")]
pub mod values;

pub use generations::{
    Given, One, fields_of, generated_by, generation_at, obtain_all, obtain_one, wanted,
};
