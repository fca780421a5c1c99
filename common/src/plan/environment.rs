//! The errors of `init.DOMAIN/env` and `init.DOMAIN/env.CONTAINER` together with the entries.

use std::collections::{BTreeMap, btree_map};

use super::text::reason_not_text;
use crate::{
    annotation::Parsed,
    entry::Entry,
    error::{AnnotationError, AnnotationErrorKind},
    names::init,
    options::Environment,
};

/// All errors: an entry that does not exist, two entries with one variable, and a value that cannot
/// be one.
pub(super) fn check(parsed: &Parsed) -> Vec<AnnotationError> {
    let mut errors = Vec::new();
    let environments = &parsed.options.environments;
    let of_pod = environments.of_pod.iter();
    let of_pod = of_pod.map(|environment| (init::ENV.to_owned(), environment));
    let of_containers = environments.of_containers.iter();
    let of_containers = of_containers.map(|(name, environment)| (init::env_of(name), environment));
    for (option, environment) in of_pod.chain(of_containers) {
        let annotation = parsed.domain.init(&option);
        let found = of_environment(parsed, environment);
        errors.extend(found.into_iter().map(|kind| kind.at(&annotation)));
    }
    errors
}

fn of_environment(parsed: &Parsed, environment: &Environment) -> Vec<AnnotationErrorKind> {
    let mut errors = Vec::new();
    let mut taken: BTreeMap<String, &str> = BTreeMap::new();
    // The variables of members are known when the value is read.
    let entries = parsed.entries.iter();
    let names = entries.filter(|entry| !entry.has_every_member());
    for (variable, name) in environment.variables(names.map(|entry| entry.name.as_str())) {
        match taken.entry(variable) {
            btree_map::Entry::Vacant(vacant) => {
                vacant.insert(name);
                errors.extend(of_entry(parsed, name));
            }
            btree_map::Entry::Occupied(other) => {
                errors.push(AnnotationErrorKind::SameEnvironmentVariable {
                    variable: other.key().clone(),
                    name: name.to_owned(),
                    other: (*other.get()).to_owned(),
                });
            }
        }
    }
    errors
}

/// Why the value of that name cannot be a variable.
fn of_entry(parsed: &Parsed, name: &str) -> Option<AnnotationErrorKind> {
    let entries = parsed.entries.iter();
    let mut entries = entries.filter(|entry| entry.name.as_str() == name);
    match (entries.next(), entries.next()) {
        (Some(one), Some(other)) => Some(AnnotationErrorKind::SameName {
            one: one.annotation.clone(),
            other: other.annotation.clone(),
        }),
        (Some(entry), None) if entry.has_every_member() => {
            Some(AnnotationErrorKind::EveryMember(name.to_owned()))
        }
        (Some(entry), None) => not_text(parsed, entry),
        (None, _) if is_invalid(parsed, name) || is_member(parsed, name) => None,
        (None, _) => Some(AnnotationErrorKind::NoEntry(name.to_owned())),
    }
}

/// Whether the name is that of a member of an entry with `property=*`.
fn is_member(parsed: &Parsed, name: &str) -> bool {
    let mut entries = parsed.entries.iter();
    entries.any(|entry| {
        let rest = name.strip_prefix(entry.name.as_str());
        entry.has_every_member() && rest.is_some_and(|rest| rest.starts_with('.'))
    })
}

fn not_text(parsed: &Parsed, entry: &Entry) -> Option<AnnotationErrorKind> {
    let reason = reason_not_text(entry, parsed.options.local_mode)?;
    Some(AnnotationErrorKind::NotVariable {
        name: entry.name.as_str().to_owned(),
        reason,
    })
}

/// Whether an entry of that name has an error of its own, and so is not among the entries.
fn is_invalid(parsed: &Parsed, name: &str) -> bool {
    let mut errors = parsed.errors.iter();
    errors.any(|error| {
        let key = parsed.domain.split(&error.annotation);
        key.is_some_and(|(_, of_entry)| of_entry == name)
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("a,B=b", None)]
    #[case("db.user", None)]
    #[case("bad", None)]
    #[case("db", Some("the entry db has a value for each member (property=*)"))]
    #[case("dbx.user", Some("the pod has no entry dbx.user"))]
    #[case("both", Some("resource.d/both and secret.d/both have this name"))]
    #[case("a,a", Some("a and a would both be the environment variable a"))]
    #[case(
        "random",
        Some("an environment variable needs text (UTF-8 without NUL)")
    )]
    fn a_list_names_entries_whose_values_can_be_variables(
        #[case] list: &str,
        #[case] expected: Option<&str>,
    ) {
        let parsed = Parsed::from_annotations(
            &"d".parse().unwrap(),
            [
                ("secret.d/a", "kind=REFERENCE"),
                ("secret.d/b", "kind=DYNAMIC,type=PASSWORD,size=128"),
                ("secret.d/bad", "kind=NONE"),
                ("secret.d/both", "kind=REFERENCE"),
                ("resource.d/both", ""),
                ("secret.d/db", "kind=REFERENCE,property=*"),
                ("secret.d/random", "kind=DYNAMIC,type=RANDOM,size=128"),
                ("init.d/env.app", list),
            ],
        );
        let errors = check(&parsed);
        assert_eq!(errors.len(), usize::from(expected.is_some()), "{errors:?}");
        if let (Some(error), Some(expected)) = (errors.first(), expected) {
            assert_eq!(error.annotation, "init.d/env.app");
            let message = error.kind.to_string();
            assert!(message.starts_with(expected), "{message}");
        }
    }
}
