//! The pod's annotations. They are counted while they are decoded, and only as many are held as
//! Kubernetes allows.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor},
};

use crate::{
    decode::{list::ELEMENTS, scalar::unexpected_text},
    pod::text::Text,
};

/// The most bytes of all keys and values: `TotalAnnotationSizeLimitB` of
/// `k8s.io/apimachinery/pkg/api/validation`. Kubernetes checks it only after admission.
pub(crate) const BYTES: usize = 256 << 10;

/// The pod's annotations, in the order of the JSON.
#[derive(Clone, Default)]
pub(crate) struct Annotations<'a> {
    held: Vec<(Text<'a>, Text<'a>)>,
    count: usize,
    bytes: usize,
}

impl Annotations<'_> {
    /// Keys and values that are held.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.held.iter().map(|(key, value)| (&**key, &**value))
    }

    /// Whether some are not held, because there are more than a pod can have.
    pub(crate) fn is_too_large(&self) -> bool {
        self.count > self.held.len()
    }

    /// The number of annotations, including those that are not held.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The bytes of all keys and values, including those that are not held.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Annotations<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnnotationsVisitor)
    }
}

struct AnnotationsVisitor;

impl<'de> Visitor<'de> for AnnotationsVisitor {
    type Value = Annotations<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut annotations = Annotations {
            held: Vec::with_capacity(16),
            ..Annotations::default()
        };
        while let Some((key, value)) = map.next_entry::<Text<'de>, Option<Text<'de>>>()? {
            let value = value.unwrap_or_default();
            annotations.count += 1;
            annotations.bytes += key.len() + value.len();
            if annotations.count <= ELEMENTS && annotations.bytes <= BYTES {
                annotations.held.push((key, value));
            }
        }
        Ok(annotations)
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Self::Value, E> {
        Err(unexpected_text(&self))
    }
}
