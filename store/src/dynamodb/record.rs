//! The record of a lease in an item: its value as plain text, as in the original, and the pod in two
//! more attributes, which the original ignores.

use aws_sdk_dynamodb::types::AttributeValue;
use kees_common::{StoragePath, StoreName};

use super::item::{self, Item, NAME, VALUE};
use crate::{
    ErrorKind, StoreError,
    leases::{PodIdentity, Record},
};

/// The attribute with the pod's namespace.
const NAMESPACE: &str = "podNamespace";
/// The attribute with the pod's uid.
const UID: &str = "podUid";

/// The item that holds `record` at `path`.
pub(super) fn of(path: &StoragePath, record: &Record) -> Item {
    let mut item = item::key(path);
    let texts = attributes(record).into_iter();
    item.extend(texts.filter_map(|(name, text)| {
        text.map(|text| (name.to_owned(), AttributeValue::S(text.to_owned())))
    }));
    item
}

/// The record in the item `name`.
///
/// # Errors
/// [`ErrorKind::Malformed`] if an attribute is no text, or one of two is missing.
pub(super) fn record(name: &str, item: &Item) -> Result<Record, StoreError> {
    let text = |attribute: &str| match item.get(attribute) {
        Some(AttributeValue::S(text)) => Ok(Some(text.clone())),
        Some(other) => {
            let type_of = item::type_of(other);
            Err(malformed(
                name,
                &format!("{attribute} of {name} is of type {type_of}, not S"),
            ))
        }
        None => Ok(None),
    };
    let missing = |attribute| malformed(name, &format!("{attribute} of {name} is missing"));
    let pod = match (text(NAMESPACE)?, text(UID)?) {
        (Some(namespace), Some(uid)) => Some(PodIdentity { namespace, uid }),
        (None, None) => None,
        (None, Some(_)) => return Err(missing(NAMESPACE)),
        (Some(_), None) => return Err(missing(UID)),
    };
    Ok(Record {
        value: text(VALUE)?.ok_or_else(|| missing(VALUE))?,
        pod,
    })
}

/// The condition that the item is `expected`, and the values that it names.
pub(super) fn condition(expected: Option<&Record>) -> (String, Item) {
    let Some(record) = expected else {
        return (format!("attribute_not_exists({NAME})"), Item::new());
    };
    let mut values = Item::new();
    let conditions = attributes(record).map(|(name, text)| match text {
        Some(text) => {
            let value = format!(":{name}");
            let condition = format!("{name} = {value}");
            values.insert(value, AttributeValue::S(text.to_owned()));
            condition
        }
        None => format!("attribute_not_exists({name})"),
    });
    (conditions.join(" AND "), values)
}

/// Each attribute of `record`, and its text if it has it.
fn attributes(record: &Record) -> [(&'static str, Option<&str>); 3] {
    let pod = record.pod.as_ref();
    [
        (VALUE, Some(record.value.as_str())),
        (NAMESPACE, pod.map(|pod| pod.namespace.as_str())),
        (UID, pod.map(|pod| pod.uid.as_str())),
    ]
}

fn malformed(name: &str, message: &str) -> StoreError {
    let error = StoreError::new(
        ErrorKind::Malformed,
        StoreName::DynamoDb,
        message,
        "delete the item if no living pod holds the number: it is no record of a lease",
    );
    StoreError {
        path: name.parse().ok(),
        ..error
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn path() -> StoragePath {
        "/dev/leases/worker.7".parse().unwrap()
    }

    fn text(text: &str) -> AttributeValue {
        AttributeValue::S(text.to_owned())
    }

    #[rstest]
    #[case::of_the_original(None)]
    #[case::of_this_project(Some(PodIdentity { namespace: "shop".to_owned(), uid: "u-1".to_owned() }))]
    fn a_record_is_read_back_equal(#[case] pod: Option<PodIdentity>) {
        let written = Record {
            value: "web-0".to_owned(),
            pod,
        };
        let item = of(&path(), &written);
        assert_eq!(item[VALUE], text("web-0"));
        assert_eq!(item.len(), if written.pod.is_some() { 4 } else { 2 });
        assert_eq!(record(path().as_str(), &item), Ok(written));
    }

    #[rstest]
    #[case::no_value(&[], "secretValue of /dev/leases/worker.7 is missing")]
    #[case::a_number(&[(VALUE, AttributeValue::N("7".to_owned()))], "secretValue of /dev/leases/worker.7 is of type N, not S")]
    #[case::uid_no_text(&[(VALUE, text("web-0")), (NAMESPACE, text("shop")), (UID, AttributeValue::Bool(true))], "podUid of /dev/leases/worker.7 is of type BOOL, not S")]
    #[case::no_uid(&[(VALUE, text("web-0")), (NAMESPACE, text("shop"))], "podUid of /dev/leases/worker.7 is missing")]
    #[case::no_namespace(&[(VALUE, text("web-0")), (UID, text("u-1"))], "podNamespace of /dev/leases/worker.7 is missing")]
    fn what_is_no_record_is_an_error_that_names_its_path(
        #[case] attributes: &[(&str, AttributeValue)],
        #[case] message: &str,
    ) {
        let mut item = item::key(&path());
        let attributes = attributes.iter().cloned();
        item.extend(attributes.map(|(name, value)| (name.to_owned(), value)));
        let error = record(path().as_str(), &item).unwrap_err();
        assert_eq!(error.message, message);
        assert_eq!(
            (error.kind, error.path),
            (ErrorKind::Malformed, Some(path()))
        );
    }
}
