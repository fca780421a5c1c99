//! The labels of a pod. One of them is looked up while they are read, and none is held: there can be any number.

use std::fmt;

use serde::{
    Deserializer as _,
    de::{MapAccess, Visitor},
};

use crate::pod::text::Text;

/// The value of a label in the JSON of `metadata.labels`. `None` if the JSON cannot be decoded.
pub(crate) fn label<'a>(json: &'a str, key: &str) -> Option<Text<'a>> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    deserializer.deserialize_map(Search(key)).ok()?
}

/// Searches labels for this key.
struct Search<'k>(&'k str);

impl<'de> Visitor<'de> for Search<'_> {
    type Value = Option<Text<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some((key, value)) = map.next_entry::<Text<'de>, Option<Text<'de>>>()? {
            if *key == *self.0 {
                found = value;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(r#"{"a": "1", "b": "2"}"#, Some("2"))]
    #[case(r#"{"b": "1", "b": "2"}"#, Some("2"))]
    #[case(r#"{"a": "1"}"#, None)]
    #[case(r#"{"b": null}"#, None)]
    #[case(r#"{"b": 1}"#, None)]
    #[case("null", None)]
    fn a_label_is_found_by_its_key(#[case] json: &str, #[case] expected: Option<&str>) {
        assert_eq!(label(json, "b").as_deref(), expected);
    }
}
