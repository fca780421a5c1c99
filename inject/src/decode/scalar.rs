//! Deserializers for booleans and numbers whose errors never contain the value. Those of serde
//! repeat a text that is in the wrong place, and the text can be as long as the body.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{self, Unexpected, Visitor},
};

/// A boolean; `false` for `null`.
pub(crate) fn boolean<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(optional::<bool, D>(deserializer)?.unwrap_or_default())
}

/// A whole number, or `None` for `null`.
pub(crate) fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    optional(deserializer)
}

/// The error for a text where another type is expected.
pub(crate) fn unexpected_text<'de, V: Visitor<'de>, E: de::Error>(visitor: &V) -> E {
    E::invalid_type(Unexpected::Other("string"), visitor)
}

fn optional<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    Scalar<T>: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::<Scalar<T>>::deserialize(deserializer)?.map(|scalar| scalar.0))
}

struct Scalar<T>(T);

impl<'de> Deserialize<'de> for Scalar<bool> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = deserializer.deserialize_any(ScalarVisitor::<bool>(PhantomData))?;
        Ok(Self(value))
    }
}

impl<'de> Deserialize<'de> for Scalar<i64> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = deserializer.deserialize_any(ScalarVisitor::<i64>(PhantomData))?;
        Ok(Self(value))
    }
}

struct ScalarVisitor<T>(PhantomData<T>);

impl Visitor<'_> for ScalarVisitor<bool> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a boolean")
    }

    fn visit_bool<E>(self, value: bool) -> Result<bool, E> {
        Ok(value)
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<bool, E> {
        Err(unexpected_text(&self))
    }
}

impl Visitor<'_> for ScalarVisitor<i64> {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number of 64 bits")
    }

    fn visit_i64<E>(self, value: i64) -> Result<i64, E> {
        Ok(value)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<i64, E> {
        i64::try_from(value).map_err(|_| E::invalid_value(Unexpected::Unsigned(value), &self))
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<i64, E> {
        Err(unexpected_text(&self))
    }
}
