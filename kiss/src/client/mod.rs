//! The client: the commands of kiss 0.1 and their flags, and new ones that finish what was left.

pub mod args;
mod ask;
mod connect;
mod error;
mod run;
mod token;
mod value;

pub use args::{ClientArgs, Command};
pub use error::ClientError;
pub use run::{Output, error_line, run};
