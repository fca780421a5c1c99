//! One item of the table, written and read.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use kees_common::{SecretValue, StoragePath, StoreName};
use zeroize::Zeroizing;

use crate::{ErrorKind, StoreError};

/// The hash key.
pub(super) const NAME: &str = "secretName";
/// The attribute with the value.
pub(super) const VALUE: &str = "secretValue";

/// The largest size of an item, including the names of its attributes (DynamoDB developer guide,
/// "Quotas": 400 KB).
const LARGEST: usize = 400 * 1024;

pub(super) type Item = HashMap<String, AttributeValue>;

/// The result of reading one item: `None` if there is none.
pub(super) type FoundItem = Result<Option<Item>, StoreError>;

/// The result for each path.
pub(super) type Items<'a> = HashMap<&'a StoragePath, FoundItem>;

/// The key of the item at `path`.
pub(super) fn key(path: &StoragePath) -> Item {
    HashMap::from([(NAME.to_owned(), AttributeValue::S(path.as_str().to_owned()))])
}

/// The name of an item or of its key.
pub(super) fn name(item: &Item) -> Option<&str> {
    item.get(NAME)?.as_s().ok().map(String::as_str)
}

/// Whether an item, or a key, is that of `path`.
pub(super) fn is_named(item: &Item, path: &StoragePath) -> bool {
    name(item) == Some(path.as_str())
}

/// The item that holds `value` at `path`.
///
/// # Errors
/// [`ErrorKind::Malformed`] if it is larger than an item can be.
pub(super) fn of(path: &StoragePath, value: &SecretValue) -> Result<Item, StoreError> {
    let size = NAME.len() + path.as_str().len() + VALUE.len() + value.len().div_ceil(3) * 4;
    if size > LARGEST {
        return Err(malformed(
            path,
            format!("the item of {path} takes {size} bytes, and DynamoDB's items hold {LARGEST}"),
            "ask for a smaller size",
        ));
    }
    let mut text = value.to_base64();
    let mut item = key(path);
    item.insert(
        VALUE.to_owned(),
        AttributeValue::S(std::mem::take(&mut *text)),
    );
    Ok(item)
}

/// The value in the item at `path`: decoded from base64, or the text itself if it is not base64.
///
/// # Errors
/// [`ErrorKind::Malformed`] if it is not text.
pub(super) fn value(path: &StoragePath, mut item: Item) -> Result<SecretValue, StoreError> {
    let error = match item.remove(VALUE) {
        Some(AttributeValue::S(text)) => {
            return Ok(SecretValue::from_stored_text(Zeroizing::new(text)));
        }
        Some(other) => format!("is of type {}, not S", type_of(&other)),
        None => "is missing".to_owned(),
    };
    Err(malformed(
        path,
        format!("{VALUE} of {path} {error}"),
        "store the base64 of the value in it as a string (S)",
    ))
}

/// The name that DynamoDB gives the type of `value`.
pub(super) fn type_of(value: &AttributeValue) -> &'static str {
    match value {
        AttributeValue::B(_) => "B",
        AttributeValue::Bool(_) => "BOOL",
        AttributeValue::Bs(_) => "BS",
        AttributeValue::L(_) => "L",
        AttributeValue::M(_) => "M",
        AttributeValue::N(_) => "N",
        AttributeValue::Ns(_) => "NS",
        AttributeValue::Null(_) => "NULL",
        AttributeValue::S(_) => "S",
        AttributeValue::Ss(_) => "SS",
        _ => "unknown to kees",
    }
}

fn malformed(path: &StoragePath, message: String, remedy: &str) -> StoreError {
    StoreError::new(ErrorKind::Malformed, StoreName::DynamoDb, message, remedy).at(path)
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::primitives::Blob;
    use rstest::rstest;

    use super::*;

    fn path() -> StoragePath {
        "/dev/db".parse().unwrap()
    }

    #[test]
    fn an_item_holds_the_base64_of_its_value() {
        let value = SecretValue::new(b"\x00\xffcanary".to_vec());
        let item = of(&path(), &value).unwrap();
        assert_eq!(item[VALUE], AttributeValue::S("AP9jYW5hcnk=".to_owned()));
        assert!(is_named(&item, &path()));
        assert_eq!(super::value(&path(), item).unwrap(), value);
    }

    #[test]
    fn an_empty_value_is_read() {
        let mut item = key(&path());
        item.insert(VALUE.to_owned(), AttributeValue::S(String::new()));
        assert!(value(&path(), item).unwrap().is_empty());
    }

    #[rstest]
    #[case::binary(Some(AttributeValue::B(Blob::new("canary"))), "is of type B, not S")]
    #[case::a_number(Some(AttributeValue::N("7".to_owned())), "is of type N, not S")]
    #[case::missing(None, "is missing")]
    fn what_kees_did_not_store_is_malformed_and_not_shown(
        #[case] stored: Option<AttributeValue>,
        #[case] expected: &str,
    ) {
        let mut item = key(&path());
        item.extend(stored.map(|stored| (VALUE.to_owned(), stored)));
        let error = value(&path(), item).unwrap_err();
        assert_eq!(
            (&error.kind, &error.path),
            (&ErrorKind::Malformed, &Some(path()))
        );
        assert!(
            error
                .message
                .contains(&format!("secretValue of /dev/db {expected}")),
            "{error}"
        );
        assert!(!format!("{error:?}").contains("canary"));
    }

    /// `password12` became `password1w==` in the application's file, and `hunter2` five bytes.
    #[rstest]
    #[case::without_padding("password12")]
    #[case::of_an_odd_length("hunter2")]
    #[case::not_base64("canary!")]
    #[case::url_safe("_-__")]
    fn a_text_that_is_not_canonical_base64_is_read_as_it_is(#[case] text: &str) {
        let mut item = key(&path());
        item.insert(VALUE.to_owned(), AttributeValue::S(text.to_owned()));
        let value = value(&path(), item).unwrap();
        assert!(value.is_verbatim());
        assert_eq!(*value.to_base64(), text);
    }

    #[test]
    fn an_item_takes_400_kb_with_the_names_of_its_attributes() {
        // 409,600 bytes less secretName, /dev/db and secretValue; base64 comes in fours.
        let most = (409_600 - 10 - 7 - 11) / 4 * 3;
        assert!(of(&path(), &SecretValue::new(vec![7; most])).is_ok());
        let error = of(&path(), &SecretValue::new(vec![7; most + 1])).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Malformed);
    }
}
