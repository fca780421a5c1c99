//! What a token must say, and what is read of it.

use serde_json::{Map, Value};

use super::error::TokenError;
use crate::server::authorization::Claims;

/// What the operator demands of a token.
#[derive(Debug, Clone, Default)]
pub struct ClaimRules {
    /// The claim with the user's name.
    pub user: String,
    /// The claim with the list of groups.
    pub groups: String,
    /// `iss` must be this.
    pub issuer: Option<String>,
    /// `aud` must be or contain one of these, if there are any.
    pub audiences: Vec<String>,
    /// `token_use` must be this: Amazon Cognito tells id tokens from access tokens so.
    pub token_use: Option<String>,
}

impl ClaimRules {
    /// Checks the claims at the time `now`, in seconds since 1970, without leeway.
    pub(super) fn check(
        &self,
        claims: &Map<String, Value>,
        now: i64,
    ) -> Result<Claims, TokenError> {
        check_times(claims, now)?;
        let text = |name| claims.get(name).and_then(Value::as_str);
        if self.issuer.is_some() && text("iss") != self.issuer.as_deref() {
            return Err(TokenError::Value("iss"));
        }
        if !self.audiences.is_empty() && !self.is_for_us(claims.get("aud")) {
            return Err(TokenError::Value("aud"));
        }
        if self.token_use.is_some() && text("token_use") != self.token_use.as_deref() {
            return Err(TokenError::Value("token_use"));
        }
        Ok(Claims {
            user: self.user(claims)?,
            groups: self.groups(claims)?,
        })
    }

    /// `aud` is a text or a list of texts.
    fn is_for_us(&self, audience: Option<&Value>) -> bool {
        let is_ours = |value: &Value| {
            let value = value.as_str();
            value.is_some_and(|value| self.audiences.iter().any(|ours| ours == value))
        };
        match audience {
            Some(Value::Array(all)) => all.iter().any(is_ours),
            Some(one) => is_ours(one),
            None => false,
        }
    }

    fn user(&self, claims: &Map<String, Value>) -> Result<String, TokenError> {
        match present(claims, &self.user)? {
            Value::String(user) if !user.is_empty() => Ok(user.clone()),
            _ => Err(TokenError::Type {
                claim: self.user.clone(),
                expected: "a text that is not empty",
            }),
        }
    }

    fn groups(&self, claims: &Map<String, Value>) -> Result<Vec<String>, TokenError> {
        let groups = present(claims, &self.groups)?.as_array();
        let groups = groups.and_then(|groups| {
            let groups = groups.iter().map(|group| group.as_str().map(str::to_owned));
            groups.collect::<Option<Vec<_>>>()
        });
        groups.ok_or_else(|| TokenError::Type {
            claim: self.groups.clone(),
            expected: "a list of texts",
        })
    }
}

fn check_times(claims: &Map<String, Value>, now: i64) -> Result<(), TokenError> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds since 1970 are exact for a long time"
    )]
    let now = now as f64;
    let expires = time(claims, "exp")?.ok_or_else(|| TokenError::NoClaim("exp".to_owned()))?;
    if expires <= now {
        return Err(TokenError::Expired);
    }
    for name in ["nbf", "iat"] {
        if time(claims, name)?.is_some_and(|time| time > now) {
            return Err(TokenError::TooEarly(name));
        }
    }
    Ok(())
}

/// A time in seconds since 1970, perhaps with a fraction.
fn time(claims: &Map<String, Value>, name: &'static str) -> Result<Option<f64>, TokenError> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => value
            .as_f64()
            .filter(|time| time.is_finite())
            .map(Some)
            .ok_or_else(|| TokenError::Type {
                claim: name.to_owned(),
                expected: "a number",
            }),
    }
}

fn present<'a>(claims: &'a Map<String, Value>, name: &str) -> Result<&'a Value, TokenError> {
    claims
        .get(name)
        .ok_or_else(|| TokenError::NoClaim(name.to_owned()))
}
