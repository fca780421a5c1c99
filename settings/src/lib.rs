//! The flags and environment variables that `kees-webhook`, `kees-init`, `kees-controller` and
//! `kees` share.
//!
//! Each group is a clap derive struct that a program flattens into its own arguments and destructures
//! completely where it uses them, so that a flag that a program forgets does not compile. A flag and
//! its variable are defined here once, with one meaning for all programs.
//!
//! ```
//! use clap::Parser;
//! use kees_settings::StoreFlags;
//!
//! #[derive(Parser)]
//! struct Args {
//!     #[command(flatten)]
//!     store: StoreFlags,
//! }
//!
//! let args: Args = kees_settings::parse(["program", "--store", "embedded"])?;
//! let StoreFlags { store, stores, env_label, kms_key_id } = args.store;
//! assert_eq!(store.to_string(), "embedded");
//! # let _ = (stores, env_label, kms_key_id);
//! # Ok::<(), clap::Error>(())
//! ```

mod aws;
mod command;
mod domain;
mod log;
mod seconds;
mod store;
mod variable;

pub use aws::{AwsFlags, StsFlags};
pub use command::{parse, without_empty_variables};
pub use domain::DomainFlags;
pub use log::{LogFlags, LogFormat, LogLevel};
pub use seconds::{DAY, ParseSecondsError, Seconds};
pub use store::StoreFlags;
pub use variable::{InitEnvFlags, ParseVariableError, Variable};
