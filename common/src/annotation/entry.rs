//! The grammar of `secret.DOMAIN/NAME`, `resource.DOMAIN/NAME` and `lease.DOMAIN/NAME`.

use super::{lookup::lookup, secret};
use crate::{
    collector::Collector,
    domain::Word,
    encoding::Encoding,
    entry::{Entry, Lease, Lookup, Resource, Rotation, Secret, Source},
    error::AnnotationErrorKind,
    members::members,
    name::EntryName,
    names::keys,
    period::Period,
    secret::SecretValue,
    store_name::StoreName,
    unused::UnusedPairs,
};

/// One entry; `None` where it has errors, which are then in `collect`.
pub(super) fn parse(
    word: Word,
    name: &str,
    value: &str,
    collect: &mut Collector<'_>,
) -> Option<Entry> {
    let errors_before = collect.error_count();
    let name = collect.ok(name.parse::<EntryName>());
    let mut pairs = UnusedPairs::parse(value, keys::ALL, collect);

    let source = match word {
        Word::Secret => secret::parse(name.as_ref(), &mut pairs, collect).map(Source::Secret),
        Word::Resource => Some(Source::Resource(resource(&mut pairs, collect))),
        Word::Lease => lease(name.as_ref(), &mut pairs, collect).map(Source::Lease),
        Word::Init => None,
    };
    let encoding = match &source {
        Some(Source::Secret(secret)) => encoding(secret, &mut pairs, collect),
        _ => Encoding::default(),
    };
    let (local_value, store) = if word == Word::Lease {
        (None, None)
    } else {
        (local_value(&mut pairs, collect), store(&mut pairs, collect))
    };
    if let (Some(source), Some(value)) = (&source, &local_value)
        && source.lookup().is_some_and(Lookup::has_every_member)
        && members(value).is_err()
    {
        collect.error(AnnotationErrorKind::LocalModeMembers);
    }
    let rotation = match &source {
        Some(Source::Secret(Secret::Dynamic { .. })) => rotation(&mut pairs, collect),
        Some(_) => {
            no_rotation(&mut pairs, collect);
            None
        }
        None => {
            pairs.take(keys::ROTATE);
            pairs.take(keys::RETAIN);
            None
        }
    };
    let has_previous = word != Word::Lease && has_previous(source.as_ref(), &mut pairs, collect);
    let is_valid = collect.error_count() == errors_before;
    pairs.warn(is_valid, collect);
    if !is_valid {
        return None;
    }
    let annotation = collect.annotation().to_owned();
    Some(Entry {
        annotation,
        name: name?,
        source: source?,
        store,
        encoding,
        local_value,
        rotation,
        has_previous,
        is_previous: false,
    })
}

/// `rotate=` and `retain=` of a DYNAMIC secret.
fn rotation(pairs: &mut UnusedPairs<'_>, collect: &mut Collector<'_>) -> Option<Rotation> {
    let every = pairs.take(keys::ROTATE);
    let retain = pairs.take(keys::RETAIN);
    if let (None, Some(retain)) = (&every, &retain) {
        let right = "it needs rotate=, for example rotate=90d";
        collect.error(AnnotationErrorKind::invalid(keys::RETAIN, retain, right));
    }
    let every: Period = collect.parse(keys::ROTATE, &every?)?;
    let retain: Option<Period> = match retain {
        Some(text) => Some(collect.parse(keys::RETAIN, &text)?),
        None => None,
    };
    if let Some(retain) = retain
        && retain > every
    {
        let right = format!("it must not be longer than rotate={every}, which replaces it by then");
        let text = retain.to_string();
        collect.error(AnnotationErrorKind::invalid(keys::RETAIN, &text, right));
        return None;
    }
    Some(Rotation { every, retain })
}

/// Only a secret that kees creates can be rotated by it.
fn no_rotation(pairs: &mut UnusedPairs<'_>, collect: &mut Collector<'_>) {
    for key in [keys::ROTATE, keys::RETAIN] {
        if let Some(text) = pairs.take(key) {
            let right = "only a secret with kind=DYNAMIC is rotated; whoever creates this value \
                         rotates it";
            collect.error(AnnotationErrorKind::invalid(key, &text, right));
        }
    }
}

/// `previous=`
fn has_previous(
    source: Option<&Source>,
    pairs: &mut UnusedPairs<'_>,
    collect: &mut Collector<'_>,
) -> bool {
    let Some(text) = pairs.take(keys::PREVIOUS) else {
        return false;
    };
    let lookup = source.and_then(Source::lookup);
    match &*text {
        "false" => false,
        "true" if lookup.is_some_and(Lookup::has_version) => {
            let right = "an entry with versionStage= or versionId= has no previous value: remove one of them";
            collect.error(AnnotationErrorKind::invalid(keys::PREVIOUS, &text, right));
            false
        }
        "true" if lookup.is_some_and(Lookup::has_every_member) => {
            let right = "the members of property=* have no previous values: name one member";
            collect.error(AnnotationErrorKind::invalid(keys::PREVIOUS, &text, right));
            false
        }
        "true" => true,
        _ => {
            let right = "use true or false";
            collect.error(AnnotationErrorKind::invalid(keys::PREVIOUS, &text, right));
            false
        }
    }
}

fn encoding(secret: &Secret, pairs: &mut UnusedPairs<'_>, collect: &mut Collector<'_>) -> Encoding {
    let Some(text) = pairs.take(keys::ENCODING) else {
        return Encoding::default();
    };
    if secret.key().is_none() {
        collect.error(AnnotationErrorKind::no_encodings());
    }
    collect.parse(keys::ENCODING, &text).unwrap_or_default()
}

fn local_value(pairs: &mut UnusedPairs<'_>, collect: &mut Collector<'_>) -> Option<SecretValue> {
    let text = pairs.take(keys::LOCAL_MODE_VALUE)?;
    let value = SecretValue::from_base64(&text);
    collect.ok(value.map_err(|_| AnnotationErrorKind::LocalModeValue))
}

fn store(pairs: &mut UnusedPairs<'_>, collect: &mut Collector<'_>) -> Option<StoreName> {
    let text = pairs.take(keys::STORE)?;
    collect.ok(text.parse::<StoreName>())
}

fn resource(pairs: &mut UnusedPairs<'_>, collect: &mut Collector<'_>) -> Resource {
    // The original's examples give a resource both keys, which have no meaning there.
    pairs.take(keys::KIND);
    pairs.take(keys::TYPE);
    Resource {
        lookup: lookup(pairs, collect),
    }
}

fn lease(
    name: Option<&EntryName>,
    pairs: &mut UnusedPairs<'_>,
    collect: &mut Collector<'_>,
) -> Option<Lease> {
    let right = "a lease has kind=INDEX";
    if let Some(kind) = pairs.take_required(keys::KIND, || right, collect)
        && kind != "INDEX"
    {
        collect.error(AnnotationErrorKind::invalid(keys::KIND, &kind, right));
    }
    let key_prefix = pairs.take_path(keys::STORAGE_KEY_PREFIX, collect);
    let start = range_bound(keys::RANGE_START, pairs, collect);
    let end = range_bound(keys::RANGE_END, pairs, collect);
    let (start, end) = (start?, end?);
    if start > end {
        let right = format!("it must not be below rangeStart={start}");
        collect.error(AnnotationErrorKind::invalid(
            keys::RANGE_END,
            &end.to_string(),
            right,
        ));
    }
    let key_prefix = key_prefix.or_else(|| Some(name?.base().to_owned()));
    Some(Lease {
        key_prefix: key_prefix?,
        start,
        end,
    })
}

fn range_bound(
    key: &'static str,
    pairs: &mut UnusedPairs<'_>,
    collect: &mut Collector<'_>,
) -> Option<i32> {
    let right = "a lease has rangeStart= and rangeEnd=, whole numbers";
    let text = pairs.take_required(key, || right, collect)?;
    let number = text.parse().ok().filter(|number| *number >= 0);
    let right = "use a whole number from 0 to 2147483647";
    collect.ok(number.ok_or_else(|| AnnotationErrorKind::invalid(key, &text, right)))
}
