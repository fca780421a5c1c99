//! The volumes of classes that a pod has: CSI volumes that are to be replaced, and those that an earlier call replaced.

use std::collections::BTreeMap;

use kees_common::names::init::{self, CLASSES_DISABLED, CLASSES_ENABLED, CLASSES_LABEL};
use kees_secret_provider_class::CsiVolume;

use crate::{
    class::error::ClassVolumeError,
    classes::{ClassAccess, Classes},
    error::{Place, PodErrorKind, excerpt},
    findings::{Findings, PodWarning},
    pod::view::{PodView, VolumeView},
    settings::InjectSettings,
};

/// The attributes of each replaced volume: the value of `init.DOMAIN/class-volumes`.
pub(crate) type Recorded = BTreeMap<String, BTreeMap<String, String>>;

/// A volume that names a class.
pub(crate) struct FoundVolume {
    /// Its index in the pod.
    pub(crate) index: usize,
    pub(crate) name: String,
    /// The CSI volume. One that an earlier call replaced has the attributes from the annotation.
    pub(crate) csi: CsiVolume,
    /// Whether an earlier call replaced it.
    pub(crate) is_replaced: bool,
}

/// The volumes of a pod, and what is wrong with the request for them.
#[derive(Default)]
pub(crate) struct Found<'c> {
    pub(crate) volumes: Vec<FoundVolume>,
    /// What the cluster has. `None` if volumes are not replaced.
    pub(crate) classes: Option<&'c dyn Classes>,
    errors: Vec<(Place, ClassVolumeError)>,
    warnings: Vec<PodWarning>,
}

impl<'c> Found<'c> {
    /// Finds the volumes that are replaced, or were.
    pub(crate) fn new(
        pod: &PodView<'_>,
        settings: &InjectSettings,
        access: ClassAccess<'c>,
    ) -> Self {
        let mut found = Self::default();
        if let ClassAccess::Ignored = access {
            return found;
        }
        let annotation = settings.domain.init(init::CLASS_VOLUMES);
        let recorded = pod.annotation(&annotation);
        let is_of_driver =
            |volume: &VolumeView<'_>| volume.csi().is_some_and(|csi| csi.is_of_driver());
        // Most pods have neither.
        if recorded.is_none() && !pod.spec.volumes.iter().any(is_of_driver) {
            return found;
        }
        let recorded = found.recorded(&annotation, recorded);
        let is_requested = found.is_requested(pod, settings, access);
        if let ClassAccess::On { classes, .. } = access {
            found.classes = Some(classes);
        }
        for (index, volume) in pod.spec.volumes.iter().enumerate() {
            let name = volume.name.to_string();
            let csi = volume.csi().filter(CsiVolume::is_of_driver);
            match (csi, recorded.get(&name)) {
                (Some(csi), _) if is_requested => found.volumes.push(FoundVolume {
                    index,
                    name,
                    csi,
                    is_replaced: false,
                }),
                (None, Some(attributes)) => {
                    found.replaced((index, volume), attributes, &annotation);
                }
                _ => {}
            }
        }
        found
    }

    /// Whether no volume is replaced or denied.
    pub(crate) fn is_empty(&self) -> bool {
        self.volumes.is_empty() && self.errors.is_empty()
    }

    /// Reports what is wrong with the request.
    pub(crate) fn report(&mut self, findings: &mut Findings) {
        for (place, error) in self.errors.drain(..) {
            findings.error(place, error.into());
        }
        findings.warnings.append(&mut self.warnings);
    }

    fn recorded(&mut self, annotation: &str, text: Option<&str>) -> Recorded {
        let recorded = text.map(serde_json::from_str::<Recorded>).transpose();
        recorded
            .map_err(|error| {
                let error = ClassVolumeError::Annotation(error.to_string());
                self.errors.push((Place::annotation(annotation), error));
            })
            .ok()
            .flatten()
            .unwrap_or_default()
    }

    /// Whether CSI volumes of the pod are replaced. The label of the pod wins.
    fn is_requested(
        &mut self,
        pod: &PodView<'_>,
        settings: &InjectSettings,
        access: ClassAccess<'_>,
    ) -> bool {
        let key = settings.domain.init(CLASSES_LABEL);
        let label = pod.label(&key);
        let place = || Place::field(format!("metadata.labels[{key}]"));
        match (access, label.as_deref()) {
            (ClassAccess::Off, Some(CLASSES_ENABLED)) => {
                let message = "has no effect: the webhook runs without --secret-provider-classes, so the CSI \
                               volumes are left to the driver";
                self.warnings.push(PodWarning {
                    place: place(),
                    message: message.to_owned(),
                });
                false
            }
            (ClassAccess::Off | ClassAccess::Ignored, _) | (_, Some(CLASSES_DISABLED)) => false,
            (ClassAccess::On { .. }, Some(CLASSES_ENABLED)) => true,
            (ClassAccess::On { .. }, Some(other)) => {
                let error = ClassVolumeError::Label(excerpt(other));
                self.errors.push((place(), error));
                false
            }
            (ClassAccess::On { requested, .. }, None) => requested,
        }
    }

    /// A volume that the annotation names.
    fn replaced(
        &mut self,
        (index, volume): (usize, &VolumeView<'_>),
        attributes: &BTreeMap<String, String>,
        annotation: &str,
    ) {
        let place = || Place::field(format!("spec.volumes[{}]", excerpt(&volume.name)));
        if volume.empty_dir.is_none() {
            let annotation = annotation.to_owned();
            let error = ClassVolumeError::NotReplaced { annotation };
            self.errors.push((place(), error));
        } else if self.classes.is_none() {
            self.errors.push((place(), ClassVolumeError::Off));
        } else {
            self.volumes.push(FoundVolume {
                index,
                name: volume.name.to_string(),
                csi: CsiVolume::replaced(attributes.clone()),
                is_replaced: true,
            });
        }
    }
}

impl From<ClassVolumeError> for PodErrorKind {
    fn from(error: ClassVolumeError) -> Self {
        Self::Class(Box::new(error))
    }
}
