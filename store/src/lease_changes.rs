//! What every store expects of an atomic step.

use kees_common::StoreName;

use crate::{
    ErrorKind, StoreError,
    leases::{Change, MOST_CHANGES},
};

/// Checks the number of `changes`, and that no two are of one record.
///
/// # Errors
/// [`ErrorKind::Other`] if there are too few or too many, or a record is there twice.
pub(crate) fn check_changes(store: StoreName, changes: &[Change]) -> Result<(), StoreError> {
    let is_repeated = |(nth, change): (usize, &Change)| {
        let before = changes.iter().take(nth);
        before.into_iter().any(|other| other.path == change.path)
    };
    if !(1..=MOST_CHANGES).contains(&changes.len()) || changes.iter().enumerate().any(is_repeated) {
        let message = format!("a step with {} changes, or with one twice", changes.len());
        let remedy = "report this as a defect of kees";
        return Err(StoreError::new(ErrorKind::Other, store, message, remedy));
    }
    Ok(())
}
