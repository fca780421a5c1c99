//! The protocol against stores that fail as a test says, and the conformance suite against the
//! stores that need no server.

#![expect(clippy::unwrap_used, reason = "a test may fail like this")]

mod calls;
mod conformance;
mod creating;
mod in_progress;
mod reading;
mod time;
