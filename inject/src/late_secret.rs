//! The Secret that kees-controller writes for a pod, and that the same pod needs before kees-init runs: for a volume, because the
//! kubelet mounts all of them first, or for the environment of an init container. Each value of the Secret must exist before.

use kees_common::{Entry, LocalMode, Parsed, Secret, SecretName, Source, names::init};

use crate::{
    error::{Place, PodErrorKind, excerpt},
    findings::Findings,
    pod::{container::ContainerView, view::PodView},
    policy::rule::{Create, Rule},
};

/// The Secret of a pod, and a value of it that only kees-init creates.
pub(crate) struct LateSecret<'p> {
    parsed: &'p Parsed,
    name: &'p SecretName,
    created: &'p Entry,
}

impl<'p> LateSecret<'p> {
    /// `None` if the Secret can exist before kees-init runs, or if the pod asks for none.
    pub(crate) fn new(parsed: &'p Parsed, rule: &Rule) -> Option<Self> {
        let name = parsed.options.sync.name.as_ref()?;
        // Local mode needs no value in a store, and with `create: never` kees-init creates nothing either.
        if rule.create != Create::Init || parsed.options.local_mode == LocalMode::On {
            return None;
        }
        let mut entries = parsed.entries.iter();
        let created =
            entries.find(|entry| matches!(entry.source, Source::Secret(Secret::Dynamic { .. })))?;
        Some(Self {
            parsed,
            name,
            created,
        })
    }

    /// Denies a volume that waits for the Secret: the pod would never start.
    pub(crate) fn check_volumes(&self, pod: &PodView<'_>, findings: &mut Findings) {
        for volume in pod.spec.volumes.iter() {
            let mut secrets = volume.needed_secrets().into_iter();
            if secrets.any(|secret| *secret == *self.name.as_str()) {
                let place = Place::field(format!("spec.volumes[{}]", excerpt(&volume.name)));
                let kind = PodErrorKind::SyncedVolume {
                    secret: excerpt(self.name.as_str()),
                    option: self.parsed.domain.init(init::SYNC),
                    created: excerpt(&self.created.annotation),
                };
                findings.error(place, kind);
            }
        }
    }

    /// Denies an init container of `early`, those that run before kees-init, whose environment needs the Secret.
    pub(crate) fn check_environments<'c, 'a: 'c>(
        &self,
        early: impl Iterator<Item = &'c ContainerView<'a>>,
        findings: &mut Findings,
    ) {
        for container in early {
            let mut secrets = container.needed_secrets().into_iter();
            if secrets.any(|secret| *secret == *self.name.as_str()) {
                let field = format!("spec.initContainers[{}]", excerpt(&container.name));
                let kind = PodErrorKind::SyncedEnvironment {
                    secret: excerpt(self.name.as_str()),
                    option: self.parsed.domain.init(init::SYNC),
                    created: excerpt(&self.created.annotation),
                    order: self.parsed.domain.init(init::ORDER),
                };
                findings.error(Place::field(field), kind);
            }
        }
    }
}
