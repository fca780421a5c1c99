//! Denies a pod that asks for a Kubernetes Secret of which another live pod wants other contents. kees-controller would write
//! the contents of one of them, and the other pod would get what it does not expect.

use std::collections::{BTreeMap, BTreeSet};

use kees_common::names::init;

use crate::{
    class::found::Found,
    classes::Lookup,
    error::{Place, PodErrorKind, SecretConflict, excerpt},
    findings::Findings,
    pod::view::PodView,
    settings::InjectSettings,
    sharing::{
        asks::Asks,
        content::Content,
        contents::{asks_for_one_of, names, of_annotations, of_class},
        live_pods::{OtherPods, Workloads},
    },
    workload::workload,
};

/// The most bytes of annotations and classes of other pods that one decision reads. The rest is not compared: kees-controller
/// tells the pods.
const MAX_BYTES: usize = 512 << 10;

/// Compares what the pod asks for with what the other live pods of the namespace ask for. The pods of one workload may ask for
/// different contents: while it is rolled out, its newest pod decides.
pub(crate) fn check(
    pod: &PodView<'_>,
    namespace: &str,
    found: &Found<'_>,
    settings: &InjectSettings,
    others: &dyn OtherPods,
    findings: &mut Findings,
) {
    let asks = asks(pod, found, settings);
    if asks.is_empty() {
        return;
    }
    let Some(pods) = others.of_namespace(namespace) else {
        return;
    };
    let mut subject = Subject {
        namespace,
        settings,
        others,
        own_class: found,
        wanted: BTreeMap::new(),
    };
    subject.wanted = subject.own(&asks);
    let own = workload_of(pod);
    let mut bytes = 0;
    for (other, workloads) in pods.groups() {
        if subject.wanted.is_empty() || bytes > MAX_BYTES {
            return;
        }
        // Pods of the same template want the same.
        if *other == asks {
            continue;
        }
        let Some((workload, name)) = other_workload(workloads, &own) else {
            continue;
        };
        let conflicts = subject.conflicts(other, &mut bytes);
        for (secret, difference) in conflicts {
            let of_classes = subject
                .wanted
                .remove(&secret)
                .is_some_and(|of| of.metadata.is_some());
            let place = if of_classes {
                Place::field("spec.volumes")
            } else {
                Place::Annotation(settings.domain.init(init::SYNC))
            };
            let conflict = SecretConflict {
                secret: excerpt(&secret),
                pod: named(pod, &own),
                other: format!("pod {} ({})", excerpt(name), excerpt(workload)),
                difference,
            };
            findings.error(place, PodErrorKind::SecretConflict(Box::new(conflict)));
        }
    }
}

/// What the pod asks for.
fn asks(pod: &PodView<'_>, found: &Found<'_>, settings: &InjectSettings) -> Asks {
    let mut asks = Asks::new(pod.service_account(), pod.annotations(), &settings.domain);
    for volume in &found.volumes {
        asks.add_class(volume.csi.volume_attributes.clone().unwrap_or_default());
    }
    asks
}

fn workload_of(pod: &PodView<'_>) -> String {
    let owner = &pod.metadata.owner;
    let controller = (!owner.kind.is_empty()).then_some((&*owner.kind, &*owner.name));
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    workload(controller, name, |key| pod.label(key))
}

/// The pod as messages name it. A controller gives a beginning of the name, and the API server the rest after admission.
fn named(pod: &PodView<'_>, workload: &str) -> String {
    let name = pod.metadata.name.as_deref().filter(|name| !name.is_empty());
    let beginning = pod.metadata.generate_name.as_deref().unwrap_or_default();
    let name = name.map_or_else(|| format!("{}…", excerpt(beginning)), excerpt);
    format!("pod {name} ({})", excerpt(workload.trim()))
}

/// A pod of another workload.
fn other_workload<'w>(workloads: &'w Workloads, own: &str) -> Option<(&'w str, &'w str)> {
    let mut others = workloads.iter().filter(|(workload, _)| ***workload != *own);
    let (workload, pods) = others.next()?;
    Some((workload, pods.first()?))
}

struct Subject<'c> {
    namespace: &'c str,
    settings: &'c InjectSettings,
    others: &'c dyn OtherPods,
    own_class: &'c Found<'c>,
    /// The Secrets that the pod wants.
    wanted: BTreeMap<String, Content>,
}

impl Subject<'_> {
    /// What the pod itself wants.
    fn own(&self, asks: &Asks) -> BTreeMap<String, Content> {
        let mut wanted: BTreeMap<_, _> = of_annotations(asks, self.namespace, self.settings)
            .into_iter()
            .collect();
        for (class, attributes) in &asks.classes {
            let classes = self.own_class.classes;
            let class = classes.map(|classes| classes.class(self.namespace, class));
            if let Some(Lookup::Found(class)) = class {
                let names: BTreeSet<&str> = names(&class).collect();
                wanted.extend(of_class(&class, attributes, &names));
            }
        }
        wanted
    }

    /// The Secrets that pods with `other` want with other contents, and how these differ. Adds the bytes that it reads.
    fn conflicts(&self, other: &Asks, bytes: &mut usize) -> Vec<(String, String)> {
        let names: BTreeSet<&str> = self.wanted.keys().map(String::as_str).collect();
        let mut contents = Vec::new();
        if other
            .secret
            .as_deref()
            .is_some_and(|secret| names.contains(secret))
        {
            *bytes += other.bytes();
            contents.extend(of_annotations(other, self.namespace, self.settings));
        }
        for (class, attributes) in &other.classes {
            let class = self.others.class(self.namespace, class);
            if let Some(class) = class.filter(|class| asks_for_one_of(class, &names)) {
                let parameters = class.parameters.iter().flatten();
                *bytes += parameters.map(|(_, value)| value.len()).sum::<usize>();
                contents.extend(of_class(&class, attributes, &names));
            }
        }
        let differs = |(name, content): (String, Content)| {
            let difference = self.wanted.get(&name)?.difference(&content)?;
            Some((name, difference))
        };
        contents.into_iter().filter_map(differs).collect()
    }
}
