//! A run of kees-init: a pod's annotations in, files out.
//!
//! ```text
//! InitSettings + annotations -> Request -> values -> files
//!                           parse      obtain    write
//!                                      verify
//! ```
//!
//! [`Request`] holds everything that was parsed; all errors of it are found at once. [`run`] takes it
//! and the stores, and returns a [`Report`] or a [`RunError`]. `kees-init` and `kees run` are thin
//! programs around both.
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

mod core_dumps;
mod create;
mod error;
pub mod exec;
mod exit;
mod files;
mod generator;
mod joined;
mod keystore;
mod leases;
mod local;
mod obtain;
mod process;
mod progress;
mod ready;
mod refresh;
mod report;
mod request;
mod restart_mark;
mod run;
mod run_error;
mod secret;
mod seen;
pub mod settings;
mod size;
mod slots;
mod stack;
mod store_error;
mod usage;
mod values;
mod verify;
#[cfg(feature = "classes")]
mod volume;
#[cfg(feature = "classes")]
mod volume_paths;
#[cfg(feature = "classes")]
mod volumes;
mod wants;
mod write;

pub use core_dumps::forbid_core_dumps;
pub use create::{CreatedEntries, create};
#[cfg(feature = "classes")]
pub use error::VolumeOfClass;
pub use error::{EntryError, FailedEntry, InitError};
pub use exit::Exit;
pub use generator::Generator;
pub use keystore::KeystoreError;
pub use process::{OS_ERROR, Stopped, hold_signals, until_stopped, wait_for_stop};
pub use progress::Progress;
pub use ready::ReadyFile;
pub use refresh::{Refreshed, Refresher};
pub use report::{Origin, Report, Row, VolumeRow};
pub use request::Request;
pub use restart_mark::RestartMark;
pub use run::run;
#[cfg(feature = "classes")]
pub use run::run_with_volumes;
pub use run_error::{RunError, TERMINATION_MESSAGE_BYTES};
pub use secret::secret_data;
pub use settings::InitSettings;
pub use stack::wipe_stack;
pub use store_error::{store_exit, store_message};
pub use usage::UsageError;
#[cfg(feature = "classes")]
pub use volume::{ObjectsError, VolumeReadError, read_volume};
#[cfg(feature = "classes")]
pub use volumes::Volumes;
pub use write::{OutputFile, WriteError, write};
