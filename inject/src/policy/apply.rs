//! Applies the policy to a pod, in the mode of the rule that matches it.

use std::{collections::HashSet, sync::Arc};

use kees_common::{Domain, names::init};

use crate::{
    error::{Place, PodError, PodErrorKind},
    findings::Findings,
    policy::{
        effective::EffectivePolicy,
        evaluation::{AnnotatedPod, Evaluation},
        result::{PolicyOutcome, PolicyResult},
        rule::{Mode, Origin, Rule},
    },
    settings::InjectSettings,
};

/// Checks all annotations of a pod, by themselves and against the rule that matches the pod. In the
/// mode `warn`, what the rule does not allow is a warning, and the pod gets it.
pub(crate) fn apply<'s>(
    pod: AnnotatedPod<'_>,
    rule: &'s Rule,
    settings: &'s InjectSettings,
    findings: &mut Findings,
) -> EffectivePolicy<'s> {
    let evaluate = |mode, findings: &mut Findings| {
        let mut evaluation = Evaluation {
            settings,
            pod,
            rule,
            mode,
            findings,
        };
        evaluation.policy()
    };
    let mut enforced = Findings::default();
    let policy = evaluate(Mode::Enforce, &mut enforced);
    let is_denied = enforced.errors.iter().any(PodError::is_of_policy);
    let (policy, outcome) = match rule.mode {
        Mode::Enforce => {
            findings.errors.append(&mut enforced.errors);
            findings.entries = enforced.entries;
            (policy, outcome(is_denied, PolicyOutcome::Denied))
        }
        Mode::Warn => {
            let policy = evaluate(Mode::Warn, findings);
            let is_warned = warn(enforced.errors, findings);
            (policy, outcome(is_warned, PolicyOutcome::Warned))
        }
    };
    findings.policy = result(rule, outcome);
    policy
}

/// The same without the mode: what the rule does not allow is an error in the mode `warn` too.
pub(crate) fn enforce<'s>(
    pod: AnnotatedPod<'_>,
    rule: &'s Rule,
    settings: &'s InjectSettings,
    findings: &mut Findings,
) -> EffectivePolicy<'s> {
    let mut evaluation = Evaluation {
        settings,
        pod,
        rule,
        mode: Mode::Enforce,
        findings,
    };
    evaluation.policy()
}

/// Checks that a pod may opt out with `init.DOMAIN/inject: "false"`.
pub(crate) fn check_opt_out(rule: &Rule, domain: &Domain, findings: &mut Findings) {
    if rule.opt_out {
        return;
    }
    let place = Place::Annotation(domain.init(init::INJECT));
    let error = PodError::Pod {
        place,
        kind: PodErrorKind::OptOutDenied,
    };
    let outcome = match rule.mode {
        Mode::Enforce => {
            findings.errors.push(error);
            PolicyOutcome::Denied
        }
        Mode::Warn => {
            findings.warn_of_error(&error);
            PolicyOutcome::Warned
        }
    };
    findings.policy = result(rule, outcome);
}

/// Adds what the policy does not allow of the objects of classes. In the mode `warn`, the pod gets them.
pub(crate) fn check_objects(denied: Vec<PodError>, rule: &Rule, findings: &mut Findings) {
    if denied.is_empty() {
        return;
    }
    let outcome = match rule.mode {
        Mode::Enforce => {
            for error in denied {
                findings.push(error);
            }
            PolicyOutcome::Denied
        }
        Mode::Warn => {
            for error in &denied {
                findings.warn_of_error(error);
            }
            PolicyOutcome::Warned
        }
    };
    findings.policy = result(rule, outcome);
}

/// Adds a warning for each error of the policy, if the pod is not denied for the same place. Returns
/// whether there is one.
fn warn(enforced: Vec<PodError>, findings: &mut Findings) -> bool {
    let denied: HashSet<String> = findings.errors.iter().map(PodError::field).collect();
    let is_only_of_policy =
        |error: &PodError| error.is_of_policy() && !denied.contains(&error.field());
    let errors: Vec<_> = enforced.into_iter().filter(is_only_of_policy).collect();
    for error in &errors {
        findings.warn_of_error(error);
    }
    !errors.is_empty()
}

fn outcome(is_broken: bool, broken: PolicyOutcome) -> PolicyOutcome {
    if is_broken {
        broken
    } else {
        PolicyOutcome::Allowed
    }
}

/// The result for metrics. Without a policy file there is none.
fn result(rule: &Rule, outcome: PolicyOutcome) -> Option<PolicyResult> {
    let rule = match &rule.origin {
        Origin::File(name) => Some(Arc::clone(name)),
        Origin::NoMatch => None,
        Origin::NoFile => return None,
    };
    Some(PolicyResult { rule, outcome })
}
