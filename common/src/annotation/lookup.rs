//! The keys that name an existing value.

use std::borrow::Cow;

use crate::{
    collector::Collector,
    entry::{Lookup, StorageKey},
    names::keys,
    unused::UnusedPairs,
};

/// Takes the keys that say where a value is that kees only reads.
pub(super) fn lookup(pairs: &mut UnusedPairs<'_>, collect: &mut Collector<'_>) -> Lookup {
    let storage_key = pairs.take_path(keys::STORAGE_KEY, collect);
    Lookup {
        storage_key: storage_key.map(StorageKey::from),
        property: pairs.take(keys::PROPERTY).map(Cow::into_owned),
        version_stage: pairs.take(keys::VERSION_STAGE).map(Cow::into_owned),
        version_id: pairs.take(keys::VERSION_ID).map(Cow::into_owned),
    }
}
