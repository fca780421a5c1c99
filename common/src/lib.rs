//! The words of kees's domain, as types: annotations and what they ask for, the paths at which
//! values are stored, the values themselves, and the files that an application reads.
//!
//! Everything here is pure. Text is parsed once, at the edge, into these types; nothing downstream
//! looks at text again. The contract is that of the original kees, kept unchanged, and of its
//! additions described in `docs/annotations.md`.
//!
//! ```
//! use kees_common::{Domain, Parsed, PlanSettings};
//!
//! let domain = Domain::default();
//! let parsed = Parsed::from_annotations(
//!     &domain,
//!     [("secret.bsycorp.com/db-password", "kind=DYNAMIC,type=PASSWORD,size=256")],
//! );
//! assert!(parsed.faults.is_empty());
//! assert_eq!(parsed.entries[0].name.as_str(), "db-password");
//! ```

mod annotation;
#[cfg(feature = "clap")]
pub mod arguments;
mod domain;
pub mod downward;
mod endpoint;
mod entry;
mod fault;
mod layout;
pub mod local;
mod name;
pub mod names;
mod options;
pub mod output;
mod pairs;
mod path;
mod plan;
mod secret;
mod spec;
mod store_name;

pub use annotation::Parsed;
pub use domain::{Domain, ParseDomainError, Word};
pub use endpoint::{Endpoint, ParseEndpointError, ParseRegionError, Region};
pub use entry::{Entry, Lease, Lookup, Resource, Secret, Source, StorageKey};
pub use fault::{AnnotationError, AnnotationErrorKind, Warning};
pub use layout::Layout;
pub use name::{EntryName, Field, ParseEntryNameError};
pub use options::{ContainerNames, FileMode, LocalMode, MountPath, Options, Order};
pub use pairs::ParsePairsError;
pub use path::{ParsePathError, StoragePath, StoragePrefix};
pub use plan::{Generation, Item, Locator, Member, Plan, PlanSettings};
pub use secret::{ParseBase64Error, SecretValue};
pub use spec::{Generated, SecretType, Spec, UserId};
pub use store_name::{ParseStoreNameError, StoreName};
