//! What is known of the cluster. Only what a decision needs is held: of a class of another provider its provider alone, and
//! of a ServiceAccount its name and its role.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use kees_secret_provider_class::ClassSpec;

/// A namespace and a name in it.
pub(super) type Key = (String, String);

/// A class, or why it cannot be read.
pub(super) type Class = Result<Arc<ClassSpec>, String>;

/// A role; `None` if the ServiceAccount has none.
pub(super) type Role = Option<Arc<str>>;

/// The classes and the ServiceAccounts.
#[derive(Default)]
pub(super) struct Cache {
    pub(super) classes: Table<Class>,
    pub(super) roles: Table<Role>,
}

/// Objects of one kind.
pub(super) struct Table<T>(RwLock<State<T>>);

struct State<T> {
    current: HashMap<Key, T>,
    /// What a list has brought so far. It takes the place of `current` when it is complete.
    next: HashMap<Key, T>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(RwLock::new(State {
            current: HashMap::new(),
            next: HashMap::new(),
        }))
    }
}

impl<T: Clone> Table<T> {
    pub(super) fn get(&self, key: &Key) -> Option<T> {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        state.current.get(key).cloned()
    }

    pub(super) fn len(&self) -> usize {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        state.current.len()
    }

    /// A list begins.
    pub(super) fn list_begins(&self) {
        self.change(|state| state.next = HashMap::new());
    }

    /// The list has this object.
    pub(super) fn listed(&self, key: Key, object: T) {
        self.change(|state| drop(state.next.insert(key, object)));
    }

    /// The list is complete.
    pub(super) fn list_ends(&self) {
        self.change(|state| state.current = std::mem::take(&mut state.next));
    }

    pub(super) fn put(&self, key: Key, object: T) {
        self.change(|state| drop(state.current.insert(key, object)));
    }

    pub(super) fn remove(&self, key: &Key) {
        self.change(|state| drop(state.current.remove(key)));
    }

    fn change(&self, change: impl FnOnce(&mut State<T>)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_takes_the_place_of_what_was_known_when_it_is_complete() {
        let key = |name: &str| ("team-a".to_owned(), name.to_owned());
        let table = Table::default();
        table.put(key("old"), 1);
        table.list_begins();
        table.listed(key("new"), 2);
        assert_eq!(
            (table.get(&key("old")), table.get(&key("new"))),
            (Some(1), None)
        );
        table.list_ends();
        assert_eq!(
            (table.get(&key("old")), table.get(&key("new"))),
            (None, Some(2))
        );
        table.remove(&key("new"));
        assert_eq!(table.len(), 0);
    }
}
