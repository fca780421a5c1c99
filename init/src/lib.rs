//! A run of kees-init: a pod's annotations in, files out.
//!
//! ```text
//! InitSettings + annotations -> Request -> values -> files
//!                           parse      read      write
//!                                      create
//!                                      wait
//!                                      verify
//! ```
//!
//! [`Request`] holds everything that was parsed, with every fault found at once; [`run`] takes it
//! and the stores, and gives a [`Report`] or a [`RunError`]. The binary is a thin shell around both,
//! and so is `kees run`.
//!
//! ```
//! # async fn example() -> Result<(), kees_init::RunError> {
//! use kees_init::{InitError, Request, InitSettings};
//! use kees_store::Stores;
//!
//! let settings = InitSettings::default();
//! let request = Request::read(&settings)?;
//! let stores = Stores::open(request.stores(), &settings.stores()).await.map_err(InitError::Store)?;
//! let report = kees_init::run(&request, &stores, &()).await?;
//! # let _ = report;
//! # Ok(())
//! # }
//! ```

mod create;
mod failure;
mod files;
mod folder;
mod local;
mod progress;
mod read;
mod report;
mod request;
mod run;
pub mod settings;
mod slots;
mod stack;
mod usage;
mod verify;
mod wait;
mod write;

pub use failure::{EntryError, Exit, InitError, RunError, TERMINATION_MESSAGE_BYTES};
pub use progress::Progress;
pub use report::{Origin, Report, Row};
pub use request::Request;
pub use run::{Sources, run};
pub use settings::InitSettings;
pub use stack::wipe_stack;
pub use usage::UsageError;
pub use write::{OutputFile, WriteError, write};
