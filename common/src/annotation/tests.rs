//! Tests of the grammar of annotations: what is accepted, what is an error, and what is a warning.

mod findings;
mod formats;
mod leases;
mod options;
mod round_trip;
mod secrets;

use super::*;
use crate::Spec;

fn parse(key: &str, value: &str) -> Parsed {
    Parsed::from_annotations(&"d".parse().unwrap(), [(key, value)])
}

/// The one entry of a valid annotation.
fn valid(key: &str, value: &str) -> Entry {
    let mut parsed = parse(key, value);
    assert_eq!(parsed.errors, [], "{key}: {value}");
    parsed.entries.pop().unwrap()
}

/// The one error of an annotation, as a message has it.
fn error(key: &str, value: &str) -> String {
    let parsed = parse(key, value);
    assert_eq!(parsed.entries, [], "{key}: {value}");
    let errors: Vec<_> = parsed
        .errors
        .iter()
        .map(|error| error.kind.to_string())
        .collect();
    assert_eq!(errors.len(), 1, "{key}: {value}: {errors:?}");
    errors.into_iter().next().unwrap()
}

fn warnings(key: &str, value: &str) -> Vec<String> {
    parse(key, value)
        .warnings
        .into_iter()
        .map(|warning| warning.message)
        .collect()
}

fn gpg(bits: u16, user_id: &str) -> Spec {
    Spec::Gpg {
        bits,
        user_id: user_id.parse().unwrap(),
    }
}
