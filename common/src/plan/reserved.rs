//! The paths that a rotation uses beside that of the secret, at which no entry can create another secret.

use std::collections::HashMap;

use super::{Generation, Plan};
use crate::{
    annotation::Parsed,
    entry::Entry,
    error::{AnnotationError, AnnotationErrorKind},
    path::StoragePath,
    store_name::StoreName,
};

/// The errors of DYNAMIC entries at a path that a rotation uses for another entry of the pod, or would
/// use for something else. A secret with such a name that nothing rotates is no error: the original kees may
/// have created it.
pub(super) fn check(parsed: &Parsed, plan: &Plan) -> Vec<AnnotationError> {
    let rotated = |entry: &&Entry| entry.rotation.is_some() || entry.has_previous;
    let entry = |index: &usize| parsed.entries.get(*index);
    let of_rotation = |generation: &Generation| {
        let mut entries = generation.entries.iter().filter_map(entry);
        entries.find(rotated).map(|entry| entry.annotation.as_str())
    };
    let mut reserved: HashMap<(StoreName, StoragePath), &str> = HashMap::new();
    for item in &plan.items {
        let entry = entry(&item.entry).filter(|entry| entry.is_previous);
        if let Some(entry) = entry.filter(|_| !item.store.has_versions()) {
            reserved.insert((item.store, item.locator.key()), &entry.annotation);
        }
    }
    for generation in &plan.generations {
        let Some(annotation) = of_rotation(generation) else {
            continue;
        };
        for path in stored_at(generation) {
            let path = path.with_suffix(suffix(generation.store));
            reserved.insert((generation.store, path), annotation);
        }
    }
    let error = |generation: &Generation| {
        let first = generation.entries.first().and_then(entry)?;
        let (path, by) = stored_at(generation).find_map(|path| {
            let by = reserved.get(&(generation.store, path.clone())).copied();
            let is_own = || path.as_str().ends_with(suffix(generation.store));
            let by = by.or_else(|| of_rotation(generation).filter(|_| is_own()))?;
            Some((path, by))
        })?;
        let kind = AnnotationErrorKind::ReservedPath {
            path: path.to_string(),
            suffix: suffix(generation.store),
            by: by.to_owned(),
        };
        Some(kind.at(&first.annotation))
    };
    plan.generations.iter().filter_map(error).collect()
}

/// What a rotation puts at the end of a path.
fn suffix(store: StoreName) -> &'static str {
    if store.has_versions() {
        StoragePath::ROTATING
    } else {
        StoragePath::PREVIOUS
    }
}

/// The paths of the stored values.
fn stored_at(generation: &Generation) -> impl Iterator<Item = &StoragePath> {
    let has_members = generation.store.has_members();
    let whole = has_members.then_some(&generation.path);
    let fields = generation.fields.iter().filter(move |_| !has_members);
    whole.into_iter().chain(fields.map(|(_, path)| path))
}
