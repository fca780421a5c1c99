//! Rotation: one atomic step replaces the current generation of a secret by a new one, and keeps the
//! old one as the previous generation.
//!
//! [`machine`] decides the steps of one rotator, without I/O. [`rotate`] is the driver that a program
//! uses. A backend implements [`RotateStore`]; a store in which each value has a name of its own gets
//! it from one atomic step over rows ([`flat`]).

mod driver;
#[cfg(any(feature = "dynamodb", feature = "embedded", feature = "memory"))]
pub(crate) mod flat;
pub mod machine;

use std::future::Future;

use kees_common::{Field, Generated, Generation, SecretValue};

pub use driver::{RotateError, Rotated, retire, rotate};

use crate::{IdempotencyToken, StoreError};

/// The generation that a store holds now.
#[derive(Debug, Clone)]
pub struct Current {
    /// What the store calls it, if it has a name for it.
    pub id: Option<String>,
    /// The value of each field that is stored. Fewer than all fields: somebody else is storing them,
    /// or some were deleted.
    pub values: Vec<(Field, SecretValue)>,
    /// Since when it is the current one, in seconds since 1970, if that is known.
    pub since: Option<u64>,
    /// What the store calls the generation before it, if it holds one.
    pub previous: Option<String>,
}

/// Generated values are never equal by chance, so two reads that show the same values show the same
/// generation. Not every store has a name for it.
impl PartialEq for Current {
    fn eq(&self, other: &Self) -> bool {
        self.values == other.values
    }
}

impl Eq for Current {}

/// One generation that is replaced by a new one.
#[derive(Debug)]
pub struct RotateRequest<'a> {
    /// Its store and paths.
    pub generation: &'a Generation,
    /// What is replaced, complete.
    pub current: &'a Current,
    /// The new value of each field.
    pub values: &'a Generated,
    /// Identifies the new generation and, if the request is sent again, the request.
    pub token: &'a IdempotencyToken,
    /// The time, in seconds since 1970.
    pub now: u64,
}

/// The result of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rotation {
    /// This request, or an earlier one with the same token, was carried out.
    Rotated,
    /// Nothing was written, because the store does not hold the generation that was to be replaced.
    Changed,
}

/// Replaces generations. No method retries.
pub trait RotateStore {
    /// The current generation, all fields in one snapshot; `None` if every field is absent.
    fn current(
        &self,
        generation: &Generation,
    ) -> impl Future<Output = Result<Option<Current>, StoreError>> + Send;

    /// Replaces all fields in one atomic step, on the condition that the store still holds
    /// `request.current`, which becomes the previous generation.
    fn rotate(
        &self,
        request: &RotateRequest<'_>,
    ) -> impl Future<Output = Result<Rotation, StoreError>> + Send;

    /// Removes the previous generation, on the condition that it is still the one in `current`. Returns
    /// whether it was.
    fn retire(
        &self,
        generation: &Generation,
        current: &Current,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Remembers that `current`, of which it is not known since when it is current, has been current
    /// since `now`, on the condition that it still is. A store that knows the time itself does nothing.
    /// Returns whether `current` still is the current generation.
    fn remember_since(
        &self,
        generation: &Generation,
        current: &Current,
        now: u64,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}
