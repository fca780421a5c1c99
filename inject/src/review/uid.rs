//! The uid of a review that cannot be decoded as a whole.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor},
};

/// The longest uid that a response repeats. Those of the API server have 36 bytes.
pub(super) const MAX_LENGTH: usize = 128;

/// `request.uid` of `body`. The body may be incomplete or invalid after it.
pub(crate) fn find(body: &[u8]) -> Option<String> {
    let mut found = None;
    let seek = Seek {
        path: &["request", "uid"],
        found: &mut found,
    };
    // The caller already knows the error.
    let _ = seek.deserialize(&mut serde_json::Deserializer::from_slice(body));
    found.filter(|uid| uid.len() <= MAX_LENGTH)
}

/// Follows a path of member names and keeps the text at its end, even if decoding fails after it.
struct Seek<'f> {
    path: &'static [&'static str],
    found: &'f mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.path.is_empty() {
            *self.found = Some(String::deserialize(deserializer)?);
            return Ok(());
        }
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((next, rest)) = self.path.split_first() else {
            return Ok(());
        };
        while let Some(name) = map.next_key::<String>()? {
            if name == *next {
                map.next_value_seed(Seek {
                    path: rest,
                    found: self.found,
                })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(r#"{"request": {"uid": "a-1", "object": 1}}"#, Some("a-1"))]
    #[case(
        r#"{"kind": "AdmissionReview", "request": {"kind": {"uid": "no"}, "uid": "a-1", "ob"#,
        Some("a-1")
    )]
    #[case(r#"{"request": {"object": {"uid": "no"}}}"#, None)]
    #[case(r#"{"request": {"uid": "a-"#, None)]
    #[case(r#"{"request": 1}"#, None)]
    #[case("[]", None)]
    #[case("", None)]
    fn the_uid_is_found_before_the_place_where_decoding_fails(
        #[case] body: &str,
        #[case] uid: Option<&str>,
    ) {
        assert_eq!(find(body.as_bytes()).as_deref(), uid);
    }
}
