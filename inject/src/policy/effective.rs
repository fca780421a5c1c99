//! The effective policy of one pod: what the rule that matches it allows, with the pod's own
//! choices. Everything that the pod asks for beyond it is an error.

use std::path::PathBuf;

use kees_common::{
    AnnotationErrorKind, Entry, Layout, LocalMode, MountPath, Parsed, Plan, PlanSettings, Secret,
    Source, StoragePrefix, StoreName,
    names::{env, init},
    output::Format,
};

use crate::{
    audit::EntryList,
    error::{Place, PodErrorKind, excerpt},
    findings::Findings,
    pod::{container::ContainerView, resources::Resources},
    policy::{
        rule::{AllowedPrefix, Create, Rule},
        template::Subject,
    },
    settings::InjectSettings,
};

/// The policy for one pod.
#[derive(Debug)]
pub(crate) struct EffectivePolicy<'s> {
    /// `STORAGE_PREFIX`; absent in a pod that uses no store and names no prefix.
    pub(crate) prefix: Option<StoragePrefix>,
    /// `STORE`
    pub(crate) store: StoreName,
    /// `STORES`; begins with [`EffectivePolicy::store`].
    pub(crate) stores: Vec<StoreName>,
    /// `LOCAL_MODE`
    pub(crate) local_mode: bool,
    /// `CREATE`
    pub(crate) create: Create,
    /// Requests and limits of the init container.
    pub(crate) resources: &'s Resources,
    /// Whether the init container may use the node's AWS identity.
    pub(crate) instance_metadata: bool,
}

impl<'s> EffectivePolicy<'s> {
    /// Checks all annotations, by themselves and against the rule for `subject`. `wired` is the
    /// init container of a pod that is wired by hand. Returns `None` if no rule matches.
    pub(crate) fn new(
        subject: Subject<'_>,
        settings: &'s InjectSettings,
        parsed: &Parsed,
        wired: Option<&ContainerView<'_>>,
        findings: &mut Findings,
    ) -> Option<Self> {
        let rule = settings.policy.rule(subject);
        if rule.is_none() {
            let kind = PodErrorKind::NoRule {
                namespace: subject.namespace.to_owned(),
                service_account: excerpt(subject.service_account),
            };
            findings.error(Place::field("policy"), kind);
        }
        // Without a rule, a rule that allows everything finds the errors of the annotations.
        let permissive = Rule::permissive();
        let mut evaluation = Evaluation {
            settings,
            parsed,
            wired,
            subject,
            rule: rule.unwrap_or(&permissive),
            findings,
        };
        let prefix = evaluation.prefix();
        let (store, stores) = evaluation.stores();
        evaluation.plan(prefix.as_ref(), store, &stores);
        for entry in &parsed.entries {
            evaluation.entry(entry, store, &stores);
        }
        let rule = rule?;
        Some(Self {
            prefix,
            store,
            stores,
            local_mode: rule.local_mode,
            create: rule.create,
            resources: rule.resources.as_ref().unwrap_or(&settings.resources),
            instance_metadata: rule.instance_metadata,
        })
    }
}

/// The evaluation of one rule for one pod.
struct Evaluation<'a> {
    settings: &'a InjectSettings,
    parsed: &'a Parsed,
    /// The init container of a pod that is wired by hand.
    wired: Option<&'a ContainerView<'a>>,
    subject: Subject<'a>,
    rule: &'a Rule,
    findings: &'a mut Findings,
}

impl Evaluation<'_> {
    /// The prefix of the pod's paths: the prefix that the pod requests, or the rule's if it
    /// requests none.
    fn prefix(&mut self) -> Option<StoragePrefix> {
        let requested = self.requested_prefix();
        let allowed = match &self.rule.prefix {
            AllowedPrefix::Any => {
                let prefix = requested.map(|requested| requested.prefix);
                return Some(prefix.unwrap_or_else(StoragePrefix::root));
            }
            AllowedPrefix::AtOrBelow(template) => {
                template.fill(self.subject).map_err(PodErrorKind::from)
            }
            // Local mode alone needs no prefix.
            AllowedPrefix::None if self.local_only() => {
                return requested.map(|requested| requested.prefix);
            }
            AllowedPrefix::None => Err(PodErrorKind::NoPrefix {
                namespace: self.subject.namespace.to_owned(),
                service_account: excerpt(self.subject.service_account),
            }),
        };
        let error = match (allowed, &requested) {
            (Ok(allowed), None) => return Some(allowed),
            (Ok(allowed), Some(requested)) if allowed.contains(&requested.prefix) => None,
            (Ok(allowed), Some(requested)) if requested.is_default => {
                Some(PodErrorKind::PrefixMissing {
                    allowed: allowed.to_string(),
                })
            }
            (Ok(allowed), Some(requested)) => Some(PodErrorKind::PrefixDenied {
                requested: requested.prefix.to_string(),
                allowed: allowed.to_string(),
            }),
            (Err(error), _) => Some(error),
        };
        if let Some(error) = error {
            let annotation = self.settings.domain.init(init::STORAGE_PREFIX);
            self.findings.error(Place::Annotation(annotation), error);
        }
        requested.map(|requested| requested.prefix)
    }

    /// The prefix that the pod names. A container that is wired by hand may name it in its
    /// environment, which takes precedence over the annotation; its default is `/`.
    fn requested_prefix(&self) -> Option<RequestedPrefix> {
        let named = |prefix| RequestedPrefix {
            prefix,
            is_default: false,
        };
        let annotated = || self.parsed.options.storage_prefix.clone().map(named);
        let Some(container) = self.wired else {
            return annotated();
        };
        let own = container
            .variable(env::STORAGE_PREFIX)
            .and_then(|text| text.parse().ok());
        own.map(named).or_else(annotated).or_else(|| {
            Some(RequestedPrefix {
                prefix: StoragePrefix::root(),
                is_default: true,
            })
        })
    }

    /// The store of a pod that names none, and all stores that it may name.
    fn stores(&self) -> (StoreName, Vec<StoreName>) {
        let default = self.settings.store;
        if let Some(container) = self.wired {
            // The container's environment names its store; the original knows only DynamoDB.
            let own = container
                .variable(env::STORE)
                .and_then(|text| text.parse().ok());
            let allowed = self.rule.stores.clone();
            return (
                own.unwrap_or_default(),
                allowed.unwrap_or_else(|| StoreName::ALL.to_vec()),
            );
        }
        let others = self.settings.stores.iter().copied();
        let mut stores = vec![default];
        stores.extend(others.filter(|store| *store != default));
        if let Some(allowed) = &self.rule.stores {
            stores.retain(|store| allowed.contains(store));
        }
        (stores.first().copied().unwrap_or(default), stores)
    }

    /// Collects the errors of the annotations, each by itself and in combination.
    fn plan(&mut self, prefix: Option<&StoragePrefix>, store: StoreName, stores: &[StoreName]) {
        let settings = PlanSettings {
            prefix: prefix.cloned().unwrap_or_else(StoragePrefix::root),
            store,
            allowed: stores.to_vec(),
            local_mode_allowed: self.rule.local_mode,
            layout: self.layout(),
        };
        match Plan::new(self.parsed, &settings) {
            Ok(plan) => self.findings.entries = EntryList::with_paths(self.parsed, &plan),
            Err(errors) => {
                let errors = errors.into_iter().map(Into::into);
                self.findings.errors.extend(errors);
                self.findings.entries = EntryList::names(self.parsed);
            }
        }
    }

    /// The files that are written: as the annotations say, or as the environment of a container
    /// that is wired by hand says.
    fn layout(&self) -> Layout {
        let options = &self.parsed.options;
        let format = options.format.unwrap_or_default();
        let Some(container) = self.wired else {
            return Layout::under(&options.mount_path.clone().unwrap_or_default(), format);
        };
        let own = container
            .variable(env::FORMAT)
            .and_then(|text| text.parse::<Format>().ok());
        let default = Layout::under(&MountPath::default(), own.unwrap_or(format));
        let path = |name: &str, default: PathBuf| {
            container
                .variable(name)
                .map_or(default, |path| PathBuf::from(&*path))
        };
        Layout {
            format: default.format,
            secrets: path(env::SECRETS_FILE, default.secrets),
            resources: path(env::RESOURCES_FILE, default.resources),
            leases: path(env::LEASES_FILE, default.leases),
            resources_folder: path(env::RESOURCES_FILE_PATH, default.resources_folder),
            leases_folder: path(env::LEASES_FILE_PATH, default.leases_folder),
        }
    }

    /// Checks that the rule allows the entry's store and ARN.
    fn entry(&mut self, entry: &Entry, default: StoreName, stores: &[StoreName]) {
        if self.local_only() {
            return;
        }
        let lookup = match &entry.source {
            Source::Secret(Secret::Reference { lookup, .. }) => Some(lookup),
            Source::Resource(resource) => Some(&resource.lookup),
            Source::Secret(Secret::Dynamic { .. }) => None,
            Source::Lease(_) => return,
        };
        let store = entry.store.or(self.parsed.options.store).unwrap_or(default);
        // The plan checks a store that the pod names, but not the default.
        if store == default && !stores.contains(&store) {
            let names: Vec<_> = stores.iter().map(|store| store.as_str()).collect();
            let allowed = if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            };
            let kind = AnnotationErrorKind::StoreNotAllowed { store, allowed };
            let error = kind.at(&entry.annotation);
            self.findings.errors.push(error.into());
        }
        let arn = lookup
            .and_then(|lookup| lookup.storage_key.as_ref())
            .filter(|key| key.is_arn());
        if let Some(arn) = arn
            && store.takes_arns()
            && !self.rule.references.matches(arn.as_str())
        {
            let kind = PodErrorKind::ReferenceDenied {
                arn: arn.as_str().to_owned(),
            };
            let place = Place::Annotation(entry.annotation.clone());
            self.findings.error(place, kind);
        }
    }

    fn local_only(&self) -> bool {
        self.parsed.options.local_mode == LocalMode::On
    }
}

/// The prefix that a pod names.
struct RequestedPrefix {
    prefix: StoragePrefix,
    /// The pod names none: it is the default of the init container.
    is_default: bool,
}
