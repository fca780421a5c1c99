//! From entries to what is read and what is generated. Every path is joined and checked, and the
//! entries of one generation are brought together, before a store is used.

mod environment;
mod planner;
mod reserved;
mod sync;
#[cfg(test)]
mod tests;
mod text;

use crate::{
    annotation::Parsed,
    error::{AnnotationError, AnnotationErrorKind},
    field::Field,
    layout::Layout,
    lease_range::LeaseRange,
    locator::{Locator, Member},
    path::{StoragePath, StoragePrefix},
    references::References,
    spec::Spec,
    store_name::StoreName,
};

/// The settings of the operator, or of the environment, that a plan depends on.
#[derive(Debug, Clone)]
pub struct PlanSettings {
    /// The prefix of every path.
    pub prefix: StoragePrefix,
    /// The store of an entry, if neither the entry nor the pod names one.
    pub store: StoreName,
    /// The stores that a pod and an entry may name, besides `store`.
    pub allowed: Vec<StoreName>,
    /// The ARNs that an entry may name in `storageKey=`. `None` allows every ARN.
    pub references: Option<References>,
    /// Whether a pod may use `local-mode`. If not, the annotation is an error.
    pub local_mode_allowed: bool,
    /// The files that are written.
    pub layout: Layout,
}

/// What is read, and what is generated if it is absent. With `local-mode: "true"` nothing in it is
/// read: each value is the entry's own or is derived from its name ([`crate::local`]), and the plan
/// shows only that the entries agree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// One for each secret and resource, in the order of the entries.
    pub items: Vec<Item>,
    /// Each generation of the DYNAMIC entries, once.
    pub generations: Vec<Generation>,
    /// One for each lease, in the order of the entries. None with `local-mode: "true"`.
    pub leases: Vec<PlannedLease>,
}

/// One value to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its entry, as an index into [`Parsed::entries`].
    pub entry: usize,
    /// The store that may have it.
    pub store: StoreName,
    /// Its place in the store.
    pub locator: Locator,
    /// For a DYNAMIC entry: its generation, as an index into [`Plan::generations`], and its field.
    pub generation: Option<(usize, Field)>,
}

/// A number that no other live pod holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedLease {
    /// Its entry, as an index into [`Parsed::entries`].
    pub entry: usize,
    /// The store that keeps it: the pod's.
    pub store: StoreName,
    /// The numbers that the pod may get, and where they are stored.
    pub range: LeaseRange,
}

/// Values that are created together and stored together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// The store.
    pub store: StoreName,
    /// Its path without a field: its one name in a store with members.
    pub path: StoragePath,
    /// What is generated.
    pub spec: Spec,
    /// Each field with its own path, in the order of [`Spec::fields`]: the keys of kees's table.
    pub fields: Vec<(Field, StoragePath)>,
    /// Its entries, as indexes into [`Parsed::entries`]; at least one.
    pub entries: Vec<usize>,
}

impl Generation {
    /// The path of one field.
    pub fn path_of(&self, field: Field) -> Option<&StoragePath> {
        self.fields
            .iter()
            .find(|(f, _)| *f == field)
            .map(|(_, path)| path)
    }

    /// Whether the store holds text only and so the base64 of this generation's one value.
    fn is_encoded(&self) -> bool {
        !self.store.holds_bytes() && !self.spec.secret_type().is_text()
    }

    /// Where the value of one field is stored.
    pub fn locator(&self, field: Field) -> Locator {
        Locator {
            path: self.path_of(field).unwrap_or(&self.path).clone(),
            member: (field != Field::Whole || self.is_encoded()).then(|| Member {
                secret: self.path.clone(),
                field,
                secret_type: self.spec.secret_type(),
            }),
            property: None,
            version_stage: None,
            version_id: None,
            is_previous: false,
        }
    }
}

impl Plan {
    /// Joins every path, and brings the entries of each generation together.
    ///
    /// # Errors
    /// All errors, sorted by annotation: those of `parsed`, and those that only show together with
    /// the settings and the other entries: invalid paths, stores and ARNs that are not allowed, keys that
    /// work with another store only, two entries that ask for different secrets at one path or have
    /// the same file or variable, leases in a store that keeps none, local mode without a value, or where it is
    /// not allowed.
    pub fn new(parsed: &Parsed, settings: &PlanSettings) -> Result<Self, Vec<AnnotationError>> {
        let (plan, mut errors) = planner::plan(parsed, settings);
        errors.extend_from_slice(&parsed.errors);
        let of_files = settings
            .layout
            .check(&parsed.entries, &parsed.options.files);
        // An entry that is not there may be one of those with an error.
        let is_sure = |error: &AnnotationError| {
            parsed.has_all_entries() || !matches!(error.kind, AnnotationErrorKind::NoEntry(_))
        };
        errors.extend(of_files.into_iter().filter(is_sure));
        errors.extend(environment::check(parsed));
        errors.extend(sync::check(parsed));
        errors.sort_by(|a, b| a.annotation.cmp(&b.annotation));
        if errors.is_empty() {
            Ok(plan)
        } else {
            Err(errors)
        }
    }
}
