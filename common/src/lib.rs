//! The domain of kees as types: annotations, the secrets they ask for, the paths where values are
//! stored, the values, and the files that an application reads.
//!
//! Everything here is pure: no I/O and no clock. Text is parsed once into these types, and the other
//! crates use the types only. The annotations are those of the original kees, with the additions in
//! `docs/annotations.md`.
//!
//! ```
//! use kees_common::{Domain, Parsed};
//!
//! let parsed = Parsed::from_annotations(
//!     &Domain::default(),
//!     [("secret.bsycorp.com/db-password", "kind=DYNAMIC,type=PASSWORD,size=256")],
//! );
//! assert!(parsed.errors.is_empty());
//! assert_eq!(parsed.entries[0].name.as_str(), "db-password");
//! ```

mod annotation;
mod collector;
mod domain;
pub mod downward;
mod encoding;
mod endpoint;
mod entry;
pub mod environment;
mod error;
pub mod error_chain;
mod excerpt;
mod field;
mod generated;
mod layout;
mod lease_range;
pub mod local;
mod locator;
mod members;
mod name;
pub mod names;
mod options;
pub mod output;
mod pairs;
mod password_rules;
mod path;
mod period;
mod plan;
mod references;
mod region;
pub mod restart;
mod secret;
mod secret_type;
mod service;
mod spec;
mod store_name;
mod typo;
mod unused;
mod user_id;

pub use annotation::{Parsed, misspelled_prefix};
pub use domain::{Domain, ParseDomainError, Word};
pub use encoding::{Encoding, ParseEncodingError};
pub use endpoint::{Endpoint, ParseEndpointError};
pub use entry::{Entry, Lease, Lookup, Resource, Rotation, Secret, Source, StorageKey};
pub use error::{AnnotationError, AnnotationErrorKind, Warning};
pub use excerpt::escaped_beginning;
pub use field::Field;
pub use generated::Generated;
pub use layout::Layout;
pub use lease_range::LeaseRange;
pub use locator::{Locator, Member};
pub use members::{MembersError, members};
pub use name::{EntryName, ParseEntryNameError};
pub use options::{
    ChangeSignal, ContainerNames, Environment, EnvironmentVariable, Environments, FileMode,
    FileOptions, FilePath, KeystoreFile, LocalMode, LoopbackUrl, MetricsPort, MountPath, OnChange,
    Options, Order, ParseContainerNamesError, ParseEnvironmentError, ParseFileModeError,
    ParseFilePathError, ParseMetricsPortError, ParseMountPathError, ParseOnChangeError,
    ParseOrderError, ParseRefreshPeriodError, ParseSecretKeyError, ParseSecretNameError,
    ParseStartError, ParseSyncTypeError, PlacedFile, ProcessName, RefreshPeriod, SecretKey,
    SecretName, Start, SyncKey, SyncOptions, SyncType, TemplateFile,
};
pub use pairs::ParsePairsError;
pub use password_rules::{
    Alphabet, CharClass, Classes, ParseAlphabetError, ParseClassesError, PasswordRules,
};
pub use path::{ParsePathError, StoragePath, StoragePrefix};
pub use period::{ParsePeriodError, Period};
pub use plan::{Generation, Item, Plan, PlanSettings, PlannedLease};
pub use references::{ParseReferencesError, References};
pub use region::{ParseRegionError, Region};
pub use secret::{ParseBase64Error, SecretValue};
pub use secret_type::{ParseSecretTypeError, SecretType};
pub use service::Service;
pub use spec::Spec;
pub use store_name::{ParseStoreNameError, RegionUse, StoreName};
pub use typo::closest;
pub use user_id::{ParseUserIdError, UserId};
