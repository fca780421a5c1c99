//! The content of one name in a store with members: one value, or a JSON object of several values.

mod error;
mod holder;
mod write;

use std::collections::BTreeMap;

use kees_common::{Field, Locator, Member, SecretValue};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use self::error::MemberError;
pub(crate) use self::holder::Holder;
pub(crate) use self::write::{Payload, invalid, without_values};
use crate::Found;

/// The content of one name in a store.
#[derive(Clone)]
pub(crate) enum Content {
    Text(Zeroizing<String>),
    #[cfg_attr(
        not(feature = "secretsmanager"),
        allow(dead_code, reason = "other stores hold text only")
    )]
    Binary(Zeroizing<Vec<u8>>),
}

impl Content {
    /// The value at `locator`. A missing member is an error and not an absent value, because
    /// all members are written together.
    pub(crate) fn value_at(&self, locator: &Locator, holder: Holder) -> Found {
        let value = match (&locator.member, &locator.property) {
            (Some(member), _) => self.member(member),
            (None, Some(property)) => self.property(property),
            (None, None) => Ok(SecretValue::new(self.bytes().to_vec())),
        };
        value.map(Some).map_err(|error| error.at(locator, holder))
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    fn member(&self, member: &Member) -> Result<SecretValue, MemberError> {
        if member.field == Field::Whole {
            let decoded = SecretValue::from_base64(self.text()?);
            return decoded.map_err(|_| MemberError::TextNotBase64);
        }
        let members = parse_object(self.text()?)?;
        let name = member.field.as_str();
        let raw = members.get(name).ok_or_else(|| missing(name, &members))?;
        let text = parse_string(raw).ok_or_else(|| MemberError::NotText(name.to_owned()))?;
        if !member.is_base64() {
            return Ok(into_value(text));
        }
        // A text that is not canonical would change if it were encoded again.
        Some(SecretValue::from_stored_text(text))
            .filter(|value| !value.is_verbatim())
            .ok_or_else(|| MemberError::NotBase64(name.to_owned()))
    }

    fn property(&self, property: &str) -> Result<SecretValue, MemberError> {
        let text = self.text()?;
        let raw = if property.starts_with('/') {
            follow(text, property)?
        } else {
            let members = parse_object(text)?;
            *members
                .get(property)
                .ok_or_else(|| missing(property, &members))?
        };
        Ok(parse_string(raw).map_or_else(
            || SecretValue::new(raw.get().as_bytes().to_vec()),
            into_value,
        ))
    }

    fn text(&self) -> Result<&str, MemberError> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Binary(_) => Err(MemberError::Binary),
        }
    }
}

/// The members of a JSON object by name; their values are still JSON text.
type Object<'a> = BTreeMap<String, &'a RawValue>;

fn parse_object(text: &str) -> Result<Object<'_>, MemberError> {
    // The parser's error is dropped, because it could contain the value.
    serde_json::from_str(text).map_err(|_| MemberError::NotObject)
}

/// The text of a JSON string; `None` for other JSON.
fn parse_string(raw: &RawValue) -> Option<Zeroizing<String>> {
    let json = raw.get();
    // Text without escapes is copied only once, into memory that is overwritten later.
    match serde_json::from_str::<&str>(json) {
        Ok(text) => Some(Zeroizing::new(text.to_owned())),
        Err(_) => serde_json::from_str::<String>(json)
            .ok()
            .map(Zeroizing::new),
    }
}

/// Follows a JSON Pointer (RFC 6901).
fn follow<'a>(text: &'a str, pointer: &str) -> Result<&'a RawValue, MemberError> {
    let mut at: &RawValue = serde_json::from_str(text).map_err(|_| MemberError::NotJson)?;
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        at = step(at, &token)?;
    }
    Ok(at)
}

fn step<'a>(at: &'a RawValue, token: &str) -> Result<&'a RawValue, MemberError> {
    if let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(at.get()) {
        let is_index = token == "0" || !token.starts_with('0');
        return token
            .parse()
            .ok()
            .filter(|_| is_index && token.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|index: usize| elements.get(index).copied())
            .ok_or_else(|| MemberError::NoElement(token.to_owned(), elements.len()));
    }
    let members = serde_json::from_str::<Object<'_>>(at.get())
        .map_err(|_| MemberError::NoMember(token.to_owned(), Vec::new()))?;
    members
        .get(token)
        .copied()
        .ok_or_else(|| missing(token, &members))
}

/// The memory of the text becomes that of the value.
fn into_value(mut text: Zeroizing<String>) -> SecretValue {
    SecretValue::new(std::mem::take(&mut *text).into_bytes())
}

fn missing(name: &str, members: &Object<'_>) -> MemberError {
    MemberError::NoMember(name.to_owned(), members.keys().cloned().collect())
}

#[cfg(test)]
mod tests;
