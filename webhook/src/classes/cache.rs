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
pub(super) struct Cache {
    pub(super) classes: Table<Class>,
    pub(super) roles: Table<Role>,
}

/// The most bytes of all classes, about.
const CLASS_BYTES: usize = 10 << 20;

/// The most bytes of all roles, about.
const ROLE_BYTES: usize = 4 << 20;

/// What an object takes besides its texts, about.
const OF_OBJECT: usize = 400;

/// The bytes of the texts of an object.
pub(super) trait Texts: Clone + PartialEq {
    fn bytes(&self) -> usize;
}

impl Texts for Class {
    fn bytes(&self) -> usize {
        self.as_ref()
            .map_or_else(String::len, |class| class.bytes())
    }
}

impl Texts for Role {
    fn bytes(&self) -> usize {
        self.as_ref().map_or(0, |role| role.len())
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            classes: Table::new(CLASS_BYTES),
            roles: Table::new(ROLE_BYTES),
        }
    }
}

/// Objects of one kind, up to a limit. What is not held is asked for when it is needed, as if it were new.
pub(super) struct Table<T> {
    state: RwLock<State<T>>,
    max_bytes: usize,
}

struct State<T> {
    current: Objects<T>,
    /// What a list has brought so far. It takes the place of `current` when it is complete.
    next: Objects<T>,
}

struct Objects<T> {
    all: HashMap<Key, T>,
    bytes: usize,
}

impl<T> Default for Objects<T> {
    fn default() -> Self {
        Self {
            all: HashMap::new(),
            bytes: 0,
        }
    }
}

impl<T: Texts> Objects<T> {
    /// Returns `false` if there is no room. Then the object is not held any more.
    fn put(&mut self, key: Key, object: T, max_bytes: usize) -> bool {
        self.remove(&key);
        let bytes = bytes_of(&key, &object);
        if self.bytes + bytes > max_bytes {
            return false;
        }
        self.bytes += bytes;
        self.all.insert(key, object);
        true
    }

    fn remove(&mut self, key: &Key) {
        if let Some(object) = self.all.remove(key) {
            self.bytes = self.bytes.saturating_sub(bytes_of(key, &object));
        }
    }
}

fn bytes_of<T: Texts>((namespace, name): &Key, object: &T) -> usize {
    OF_OBJECT + namespace.len() + name.len() + object.bytes()
}

impl<T: Texts> Table<T> {
    /// Holds at most `max_bytes`, about.
    fn new(max_bytes: usize) -> Self {
        let state = State {
            current: Objects::default(),
            next: Objects::default(),
        };
        Self {
            state: RwLock::new(state),
            max_bytes,
        }
    }

    pub(super) fn get(&self, key: &Key) -> Option<T> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.current.all.get(key).cloned()
    }

    pub(super) fn len(&self) -> usize {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.current.all.len()
    }

    /// A list begins.
    pub(super) fn list_begins(&self) {
        self.change(|state| state.next = Objects::default());
    }

    /// The list has this object. Returns `false` if there is no room for it.
    pub(super) fn listed(&self, key: Key, object: T) -> bool {
        self.change(|state| {
            // What has not changed is held once.
            let known = state.current.all.get(&key);
            let known = known.filter(|known| **known == object).cloned();
            let object = known.unwrap_or(object);
            state.next.put(key, object, self.max_bytes)
        })
    }

    /// The list is complete.
    pub(super) fn list_ends(&self) {
        self.change(|state| state.current = std::mem::take(&mut state.next));
    }

    /// Returns `false` if there is no room for the object.
    pub(super) fn put(&self, key: Key, object: T) -> bool {
        self.change(|state| state.current.put(key, object, self.max_bytes))
    }

    pub(super) fn remove(&self, key: &Key) {
        self.change(|state| state.current.remove(key));
    }

    fn change<R>(&self, change: impl FnOnce(&mut State<T>) -> R) -> R {
        change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        ("team-a".to_owned(), name.to_owned())
    }

    fn role(length: usize) -> Role {
        let role = "r".repeat(length);
        (!role.is_empty()).then(|| role.into())
    }

    #[test]
    fn a_list_takes_the_place_of_what_was_known_when_it_is_complete() {
        let table = Table::<Role>::new(10_000);
        assert!(table.put(key("old"), role(1)));
        table.list_begins();
        assert!(table.listed(key("new"), role(2)));
        let names = ["old", "new"];
        let known = || names.map(|name| table.get(&key(name)).is_some());
        assert_eq!(known(), [true, false]);
        table.list_ends();
        assert_eq!(known(), [false, true]);
        table.remove(&key("new"));
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn a_table_holds_no_more_than_its_limit() {
        let table = Table::<Role>::new(10_000);
        let held = (0..100).filter(|number| table.put(key(&format!("{number:02}")), role(592)));
        assert_eq!(held.count(), 10);
        // An object that grows is not held as it was before.
        assert!(!table.put(key("00"), role(2_000)));
        assert_eq!(table.get(&key("00")), None);
        assert!(table.put(key("10"), role(592)));
        table.remove(&key("01"));
        assert!(table.put(key("11"), role(592)));
        assert_eq!(table.len(), 10);
        // The same for a list.
        table.list_begins();
        let listed =
            (0..100).filter(|number| table.listed(key(&format!("{number:02}")), role(592)));
        assert_eq!(listed.count(), 10);
        table.list_ends();
        assert_eq!(table.len(), 10);
    }

    #[test]
    fn what_a_further_list_shows_unchanged_is_held_once() {
        let table = Table::<Role>::new(10_000);
        table.put(key("a"), role(1));
        let before = table.get(&key("a")).flatten().unwrap();
        table.list_begins();
        table.listed(key("a"), role(1));
        table.list_ends();
        assert!(Arc::ptr_eq(
            &before,
            &table.get(&key("a")).flatten().unwrap()
        ));
    }
}
