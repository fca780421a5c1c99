//! The members of a JSON object, which `property=*` hands out: one value for each member.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::{excerpt::excerpt, secret::SecretValue};

/// The longest name of a member. With the name of its entry and a dot, it is the name of a file.
const MAX_NAME: usize = 190;

/// The members of `value` in the order of their names. A string comes without its quotes, any other
/// member as its JSON text.
///
/// # Errors
/// [`MembersError`], which has nothing of a value.
pub fn members(value: &SecretValue) -> Result<Vec<(String, SecretValue)>, MembersError> {
    let text = value.expose_text().ok_or(MembersError::NotObject)?;
    // The parser's error is dropped, because it could contain the value.
    let object: BTreeMap<String, &RawValue> =
        serde_json::from_str(text).map_err(|_| MembersError::NotObject)?;
    let member = |(name, raw): (String, &RawValue)| {
        if is_name(&name) {
            Ok((name, member_value(raw)))
        } else {
            Err(MembersError::Name(excerpt(&name)))
        }
    };
    object.into_iter().map(member).collect()
}

/// Whether the name of a member can be part of the name of a file and of a key in a list.
fn is_name(name: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    !name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(is_allowed)
}

/// The value of one member: a string without its quotes, any other member as its JSON text.
fn member_value(raw: &RawValue) -> SecretValue {
    let json = raw.get();
    // Text without escapes is copied only once, into memory that is overwritten later.
    let text = match serde_json::from_str::<&str>(json) {
        Ok(text) => Some(text.to_owned()),
        Err(_) => serde_json::from_str::<String>(json).ok(),
    };
    let mut text = Zeroizing::new(text.unwrap_or_else(|| json.to_owned()));
    SecretValue::new(std::mem::take(&mut *text).into_bytes())
}

/// A value whose members cannot be handed out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MembersError {
    /// The value is not a JSON object.
    #[error(
        "the value is not a JSON object, whose members property=* hands out; store an object, or \
         remove property="
    )]
    NotObject,
    /// A member whose name cannot be part of the name of a file.
    #[error(
        "the name of the member {0} cannot be the name of a file or a key; use 1 to 190 letters, \
         digits, '-', '_' or '.', or name single members with property="
    )]
    Name(String),
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn of(text: &str) -> Result<Vec<(String, String)>, MembersError> {
        let members = members(&SecretValue::new(text.as_bytes().to_vec()))?;
        let text = |value: SecretValue| value.expose_text().unwrap().to_owned();
        Ok(members
            .into_iter()
            .map(|(name, v)| (name, text(v)))
            .collect())
    }

    #[test]
    fn each_member_is_a_value_in_the_order_of_the_names() {
        let object =
            r#"{"user":"app","port":5432,"hosts":["a", "b"],"p\u0061ss":"q\"\n","n":null}"#;
        let expected = [
            ("hosts", r#"["a", "b"]"#),
            ("n", "null"),
            ("pass", "q\"\n"),
            ("port", "5432"),
            ("user", "app"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(of(object).unwrap(), expected);
        assert_eq!(of("{}").unwrap(), []);
    }

    #[rstest]
    #[case("canary")]
    #[case("\"canary\"")]
    #[case("[{\"a\":\"canary\"}]")]
    #[case("{\"a\":\"canary\"")]
    fn what_is_not_an_object_is_an_error_that_shows_nothing_of_it(#[case] text: &str) {
        let error = of(text).unwrap_err();
        assert_eq!(error, MembersError::NotObject);
        assert!(!format!("{error:?} {error}").contains("canary"));
    }

    #[rstest]
    #[case("a/b")]
    #[case("../x")]
    #[case("")]
    #[case("a b")]
    #[case("\\n")]
    #[case(&"a".repeat(191))]
    fn a_name_that_no_file_can_have_is_an_error(#[case] name: &str) {
        let error = of(&format!("{{\"{name}\":\"canary\"}}")).unwrap_err();
        assert!(matches!(error, MembersError::Name(_)));
        assert!(!error.to_string().contains("canary"));
    }
}
