//! What a program may read for the Kubernetes Secret of a pod: the decision of the policy for a controller
//! that writes such Secrets with an identity of its own.

use kees_common::{Parsed, Plan};

use crate::{
    creation::CreatorPod,
    error::PodError,
    findings::Findings,
    policy::{apply::enforce, evaluation::AnnotatedPod, template::Subject},
    settings::InjectSettings,
};

/// What is read for the Secret of a pod.
#[derive(Debug)]
pub enum SecretSync {
    /// The pod asks for no Secret.
    Nothing,
    /// Nothing, because the annotations are invalid or the policy denies them.
    Denied(Vec<PodError>),
    /// The items of this plan.
    Read {
        /// The entries that the plan is made of, and the options of the Secret.
        parsed: Box<Parsed>,
        /// What is read.
        plan: Plan,
    },
}

/// Decides what is read for the Secret of `pod`, which has `annotations`.
///
/// The rule is enforced in the mode `warn` too: the pod reads with its own permissions, but the controller has the
/// permissions to read for every pod, and whoever may read Secrets of the namespace sees what it writes.
pub fn secret_sync(
    pod: CreatorPod<'_>,
    annotations: &[(&str, &str)],
    settings: &InjectSettings,
) -> SecretSync {
    let parsed = Parsed::from_annotations(&settings.domain, annotations.iter().copied());
    let of_sync = settings.domain.init(kees_common::names::init::SYNC);
    if !annotations.iter().any(|(key, _)| *key == of_sync) {
        return SecretSync::Nothing;
    }
    let subject = Subject {
        cluster: settings.cluster.as_deref(),
        namespace: pod.namespace,
        service_account: pod.service_account,
    };
    let mut findings = Findings::default();
    let annotated = AnnotatedPod {
        subject,
        parsed: &parsed,
        entries: parsed.entries.len(),
        wired: None,
    };
    enforce(
        annotated,
        settings.policy.rule(subject),
        settings,
        &mut findings,
    );
    match findings.plan {
        Some(plan) if findings.errors.is_empty() => SecretSync::Read {
            parsed: Box::new(parsed),
            plan,
        },
        _ => SecretSync::Denied(findings.errors),
    }
}
