//! RSA, GPG, passwords and random bytes: a spec in, all fields of one generation out.
//!
//! [`generate`] draws from the operating system's source; [`local`] derives the same values from a
//! name on every run, for laptops and tests, where nothing is secret. [`verify`] says whether
//! values that a store returned belong together.

mod error;

pub use error::{GenerateError, Mismatch};

use kees_common::{Field, Generated, SecretType, SecretValue, Spec};

/// Makes one generation of `spec`.
///
/// # Errors
/// [`GenerateError`] where the operating system's random source or the cryptographic library
/// fails; never because of the spec, which was checked when it was parsed.
pub fn generate(spec: &Spec) -> Result<Generated, GenerateError> {
    let _ = spec;
    todo!("by the generate crate")
}

/// Whether values read from a store are what their annotations say: each of the right form, and
/// those of one generation belonging together (as far as the pod names enough of them to tell).
///
/// # Errors
/// [`Mismatch`], which names the field at fault and never a value.
pub fn verify(secret_type: SecretType, values: &[(Field, &SecretValue)]) -> Result<(), Mismatch> {
    let _ = (secret_type, values);
    todo!("by the generate crate")
}
