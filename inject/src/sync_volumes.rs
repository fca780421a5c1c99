//! The Secret that kees-controller writes for a pod, and that the same pod needs for a volume. The kubelet mounts all volumes
//! before kees-init runs, so each value of the Secret must exist before.

use kees_common::{LocalMode, Parsed, Secret, Source, names::init};

use crate::{
    error::{Place, PodErrorKind, excerpt},
    findings::Findings,
    pod::view::PodView,
    policy::rule::{Create, Rule},
};

/// Denies a volume that waits for a Secret with a value that only kees-init creates: the pod would never start.
pub(crate) fn check(pod: &PodView<'_>, parsed: &Parsed, rule: &Rule, findings: &mut Findings) {
    let Some(name) = &parsed.options.sync.name else {
        return;
    };
    // Local mode needs no value in a store, and with `create: never` kees-init creates nothing either.
    if rule.create != Create::Init || parsed.options.local_mode == LocalMode::On {
        return;
    }
    let mut entries = parsed.entries.iter();
    let created =
        entries.find(|entry| matches!(entry.source, Source::Secret(Secret::Dynamic { .. })));
    let Some(created) = created else {
        return;
    };
    for volume in pod.spec.volumes.iter() {
        let mut secrets = volume.needed_secrets().into_iter();
        if secrets.any(|secret| *secret == *name.as_str()) {
            let place = Place::field(format!("spec.volumes[{}]", excerpt(&volume.name)));
            let kind = PodErrorKind::SyncedVolume {
                secret: excerpt(name.as_str()),
                option: parsed.domain.init(init::SYNC),
                created: excerpt(&created.annotation),
            };
            findings.error(place, kind);
        }
    }
}
