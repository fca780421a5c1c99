//! Objects of a class that were not read, and why.

use std::fmt;

use kees_secret_provider_class::{Cause, FetchError};
use kees_store::StoreError;

use crate::{
    exit::Exit,
    store_error::{store_exit, store_message},
};

/// An error of a store, which prints with its code and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeReadError(pub StoreError);

impl fmt::Display for VolumeReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&store_message(&self.0))
    }
}

/// An object that was not read, or several that were not read for the same reason, such as missing credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectsError {
    first: FetchError<VolumeReadError>,
    others: Vec<FetchError<VolumeReadError>>,
}

impl ObjectsError {
    /// The errors of a volume, each reason once.
    pub(super) fn grouped(errors: Vec<FetchError<VolumeReadError>>) -> Vec<Self> {
        let mut grouped: Vec<Self> = Vec::with_capacity(errors.len());
        for error in errors {
            let same = grouped
                .iter_mut()
                .find(|group| is_same(&group.first, &error));
            match same {
                Some(group) => group.others.push(error),
                None => grouped.push(Self {
                    first: error,
                    others: Vec::new(),
                }),
            }
        }
        grouped
    }

    /// The exit status, the same as for an annotation.
    pub fn exit(&self) -> Exit {
        let exits = self.first.causes.iter().map(|(_, _, cause)| match cause {
            Cause::Name(_) | Cause::Extract(_) => Exit::Data,
            Cause::Absent => Exit::Absent,
            Cause::Store(VolumeReadError(error)) => store_exit(error),
        });
        exits.min().unwrap_or(Exit::Unavailable)
    }
}

impl fmt::Display for ObjectsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, others } = self;
        if others.is_empty() {
            return first.fmt(f);
        }
        write!(f, "{} objects", others.len() + 1)?;
        for (index, (region, _, cause)) in first.causes.iter().enumerate() {
            let separator = if index == 0 { "" } else { ";" };
            let region = region.as_deref().unwrap_or("the default Region");
            write!(f, "{separator} in {region}: {cause}")?;
        }
        // The names come last, so that a line that is cut still has the reason.
        let names = std::iter::once(first).chain(others).map(|error| {
            let name = error.causes.first().map(|(_, name, _)| name.as_str());
            format!("{} {}", error.service, name.unwrap_or_default())
        });
        let names: Vec<_> = names.collect();
        write!(f, "; the objects are {}", names.join(", "))
    }
}

impl std::error::Error for ObjectsError {}

/// Whether both are the same errors in the same Regions. What an error says of its object is in its message.
fn is_same(this: &FetchError<VolumeReadError>, other: &FetchError<VolumeReadError>) -> bool {
    let pairs = || this.causes.iter().zip(&other.causes);
    this.causes.len() == other.causes.len()
        && pairs().all(|((region, _, cause), (other_region, _, other_cause))| {
            let (Cause::Store(VolumeReadError(error)), Cause::Store(VolumeReadError(other))) =
                (cause, other_cause)
            else {
                return false;
            };
            let error = StoreError {
                store: other.store,
                ..error.clone()
            };
            region == other_region && error.is_same(other)
        })
}
