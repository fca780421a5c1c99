//! Creates a secret exactly once. Every reader gets the same complete generation, even if many
//! writers start at the same time, and some of them are killed.
//!
//! [`machine`] decides the steps of one writer for one generation. [`group`] decides which of these
//! steps go into one call of a store. Both are free of I/O, so that the model checker executes the
//! same code as the program. [`obtain`] is the driver that the program uses: it executes the steps
//! against stores, within a retry budget.

mod call;
mod driver;
mod errors;
pub mod group;
pub mod machine;
mod pauses;
mod wanted;

pub use driver::obtain;
pub use machine::WhenAbsent;
pub use wanted::{FoundValues, Generator, Observer, Obtained, Run, StoreSet, Values, Wanted};
