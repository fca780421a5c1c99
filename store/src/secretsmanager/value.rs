//! From what a secret holds to the one value that was asked for.

use std::{collections::BTreeMap, fmt};

use aws_sdk_secretsmanager::primitives::Blob;
use kees_common::{Locator, Member, SecretValue, StoreName};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::{ErrorKind, Found, StoreError};

/// The content of one version of a secret.
#[derive(Clone)]
pub(super) enum Held {
    Text(Zeroizing<String>),
    Binary(Zeroizing<Vec<u8>>),
}

impl Held {
    /// Takes over what an answer carries; `None` where it carries nothing.
    pub(super) fn new(text: Option<String>, binary: Option<Blob>) -> Option<Self> {
        match (text, binary) {
            (Some(text), _) => Some(Self::Text(Zeroizing::new(text))),
            (None, Some(binary)) => Some(Self::Binary(Zeroizing::new(binary.into_inner()))),
            (None, None) => None,
        }
    }

    /// The value at `locator`, which is always there: a member that is missing makes the secret
    /// malformed, for its other members were written with it.
    pub(super) fn value_at(&self, locator: &Locator) -> Found {
        let whole = || match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        };
        let value = match (&locator.member, &locator.property) {
            (Some(member), _) => self.member(member),
            (None, Some(property)) => self.property(property),
            (None, None) => Ok(SecretValue::new(whole().to_vec())),
        };
        value.map(Some).map_err(|problem| problem.of(locator))
    }

    fn member(&self, member: &Member) -> Result<SecretValue, Problem> {
        let members = parse_object(self.text()?)?;
        let name = member.field.as_str();
        let raw = members.get(name).ok_or_else(|| missing(name, &members))?;
        let text = parse_string(raw).ok_or_else(|| Problem::NotText(name.to_owned()))?;
        if member.is_base64() {
            SecretValue::from_base64(&text).map_err(|_| Problem::ParseBase64Error(name.to_owned()))
        } else {
            Ok(bytes_of(text))
        }
    }

    fn property(&self, property: &str) -> Result<SecretValue, Problem> {
        let text = self.text()?;
        let raw = if property.starts_with('/') {
            follow(text, property)?
        } else {
            let members = parse_object(text)?;
            *members
                .get(property)
                .ok_or_else(|| missing(property, &members))?
        };
        Ok(parse_string(raw)
            .map_or_else(|| SecretValue::new(raw.get().as_bytes().to_vec()), bytes_of))
    }

    fn text(&self) -> Result<&str, Problem> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Binary(_) => Err(Problem::Binary),
        }
    }
}

type Object<'a> = BTreeMap<String, &'a RawValue>;

/// The members of a JSON object, their values still as they stand in `text`.
fn parse_object(text: &str) -> Result<Object<'_>, Problem> {
    // The parser's own error is dropped: it could quote the value.
    serde_json::from_str(text).map_err(|_| Problem::NotObject)
}

/// A JSON string's text; `None` for what is no string.
fn parse_string(raw: &RawValue) -> Option<Zeroizing<String>> {
    let json = raw.get();
    // Without escapes it is copied once, to where it is wiped.
    match serde_json::from_str::<&str>(json) {
        Ok(text) => Some(Zeroizing::new(text.to_owned())),
        Err(_) => serde_json::from_str::<String>(json)
            .ok()
            .map(Zeroizing::new),
    }
}

/// Follows a JSON Pointer (RFC 6901).
fn follow<'a>(text: &'a str, pointer: &str) -> Result<&'a RawValue, Problem> {
    let mut at: &RawValue = serde_json::from_str(text).map_err(|_| Problem::NotJson)?;
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        at = step(at, &token)?;
    }
    Ok(at)
}

fn step<'a>(at: &'a RawValue, token: &str) -> Result<&'a RawValue, Problem> {
    if let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(at.get()) {
        let is_index = token == "0" || !token.starts_with('0');
        return token
            .parse()
            .ok()
            .filter(|_| is_index && token.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|index: usize| elements.get(index).copied())
            .ok_or_else(|| Problem::NoElement(token.to_owned(), elements.len()));
    }
    let members = serde_json::from_str::<Object<'_>>(at.get())
        .map_err(|_| Problem::NoMember(token.to_owned(), Vec::new()))?;
    members
        .get(token)
        .copied()
        .ok_or_else(|| missing(token, &members))
}

/// Hands the text's own memory over.
fn bytes_of(mut text: Zeroizing<String>) -> SecretValue {
    SecretValue::new(std::mem::take(&mut *text).into_bytes())
}

fn missing(name: &str, members: &Object<'_>) -> Problem {
    Problem::NoMember(name.to_owned(), members.keys().cloned().collect())
}

/// What keeps a secret from having the value. It names members, and never what they hold.
#[derive(Debug, PartialEq, Eq)]
enum Problem {
    Binary,
    NotJson,
    NotObject,
    NoMember(String, Vec<String>),
    NoElement(String, usize),
    NotText(String),
    ParseBase64Error(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Binary => write!(f, "holds SecretBinary, and not text with JSON"),
            Self::NotJson => write!(f, "holds a text that is not JSON"),
            Self::NotObject => write!(f, "holds a text that is not a JSON object"),
            Self::NoMember(name, members) if members.is_empty() => {
                write!(f, "has nothing at '{name}'")
            }
            Self::NoMember(name, members) => {
                write!(f, "has no member '{name}'; it has {}", members.join(", "))
            }
            Self::NoElement(index, len) => {
                write!(f, "has no element '{index}' in an array of {len}")
            }
            Self::NotText(name) => write!(f, "has a member '{name}' that is not a JSON string"),
            Self::ParseBase64Error(name) => {
                write!(
                    f,
                    "has a member '{name}' that is not standard base64 with padding"
                )
            }
        }
    }
}

impl Problem {
    fn of(self, locator: &Locator) -> StoreError {
        let secret = locator.secret_id();
        StoreError {
            kind: ErrorKind::Malformed,
            store: StoreName::SecretsManager,
            path: Some(locator.path.clone()),
            code: None,
            message: format!("the secret {secret} {self}"),
            remedy: remedy(locator),
        }
    }
}

fn remedy(locator: &Locator) -> String {
    match &locator.member {
        Some(member) => format!(
            "let it hold what a DYNAMIC entry of type={} makes, or refer to another secret",
            member.secret_type
        ),
        None => "let property= name what the secret holds, or leave property= out for all of it"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests;
