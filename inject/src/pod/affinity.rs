//! Whether the required node affinity of a pod allows Windows nodes only. The lists are read
//! without being kept, because a pod may contain very long ones.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};

use crate::{
    decode::object::{Object, nullable, object},
    pod::text::Text,
};

/// `spec.affinity`
#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct AffinityView<'a> {
    #[serde(borrow, deserialize_with = "object")]
    node_affinity: NodeAffinity<'a>,
}

impl AffinityView<'_> {
    /// Whether each node selector term requires Windows. One term is enough for a node.
    pub(crate) fn requires_windows(&self) -> bool {
        let NodeAffinity {
            required_during_scheduling_ignored_during_execution: selector,
        } = &self.node_affinity;
        let terms = selector.node_selector_terms;
        terms.count > 0 && terms.matching == terms.count
    }
}

#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct NodeAffinity<'a> {
    #[serde(borrow, deserialize_with = "object")]
    required_during_scheduling_ignored_during_execution: NodeSelector<'a>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct NodeSelector<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    node_selector_terms: Counted<Object<Term<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Term<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    match_expressions: Counted<Object<Requirement<'a>>>,
}

impl Matches for Object<Term<'_>> {
    fn matches(&self) -> bool {
        self.0.match_expressions.matching > 0
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Requirement<'a> {
    #[serde(borrow)]
    key: Text<'a>,
    #[serde(borrow)]
    operator: Text<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    values: Counted<Text<'a>>,
}

impl Matches for Object<Requirement<'_>> {
    fn matches(&self) -> bool {
        let Requirement {
            key,
            operator,
            values,
        } = &self.0;
        let is_in_label = (&**key, &**operator) == ("kubernetes.io/os", "In");
        is_in_label && values.count > 0 && values.matching == values.count
    }
}

/// A value of the label.
impl Matches for Text<'_> {
    fn matches(&self) -> bool {
        &**self == "windows"
    }
}

/// Whether an element of a list is one that is looked for.
trait Matches {
    fn matches(&self) -> bool;
}

/// How many elements a list has, and how many of them match.
struct Counted<T> {
    count: usize,
    matching: usize,
    elements: PhantomData<T>,
}

impl<T> Clone for Counted<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Counted<T> {}

impl<T> Default for Counted<T> {
    fn default() -> Self {
        Self {
            count: 0,
            matching: 0,
            elements: PhantomData,
        }
    }
}

impl<'de, T: Deserialize<'de> + Matches> Deserialize<'de> for Counted<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CountVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de> + Matches> Visitor<'de> for CountVisitor<T> {
            type Value = Counted<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Counted<T>, A::Error> {
                let mut counted = Counted::default();
                while let Some(element) = seq.next_element::<T>()? {
                    counted.count += 1;
                    counted.matching += usize::from(element.matches());
                }
                Ok(counted)
            }
        }

        deserializer.deserialize_seq(CountVisitor(PhantomData))
    }
}
