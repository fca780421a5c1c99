//! The error if a stored value does not have the member that is asked for.

use kees_common::Locator;

use super::holder::Holder;
use crate::{ErrorKind, StoreError};

/// Why there is no such member. The message contains names of members, but no values.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum MemberError {
    #[error("holds binary data, and not text with JSON")]
    Binary,
    #[error("holds a text that is not JSON")]
    NotJson,
    #[error("holds a text that is not a JSON object")]
    NotObject,
    /// The name, and those that are there.
    #[error("{}", no_member(.0, .1))]
    NoMember(String, Vec<String>),
    /// The index, and the length of the array.
    #[error("has no element '{0}' in an array of {1}")]
    NoElement(String, usize),
    #[error("has a member '{0}' that is not a JSON string")]
    NotText(String),
    #[error("holds a text that is not canonical base64")]
    TextNotBase64,
    #[error("has a member '{0}' that is not canonical base64")]
    NotBase64(String),
}

fn no_member(name: &str, members: &[String]) -> String {
    if members.is_empty() {
        format!("has nothing at '{name}'")
    } else {
        format!("has no member '{name}'; it has {}", members.join(", "))
    }
}

impl MemberError {
    pub(super) fn at(self, locator: &Locator, holder: Holder) -> StoreError {
        let Holder { store, noun } = holder;
        let message = format!("the {noun} {} {self}", locator.secret_id());
        let remedy = match &locator.member {
            Some(member) => format!(
                "let it hold what a DYNAMIC entry of type={} creates, or refer to another {noun}",
                member.secret_type
            ),
            None => format!(
                "let property= name a member of the {noun}, or remove property= to read all of it"
            ),
        };
        StoreError::new(ErrorKind::Malformed, store, message, remedy).at(&locator.path)
    }
}
