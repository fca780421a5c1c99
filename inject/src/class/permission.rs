//! What the policy allows of the objects of a class.

use std::collections::BTreeSet;

use kees_secret_provider_class::Mount;

use crate::{
    class::error::ClassVolumeError,
    creation::CreatorPod,
    error::{Place, PodError, PodErrorKind, excerpt},
    policy::{
        rule::{Origin, Rule},
        template::Subject,
    },
    settings::InjectSettings,
};

/// The names and ARNs of all objects of a class, those of the failover Region included, each once.
pub(crate) fn names(mount: &Mount) -> Vec<&str> {
    let names = mount.objects.iter().flat_map(|object| {
        let failover = object.failover.as_ref().map(|failover| &failover.name);
        std::iter::once(&object.selector.name).chain(failover)
    });
    let mut seen = BTreeSet::new();
    names
        .map(String::as_str)
        .filter(|name| seen.insert(*name))
        .collect()
}

/// An error for each object that the rule does not allow.
pub(crate) fn denied(
    class: &str,
    place: &Place,
    mount: &Mount,
    subject: Subject<'_>,
    rule: &Rule,
) -> Vec<PodError> {
    let is_allowed = rule.class_objects.of(subject);
    let name_of_rule = match &rule.origin {
        Origin::File(name) => &**name,
        Origin::NoFile | Origin::NoMatch => "none",
    };
    let denied = names(mount).into_iter().filter(|name| !is_allowed(name));
    let error = |object: &str| {
        let error = ClassVolumeError::Denied {
            object: excerpt(object),
            class: excerpt(class),
            rule: name_of_rule.to_owned(),
        };
        PodError::Pod {
            place: place.clone(),
            kind: error.into(),
        }
    };
    denied.map(error).collect()
}

/// What the policy denies of the objects of a class to `pod`, for a program that reads them with an identity of its own,
/// such as kees-controller.
///
/// The rule is enforced in the mode `warn` too: the pod reads with its own permissions, but the controller has the
/// permissions to read for every pod.
pub fn class_errors(
    pod: CreatorPod<'_>,
    class: &str,
    mount: &Mount,
    settings: &InjectSettings,
) -> Vec<PodError> {
    let subject = Subject {
        cluster: settings.cluster.as_deref(),
        namespace: pod.namespace,
        service_account: pod.service_account,
    };
    let rule = settings.policy.rule(subject);
    if let Origin::NoMatch = rule.origin {
        return vec![PodError::Pod {
            place: Place::field("policy"),
            kind: PodErrorKind::NoRule {
                namespace: pod.namespace.to_owned(),
                service_account: excerpt(pod.service_account),
            },
        }];
    }
    let place = Place::field(format!("SecretProviderClass[{}]", excerpt(class)));
    denied(class, &place, mount, subject, rule)
}
