//! The controller of a pod, from `metadata.ownerReferences`.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, SeqAccess, Visitor},
};

use crate::{
    decode::{
        object::Object,
        scalar::{boolean, unexpected_text},
    },
    pod::text::Text,
};

/// The owner reference with `controller: true`. Both fields are empty if there is none. The others
/// are dropped while they are decoded, however many there are.
#[derive(Clone, Default)]
pub(crate) struct Owner<'a> {
    pub(crate) kind: Text<'a>,
    pub(crate) name: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Reference<'a> {
    #[serde(borrow)]
    kind: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(deserialize_with = "boolean")]
    controller: bool,
}

impl<'de: 'a, 'a> Deserialize<'de> for Owner<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct References;

        impl<'de> Visitor<'de> for References {
            type Value = Owner<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of owner references")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Owner<'de>, A::Error> {
                let mut owner = Owner::default();
                while let Some(Object(reference)) = list.next_element::<Object<Reference<'de>>>()? {
                    let Reference {
                        kind,
                        name,
                        controller,
                    } = reference;
                    if controller && owner.kind.is_empty() {
                        owner = Owner { kind, name };
                    }
                }
                Ok(owner)
            }

            fn visit_str<E: de::Error>(self, _: &str) -> Result<Owner<'de>, E> {
                Err(unexpected_text(&self))
            }
        }

        deserializer.deserialize_any(References)
    }
}
