//! The variables of a container. They are read one by one and not held, because a container can
//! have any number of them.

use std::{collections::BTreeSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, SeqAccess, Visitor},
};

use crate::pod::text::Text;

/// The literal values of variables in the JSON of an `env`, in the order of `names`. If a name is
/// there twice, Kubernetes uses the last one. `None` if the JSON cannot be decoded.
pub(crate) fn last_values<'a, const N: usize>(
    json: &'a str,
    names: [&str; N],
) -> Option<[Option<Text<'a>>; N]> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    Search(names).deserialize(&mut deserializer).ok()
}

/// Those of `names` that the JSON of an `env` defines. `None` if the JSON cannot be decoded.
pub(crate) fn defined_among<'n>(
    json: &str,
    names: &BTreeSet<&'n str>,
) -> Option<BTreeSet<&'n str>> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    Defined(names).deserialize(&mut deserializer).ok()
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct VariableView<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    value: Option<Text<'a>>,
}

/// Searches a list of variables for these names.
struct Search<'n, const N: usize>([&'n str; N]);

impl<'de, const N: usize> DeserializeSeed<'de> for Search<'_, N> {
    type Value = [Option<Text<'de>>; N];

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for Search<'_, N> {
    type Value = [Option<Text<'de>>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of variables")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut values = [const { None }; N];
        while let Some(VariableView { name, value }) = seq.next_element()? {
            let named = self.0.iter().zip(&mut values).find(|(n, _)| **n == &*name);
            if let Some((_, found)) = named {
                *found = value;
            }
        }
        Ok(values)
    }
}

/// Searches a list of variables for any of these names.
struct Defined<'s, 'n>(&'s BTreeSet<&'n str>);

impl<'de, 'n> DeserializeSeed<'de> for Defined<'_, 'n> {
    type Value = BTreeSet<&'n str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, 'n> Visitor<'de> for Defined<'_, 'n> {
    type Value = BTreeSet<&'n str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of variables")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut defined = BTreeSet::new();
        while let Some(VariableView { name, value: _ }) = seq.next_element()? {
            defined.extend(self.0.get(&*name));
        }
        Ok(defined)
    }
}
