//! The admission decision about pods with volumes of the classes in manifests.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kees_inject::{ClassAccess, ClassVolumeError, Lookup, PodError, PodErrorKind};
use kees_secret_provider_class::ClassSpec;

use crate::{
    admission::{self, Admission, Verdict},
    error::{CliError, CliErrorKind},
    input::Input,
    workload::Workload,
};

/// Classes for the decision about pods: those of AWS's provider.
#[derive(Debug, Default)]
pub(crate) struct KnownClasses {
    /// Those without an error, by namespace and name.
    valid: BTreeMap<(String, String), Arc<ClassSpec>>,
    /// The namespaces and names of those for which the webhook denies every pod.
    invalid: BTreeSet<(String, String)>,
}

impl KnownClasses {
    pub(crate) fn insert(&mut self, namespace: &str, name: &str, class: Arc<ClassSpec>) {
        let key = (namespace.to_owned(), name.to_owned());
        self.valid.insert(key, class);
    }

    pub(crate) fn insert_invalid(&mut self, namespace: &str, name: &str) {
        self.invalid.insert((namespace.to_owned(), name.to_owned()));
    }

    pub(crate) fn get(&self, namespace: &str, name: &str) -> Option<&Arc<ClassSpec>> {
        self.valid.get(&(namespace.to_owned(), name.to_owned()))
    }
}

/// The classes for the decision about one pod.
struct ClassesOfPod<'c> {
    known: &'c KnownClasses,
    /// Whether the decision asked for a class with errors.
    uses_invalid: Cell<bool>,
}

impl kees_inject::Classes for ClassesOfPod<'_> {
    /// A class that is not in the manifests may be in the cluster, and the errors of a class are reported at the class. So
    /// the decision sees these as classes of another provider, and looks at the other volumes of the pod.
    fn class(&self, namespace: &str, name: &str) -> Lookup<Arc<ClassSpec>> {
        let key = (namespace.to_owned(), name.to_owned());
        if self.known.invalid.contains(&key) {
            self.uses_invalid.set(true);
        }
        let class = self.known.valid.get(&key);
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
/// attribute. So a pod whose class alone has errors is denied without an error.
pub(crate) fn admit(input: &Input, workload: &Workload, classes: &KnownClasses) -> Admission {
    let classes = ClassesOfPod {
        known: classes,
        uses_invalid: Cell::new(false),
    };
    let access = ClassAccess::On {
        classes: &classes,
        requested: true,
    };
    let mut admission = admission::admit_with_classes(input, workload, access);
    if classes.uses_invalid.get() && !matches!(admission.verdict, Verdict::Denied(_)) {
        admission.verdict = Verdict::Denied(Vec::new());
    }
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
