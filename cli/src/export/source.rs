//! What is exported: the entries of manifests, prefixes, or what the policy file gives to a namespace.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use kees_common::{Generation, LocalMode, StoragePath, StoragePrefix, StoreName, names::env};
use kees_init::Request;
use kees_inject::{INIT_CONTAINER, InjectSettings, Policy, SkipReason};
use kees_store::permissions::{Pattern, Variable};
use serde_json::Value;

use super::{access::Access, class_objects};
use crate::{
    admission::{self, Verdict},
    args::{
        ManifestArgs, OperatorArgs, StoreArgs,
        export::{SourceArgs, Use},
    },
    error::{CliError, CliErrorKind},
    export_error::ExportError,
    inject_settings,
    input::Input,
    run::container,
    workload::Workload,
};

/// Where the names come from.
#[derive(Debug)]
pub(crate) enum Source {
    Manifests {
        files: Vec<PathBuf>,
        namespace: String,
        /// The variable in the place of the first segment of each prefix.
        environment: Option<Variable>,
    },
    Prefixes {
        prefixes: Vec<String>,
        subject: Option<Subject>,
    },
    Policy {
        subject: Subject,
        has_policy: bool,
    },
    Nothing,
}

/// The pods that a role is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Subject {
    pub(crate) namespace: String,
    pub(crate) service_account: Option<String>,
}

/// What is exported.
#[derive(Debug)]
pub(crate) struct Exported {
    pub(crate) access: Access,
    pub(crate) subjects: Vec<Subject>,
    pub(crate) default_use: Use,
    /// Warnings for standard error.
    pub(crate) messages: Vec<String>,
}

impl From<&SourceArgs> for Source {
    fn from(args: &SourceArgs) -> Self {
        let SourceArgs {
            files,
            prefix,
            namespace,
            service_account,
            account: _,
            stores: _,
            operator,
        } = args;
        let subject = namespace.as_ref().map(|namespace| Subject {
            namespace: namespace.clone(),
            service_account: service_account.clone(),
        });
        match subject {
            _ if !files.is_empty() => Self::Manifests {
                files: files.clone(),
                namespace: namespace.clone().unwrap_or_else(|| "default".to_owned()),
                environment: None,
            },
            subject if !prefix.is_empty() => Self::Prefixes {
                prefixes: prefix.clone(),
                subject,
            },
            Some(subject) => Self::Policy {
                subject,
                has_policy: operator.policy.is_some(),
            },
            None => Self::Nothing,
        }
    }
}

/// The operator's settings. Without a policy file, everything is allowed, as for `kees run`.
pub(crate) fn settings(
    stores: &StoreArgs,
    operator: &OperatorArgs,
) -> (InjectSettings, Vec<CliError>) {
    inject_settings::read(stores, operator, None, Policy::permissive())
}

/// The settings and their errors without those about the place of the stores, which is known where the
/// export is used.
pub(crate) fn without_place(
    settings: &mut InjectSettings,
    mut errors: Vec<CliError>,
) -> Vec<CliError> {
    for (name, stand_in) in [(env::ENV_LABEL, "any"), (env::AWS_REGION, "us-east-1")] {
        let variable = settings.init_env.entry(name.to_owned());
        variable.or_insert_with(|| stand_in.to_owned());
    }
    inject_settings::take_label_error(&mut errors);
    errors
}

/// Reads the source.
///
/// # Errors
/// Everything that is wrong with the settings, the manifests or the pods.
pub(crate) fn read(
    source: &Source,
    settings: InjectSettings,
    mut errors: Vec<CliError>,
) -> Result<Exported, Vec<CliError>> {
    // Objects of classes are in no table.
    let no_label = inject_settings::take_label_error(&mut errors);
    match source {
        Source::Manifests {
            files,
            namespace,
            environment,
        } => {
            let manifest = ManifestArgs {
                files: files.clone(),
                namespace: namespace.clone(),
            };
            manifests(&manifest, *environment, settings, errors, no_label)
        }
        _ if !errors.is_empty() => {
            errors.extend(no_label);
            Err(errors)
        }
        Source::Prefixes { .. } if no_label.is_some() => Err(Vec::from_iter(no_label)),
        Source::Prefixes { prefixes, subject } => {
            let mut access = Access::default();
            for prefix in prefixes {
                add_prefix(&mut access, prefix, &stores(&settings))?;
            }
            Ok(Exported {
                access,
                subjects: subject.iter().cloned().collect(),
                default_use: Use::InitCreates,
                messages: Vec::new(),
            })
        }
        Source::Policy {
            subject,
            has_policy,
        } => {
            if !has_policy {
                let namespace = subject.namespace.clone();
                return Err(vec![ExportError::NoPolicy(namespace).into()]);
            }
            policy(subject, &settings, no_label)
        }
        Source::Nothing => Err(vec![ExportError::NoSource.into()]),
    }
}

/// The pods that a role is for, without what they need.
///
/// # Errors
/// Everything that is wrong with the manifests or their pods.
pub(crate) fn subjects(
    source: &Source,
    settings: InjectSettings,
    errors: Vec<CliError>,
) -> Result<Vec<Subject>, Vec<CliError>> {
    match source {
        Source::Manifests { .. } => Ok(read(source, settings, errors)?.subjects),
        Source::Prefixes { subject, .. } => Ok(subject.iter().cloned().collect()),
        Source::Policy { subject, .. } => Ok(vec![subject.clone()]),
        Source::Nothing => Ok(Vec::new()),
    }
}

/// The store of pods that name none, and all others that they may name.
fn stores(settings: &InjectSettings) -> Vec<StoreName> {
    let mut stores = vec![settings.store];
    stores.extend(&settings.stores);
    stores
}

fn add_prefix(access: &mut Access, text: &str, stores: &[StoreName]) -> Result<(), ExportError> {
    let error = |source| ExportError::Prefix {
        prefix: text.to_owned(),
        source,
    };
    let prefix: StoragePrefix = text.parse().map_err(error)?;
    let text = prefix.as_str();
    let text = text.strip_suffix('/').unwrap_or(text);
    // A variable stands for a name of Kubernetes, which every store accepts.
    let example = text
        .replace("${aws:PrincipalTag/kubernetes-namespace}", "n")
        .replace("${aws:PrincipalTag/kubernetes-service-account}", "n");
    for store in stores {
        store
            .accepts(&format!("{example}/x"))
            .map_err(|right| ExportError::PrefixNotAccepted {
                prefix: text.to_owned(),
                store: *store,
                right,
            })?;
        access.add_prefix(*store, &Pattern::prefix(text));
    }
    Ok(())
}

/// What the rule for a namespace allows.
fn policy(
    subject: &Subject,
    settings: &InjectSettings,
    no_label: Option<CliError>,
) -> Result<Exported, Vec<CliError>> {
    let allowance = settings
        .allowance(&subject.namespace, subject.service_account.as_deref())
        .map_err(|source| {
            vec![CliError::from(ExportError::Allowance {
                namespace: subject.namespace.clone(),
                source,
            })]
        })?;
    let mut access = Access::default();
    if let Some(prefix) = &allowance.prefix {
        if let Some(error) = no_label {
            return Err(vec![error]);
        }
        add_prefix(&mut access, prefix.as_str(), &allowance.stores)
            .map_err(|error| vec![CliError::from(error)])?;
    }
    let mut messages = class_objects::add_patterns(&allowance.class_objects, &mut access);
    let takes_arns = |store: &&StoreName| store.takes_arns();
    for store in allowance.stores.iter().filter(takes_arns) {
        // `*` and `?` mean the same in the policy file and in IAM.
        let is_iam =
            |arn: &&String| arn.starts_with("arn:") && !arn.contains(['[', '{', '\\', '$']);
        let (known, unknown): (Vec<_>, Vec<_>) = allowance.references.iter().partition(is_iam);
        access.add_references(*store, known.into_iter().map(|arn| Pattern::iam(arn)));
        messages.extend(unknown.into_iter().map(|arn| {
            format!(
                "warning: references: '{arn}' cannot be written in IAM; add what it allows yourself"
            )
        }));
    }
    Ok(Exported {
        access,
        subjects: vec![subject.clone()],
        default_use: if allowance.creates {
            Use::InitCreates
        } else {
            Use::InitReads
        },
        messages,
    })
}

/// The entries of manifests.
fn manifests(
    manifest: &ManifestArgs,
    environment: Option<Variable>,
    settings: InjectSettings,
    errors: Vec<CliError>,
    no_label: Option<CliError>,
) -> Result<Exported, Vec<CliError>> {
    let (mut input, mut errors) = Input::read(manifest, settings, errors);
    let domain = &input.settings.domain;
    let mut workloads = input.workloads.iter();
    let needs_label = workloads.any(|workload| workload.has_entries(&input.documents, domain));
    errors.extend(no_label.filter(|_| needs_label));
    let mut exported = Exported {
        access: Access::default(),
        subjects: Vec::new(),
        default_use: Use::InitCreates,
        messages: Vec::new(),
    };
    let mut denied = BTreeSet::new();
    for (index, workload) in input.workloads.iter().enumerate() {
        match request(&input, workload, &mut exported.messages) {
            Ok(Some(request)) => {
                exported.subjects.push(subject(&input, workload));
                let namespace = &workload.name.namespace;
                add_request(&mut exported.access, &request, namespace, environment);
            }
            Ok(None) => {}
            Err(wrong) => {
                denied.insert(index);
                errors.extend(wrong);
            }
        }
    }
    let found = class_objects::add_classes(
        &mut input,
        &manifest.namespace,
        &denied,
        &mut exported.access,
    );
    let with_classes = found.workloads.iter();
    let with_classes = with_classes.filter_map(|index| input.workloads.get(*index));
    let with_classes = with_classes.map(|workload| subject(&input, workload));
    exported.subjects.extend(with_classes);
    exported.messages.extend(found.messages);
    errors.extend(found.errors);
    if exported.subjects.is_empty() && errors.is_empty() {
        let nothing = admission::nothing_to_do(&input.settings.domain);
        let nothing = format!("{nothing}, or a volume of a SecretProviderClass in the manifests");
        // A warning may say why: the manifests do not have the class.
        let lines = exported.messages.drain(..).chain([nothing]);
        let lines = lines.collect::<Vec<_>>().join("\n");
        errors.push(ExportError::NotAnnotated(lines).into());
    }
    exported.subjects.sort();
    exported.subjects.dedup();
    if errors.is_empty() {
        Ok(exported)
    } else {
        Err(errors)
    }
}

fn subject(input: &Input, workload: &Workload) -> Subject {
    let pod = workload.pod(&input.documents);
    let account = pod.and_then(|pod| pod.pointer("/spec/serviceAccountName"));
    let account = account
        .and_then(Value::as_str)
        .filter(|name| !name.is_empty());
    Subject {
        namespace: workload.name.namespace.clone(),
        service_account: Some(account.unwrap_or("default").to_owned()),
    }
}

/// What the pods of a workload ask of the stores, if they are injected or wired by hand.
fn request(
    input: &Input,
    workload: &Workload,
    messages: &mut Vec<String>,
) -> Result<Option<Request>, Vec<CliError>> {
    let location = &workload.location;
    let admission = admission::admit(input, workload);
    let warnings = admission.warnings.iter();
    messages.extend(warnings.map(|w| format!("{}warning: {}", w.location, w.message)));
    let pod = workload.pod(&input.documents).unwrap_or(&Value::Null);
    match admission.verdict {
        Verdict::Injected(injected) => {
            let init = container::find(&injected, |one| one["name"] == INIT_CONTAINER);
            parse(input, workload, &injected, init).map(Some)
        }
        Verdict::Skipped(SkipReason::WiredByHand) => {
            let init = container::find(pod, |one| {
                let image = one["image"].as_str();
                image.is_some_and(|image| input.settings.wired_image.matches(image))
            });
            parse(input, workload, pod, init).map(Some)
        }
        Verdict::Skipped(SkipReason::NotAnnotated) | Verdict::Undecided => Ok(None),
        Verdict::Skipped(reason) => {
            let reason = admission::skip_message(reason, &input.settings.domain);
            messages.push(format!("{location}skipped: {reason}"));
            Ok(None)
        }
        Verdict::Denied(errors) => Err(errors),
    }
}

/// Parses the annotations of a pod with the settings of its init container.
pub(crate) fn parse(
    input: &Input,
    workload: &Workload,
    pod: &Value,
    init: Option<&Value>,
) -> Result<Request, Vec<CliError>> {
    let (mut variables, mut errors) = container::variables(init.unwrap_or(&Value::Null), workload);
    for (name, value) in &input.settings.init_env {
        variables
            .entry(name.clone())
            .or_insert_with(|| value.clone());
    }
    let (settings, wrong) = container::settings(&variables, Path::new("/"));
    errors.extend(wrong);
    let annotations = container::annotations(pod);
    match Request::parse(&settings, annotations.as_bytes()) {
        Ok(request) if errors.is_empty() => return Ok(request),
        Ok(_) => {}
        Err(error) => errors.extend(CliErrorKind::of(&error)),
    }
    let errors = errors.into_iter();
    Err(errors.map(|error| error.at(&workload.location)).collect())
}

/// Adds what the pods of a namespace that make this request read, and what is created for them.
fn add_request(
    access: &mut Access,
    request: &Request,
    namespace: &str,
    environment: Option<Variable>,
) {
    if request.local_mode() == LocalMode::On {
        return;
    }
    // `remote-then-local` creates nothing.
    let creates = request.local_mode() == LocalMode::Off;
    let name = |path: &StoragePath| match environment {
        Some(variable) => in_environment(path, request.prefix(), variable),
        None => Pattern::from(path.as_str()),
    };
    let is_rotated = |generation: &Generation| {
        let mut entries = generation.entries.iter();
        let entry = |at: &usize| request.entries().get(*at);
        entries.any(|at| entry(at).is_some_and(|entry| entry.rotation.is_some()))
    };
    access.add_plan(request.plan(), creates, is_rotated, name);
    if let Ok(leases) = request.prefix().join("leases") {
        access.add_leases(request.plan(), namespace, &name(&leases), name);
    }
}

/// The path with a variable in the place of the first segment of its prefix.
fn in_environment(path: &StoragePath, prefix: &StoragePrefix, variable: Variable) -> Pattern {
    let path = path.as_str();
    let first = prefix.as_str().trim_matches('/').split('/').next();
    let first = first.unwrap_or_default();
    let rest = path.strip_prefix('/').unwrap_or(path);
    let rest = rest.strip_prefix(first).unwrap_or(rest);
    Pattern::from("/")
        .then(variable)
        .then("/")
        .then(rest.trim_start_matches('/'))
}
