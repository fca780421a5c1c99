//! The admission decision about pods with volumes of the classes in manifests.

use std::{collections::BTreeMap, sync::Arc};

use kees_inject::{ClassAccess, ClassVolumeError, Lookup, PodError, PodErrorKind};
use kees_secret_provider_class::ClassSpec;

use crate::{
    admission::{self, Admission, Verdict},
    error::{CliError, CliErrorKind},
    input::Input,
    workload::Workload,
};

/// Classes for the decision about pods: those of AWS's provider without an error.
#[derive(Debug, Default)]
pub(crate) struct KnownClasses(BTreeMap<(String, String), Arc<ClassSpec>>);

impl KnownClasses {
    pub(crate) fn insert(&mut self, namespace: &str, name: &str, class: Arc<ClassSpec>) {
        let key = (namespace.to_owned(), name.to_owned());
        self.0.insert(key, class);
    }

    pub(crate) fn get(&self, namespace: &str, name: &str) -> Option<&Arc<ClassSpec>> {
        self.0.get(&(namespace.to_owned(), name.to_owned()))
    }
}

impl kees_inject::Classes for KnownClasses {
    /// A class that is not in the manifests may be in the cluster, and the errors of a class are reported at the class. So
    /// the decision sees these as classes of another provider, and looks at the other volumes of the pod.
    fn class(&self, namespace: &str, name: &str) -> Lookup<Arc<ClassSpec>> {
        let class = self.get(namespace, name);
        Lookup::Found(class.map_or_else(of_another_provider, Arc::clone))
    }

    /// A role changes nothing of what is denied or read.
    fn role(&self, _namespace: &str, _service_account: &str) -> Lookup<Arc<str>> {
        Lookup::Missing
    }
}

fn of_another_provider() -> Arc<ClassSpec> {
    Arc::new(ClassSpec {
        provider: Some("unknown".to_owned()),
        ..ClassSpec::default()
    })
}

/// What the webhook would answer if it filled all volumes of classes, except those of pods with the label `disabled`. Errors
/// of a volume together with its class are left out, because [`crate::classes::check`] reports them with the line of the
/// attribute.
pub(crate) fn admit(input: &Input, workload: &Workload, classes: &KnownClasses) -> Admission {
    let access = ClassAccess::On {
        classes,
        requested: true,
    };
    let mut admission = admission::admit_with_classes(input, workload, access);
    if let Verdict::Denied(errors) = &mut admission.verdict {
        errors.retain(|error| !is_of_volume(error));
    }
    admission
}

fn is_of_volume(error: &CliError) -> bool {
    let CliErrorKind::Denied(PodError::Pod {
        kind: PodErrorKind::Class(error),
        ..
    }) = &error.kind
    else {
        return false;
    };
    matches!(
        **error,
        ClassVolumeError::Volume(_) | ClassVolumeError::Invalid { .. }
    )
}
