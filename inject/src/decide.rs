//! The decision about a pod: skip it, deny it, or patch it.

use kees_common::{
    Domain, Options, Parsed, Start, Word, misspelled_prefix,
    names::init::{self, is_env},
};

use crate::{
    audit::EntryList,
    class::{found::Found, plan, readable},
    classes::ClassAccess,
    cluster::ClusterView,
    error::{Place, PodError, PodErrorKind, excerpt},
    findings::{Findings, PodWarning},
    late_secret::LateSecret,
    names,
    patch::{
        exec, identity::Identity, injection::Injection, operations::Operations,
        placement::Placement, reconcile::Existing, refresh, scope::Scope,
        security_context::FileOwner, write,
    },
    pod::{container::ContainerView, injected::Injected, limits::is_too_large, view::PodView},
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

/// Why a pod is not injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SkipReason {
    /// The request does not create a pod.
    NotPodCreation,
    /// The pod has no annotation that asks for a value.
    NotAnnotated,
    /// `init.DOMAIN/inject: "false"`.
    OptedOut,
    /// The mirror pod of a static pod. A patch would keep it in the phase Pending.
    Mirror,
    /// A Windows pod.
    Windows,
    /// The pod author wired the init container by hand. The annotations are still checked.
    WiredByHand,
    /// The pod has no annotation that asks for a value, and its classes are those of other providers.
    OtherProvider,
}

impl SkipReason {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::NotPodCreation,
        Self::NotAnnotated,
        Self::OptedOut,
        Self::Mirror,
        Self::Windows,
        Self::WiredByHand,
        Self::OtherProvider,
    ];

    /// The reason in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotPodCreation => "not_pod_creation",
            Self::NotAnnotated => "not_annotated",
            Self::OptedOut => "opted_out",
            Self::Mirror => "mirror",
            Self::Windows => "windows",
            Self::WiredByHand => "wired_by_hand",
            Self::OtherProvider => "other_provider",
        }
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
        warn_of_wired_classes(&found, findings);
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
        check_wired(pod, wired, late.as_ref(), &parsed, findings);
        warn_of_wired_classes(&found, findings);
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

/// The options that matter to a pod that asks for no value: it has volumes of classes alone.
fn without_files(options: &Options) -> Options {
    Options {
        order: options.order.clone(),
        ..Options::default()
    }
}

/// Warns of options for files of annotations that a pod author could expect to count for volumes of classes too.
fn warn_of_options_for_files(options: &Options, domain: &Domain, findings: &mut Findings) {
    let is_fast = options.start == Start::Fast;
    let asked = [
        (is_fast, init::START),
        (options.refresh.is_some(), init::REFRESH),
    ];
    for (_, name) in asked.into_iter().filter(|(is_asked, _)| *is_asked) {
        let place = Place::Annotation(domain.init(name));
        let message =
            "has no effect on a pod that has volumes of SecretProviderClass objects alone";
        findings.warn(place, message);
    }
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

/// Whether the key of an annotation asks for a value.
fn is_entry(key: &str, domain: &Domain) -> bool {
    matches!(
        domain.split(key),
        Some((Word::Secret | Word::Resource | Word::Lease, _))
    )
}

fn skip_reason(
    pod: &PodView<'_>,
    entries: usize,
    found: &Found<'_>,
    domain: &Domain,
) -> Option<SkipReason> {
    // The values are compared exactly, as in the `matchConditions`.
    if entries == 0 && found.is_empty() && !pod.metadata.annotations.is_too_large() {
        Some(SkipReason::NotAnnotated)
    } else if pod.annotation(&domain.init(init::INJECT)) == Some("false") {
        Some(SkipReason::OptedOut)
    } else if pod.annotation("kubernetes.io/config.mirror").is_some() {
        Some(SkipReason::Mirror)
    } else if pod.is_windows() {
        Some(SkipReason::Windows)
    } else {
        None
    }
}

/// Warns if the pod author probably expects the pod to be injected.
fn warn_of_skip(reason: SkipReason, pod: &PodView<'_>, domain: &Domain, findings: &mut Findings) {
    match reason {
        SkipReason::Windows => {
            let message = "kees has no init container for Windows, so nothing is injected";
            findings.warn(Place::field("spec.os"), message);
        }
        SkipReason::NotAnnotated => {
            // The number of annotations is not checked yet.
            const LIMIT: usize = 64;
            let keys = pod.annotations().map(|(key, _)| key);
            let misspelled = keys.filter_map(|key| misspelled_prefix(domain, key));
            let warnings = misspelled.map(|warning| PodWarning::from(&warning));
            findings.warnings.extend(warnings.take(LIMIT));
        }
        _ => {}
    }
}

/// Denies a pod of Windows that asks for variables: its containers would start without them.
fn deny_variables(pod: &PodView<'_>, domain: &Domain, findings: &mut Findings) {
    let asks = |(key, value): &(&str, &str)| {
        let option = domain.split(key).filter(|(word, _)| *word == Word::Init);
        let is_env = option.is_some_and(|(_, name)| is_env(name));
        is_env && value.trim() != "false"
    };
    for (key, _) in pod.annotations().filter(asks) {
        findings.error(Place::annotation(key), PodErrorKind::WindowsVariables);
    }
}

/// Checks a pod with the init container `wired`, and warns of what has no effect in it.
fn check_wired(
    pod: &PodView<'_>,
    wired: &ContainerView<'_>,
    late: Option<&LateSecret<'_>>,
    parsed: &Parsed,
    findings: &mut Findings,
) {
    if let Some(late) = late {
        let all = pod.spec.init_containers.iter();
        let early = all.take_while(|container| !std::ptr::eq(*container, wired));
        late.check_environments(early, findings);
    }
    warn_of_wired_variables(parsed, findings);
    warn_of_wired_start(parsed, findings);
    refresh::warn_if_wired(pod, wired, parsed, findings);
}

/// Warns if a pod that is wired by hand asks for variables: its commands are not changed.
fn warn_of_wired_variables(parsed: &Parsed, findings: &mut Findings) {
    if parsed.options.environments.is_some() {
        let place = Place::Annotation(parsed.domain.init(init::ENV));
        let message = "commands are not changed in a pod that is wired by hand; set EXEC_FOLDER there, \
                       and start the commands with kees-init exec";
        findings.warn(place, message);
    }
}

/// Warns that CSI volumes of a pod that is wired by hand are not replaced.
fn warn_of_wired_classes(found: &Found<'_>, findings: &mut Findings) {
    if let Some(volume) = found.volumes.first() {
        let place = Place::field(format!("spec.volumes[{}]", excerpt(&volume.name)));
        let message = "it is left to the CSI driver, because the pod is wired by hand";
        findings.warn(place, message);
    }
}

/// Warns if a pod that is wired by hand asks for a fast start: its containers are not changed.
fn warn_of_wired_start(parsed: &Parsed, findings: &mut Findings) {
    if parsed.options.start == Start::Fast {
        let place = Place::Annotation(parsed.domain.init(init::START));
        let message = "has no effect on a pod that is wired by hand; give its init container the argument \
                       start, restartPolicy: Always, and a postStart hook with /kees-init wait";
        findings.warn(place, message);
    }
}

/// Warns if the mode that the pod sets may keep one of its containers from reading the files.
fn warn_of_narrow_mode(parsed: &Parsed, owner: FileOwner, findings: &mut Findings) {
    let of_all = parsed.options.file_mode.iter();
    let of_all = of_all.map(|mode| (parsed.domain.init(init::FILE_MODE), *mode));
    let placed = parsed.options.files.placed.values();
    let placed = placed.filter_map(|file| Some((file.annotation.clone(), file.mode?)));
    let needed = owner.mode;
    for (annotation, requested) in of_all.chain(placed) {
        if requested.bits() & needed.bits() == needed.bits() {
            continue;
        }
        let place = Place::Annotation(annotation);
        let message = format!(
            "a container may be unable to read files of mode {requested}; {needed} is enough"
        );
        findings.warn(place, message);
    }
}

/// The init container of kees that a pod already has.
#[derive(Clone, Copy)]
enum InitContainer {
    Absent,
    /// From an earlier call, or from an injected manifest.
    Injected(Injected),
    /// From the pod author, by its index.
    WiredByHand(usize),
}

impl InitContainer {
    fn find(pod: &PodView<'_>, settings: &InjectSettings) -> Self {
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
    fn injected(self) -> Option<Injected> {
        match self {
            Self::Injected(injected) => Some(injected),
            Self::Absent | Self::WiredByHand(_) => None,
        }
    }

    /// The container of a pod that is wired by hand.
    fn wired_by_hand<'p, 'a>(self, pod: &'p PodView<'a>) -> Option<&'p ContainerView<'a>> {
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
