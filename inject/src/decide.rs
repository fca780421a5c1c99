//! The decision about a pod: skip it, deny it, or patch it.

mod files;
mod init_container;
mod skip;
mod wired;

use kees_common::{Domain, Parsed};

pub use self::skip::SkipReason;
use self::{
    files::{warn_of_narrow_mode, warn_of_options_for_files, without_files},
    init_container::InitContainer,
    skip::{deny_variables, is_entry, skip_reason, warn_of_skip},
};

use crate::{
    audit::EntryList,
    class::{found::Found, plan, readable},
    classes::ClassAccess,
    cluster::ClusterView,
    error::{Place, PodError, PodErrorKind},
    findings::{Findings, PodWarning},
    late_secret::LateSecret,
    patch::{
        exec, identity::Identity, injection::Injection, operations::Operations,
        placement::Placement, reconcile::Existing, refresh, scope::Scope,
        security_context::FileOwner, write,
    },
    pod::{limits::is_too_large, view::PodView},
    policy::{
        apply::{apply, check_objects, check_opt_out},
        evaluation::AnnotatedPod,
        result::PolicyResult,
        rule::Rule,
        template::Subject,
    },
    settings::InjectSettings,
    sharing::{self, live_pods::OtherPods},
};

/// The decision about a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The pod is allowed and not changed.
    Skip {
        /// Why it is not injected.
        reason: SkipReason,
        /// What the pod author should know.
        warnings: Vec<String>,
        /// What the policy decided, if there is a policy file and it applies to the pod.
        policy: Option<PolicyResult>,
    },
    /// The pod is denied.
    Deny {
        /// All errors; at least one.
        errors: Vec<PodError>,
        /// What the pod author should know.
        warnings: Vec<String>,
        /// What the policy decided, if there is a policy file and it applies to the pod.
        policy: Option<PolicyResult>,
    },
    /// The pod is injected.
    Patch {
        /// The changes. There are none if the pod is already injected in the same way.
        operations: Operations,
        /// What the pod author should know.
        warnings: Vec<String>,
        /// What the policy decided, if there is a policy file and it applies to the pod.
        policy: Option<PolicyResult>,
    },
}

impl Decision {
    /// What the policy decided, if there is a policy file and it applies to the pod.
    pub fn policy(&self) -> Option<&PolicyResult> {
        let (Self::Skip { policy, .. } | Self::Deny { policy, .. } | Self::Patch { policy, .. }) =
            self;
        policy.as_ref()
    }
}

/// Decides about the creation of `pod` in `namespace`. The namespace of a pod without a controller
/// may be in the request only.
///
/// Volumes of `SecretProviderClass` objects are left to the CSI driver.
pub fn decide(pod: &PodView<'_>, namespace: &str, settings: &InjectSettings) -> Decision {
    decide_with_classes(pod, namespace, settings, ClassAccess::Off)
}

/// [`decide`], for a pod whose volumes of `SecretProviderClass` objects may be replaced, and whose Secrets other pods may want.
pub fn decide_with_classes<'c>(
    pod: &PodView<'_>,
    namespace: &str,
    settings: &InjectSettings,
    cluster: impl Into<ClusterView<'c>>,
) -> Decision {
    decide_and_list(pod, namespace, settings, cluster.into()).0
}

/// [`decide_with_classes`], and the list of the pod's entries for the audit log.
pub(crate) fn decide_and_list(
    pod: &PodView<'_>,
    namespace: &str,
    settings: &InjectSettings,
    cluster: ClusterView<'_>,
) -> (Decision, EntryList) {
    let subject = Subject {
        cluster: settings.cluster.as_deref(),
        namespace,
        service_account: pod.service_account(),
    };
    let rule = settings.policy.rule(subject);
    let mut findings = Findings::default();
    let found = Found::new(pod, settings, cluster.classes);
    let surroundings = Surroundings {
        subject,
        rule,
        settings,
        others: cluster.pods,
    };
    let outcome = check(pod, surroundings, found, &mut findings);
    if rule.denies_warnings() {
        findings.deny_warnings();
    }
    let Findings {
        errors,
        warnings,
        entries,
        plan: _,
        policy,
    } = findings;
    let warnings = warnings.iter().map(ToString::to_string).collect();
    let decision = match outcome {
        Some(Outcome::Skip(reason)) if errors.is_empty() => Decision::Skip {
            reason,
            warnings,
            policy,
        },
        Some(Outcome::Patch(operations)) if errors.is_empty() => Decision::Patch {
            operations,
            warnings,
            policy,
        },
        _ => Decision::Deny {
            errors,
            warnings,
            policy,
        },
    };
    (decision, entries)
}

enum Outcome {
    Skip(SkipReason),
    Patch(Operations),
}

/// What is decided with, besides the pod.
#[derive(Clone, Copy)]
struct Surroundings<'s> {
    subject: Subject<'s>,
    rule: &'s Rule,
    settings: &'s InjectSettings,
    /// The other live pods, if they are known.
    others: Option<&'s dyn OtherPods>,
}

/// Runs all checks. Returns `None` only if it adds an error.
fn check(
    pod: &PodView<'_>,
    surroundings: Surroundings<'_>,
    mut found: Found<'_>,
    findings: &mut Findings,
) -> Option<Outcome> {
    let Surroundings {
        subject,
        rule,
        settings,
        others,
    } = surroundings;
    let domain = &settings.domain;
    let entries = pod.annotations().filter(|(key, _)| is_entry(key, domain));
    let entries = entries.count();
    if let Some(reason) = skip_reason(pod, entries, &found, domain) {
        if reason == SkipReason::Windows {
            deny_variables(pod, domain, findings);
        }
        warn_of_skip(reason, pod, domain, findings);
        if reason == SkipReason::NotAnnotated {
            found.report(findings);
        }
        if reason == SkipReason::OptedOut && entries > 0 {
            check_opt_out(rule, domain, findings);
        }
        return Some(Outcome::Skip(reason));
    }
    if is_too_large(pod, findings) {
        return None;
    }
    found.report(findings);
    let existing = InitContainer::find(pod, settings);
    let wired = existing.wired_by_hand(pod);
    let injected = existing.injected();
    if entries == 0 && wired.is_some() {
        // Only its volumes brought it here, and they stay.
        wired::warn_of_classes(&found, findings);
        return Some(Outcome::Skip(SkipReason::WiredByHand));
    }
    let mut classes = match wired {
        None => plan::plan(pod, &found, subject, rule, settings, injected, findings),
        Some(_) => None,
    };
    if entries == 0 && wired.is_none() && classes.is_none() && findings.errors.is_empty() {
        return Some(Outcome::Skip(SkipReason::OtherProvider));
    }
    let parsed = parse(pod, domain, findings);
    let annotated = AnnotatedPod {
        subject,
        parsed: &parsed,
        entries,
        wired,
    };
    let policy = apply(annotated, rule, settings, findings);
    let late = LateSecret::new(&parsed, rule).inspect(|of| of.check_volumes(pod, findings));
    if let Some(others) = others {
        sharing::check::check(pod, subject.namespace, &found, settings, others, findings);
    }
    if let Some(classes) = &mut classes {
        findings.entries.objects(&classes.objects);
        check_objects(std::mem::take(&mut classes.denied), rule, findings);
    }
    if let Some(wired) = wired {
        wired::check(pod, wired, late.as_ref(), &parsed, findings);
        wired::warn_of_classes(&found, findings);
        return Some(Outcome::Skip(SkipReason::WiredByHand));
    }
    let has_files = entries > 0;
    let options = &if has_files {
        refresh::check(pod, &parsed, settings, findings)
    } else {
        without_files(&parsed.options)
    };
    if !has_files {
        warn_of_options_for_files(&parsed.options, domain, findings);
    }
    let scope = Scope {
        injected,
        has_files,
        classes,
    };
    let identity = Identity::new(pod, options, settings, &scope, findings);
    let placement = Placement::new(pod, &parsed, settings, scope, findings);
    let mut placement = placement?;
    if let Some(late) = late {
        let others = pod.other_init_containers(injected).map(|(_, of)| of);
        late.check_environments(others.take(placement.position), findings);
    }
    let targets = &placement.targets;
    if has_files {
        placement.commands = exec::wrap(pod, &parsed, settings, injected, targets, findings);
    }
    let owner = FileOwner::new(pod, targets, placement.readers(), settings.run_as);
    if let Some(classes) = placement.classes() {
        readable::warn(pod, classes, owner.uid, findings);
    }
    if has_files {
        warn_of_narrow_mode(&parsed, owner, findings);
        refresh::check_signal(pod, options, owner, &placement.targets, settings, findings);
    }
    if !findings.errors.is_empty() {
        return None;
    }
    let injection = Injection::new(pod, options, settings, &policy, placement, identity, owner);
    operations(pod, injection, findings).map(Outcome::Patch)
}

/// The annotations, and what is wrong with them besides errors.
fn parse(pod: &PodView<'_>, domain: &Domain, findings: &mut Findings) -> Parsed {
    let parsed = Parsed::from_annotations(domain, pod.annotations());
    findings
        .warnings
        .extend(parsed.warnings.iter().map(PodWarning::from));
    let of_previous = kees_template::check_previous(&parsed);
    let of_previous = of_previous.iter().map(PodWarning::from);
    findings.warnings.extend(of_previous);
    let ignored = parsed.ignored.iter().cloned();
    findings.errors.extend(ignored.map(PodError::from));
    parsed
}

/// The operations for a pod that is not injected, or those that reconcile one that is.
fn operations<'a>(
    pod: &PodView<'a>,
    mut injection: Injection<'a>,
    findings: &mut Findings,
) -> Option<Operations> {
    let operations = if let Some(injected) = injection.injected {
        let Ok(existing) = Existing::read(pod, injected) else {
            findings.error(Place::field("spec"), PodErrorKind::ExistingUnreadable);
            return None;
        };
        existing.keep_additions(pod, &mut injection);
        existing.reconcile(pod, &injection)
    } else {
        write::write(pod, &injection)
    };
    Operations::new(&operations)
        .map_err(|error| {
            findings.error(Place::field("spec"), PodErrorKind::Patch(error.to_string()));
        })
        .ok()
}
