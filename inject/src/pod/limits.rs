//! The most that a pod can have of each list. Kubernetes finds out only after admission that a pod
//! is too large, and the checks of this crate take time and memory in proportion to the size.

use crate::{
    decode::list::{ELEMENTS, List, NESTED_ELEMENTS},
    error::{Place, PodErrorKind, excerpt},
    findings::Findings,
    pod::{annotations, container::ContainerView, view::PodView},
};

/// The longest name of a ServiceAccount or a namespace: a DNS subdomain.
pub(crate) const NAME_BYTES: usize = 253;

/// Whether the pod is larger than a pod can be. The errors are added to `findings`.
pub(crate) fn is_too_large(pod: &PodView<'_>, findings: &mut Findings) -> bool {
    let before = findings.errors.len();
    let mut limits = Limits { findings };
    limits.annotations(pod);
    let length = pod.service_account().len();
    if length > NAME_BYTES {
        let kind = PodErrorKind::NameTooLong {
            length,
            limit: NAME_BYTES,
        };
        limits.error("spec.serviceAccountName", kind);
    }
    let spec = &pod.spec;
    limits.count("spec.volumes", spec.volumes.count());
    limits.containers("containers", &spec.containers);
    limits.containers("initContainers", &spec.init_containers);
    let ephemeral = spec.ephemeral_containers.count();
    limits.count("spec.ephemeralContainers", ephemeral);
    findings.errors.len() > before
}

struct Limits<'f> {
    findings: &'f mut Findings,
}

impl Limits<'_> {
    fn annotations(&mut self, pod: &PodView<'_>) {
        let place = "metadata.annotations";
        let bytes = pod.metadata.annotations.bytes();
        if bytes > annotations::BYTES {
            self.error(place, PodErrorKind::AnnotationsTooLarge { bytes });
        }
        self.count(place, pod.metadata.annotations.count());
    }

    fn containers(&mut self, list: &str, containers: &List<ContainerView<'_>>) {
        self.count(&format!("spec.{list}"), containers.count());
        if containers.nested() > NESTED_ELEMENTS {
            let kind = PodErrorKind::TooManyMounts {
                limit: NESTED_ELEMENTS,
            };
            self.error(&format!("spec.{list}"), kind);
        }
        for container in containers.iter() {
            let count = container.volume_mounts.count();
            if count > ELEMENTS {
                let name = excerpt(&container.name);
                self.count(&format!("spec.{list}[{name}].volumeMounts"), count);
            }
        }
    }

    fn count(&mut self, place: &str, count: usize) {
        if count > ELEMENTS {
            let limit = ELEMENTS;
            self.error(place, PodErrorKind::ListTooLong { count, limit });
        }
    }

    fn error(&mut self, place: &str, kind: PodErrorKind) {
        self.findings.error(Place::field(place), kind);
    }
}
