//! Why a token is not accepted.

/// Why a token is not accepted. No part of the token is in it, apart from names of claims.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The call has no token.
    #[error("the call has no token: send it in the metadata `authorization`")]
    Absent,
    /// The call has several tokens, or one that is not ASCII.
    #[error("the metadata `authorization` must be one token in ASCII")]
    Metadata,
    /// A scheme precedes the token.
    #[error("the metadata `authorization` must be the token alone, without `Bearer`")]
    Scheme,
    /// It does not consist of three parts, or they are no base64url of JSON objects.
    #[error("the token is no JSON Web Token")]
    Form,
    /// The algorithm is none of those that are accepted.
    #[error(
        "the token's algorithm is not one of ES256 to ES512, RS256 to RS512 and PS256 to PS512"
    )]
    Algorithm,
    /// The header has no key id.
    #[error("the token has no key id (`kid`)")]
    NoKeyId,
    /// The header names an extension that must be understood (`crit`).
    #[error("the token needs an extension that is not supported (`crit`)")]
    Extension,
    /// The provider does not publish the key.
    #[error("the token's key is not one of the provider's keys")]
    UnknownKey,
    /// The keys are not known.
    #[error("the provider's keys are not available")]
    Keys(#[from] KeysError),
    /// The signature is wrong.
    #[error("the token's signature is wrong")]
    Signature,
    /// The time of `exp` has come.
    #[error("the token has expired: log in again")]
    Expired,
    /// The time of a claim (`nbf`, `iat`) has not come yet.
    #[error("the token is not valid yet (`{0}`)")]
    TooEarly(&'static str),
    /// A claim is absent.
    #[error("the token has no claim `{0}`")]
    NoClaim(String),
    /// A claim has another type than it should have.
    #[error("the token's claim `{claim}` is not {expected}")]
    Type {
        /// The claim's name.
        claim: String,
        /// `a text that is not empty`.
        expected: &'static str,
    },
    /// A claim has another value than the operator demands.
    #[error("the token is not meant for this service (`{0}`)")]
    Value(&'static str),
}

/// Why no keys are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("they could not be read for too long")]
pub struct KeysError;
