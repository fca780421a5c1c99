//! The client: the commands of kiss 0.1 and their flags, and new ones that finish what was left.

mod address;
pub mod args;
mod connect;
mod error;
mod policy_step;
mod run;
mod token;
mod value;

pub use address::{ParseServerAddressError, ServerAddress};
pub use args::{ClientArgs, Command};
pub use error::ClientError;
pub use run::{Output, error_line, run};
