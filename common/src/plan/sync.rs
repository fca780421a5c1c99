//! The errors of `init.DOMAIN/sync` and its options together with the entries.

use std::collections::BTreeMap;

use crate::{
    annotation::Parsed,
    entry::{Entry, Source},
    error::{AnnotationError, AnnotationErrorKind},
    names::init,
    options::SyncOptions,
};

/// All errors: an option without the name of the Secret, keys that the type needs, and entries with the same key.
pub(super) fn check(parsed: &Parsed) -> Vec<AnnotationError> {
    let SyncOptions {
        name,
        secret_type,
        keys,
    } = &parsed.options.sync;
    let of_sync = parsed.domain.init(init::SYNC);
    // A name with an error is no missing name.
    let is_named = name.is_some() || parsed.errors.iter().any(|of| of.annotation == of_sync);
    if !is_named {
        let of_type = secret_type.map(|_| parsed.domain.init(init::SYNC_TYPE));
        let of_keys = keys.iter().map(|key| key.annotation.clone());
        let without_name = of_type.into_iter().chain(of_keys);
        return without_name
            .map(|at| AnnotationErrorKind::NoSecretName(of_sync.clone()).at(at))
            .collect();
    }
    let errors = of_keys(parsed);
    errors.into_iter().map(|kind| kind.at(&of_sync)).collect()
}

fn of_keys(parsed: &Parsed) -> Vec<AnnotationErrorKind> {
    // An entry or a key with an error may be the one that is missing.
    let is_sure = parsed.has_all_entries() && !has_key_with_error(parsed);
    if parsed.options.sync.name.is_none() || !is_sure {
        return Vec::new();
    }
    let key_annotation = |key: &str| {
        let option = format!("{}.{key}", init::SYNC_KEY_PREFIX);
        parsed.domain.init(&option)
    };
    let SyncOptions {
        secret_type, keys, ..
    } = &parsed.options.sync;
    let mut errors = Vec::new();
    let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
    if keys.is_empty() {
        let entries = parsed.entries.iter();
        let entries: Vec<&Entry> = entries.filter(|entry| is_shared(entry)).collect();
        if entries.is_empty() {
            let any = parsed.domain.init(init::SYNC_KEY);
            return vec![AnnotationErrorKind::NoSecretEntry(any)];
        }
        for entry in entries.iter().filter(|entry| !entry.has_every_member()) {
            let name = entry.name.as_str();
            if let Some(other) = taken.insert(name, &entry.annotation) {
                errors.push(AnnotationErrorKind::SameSecretKey {
                    one: other.to_owned(),
                    other: entry.annotation.clone(),
                    name: name.to_owned(),
                    annotation: parsed.domain.init(init::SYNC_KEY),
                });
            }
        }
    } else {
        let named = keys.iter();
        taken.extend(named.map(|key| (key.key.as_str(), key.annotation.as_str())));
    }
    let secret_type = secret_type.unwrap_or_default();
    let missing = secret_type.keys().iter();
    let missing = missing.filter(|key| !taken.contains_key(**key));
    errors.extend(missing.map(|key| AnnotationErrorKind::NoSecretKey {
        secret_type: secret_type.as_str(),
        key,
        annotation: key_annotation(key),
    }));
    errors
}

fn has_key_with_error(parsed: &Parsed) -> bool {
    let mut errors = parsed.errors.iter();
    errors.any(|error| {
        let split = parsed.domain.split(&error.annotation);
        split.is_some_and(|(_, name)| name.starts_with(init::SYNC_KEY_PREFIX))
    })
}

/// Whether the value of `entry` is the same for all pods: the number of a lease is not.
fn is_shared(entry: &Entry) -> bool {
    !matches!(entry.source, Source::Lease(_))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const LEASE: &str = "kind=INDEX,rangeStart=1,rangeEnd=9";

    #[rstest]
    #[case::default(&[("secret.d/a", "kind=REFERENCE"), ("init.d/sync", "web")], None)]
    #[case::no_name(
        &[("secret.d/a", "kind=REFERENCE"), ("init.d/sync-key.a", "x")],
        Some("init.d/sync-key.a: it needs init.d/sync, which names the Secret")
    )]
    #[case::type_without_name(
        &[("init.d/sync-type", "Opaque")],
        Some("init.d/sync-type: it needs init.d/sync")
    )]
    #[case::no_entry(
        &[("init.d/sync", "web"), ("lease.d/n", LEASE)],
        Some("init.d/sync: the pod has no entry with a value for the Secret; add one, or init.d/sync-key.KEY")
    )]
    #[case::fixed_text(&[("init.d/sync", "web"), ("init.d/sync-key.a", "x")], None)]
    #[case::same_name(
        &[("secret.d/a", "kind=REFERENCE"), ("resource.d/a", ""), ("init.d/sync", "web")],
        Some("init.d/sync: resource.d/a and secret.d/a would both have the key a; name the keys")
    )]
    #[case::same_name_with_keys(
        &[("secret.d/a", "kind=REFERENCE"), ("resource.d/a", ""), ("init.d/sync", "web"), ("init.d/sync-key.a", "x")],
        None
    )]
    #[case::tls_without_key(
        &[("init.d/sync", "web"), ("init.d/sync-type", "kubernetes.io/tls"), ("init.d/sync-key.tls.crt", "x")],
        Some("init.d/sync: a Secret of the type kubernetes.io/tls needs the key tls.key; add init.d/sync-key.tls.key")
    )]
    #[case::tls_by_names_of_entries(
        &[("secret.d/tls.crt", "kind=REFERENCE"), ("secret.d/tls.key", "kind=REFERENCE"),
          ("init.d/sync", "web"), ("init.d/sync-type", "kubernetes.io/tls")],
        None
    )]
    #[case::docker(
        &[("secret.d/a", "kind=REFERENCE"), ("init.d/sync", "pull"), ("init.d/sync-type", "kubernetes.io/dockerconfigjson")],
        Some("init.d/sync: a Secret of the type kubernetes.io/dockerconfigjson needs the key .dockerconfigjson; add init.d/sync-key..dockerconfigjson")
    )]
    #[case::docker_key(
        &[("init.d/sync", "pull"), ("init.d/sync-type", "kubernetes.io/dockerconfigjson"), ("init.d/sync-key..dockerconfigjson", "{}")],
        None
    )]
    #[case::entry_with_an_error(&[("secret.d/a", "kind=NONE"), ("init.d/sync", "web")], None)]
    fn the_options_fit_together(
        #[case] annotations: &[(&str, &str)],
        #[case] expected: Option<&str>,
    ) {
        let annotations = annotations.iter().copied();
        let parsed = Parsed::from_annotations(&"d".parse().unwrap(), annotations);
        let errors: Vec<_> = check(&parsed).iter().map(ToString::to_string).collect();
        assert_eq!(errors.len(), usize::from(expected.is_some()), "{errors:?}");
        if let (Some(error), Some(expected)) = (errors.first(), expected) {
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn a_wrong_name_is_one_error() {
        let annotations = [("init.d/sync", "Web"), ("init.d/sync-key.a", "x")];
        let parsed = Parsed::from_annotations(&"d".parse().unwrap(), annotations);
        assert_eq!((parsed.errors.len(), check(&parsed)), (1, Vec::new()));
    }
}
