//! The caller's token: a JSON Web Token (RFC 7519) of the OIDC provider, checked with the provider's
//! published keys.

mod cache;
mod claims;
mod error;
mod fetch;
mod keys;

pub use cache::{KeyCache, KeyLimits};
pub use claims::ClaimRules;
pub use error::{KeysError, TokenError};
pub use fetch::{FetchError, HttpKeySource, KeySource};
pub use keys::KeySet;

use serde_json::{Map, Value};

use self::keys::Header;
use super::authorization::Claims;

/// A token whose signature was not checked yet.
pub struct Unverified<'a> {
    header: Header,
    signed: &'a str,
    signature: &'a str,
}

impl<'a> Unverified<'a> {
    /// Reads the header of a token.
    ///
    /// # Errors
    /// It is no token, or one that is never accepted, whatever the keys are.
    pub fn parse(token: &'a str) -> Result<Self, TokenError> {
        if token
            .get(..7)
            .is_some_and(|start| start.eq_ignore_ascii_case("bearer "))
        {
            return Err(TokenError::Scheme);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Form)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenError::Form)?;
        if payload.contains('.') {
            return Err(TokenError::Form);
        }
        Ok(Self {
            header: Header::parse(&object(header)?)?,
            signed,
            signature,
        })
    }

    /// The id of the key that signed it.
    pub fn key_id(&self) -> &str {
        &self.header.key_id
    }

    /// What the token says of the caller, if one of `keys` signed it and it is valid at the time `now` in
    /// seconds since 1970.
    ///
    /// # Errors
    /// It is not accepted.
    pub fn verify(
        &self,
        keys: &KeySet,
        rules: &ClaimRules,
        now: i64,
    ) -> Result<Claims, TokenError> {
        keys.verify(&self.header, self.signed.as_bytes(), self.signature)?;
        let (_, payload) = self.signed.split_once('.').ok_or(TokenError::Form)?;
        rules.check(&object(payload)?, now)
    }
}

/// A part of a token: base64url of a JSON object.
fn object(part: &str) -> Result<Map<String, Value>, TokenError> {
    let json = keys::decode(part).ok_or(TokenError::Form)?;
    serde_json::from_slice(&json).map_err(|_| TokenError::Form)
}

#[cfg(test)]
pub(crate) mod tests;
