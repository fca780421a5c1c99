//! Rotation in a store in which each value has a name of its own.
//!
//! | row | condition | becomes |
//! | --- | --- | --- |
//! | `PATH` of each field | holds the value and the generation that were read | the new value, with the id of the new generation |
//! | `PATH.previous` of each field | is absent, or was written by an earlier rotation | the old value, with the id of the generation that has replaced it |
//!
//! All of it is one atomic step.

use std::future::Future;

use kees_common::{Field, Generation, SecretValue, StoragePath, StoreName};

use super::{Current, RotateRequest, Rotation};
use crate::{
    ErrorKind, IdempotencyToken, StoreError,
    rows::{Asked, FoundRow, Marks, Row, readable},
};

/// A change of one row.
#[derive(Debug, Clone)]
pub(crate) struct RowChange {
    /// Its path.
    pub(crate) path: StoragePath,
    /// What must be there.
    pub(crate) condition: Condition,
    /// The row that is written; `None`: the row is deleted.
    pub(crate) new: Option<Row<SecretValue>>,
}

/// What a row must be before it is changed.
#[derive(Debug, Clone)]
pub(crate) enum Condition {
    /// The row has this value and this generation.
    Holds {
        value: SecretValue,
        generation: Option<String>,
    },
    /// There is no row, or one that a rotation has written as a previous one.
    AbsentOrPrevious,
    /// The row is a previous one that this generation has replaced.
    SupersededBy(String),
}

impl Condition {
    /// Whether `row` meets it, for a store that compares by itself.
    #[cfg(any(feature = "embedded", feature = "memory"))]
    pub(crate) fn is_met(&self, row: Option<&Row<SecretValue>>) -> bool {
        match (self, row) {
            (Self::Holds { value, generation }, Some(row)) => {
                row.value == *value && row.marks.generation == *generation
            }
            (Self::AbsentOrPrevious, Some(row)) => row.marks.superseded_by.is_some(),
            (Self::SupersededBy(id), Some(row)) => row.marks.superseded_by.as_ref() == Some(id),
            (Self::AbsentOrPrevious, None) => true,
            (Self::Holds { .. } | Self::SupersededBy(_), None) => false,
        }
    }
}

/// Rows that can be changed together.
pub(crate) trait RowStore {
    /// The name of the store.
    fn store(&self) -> StoreName;

    /// The rows at `paths`, in one snapshot.
    fn snapshot(&self, paths: &[StoragePath]) -> impl Future<Output = Vec<FoundRow>> + Send;

    /// Makes all changes if every condition is met, and returns whether it did. The same changes with
    /// the same token may be sent again.
    fn change(
        &self,
        changes: &[RowChange],
        token: Option<&IdempotencyToken>,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

pub(crate) async fn current(
    store: &impl RowStore,
    generation: &Generation,
) -> Result<Option<Current>, StoreError> {
    let fields = generation.fields.len();
    let mut paths: Vec<_> = generation.fields.iter().map(|(_, at)| at.clone()).collect();
    paths.extend(generation.fields.iter().map(|(_, path)| path.previous()));
    let found = store.snapshot(&paths).await;
    let rows: Vec<_> = found.into_iter().collect::<Result<_, _>>()?;
    let asked = |index| Asked {
        secret: (),
        is_previous: index >= fields,
    };
    let asked: Vec<_> = (0..rows.len()).map(asked).collect();
    let by_reference: Vec<_> = rows.iter().map(Option::as_ref).collect();
    let is_readable = readable(&asked, &by_reference);
    let mut rows = rows.into_iter().zip(is_readable);
    let rows: Vec<_> = rows
        .by_ref()
        .map(|(row, is_readable)| row.filter(|_| is_readable))
        .collect();
    let (current, previous) = rows.split_at(fields);
    let Some(marks) = current.iter().flatten().map(|row| &row.marks).next() else {
        return Ok(None);
    };
    let values = generation.fields.iter().zip(current);
    let values = values.filter_map(|((field, _), row)| Some((*field, row.as_ref()?.value.clone())));
    let has_previous = previous.iter().any(Option::is_some);
    Ok(Some(Current {
        id: marks.generation.clone(),
        values: values.collect(),
        since: marks.since,
        previous: marks.generation.clone().filter(|_| has_previous),
    }))
}

pub(crate) async fn rotate(
    store: &impl RowStore,
    request: &RotateRequest<'_>,
) -> Result<Rotation, StoreError> {
    let RotateRequest {
        generation,
        current,
        values,
        token,
        now,
    } = request;
    let id = Some(token.as_str().to_owned());
    let mut changes = Vec::new();
    for (field, path) in &generation.fields {
        let new = values.get(*field).filter(|value| !value.is_empty());
        let new = new.ok_or_else(|| no_value(store.store(), path))?.clone();
        let old = value_of(store.store(), path, current, *field)?;
        let marks = Marks {
            generation: id.clone(),
            superseded_by: None,
            since: Some(*now),
        };
        changes.push(RowChange {
            path: path.clone(),
            condition: holds(old, current),
            new: Some(Row { value: new, marks }),
        });
        let marks = Marks {
            generation: current.id.clone(),
            superseded_by: id.clone(),
            since: current.since,
        };
        let value = old.clone();
        changes.push(RowChange {
            path: path.previous(),
            condition: Condition::AbsentOrPrevious,
            new: Some(Row { value, marks }),
        });
    }
    if store.change(&changes, Some(token)).await? {
        return Ok(Rotation::Rotated);
    }
    check_previous(store, generation).await?;
    Ok(Rotation::Changed)
}

pub(crate) async fn retire(
    store: &impl RowStore,
    generation: &Generation,
    current: &Current,
) -> Result<bool, StoreError> {
    let Some(id) = &current.previous else {
        return Ok(false);
    };
    let deletion = |(_, path): &(Field, StoragePath)| RowChange {
        path: path.previous(),
        condition: Condition::SupersededBy(id.clone()),
        new: None,
    };
    let deletions: Vec<_> = generation.fields.iter().map(deletion).collect();
    store.change(&deletions, None).await
}

pub(crate) async fn remember_since(
    store: &impl RowStore,
    generation: &Generation,
    current: &Current,
    now: u64,
) -> Result<bool, StoreError> {
    let mut changes = Vec::new();
    for (field, path) in &generation.fields {
        let value = value_of(store.store(), path, current, *field)?;
        let marks = Marks {
            generation: current.id.clone(),
            superseded_by: None,
            since: Some(now),
        };
        changes.push(RowChange {
            path: path.clone(),
            condition: holds(value, current),
            new: Some(Row {
                value: value.clone(),
                marks,
            }),
        });
    }
    store.change(&changes, None).await
}

fn holds(value: &SecretValue, current: &Current) -> Condition {
    Condition::Holds {
        value: value.clone(),
        generation: current.id.clone(),
    }
}

/// An error if a value that no rotation has written has the name of a previous value.
async fn check_previous(store: &impl RowStore, generation: &Generation) -> Result<(), StoreError> {
    let paths = generation.fields.iter().map(|(_, path)| path.previous());
    let paths: Vec<_> = paths.collect();
    for (path, row) in paths.iter().zip(store.snapshot(&paths).await) {
        if row?.is_some_and(|row| row.marks.superseded_by.is_none()) {
            let message = format!(
                "no rotation has written {path}, so the value before this rotation cannot be kept there"
            );
            let remedy = format!("copy the value of {path} to another name, and delete it");
            let error = StoreError::new(ErrorKind::Malformed, store.store(), message, remedy);
            return Err(error.at(path));
        }
    }
    Ok(())
}

fn value_of<'a>(
    store: StoreName,
    path: &StoragePath,
    current: &'a Current,
    field: Field,
) -> Result<&'a SecretValue, StoreError> {
    let value = current.values.iter().find(|(of, _)| *of == field);
    value
        .map(|(_, value)| value)
        .ok_or_else(|| no_value(store, path))
}

fn no_value(store: StoreName, path: &StoragePath) -> StoreError {
    let message = format!("there is no value for {path}");
    let remedy = "report this as a defect of kees";
    StoreError::new(ErrorKind::Malformed, store, message, remedy).at(path)
}

/// Implements [`RotateStore`](super::RotateStore) for a [`RowStore`].
macro_rules! rotate_rows {
    ($store:ty) => {
        impl $crate::rotation::RotateStore for $store {
            async fn current(
                &self,
                generation: &kees_common::Generation,
            ) -> Result<Option<$crate::rotation::Current>, $crate::StoreError> {
                $crate::rotation::flat::current(self, generation).await
            }

            async fn rotate(
                &self,
                request: &$crate::rotation::RotateRequest<'_>,
            ) -> Result<$crate::rotation::Rotation, $crate::StoreError> {
                $crate::rotation::flat::rotate(self, request).await
            }

            async fn retire(
                &self,
                generation: &kees_common::Generation,
                current: &$crate::rotation::Current,
            ) -> Result<bool, $crate::StoreError> {
                $crate::rotation::flat::retire(self, generation, current).await
            }

            async fn remember_since(
                &self,
                generation: &kees_common::Generation,
                current: &$crate::rotation::Current,
                now: u64,
            ) -> Result<bool, $crate::StoreError> {
                $crate::rotation::flat::remember_since(self, generation, current, now).await
            }
        }
    };
}
pub(crate) use rotate_rows;
