//! The init container of kees that a pod already has.

use kees_common::names::init;

use crate::{
    names,
    pod::{container::ContainerView, injected::Injected, view::PodView},
    settings::InjectSettings,
};

/// The init container of kees that a pod already has.
#[derive(Clone, Copy)]
pub(super) enum InitContainer {
    Absent,
    /// From an earlier call, or from an injected manifest.
    Injected(Injected),
    /// From the pod author, by its index.
    WiredByHand(usize),
}

impl InitContainer {
    pub(super) fn find(pod: &PodView<'_>, settings: &InjectSettings) -> Self {
        let containers = || pod.spec.init_containers.iter();
        // A pod with volumes of classes alone has no volume for the files of annotations.
        let recorded = settings.domain.init(init::CLASS_VOLUMES);
        let has_classes = pod.annotation(&recorded).is_some();
        let is_injected = |c: &ContainerView<'_>| {
            c.mounts(names::SECRETS) || (has_classes && c.mounts(names::PODINFO))
        };
        let injected = containers().position(|c| &*c.name == names::CONTAINER && is_injected(c));
        let wired = || {
            containers().position(|c| {
                let mut image = c.image.iter();
                image.any(|image| settings.wired_image.matches(image))
            })
        };
        match injected {
            Some(init) => Self::Injected(Injected {
                init,
                sidecar: sidecar(pod),
            }),
            None => wired().map_or(Self::Absent, Self::WiredByHand),
        }
    }

    /// The containers from an earlier call.
    pub(super) fn injected(self) -> Option<Injected> {
        match self {
            Self::Injected(injected) => Some(injected),
            Self::Absent | Self::WiredByHand(_) => None,
        }
    }

    /// The container of a pod that is wired by hand.
    pub(super) fn wired_by_hand<'p, 'a>(
        self,
        pod: &'p PodView<'a>,
    ) -> Option<&'p ContainerView<'a>> {
        match self {
            Self::WiredByHand(index) => pod.spec.init_containers.get(index),
            Self::Absent | Self::Injected(_) => None,
        }
    }
}

/// The index of the sidecar from an earlier call.
fn sidecar(pod: &PodView<'_>) -> Option<usize> {
    let is_sidecar = |c: &ContainerView<'_>| &*c.name == names::SIDECAR && c.mounts(names::SECRETS);
    pod.spec.init_containers.iter().position(is_sidecar)
}
