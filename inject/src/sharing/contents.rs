//! What pods want in Kubernetes Secrets, by the names of the Secrets.

use std::collections::{BTreeMap, BTreeSet};

use kees_common::{Entry, Item, LocalMode, Parsed, Plan, Source, SyncKey};
use kees_secret_provider_class::{
    ClassSpec, Extract, Mount, Object, SecretData, SecretObject, Selector, Surroundings, parse,
    secret_objects,
};

use crate::{
    creation::CreatorPod,
    secret_sync::{SecretSync, secret_sync},
    settings::InjectSettings,
    sharing::{
        asks::Asks,
        content::{Content, EntrySource, FileSource, KeySource},
    },
};

/// The Secrets that a pod of `namespace` asks for with annotations, and what they would have in them. Nothing is known of
/// annotations that are invalid or denied.
pub(crate) fn of_annotations(
    asks: &Asks,
    namespace: &str,
    settings: &InjectSettings,
) -> Option<(String, Content)> {
    asks.secret.as_ref()?;
    let pod = CreatorPod {
        namespace,
        service_account: &asks.service_account,
    };
    let annotations: Vec<(&str, &str)> = asks
        .annotations
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    let SecretSync::Read { parsed, plan } = secret_sync(pod, &annotations, settings) else {
        return None;
    };
    let name = parsed.options.sync.name.as_ref()?.to_string();
    Some((name, content(&parsed, &plan)))
}

fn content(parsed: &Parsed, plan: &Plan) -> Content {
    let sync = &parsed.options.sync;
    let items = plan.items.iter();
    let items = items.filter_map(|item| Some((key_of(parsed.entries.get(item.entry)?), item)));
    let items: BTreeMap<_, &Item> = items.collect();
    let source = |entry: &Entry| {
        let item = items.get(&key_of(entry)).copied();
        entry_source(entry, item, parsed.options.local_mode)
    };
    let keys = if sync.keys.is_empty() {
        let shared = parsed.entries.iter().filter(|entry| is_shared(entry));
        shared
            .map(|entry| {
                (
                    entry.name.to_string(),
                    KeySource::Entry(Box::new(source(entry))),
                )
            })
            .collect()
    } else {
        let key = |key: &SyncKey| {
            let used = kees_template::used_entries(&key.source, &parsed.entries);
            let used = used.into_iter();
            let used = used.map(|entry| (entry.annotation.clone(), source(entry)));
            let source = KeySource::Template(key.source.clone(), used.collect());
            (key.key.to_string(), source)
        };
        sync.keys.iter().map(key).collect()
    };
    Content {
        secret_type: sync.secret_type.unwrap_or_default().to_string(),
        metadata: None,
        keys,
    }
}

/// Whether the value of an entry can be in a Secret: the number of a lease is that of one pod.
fn is_shared(entry: &Entry) -> bool {
    !matches!(entry.source, Source::Lease(_))
}

/// What no two entries have in common. The entry of a previous value has the annotation of the current one.
fn key_of(entry: &Entry) -> (&str, bool) {
    (&entry.annotation, entry.is_previous)
}

fn entry_source(entry: &Entry, item: Option<&Item>, mode: LocalMode) -> EntrySource {
    let place = |item: &Item| {
        let mut locator = item.locator.clone();
        // Where a value has a path of its own, it does not matter whether it was generated with others.
        locator.member = locator.member.filter(|_| item.store.has_members());
        (item.store, locator)
    };
    EntrySource {
        stored: item.filter(|_| mode != LocalMode::On).map(place),
        local: (mode != LocalMode::Off).then(|| entry.clone()),
        encoding: entry.encoding,
    }
}

/// Those of `wanted` that a class asks for, and what they would have in them. Nothing is known of a class with errors.
pub(crate) fn of_class(
    class: &ClassSpec,
    attributes: &BTreeMap<String, String>,
    wanted: &BTreeSet<&str>,
) -> Vec<(String, Content)> {
    if !asks_for_one_of(class, wanted) || !class.is_aws() {
        return Vec::new();
    }
    let Ok(mount) = parse(class, attributes, &Surroundings::UNKNOWN) else {
        return Vec::new();
    };
    let Ok(objects) = secret_objects(class, Some(&mount)) else {
        return Vec::new();
    };
    let files: BTreeMap<&str, (&Object, Option<&Extract>)> = files(&mount).collect();
    let of_wanted = objects
        .into_iter()
        .filter(|object| wanted.contains(object.name.as_str()));
    of_wanted
        .map(|object| (object.name.clone(), of_object(object, &mount, &files)))
        .collect()
}

/// The names of the Secrets that a class asks for, as they are written.
pub(crate) fn names(class: &ClassSpec) -> impl Iterator<Item = &str> {
    let objects = class.secret_objects.iter().flatten();
    objects.filter_map(|object| object.secret_name.as_deref().map(str::trim))
}

/// Whether a class asks for one of the Secrets. It is quick, and most classes do not.
pub(crate) fn asks_for_one_of(class: &ClassSpec, wanted: &BTreeSet<&str>) -> bool {
    names(class).any(|name| wanted.contains(name))
}

fn files(mount: &Mount) -> impl Iterator<Item = (&str, (&Object, Option<&Extract>))> {
    mount.objects.iter().flat_map(move |object| {
        let whole = (object.file.path.as_str(), (object, None));
        let parts = object.extracts.iter();
        let parts = parts.map(move |extract| (extract.file.path.as_str(), (object, Some(extract))));
        std::iter::once(whole).chain(parts)
    })
}

fn of_object(
    object: SecretObject,
    mount: &Mount,
    files: &BTreeMap<&str, (&Object, Option<&Extract>)>,
) -> Content {
    let SecretObject {
        name: _,
        secret_type,
        labels,
        annotations,
        data,
    } = object;
    let key = |of: SecretData| {
        let (object, extract) = files.get(of.file.as_str())?;
        let source = FileSource {
            regions: (mount.region.clone(), mount.failover_region.clone()),
            object: described(object),
            expression: extract.map(|extract| extract.expression.clone()),
        };
        Some((of.key, KeySource::File(Box::new(source))))
    };
    Content {
        secret_type,
        metadata: Some((labels, annotations)),
        keys: data.into_iter().filter_map(key).collect(),
    }
}

/// What is read of an object.
fn described(object: &Object) -> String {
    let of_selector = |selector: &Selector| {
        let versions = selector.version.iter().chain(&selector.label);
        let versions = versions.map(|version| format!(" in the version {version}"));
        [selector.name.clone()]
            .into_iter()
            .chain(versions)
            .collect::<String>()
    };
    let store = object.service.store();
    let failover = object.failover.iter();
    let failover = failover.map(|failover| format!(" or {}", of_selector(failover)));
    let first = format!("{} ({store})", of_selector(&object.selector));
    [first].into_iter().chain(failover).collect()
}
