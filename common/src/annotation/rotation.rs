//! Warnings of rotations that do not fit to the rest of the pod.

use std::time::Duration;

use super::Parsed;
use crate::{
    entry::{Entry, Rotation, Secret, Source},
    error::Warning,
    names::{init, keys},
    options::KeystoreFile,
};

/// The shortest period of a rotation, unless the operator sets another (`--rotation-minimum`).
const DEFAULT_MINIMUM: Duration = Duration::from_hours(1);

/// All warnings.
pub(super) fn warnings(parsed: &Parsed) -> Vec<Warning> {
    let rotated: Vec<(&Entry, Rotation)> = parsed
        .entries
        .iter()
        .filter_map(|entry| Some((entry, entry.rotation?)))
        .collect();
    let periods = rotated
        .iter()
        .flat_map(|(entry, rotation)| of_periods(parsed, entry, *rotation));
    let keystores = parsed.options.files.keystores.iter();
    let keystores = keystores.filter_map(|keystore| of_keystore(keystore, &rotated));
    periods.chain(keystores).collect()
}

/// The warnings of an entry whose periods are too short.
fn of_periods(parsed: &Parsed, entry: &Entry, rotation: Rotation) -> impl Iterator<Item = Warning> {
    let Rotation { every, retain } = rotation;
    let warning = |message| Warning {
        annotation: entry.annotation.clone(),
        message,
    };
    let short = (every.get() < DEFAULT_MINIMUM).then(|| {
        format!(
            "{}={every} is shorter than the shortest period of the controller (--rotation-minimum, 1h by \
             default), which counts instead",
            keys::ROTATE
        )
    });
    let refresh = parsed.options.refresh;
    let removed = retain
        .zip(refresh)
        .filter(|(retain, refresh)| retain.get() < refresh.get());
    let removed = removed.map(|(retain, refresh)| {
        format!(
            "{}={retain} is shorter than {}={refresh}, so a previous value may be removed before the pod has \
             read the new one; keep it longer",
            keys::RETAIN,
            parsed.domain.init(init::REFRESH)
        )
    });
    short.into_iter().chain(removed).map(warning)
}

/// The warning of a keystore whose key is rotated without its certificate.
fn of_keystore(keystore: &KeystoreFile, rotated: &[(&Entry, Rotation)]) -> Option<Warning> {
    // A generation with several fields is rotated as a whole.
    let is_key = |entry: &Entry| match &entry.source {
        Source::Secret(Secret::Dynamic { spec, .. }) if spec.fields().len() > 1 => {
            entry.name.base() == keystore.key.base()
        }
        _ => entry.name == keystore.key,
    };
    let (entry, _) = rotated.iter().find(|(entry, _)| is_key(entry))?;
    Some(Warning {
        annotation: keystore.annotation.clone(),
        message: format!(
            "its key is rotated ({} has {}=), and its certificate is not: after the first rotation the \
             certificate is that of another key, and no new pod starts; rotate the key by hand together with \
             the certificate",
            entry.annotation,
            keys::ROTATE
        ),
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const PASSWORD: &str = "kind=DYNAMIC,type=PASSWORD,size=128";
    const EC: &str = "kind=DYNAMIC,type=EC,size=256";

    #[rstest]
    #[case::no_refresh("rotate=2h,retain=1m", None, None)]
    #[case::retained("rotate=2h,retain=5m", Some("5m"), None)]
    #[case::until_the_next("rotate=2h", Some("5m"), None)]
    #[case::removed(
        "rotate=2h,retain=1m",
        Some("5m"),
        Some("retain=1m is shorter than init.d/refresh=5m")
    )]
    #[case::short(
        "rotate=59m",
        None,
        Some("rotate=59m is shorter than the shortest period")
    )]
    fn periods_that_are_too_short_have_a_warning(
        #[case] rotation: &str,
        #[case] refresh: Option<&str>,
        #[case] expected: Option<&str>,
    ) {
        let value = format!("{PASSWORD},{rotation}");
        let refresh = refresh.map(|period| ("init.d/refresh", period));
        let annotations = [("secret.d/a", value.as_str())].into_iter().chain(refresh);
        check(annotations, "secret.d/a", expected);
    }

    #[rstest]
    #[case::not_rotated("", "", "", None)]
    #[case::key(
        ",rotate=1d",
        "",
        "",
        Some("its key is rotated (secret.d/k_private has rotate=)")
    )]
    #[case::other_field(
        "",
        ",rotate=1d",
        "",
        Some("its key is rotated (secret.d/k_public has rotate=)")
    )]
    #[case::password("", "", ",rotate=1d", None)]
    fn a_keystore_whose_key_is_rotated_without_its_certificate_has_a_warning(
        #[case] private: &str,
        #[case] public: &str,
        #[case] password: &str,
        #[case] expected: Option<&str>,
    ) {
        let [private, public] = [private, public].map(|rotation| format!("{EC}{rotation}"));
        let password = format!("{PASSWORD}{password}");
        let annotations = [
            ("secret.d/k_private", private.as_str()),
            ("secret.d/k_public", public.as_str()),
            ("secret.d/p", password.as_str()),
            ("resource.d/c", ""),
            (
                "init.d/keystore.k.p12",
                "key=k_private,certificate=c,password=p",
            ),
        ];
        check(annotations, "init.d/keystore.k.p12", expected);
    }

    fn check<'a>(
        annotations: impl IntoIterator<Item = (&'a str, &'a str)>,
        at: &str,
        expected: Option<&str>,
    ) {
        let parsed = Parsed::from_annotations(&"d".parse().unwrap(), annotations);
        assert_eq!(parsed.errors, []);
        assert_eq!(
            parsed.warnings.len(),
            usize::from(expected.is_some()),
            "{:?}",
            parsed.warnings
        );
        if let (Some(warning), Some(expected)) = (parsed.warnings.first(), expected) {
            assert_eq!(warning.annotation, at);
            assert!(warning.message.starts_with(expected), "{}", warning.message);
        }
    }
}
