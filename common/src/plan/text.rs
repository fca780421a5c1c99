//! Whether the value of an entry is text, as far as its annotation shows.

use crate::{
    encoding::Encoding,
    entry::{Entry, Secret, Source},
    options::LocalMode,
    output,
    spec::Spec,
};

/// Why a value that kees creates, derives or decodes for `entry` is not text. A value that is only
/// read is checked when it is written.
pub(super) fn reason_not_text(entry: &Entry, local_mode: LocalMode) -> Option<String> {
    let local_value = entry
        .local_value
        .as_ref()
        .filter(|_| local_mode != LocalMode::Off);
    if local_value.is_some_and(|value| output::shell_text(value).is_none()) {
        return Some("the localModeValue is not text".to_owned());
    }
    let secret_type = created_or_derived(entry, local_mode)?.secret_type();
    (!secret_type.is_text() && entry.encoding != Encoding::Pem)
        .then(|| format!("the value of a {secret_type} is not text"))
}

/// What is generated or derived for `entry`.
pub(super) fn created_or_derived(entry: &Entry, local_mode: LocalMode) -> Option<&Spec> {
    match &entry.source {
        // The local value replaces the others.
        _ if local_mode == LocalMode::On && entry.local_value.is_some() => None,
        Source::Secret(Secret::Dynamic { spec, .. }) => Some(spec),
        Source::Secret(Secret::Reference { local_spec, .. })
            if local_mode != LocalMode::Off && entry.local_value.is_none() =>
        {
            local_spec.as_ref()
        }
        _ => None,
    }
}
