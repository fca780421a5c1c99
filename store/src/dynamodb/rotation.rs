//! Rotation in the table: one `TransactWriteItems`, whose items have further attributes beside
//! `secretValue`. The original ignores them.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    error::{BuildError, ProvideErrorMetadata as _},
    types::{AttributeValue, Delete, Put, TransactWriteItem},
};
use kees_common::{SecretValue, StoragePath, StoreName};

use super::{
    DynamoDb, PUT,
    item::{self, FoundItem, Item, Items, NAME, VALUE},
};
use crate::{
    ErrorKind, IdempotencyToken, StoreError,
    rotation::flat::{Condition, RowChange, RowStore, rotate_rows},
    rows::{FoundRow, Marks, Row},
};

/// The generation of a value, in an item that a rotation has written.
const GENERATION: &str = "generation";
/// The generation that has replaced a previous value.
const SUPERSEDED_BY: &str = "supersededBy";
/// Since when a value is the current one, in seconds since 1970.
const SINCE: &str = "since";

const DELETE: &str = "dynamodb:DeleteItem";

rotate_rows!(DynamoDb);

impl RowStore for DynamoDb {
    fn store(&self) -> StoreName {
        StoreName::DynamoDb
    }

    async fn snapshot(&self, paths: &[StoragePath]) -> Vec<FoundRow> {
        rows(paths, self.items_together(paths.iter()).await)
    }

    async fn change(
        &self,
        changes: &[RowChange],
        token: Option<&IdempotencyToken>,
    ) -> Result<bool, StoreError> {
        let writes = changes.iter().map(|change| self.row_write(change));
        let writes: Vec<_> = writes.collect::<Result<_, _>>()?;
        let answer = self
            .client
            .transact_write_items()
            .set_transact_items(Some(writes))
            .set_client_request_token(token.map(|token| token.as_str().to_owned()))
            .send()
            .await;
        let Err(error) = answer else { return Ok(true) };
        // The token was used for a request with another time. Whether that was carried out shows in
        // the table.
        if error.code() == Some("IdempotentParameterMismatchException") {
            return Ok(false);
        }
        let paths: Vec<_> = changes.iter().map(|change| &change.path).collect();
        let action = if changes.iter().any(|change| change.new.is_some()) {
            PUT
        } else {
            DELETE
        };
        let whole = self.call_error(&error, action, paths.first().copied());
        self.unmet_condition(&error, whole, &paths).map(|()| false)
    }
}

impl DynamoDb {
    fn row_write(&self, change: &RowChange) -> Result<TransactWriteItem, StoreError> {
        let (condition, values) = condition(&change.condition);
        let values = Some(values).filter(|values| !values.is_empty());
        let unbuilt = |error: BuildError| self.unbuilt(&error);
        let write = TransactWriteItem::builder();
        Ok(if let Some(row) = &change.new {
            let put = Put::builder()
                .table_name(&self.table)
                .set_item(Some(of(&change.path, row)?))
                .condition_expression(condition)
                .set_expression_attribute_values(values);
            write.put(put.build().map_err(unbuilt)?)
        } else {
            let delete = Delete::builder()
                .table_name(&self.table)
                .set_key(Some(item::key(&change.path)))
                .condition_expression(condition)
                .set_expression_attribute_values(values);
            write.delete(delete.build().map_err(unbuilt)?)
        }
        .build())
    }
}

/// The row in each item of `paths`, in their order.
pub(super) fn rows(paths: &[StoragePath], items: Items<'_>) -> Vec<FoundRow> {
    let row = |(path, item): (_, FoundItem)| {
        let row = item.and_then(|item| item.map(|item| row(path, item)).transpose());
        (path, row)
    };
    let rows: HashMap<_, FoundRow> = items.into_iter().map(row).collect();
    // A path may be asked for twice.
    let row_at = |path| rows.get(path).cloned().unwrap_or(Ok(None));
    paths.iter().map(row_at).collect()
}

fn row(path: &StoragePath, item: Item) -> Result<Row<SecretValue>, StoreError> {
    let marks = marks(path, &item)?;
    let value = item::value(path, item)?;
    Ok(Row { value, marks })
}

/// The item of a row.
fn of(path: &StoragePath, row: &Row<SecretValue>) -> Result<Item, StoreError> {
    let Marks {
        generation,
        superseded_by,
        since,
    } = &row.marks;
    let mut item = item::of(path, &row.value)?;
    let texts = [(GENERATION, generation), (SUPERSEDED_BY, superseded_by)];
    item.extend(texts.into_iter().filter_map(|(name, text)| {
        let text = text.as_ref()?;
        Some((name.to_owned(), AttributeValue::S(text.clone())))
    }));
    item.extend(since.map(|since| (SINCE.to_owned(), AttributeValue::N(since.to_string()))));
    Ok(item)
}

/// What a rotation has written beside the value of an item.
fn marks(path: &StoragePath, item: &Item) -> Result<Marks, StoreError> {
    let wrong = |name: &str, value: &AttributeValue| {
        let type_of = item::type_of(value);
        let message = format!("{name} of {path} is of type {type_of} or has a wrong value");
        let remedy = format!("remove the attribute {name} from the item {path}");
        StoreError::new(ErrorKind::Malformed, StoreName::DynamoDb, message, remedy).at(path)
    };
    let text = |name: &str| match item.get(name) {
        None => Ok(None),
        Some(AttributeValue::S(text)) => Ok(Some(text.clone())),
        Some(other) => Err(wrong(name, other)),
    };
    let since = match item.get(SINCE) {
        None => None,
        Some(AttributeValue::N(number)) => number.parse().ok(),
        Some(other) => return Err(wrong(SINCE, other)),
    };
    Ok(Marks {
        generation: text(GENERATION)?,
        superseded_by: text(SUPERSEDED_BY)?,
        since,
    })
}

/// A condition, and the values that it names.
fn condition(condition: &Condition) -> (String, Item) {
    let mut values = Item::new();
    let mut equal = |name: &str, text: &str| {
        values.insert(format!(":{name}"), AttributeValue::S(text.to_owned()));
        format!("{name} = :{name}")
    };
    let text = match condition {
        Condition::Holds { value, generation } => {
            let value = equal(VALUE, &value.to_base64());
            match generation {
                Some(id) => format!("{value} AND {}", equal(GENERATION, id)),
                None => format!("{value} AND attribute_not_exists({GENERATION})"),
            }
        }
        Condition::AbsentOrPrevious => {
            format!("attribute_not_exists({NAME}) OR attribute_exists({SUPERSEDED_BY})")
        }
        Condition::SupersededBy(id) => equal(SUPERSEDED_BY, id),
    };
    (text, values)
}
