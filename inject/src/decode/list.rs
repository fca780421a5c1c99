//! Lists that are counted while they are decoded. Only as many elements are held as a pod can
//! sensibly have; the others are skipped, so that a million empty elements cost no memory.

use std::{fmt, marker::PhantomData, ops::Deref};

use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, SeqAccess, Visitor},
};

use super::{object::Object, scalar::unexpected_text};

/// The most elements of a list that are held. The API server stores objects of up to 1.5 MiB (the
/// request limit of etcd), so this leaves 384 bytes for each element. A container takes more than
/// that with the defaults that Kubernetes adds.
pub(crate) const ELEMENTS: usize = 4096;

/// The most elements of all lists inside the elements of one list, such as the mounts of all
/// containers.
pub(crate) const NESTED_ELEMENTS: usize = 16384;

/// An element of a [`List`].
pub(crate) trait Element {
    /// The number of elements of the lists inside it.
    fn nested(&self) -> usize {
        0
    }
}

/// An array of objects; empty for `null`. It derefs to the elements that are held.
#[derive(Clone)]
pub(crate) struct List<T> {
    held: Vec<T>,
    count: usize,
    nested: usize,
}

impl<T> List<T> {
    /// The number of elements, including those that are not held.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The number of elements inside the elements that are held.
    pub(crate) fn nested(&self) -> usize {
        self.nested
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self {
            held: Vec::new(),
            count: 0,
            nested: 0,
        }
    }
}

impl<T> Deref for List<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.held
    }
}

impl<'de, T: Deserialize<'de> + Element> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de> + Element> Visitor<'de> for ListVisitor<T> {
    type Value = List<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_unit<E>(self) -> Result<List<T>, E> {
        Ok(List::default())
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<List<T>, E> {
        Err(unexpected_text(&self))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<List<T>, A::Error> {
        let mut list = List::default();
        while list.count < ELEMENTS && list.nested <= NESTED_ELEMENTS {
            let Some(Object(element)) = seq.next_element::<Object<T>>()? else {
                return Ok(list);
            };
            list.nested += element.nested();
            list.held.push(element);
            list.count += 1;
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {
            list.count += 1;
        }
        Ok(list)
    }
}
