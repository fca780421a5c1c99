//! Options and modes of files that do not do what a pod author could expect.

use kees_common::{Domain, Options, Parsed, Start, names::init};

use crate::{error::Place, findings::Findings, patch::security_context::FileOwner};

/// The options that matter to a pod that asks for no value: it has volumes of classes alone.
pub(super) fn without_files(options: &Options) -> Options {
    Options {
        order: options.order.clone(),
        ..Options::default()
    }
}

/// Warns of options for files of annotations that a pod author could expect to count for volumes of classes too.
pub(super) fn warn_of_options_for_files(
    options: &Options,
    domain: &Domain,
    findings: &mut Findings,
) {
    let is_fast = options.start == Start::Fast;
    let asked = [
        (is_fast, init::START),
        (options.refresh.is_some(), init::REFRESH),
    ];
    for (_, name) in asked.into_iter().filter(|(is_asked, _)| *is_asked) {
        let place = Place::Annotation(domain.init(name));
        let message =
            "has no effect on a pod that has volumes of SecretProviderClass objects alone";
        findings.warn(place, message);
    }
}

/// Warns if the mode that the pod sets may keep one of its containers from reading the files.
pub(super) fn warn_of_narrow_mode(parsed: &Parsed, owner: FileOwner, findings: &mut Findings) {
    let of_all = parsed.options.file_mode.iter();
    let of_all = of_all.map(|mode| (parsed.domain.init(init::FILE_MODE), *mode));
    let placed = parsed.options.files.placed.values();
    let placed = placed.filter_map(|file| Some((file.annotation.clone(), file.mode?)));
    let needed = owner.mode;
    for (annotation, requested) in of_all.chain(placed) {
        if requested.bits() & needed.bits() == needed.bits() {
            continue;
        }
        let place = Place::Annotation(annotation);
        let message = format!(
            "a container may be unable to read files of mode {requested}; {needed} is enough"
        );
        findings.warn(place, message);
    }
}
