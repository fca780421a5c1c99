//! The templates of a pod.

use std::collections::BTreeSet;

use kees_common::{AnnotationError, AnnotationErrorKind, Entry, Parsed, TemplateFile, Warning};

use crate::{
    check::{Entries, check},
    error::{TemplateError, TemplateErrorKind, short},
    lookup::{Lookup, Root},
    position::Position,
    tokens::uses,
};

/// The most errors of the templates of a pod. The search for the name that is meant is slow.
const MAX_ERRORS: usize = 16;

/// The errors of all templates of a pod that are known before there is a value.
pub fn check_annotations(parsed: &Parsed) -> Vec<AnnotationError> {
    // An entry with an error is not among the entries, but templates may name it.
    let entries = Entries::new(&parsed.entries);
    let entries = parsed.has_all_entries().then_some(&entries);
    let files = parsed.options.files.templates.iter();
    let files = files.map(|file| (&file.source, &file.annotation));
    let keys = || parsed.options.sync.keys.iter();
    let of_keys = keys().map(|key| (&key.source, &key.annotation));
    let of_all = files.chain(of_keys).flat_map(|(source, annotation)| {
        let errors = check(source, entries);
        errors.map(|error| annotation_error(&error, annotation))
    });
    let of_leases = keys().filter_map(|key| {
        let error = check_leases(&key.source)?;
        Some(annotation_error(&error, &key.annotation))
    });
    of_all.chain(of_leases).take(MAX_ERRORS).collect()
}

/// The error of a template for a key of a Secret, which several pods share, if it names a lease.
fn check_leases(source: &str) -> Option<TemplateError> {
    // A template with an error is reported as such.
    let lookups = uses(source).ok()?.lookups;
    let mut leases = lookups.iter().filter(|lookup| lookup.root == Root::Lease);
    let lease = leases.next()?;
    let name = short(&lease.name);
    Some(TemplateErrorKind::LeaseOfPod(name).at(Position::of(source, lease.byte)))
}

/// The entries that the template `source` uses, in the order of `entries`. A template with an error uses none.
pub fn used_entries<'e>(source: &str, entries: &'e [Entry]) -> Vec<&'e Entry> {
    let lookups = uses(source).map_or_else(|_| Vec::new(), |uses| uses.lookups);
    let used: BTreeSet<(Root, &str)> = lookups
        .iter()
        .map(|lookup| (lookup.root, lookup.name.as_str()))
        .collect();
    let is_used = |entry: &&Entry| used.contains(&(Root::of(entry), entry.name.as_str()));
    entries.iter().filter(is_used).collect()
}

/// A warning for each previous value that a template needs. It is absent before the first rotation and after
/// the previous generation was removed, and the pod cannot start then.
pub fn check_previous(parsed: &Parsed) -> Vec<Warning> {
    if !parsed.entries.iter().any(|entry| entry.is_previous) {
        return Vec::new();
    }
    let templates = parsed.options.files.templates.iter();
    let warnings = templates.flat_map(|template| {
        let names = needed_previous(template, &parsed.entries);
        names.into_iter().map(|(root, name)| Warning {
            annotation: template.annotation.clone(),
            message: format!(
                "{word}[\"{name}\"] is absent before the first rotation, and the pod cannot start then; write \
                 {{{{ {word}[\"{name}\"] | default(\"\") }}}}, or test it with 'is defined'",
                word = root.as_str(),
                name = short(&name),
            ),
        })
    });
    warnings.take(MAX_ERRORS).collect()
}

/// The previous values that a template uses, and for whose absence it has no `default` and no test.
fn needed_previous(template: &TemplateFile, entries: &[Entry]) -> BTreeSet<(Root, String)> {
    // A template with an error is reported as such.
    let lookups = uses(&template.source).map_or_else(|_| Vec::new(), |uses| uses.lookups);
    let is_previous = |lookup: &&Lookup| {
        let mut previous = entries.iter().filter(|entry| entry.is_previous);
        previous.any(|entry| Root::of(entry) == lookup.root && entry.name.as_str() == lookup.name)
    };
    let of_previous = lookups.iter().filter(is_previous);
    let (provided, needed): (Vec<_>, Vec<_>) = of_previous.partition(|lookup| lookup.may_be_absent);
    let keys = |lookups: Vec<&Lookup>| -> BTreeSet<_> {
        let keys = lookups.into_iter();
        keys.map(|lookup| (lookup.root, lookup.name.clone()))
            .collect()
    };
    let provided = keys(provided);
    let mut needed = keys(needed);
    needed.retain(|key| !provided.contains(key));
    needed
}

fn annotation_error(error: &TemplateError, annotation: &str) -> AnnotationError {
    let kind = AnnotationErrorKind::Template {
        line: error.position.line,
        column: error.position.column,
        reason: error.kind.to_string(),
    };
    kind.at(annotation)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("{{ secret.a }} {{ resource[\"a\"] }}", &["resource.d/a", "secret.d/a"])]
    #[case("{% if secret.b is defined %}{% for k, v in resource.a | items %}{{ k }}{% endfor %}{% endif %}", &["resource.d/a", "secret.d/b"])]
    #[case("secret.a", &[])]
    #[case("{{ secret.a", &[])]
    fn the_entries_that_a_template_uses_are_known(#[case] source: &str, #[case] expected: &[&str]) {
        let annotations = ["secret.d/a", "secret.d/b", "resource.d/a"];
        let annotations = annotations.map(|key| {
            let is_secret = key.starts_with("secret");
            (key, if is_secret { "kind=REFERENCE" } else { "" })
        });
        let parsed = Parsed::from_annotations(&"d".parse().unwrap(), annotations);
        let used = used_entries(source, &parsed.entries).into_iter();
        let used: Vec<_> = used.map(|entry| entry.annotation.as_str()).collect();
        assert_eq!(used, expected);
    }

    #[rstest]
    #[case("{{ secret.a }}", None)]
    #[case("{{ secret.b }}", Some("line 1, column 11: the pod has no secret b"))]
    #[case("{{ secret.a", Some("line 1, column"))]
    #[case(
        "{{ secret.a }}-{{ lease.n }}",
        Some("line 1, column 25: the lease n is the number of one pod")
    )]
    fn the_template_of_a_key_of_a_secret_is_checked(
        #[case] source: &str,
        #[case] expected: Option<&str>,
    ) {
        let parsed = Parsed::from_annotations(
            &"d".parse().unwrap(),
            [
                ("secret.d/a", "kind=REFERENCE"),
                ("lease.d/n", "kind=INDEX,rangeStart=1,rangeEnd=2"),
                ("init.d/sync", "web"),
                ("init.d/sync-key.k", source),
            ],
        );
        let errors = check_annotations(&parsed);
        assert_eq!(errors.len(), usize::from(expected.is_some()), "{errors:?}");
        if let (Some(error), Some(expected)) = (errors.first(), expected) {
            assert_eq!(error.annotation, "init.d/sync-key.k");
            let message = error.kind.to_string();
            assert!(message.starts_with(expected), "{message}");
        }
    }

    #[rstest]
    #[case(
        "{{ secret[\"a.previous\"] }}",
        Some("secret[\"a.previous\"] is absent before")
    )]
    #[case("{{ secret[\"a.previous\"] | default(\"-\") }}", None)]
    #[case(
        "{% if secret[\"a.previous\"] is defined %}{{ secret[\"a.previous\"] }}{% endif %}",
        None
    )]
    #[case("{{ secret.a }}", None)]
    #[case(
        "{{ resource[\"a.previous\"] | trim }}",
        Some("resource[\"a.previous\"] is absent before")
    )]
    #[case(
        "{{ secret[\"a.previous\"] | default(\"-\") }}{{ resource[\"a.previous\"] }}",
        Some("resource[")
    )]
    fn a_template_that_needs_a_previous_value_has_a_warning(
        #[case] source: &str,
        #[case] expected: Option<&str>,
    ) {
        let parsed = Parsed::from_annotations(
            &"d".parse().unwrap(),
            [
                ("secret.d/a", "kind=REFERENCE,previous=true"),
                ("resource.d/a", "previous=true"),
                ("init.d/template.t", source),
            ],
        );
        assert_eq!(
            (check_annotations(&parsed), &parsed.errors),
            (vec![], &vec![])
        );
        let warnings = check_previous(&parsed);
        assert_eq!(
            warnings.len(),
            usize::from(expected.is_some()),
            "{warnings:?}"
        );
        if let (Some(warning), Some(expected)) = (warnings.first(), expected) {
            assert_eq!(warning.annotation, "init.d/template.t");
            assert!(warning.message.starts_with(expected), "{}", warning.message);
        }
    }
}
