//! The Secrets that a pod needs before its containers start, from the JSON of volumes and environments. A Secret with
//! `optional: true` is not needed. JSON that cannot be decoded names none; the API server denies such a pod.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};

use crate::pod::text::Text;

/// A reference to a Secret.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Reference<'a> {
    /// `secretName` of a volume.
    #[serde(borrow)]
    secret_name: Option<Text<'a>>,
    /// The name elsewhere.
    #[serde(borrow)]
    name: Option<Text<'a>>,
    optional: Option<bool>,
}

impl<'a> Reference<'a> {
    fn needed(self) -> Option<Text<'a>> {
        let name = self.secret_name.or(self.name);
        name.filter(|_| self.optional != Some(true))
    }
}

/// An element of a list that may name a Secret.
trait Named<'a> {
    fn reference(self) -> Option<Reference<'a>>;
}

/// A source of a projected volume.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ProjectionSource<'a> {
    #[serde(borrow)]
    secret: Option<Reference<'a>>,
}

impl<'a> Named<'a> for ProjectionSource<'a> {
    fn reference(self) -> Option<Reference<'a>> {
        self.secret
    }
}

/// An element of `env`.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Variable<'a> {
    #[serde(borrow)]
    value_from: Option<VariableSource<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct VariableSource<'a> {
    #[serde(borrow)]
    secret_key_ref: Option<Reference<'a>>,
}

impl<'a> Named<'a> for Variable<'a> {
    fn reference(self) -> Option<Reference<'a>> {
        self.value_from?.secret_key_ref
    }
}

/// An element of `envFrom`.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct EnvironmentSource<'a> {
    #[serde(borrow)]
    secret_ref: Option<Reference<'a>>,
}

impl<'a> Named<'a> for EnvironmentSource<'a> {
    fn reference(self) -> Option<Reference<'a>> {
        self.secret_ref
    }
}

/// The Secrets that a list needs. The elements are not held, because there can be any number.
struct Needed<'a, T> {
    names: Vec<Text<'a>>,
    elements: PhantomData<T>,
}

impl<'de: 'a, 'a, T: Deserialize<'de> + Named<'a>> Deserialize<'de> for Needed<'a, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List<'a, T>(PhantomData<(&'a (), T)>);

        impl<'de: 'a, 'a, T: Deserialize<'de> + Named<'a>> Visitor<'de> for List<'a, T> {
            type Value = Vec<Text<'a>>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut names = Vec::new();
                while let Some(element) = list.next_element::<T>()? {
                    names.extend(element.reference().and_then(Reference::needed));
                }
                Ok(names)
            }
        }

        let names = deserializer.deserialize_seq(List::<'a, T>(PhantomData))?;
        Ok(Self {
            names,
            elements: PhantomData,
        })
    }
}

fn of_list<'a, T: Deserialize<'a> + Named<'a>>(json: &'a str) -> Vec<Text<'a>> {
    serde_json::from_str::<Needed<'a, T>>(json).map_or_else(|_| Vec::new(), |needed| needed.names)
}

/// The Secret of a volume's `secret`.
pub(crate) fn of_volume(json: &str) -> Option<Text<'_>> {
    let reference: Reference<'_> = serde_json::from_str(json).ok()?;
    reference.needed()
}

/// The Secrets of a volume's `projected`.
pub(crate) fn of_projection(json: &str) -> Vec<Text<'_>> {
    #[derive(Deserialize)]
    struct Projection<'a> {
        #[serde(borrow, default, bound(deserialize = "'de: 'a"))]
        sources: Option<Needed<'a, ProjectionSource<'a>>>,
    }

    let projection = serde_json::from_str::<Projection<'_>>(json).ok();
    let sources = projection.and_then(|projection| projection.sources);
    sources.map_or_else(Vec::new, |sources| sources.names)
}

/// The Secrets of a container's `env`.
pub(crate) fn of_env(json: &str) -> Vec<Text<'_>> {
    of_list::<Variable<'_>>(json)
}

/// The Secrets of a container's `envFrom`.
pub(crate) fn of_env_from(json: &str) -> Vec<Text<'_>> {
    of_list::<EnvironmentSource<'_>>(json)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn names(found: impl IntoIterator<Item = Text<'static>>) -> Vec<String> {
        found.into_iter().map(|name| name.to_string()).collect()
    }

    #[rstest]
    #[case(r#"{"secretName": "a"}"#, &["a"])]
    #[case(r#"{"secretName": "a", "optional": true}"#, &[])]
    #[case(r#"{"secretName": "a", "optional": null}"#, &["a"])]
    #[case(r#"{"secretName": 1}"#, &[])]
    fn a_volume_needs_its_secret_unless_it_is_optional(
        #[case] json: &'static str,
        #[case] expected: &[&str],
    ) {
        assert_eq!(names(of_volume(json)), expected);
    }

    #[test]
    fn each_source_of_a_projection_and_of_an_environment_is_looked_at() {
        let json = r#"{"sources": [{"configMap": {"name": "c"}}, {"secret": {"name": "a"}},
                      {"secret": {"name": "b", "optional": true}}]}"#;
        assert_eq!(names(of_projection(json)), ["a"]);
        let json = r#"[{"name": "X", "value": "v"}, {"name": "Y", "valueFrom": {"secretKeyRef": {"name": "a", "key": "k"}}},
                      {"name": "Z", "valueFrom": {"secretKeyRef": {"name": "b", "key": "k", "optional": true}}}]"#;
        assert_eq!(names(of_env(json)), ["a"]);
        let json =
            r#"[{"configMapRef": {"name": "c"}}, {"prefix": "P", "secretRef": {"name": "a"}}]"#;
        assert_eq!(names(of_env_from(json)), ["a"]);
    }
}
