//! What `kees-webhook` and `kees-controller` share as programs that run for a long time: files that
//! are loaded again when they change, and figures of the process.

#[cfg(feature = "documentation")]
pub mod documentation;
mod memory;
mod reload;

pub use memory::resident_memory;
pub use reload::{Contents, ReadError, Reload, Source};
