//! Tests of classes as a whole.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bounds;
mod fetching;
mod places;
mod refusals;
mod secrets;

use std::collections::BTreeMap;

use kees_secret_provider_class::{ClassSpec, Mount, ParseClassError, Surroundings, parse};

fn class(parameters: &[(&str, &str)]) -> ClassSpec {
    let parameters = parameters.iter();
    let parameters = parameters.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    ClassSpec {
        provider: Some("aws".to_owned()),
        parameters: Some(parameters.collect()),
        secret_objects: None,
    }
}

fn parse_class(class: &ClassSpec) -> Result<Mount, Vec<ParseClassError>> {
    parse(class, &BTreeMap::new(), &Surroundings::UNKNOWN)
}

fn parse_objects(objects: &str) -> Result<Mount, Vec<ParseClassError>> {
    parse_class(&class(&[("objects", objects)]))
}

/// The errors of a list of objects in which the failover Region is known.
fn errors(parameters: &[(&str, &str)]) -> Vec<String> {
    let errors = parse_class(&class(parameters)).unwrap_err();
    errors.iter().map(ToString::to_string).collect()
}
