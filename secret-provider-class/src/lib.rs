//! Reads `SecretProviderClass` objects as AWS's provider of the Secrets Store CSI driver reads them, and says
//! what each volume of a class asks for: which secrets and parameters, and which files with which modes.
//!
//! Everything here is pure: text and values in, types and values out. A program that fetches gets a [`Mount`], and a
//! state machine without I/O ([`Fetch`]) says what it reads in which Region. The values become files, and with
//! [`secret_data`] Kubernetes Secrets.
//!
//! The features keep programs small: `parse` reads classes, `expressions` makes files from values, and `secrets` makes
//! Kubernetes Secrets from files. Without features there are the types of a request alone.

mod class;
#[cfg(feature = "expressions")]
mod class_volumes;
mod error;
mod excerpt;
mod file_name;
mod located;
mod mount;
#[cfg(feature = "secrets")]
mod secret_data;
mod secret_objects;
mod volume;

#[cfg(feature = "parse")]
mod arn;
#[cfg(feature = "expressions")]
mod bounds;
#[cfg(feature = "parse")]
mod check;
#[cfg(feature = "parse")]
mod entries;
#[cfg(feature = "expressions")]
mod expression;
#[cfg(feature = "expressions")]
mod fetch;
#[cfg(feature = "expressions")]
mod files;
#[cfg(feature = "expressions")]
mod json;
#[cfg(feature = "parse")]
mod parse;
#[cfg(feature = "parse")]
mod scalar;
#[cfg(feature = "secrets")]
mod tls;
#[cfg(feature = "parse")]
mod translation;
#[cfg(feature = "parse")]
mod unique;
#[cfg(feature = "parse")]
mod yaml;

pub use class::{
    API_GROUP, CLASS_ATTRIBUTE, ClassSpec, DRIVER, KIND, SecretDataSpec, SecretObjectSpec,
};
#[cfg(feature = "expressions")]
pub use class_volumes::{ClassVolume, ClassVolumes, ParseClassVolumesError};
pub use error::{ClassErrorKind, ClassPlace, FileError, Origin, ParseClassError, TextPosition};
#[cfg(feature = "expressions")]
pub use expression::ExtractError;
#[cfg(feature = "expressions")]
pub use fetch::{Cause, Fetch, FetchError, Read, Site};
pub use file_name::check_file_path;
#[cfg(feature = "expressions")]
pub use files::{FilesError, OutputFile, files};
pub use kees_common::Service;
pub use located::LocateError;
pub use mount::{AddressType, Extract, File, Identity, Mode, Mount, Object, Selector};
#[cfg(feature = "parse")]
pub use parse::{Around, Surroundings, parse};
#[cfg(feature = "secrets")]
pub use secret_data::{SecretDataError, secret_data};
pub use secret_objects::{SecretData, SecretObject, TLS, secret_objects};
#[cfg(feature = "secrets")]
pub use tls::TlsError;
pub use volume::{CsiVolume, VolumeError};
