//! Where secrets lie, and how a generation is created once whatever fails.
//!
//! A backend implements [`Read`] and [`Create`], the two narrow things that the domain asks for;
//! one conformance suite says what that means. [`Store`] is the enum over the backends. The
//! protocol that makes every reader agree lives in [`protocol`], above the backends.

#[cfg(feature = "aws")]
pub mod aws;
mod error;
pub mod protocol;

pub use error::{ErrorKind, StoreError};

use std::future::Future;

use kees_common::{Generated, Generation, Locator, SecretValue};

/// What one read found.
pub type Found = Result<Option<SecretValue>, StoreError>;

/// Reads values.
pub trait Read {
    /// The current values at `locators`, one answer for each and in their order, `None` where the
    /// store says that nothing is there. Each locator is asked for once, in as few calls as the
    /// store allows. Consistent where the store has consistent reads.
    fn read(&self, locators: &[Locator]) -> impl Future<Output = Vec<Found>> + Send;

    /// The values at `locators` in one snapshot, for halves of a generation that a batch showed
    /// incomplete. A store whose `read` is already atomic for one generation may call that.
    fn read_together(&self, locators: &[Locator]) -> impl Future<Output = Vec<Found>> + Send;
}

/// Creates generations.
pub trait Create {
    /// Stores all values of `new` in one atomic write, on the condition that none of its names
    /// exists. Sending the same `new` again (same token) is not another write.
    fn create(
        &self,
        new: &NewGeneration<'_>,
    ) -> impl Future<Output = Result<Creation, StoreError>> + Send;
}

/// A generation that has been made and not been stored yet.
#[derive(Debug)]
pub struct NewGeneration<'a> {
    /// Where it belongs.
    pub generation: &'a Generation,
    /// Its values, one for each of the generation's fields.
    pub values: &'a Generated,
    /// Tells a repeated request from another writer's.
    pub token: IdempotencyToken,
    /// The pod's namespace, for the store's own tags.
    pub namespace: Option<&'a str>,
}

/// One for each generation that is made: 128 random bits in hexadecimal, within the 36 characters
/// of DynamoDB's `ClientRequestToken` and the 32 to 64 of Secrets Manager's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyToken(String);

impl IdempotencyToken {
    /// The token as a request carries it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How a create ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creation {
    /// This write, or an earlier one with the same token, was carried out.
    Created,
    /// A name exists: another writer was first, or half of a pair lies there.
    Exists,
}
