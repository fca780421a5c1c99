//! The evaluation of one rule for one pod. Everything that the pod asks for beyond the rule is an
//! error.

use std::path::PathBuf;

use kees_common::{
    AnnotationErrorKind, Entry, Layout, LocalMode, MountPath, Parsed, Plan, PlanSettings,
    References, Source, StoragePrefix, StoreName,
    names::{env, init},
    output::Format,
};

use crate::{
    audit::EntryList,
    error::{Place, PodErrorKind, excerpt},
    findings::Findings,
    pod::container::ContainerView,
    policy::{
        effective::EffectivePolicy,
        rule::{AllowedPrefix, Create, Mode, Origin, Rule},
        template::Subject,
    },
    settings::InjectSettings,
};

/// The parts of a pod that a rule is evaluated for.
#[derive(Clone, Copy)]
pub(crate) struct AnnotatedPod<'a> {
    pub(crate) subject: Subject<'a>,
    pub(crate) parsed: &'a Parsed,
    /// How many entries the pod has, those with errors included.
    pub(crate) entries: usize,
    /// The init container of a pod that is wired by hand.
    pub(crate) wired: Option<&'a ContainerView<'a>>,
}

/// The evaluation of one rule for one pod.
pub(super) struct Evaluation<'s, 'a> {
    pub(super) settings: &'s InjectSettings,
    pub(super) pod: AnnotatedPod<'a>,
    pub(super) rule: &'s Rule,
    /// In the mode `warn`, the pod gets what it asks for, and only other errors are found.
    pub(super) mode: Mode,
    pub(super) findings: &'a mut Findings,
}

impl<'s> Evaluation<'s, '_> {
    /// Finds all errors of the annotations, by themselves and against the rule.
    pub(super) fn policy(&mut self) -> EffectivePolicy<'s> {
        let rule = self.rule;
        if self.enforces() {
            self.match_and_limits();
        }
        let prefix = self.prefix();
        let (store, stores) = self.stores();
        let references = self.references();
        self.plan(prefix.as_ref(), store, &stores, &references);
        if self.enforces() {
            self.default_store(store, &stores);
            self.leases();
        }
        EffectivePolicy {
            prefix,
            store,
            stores,
            references,
            local_mode: rule.local_mode || !self.enforces(),
            create: rule.create,
            resources: rule.resources.as_ref().unwrap_or(&self.settings.resources),
            instance_metadata: rule.instance_metadata,
        }
    }

    fn enforces(&self) -> bool {
        self.mode == Mode::Enforce
    }

    /// Checks that a rule matches, and how much the pod asks for.
    fn match_and_limits(&mut self) {
        if let Origin::NoMatch = self.rule.origin {
            let kind = PodErrorKind::NoRule {
                namespace: self.pod.subject.namespace.to_owned(),
                service_account: excerpt(self.pod.subject.service_account),
            };
            self.findings.error(Place::field("policy"), kind);
        }
        let AnnotatedPod {
            entries, parsed, ..
        } = self.pod;
        for kind in self.rule.limits.errors(entries, parsed) {
            let place = Place::field("metadata.annotations");
            self.findings.error(place, kind);
        }
    }

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
                template.fill(self.pod.subject).map_err(PodErrorKind::from)
            }
            // Local mode alone needs no prefix, nor does a pod with volumes of classes alone.
            AllowedPrefix::None if self.local_only() || self.pod.entries == 0 => {
                return requested.map(|requested| requested.prefix);
            }
            AllowedPrefix::None => Err(PodErrorKind::NoPrefix {
                namespace: self.pod.subject.namespace.to_owned(),
                service_account: excerpt(self.pod.subject.service_account),
            }),
        };
        if !self.enforces() {
            let requested = requested.map(|requested| requested.prefix);
            let prefix = requested.or(allowed.ok());
            return Some(prefix.unwrap_or_else(StoragePrefix::root));
        }
        let error = match (allowed, &requested) {
            (Ok(allowed), None) => return Some(allowed),
            (Ok(allowed), Some(requested)) if allowed.contains(&requested.prefix) => None,
            (Ok(allowed), Some(requested)) if requested.is_default => {
                Some(PodErrorKind::PrefixMissing {
                    allowed: allowed.to_string(),
                })
            }
            (Ok(allowed), Some(requested)) => Some(PodErrorKind::PrefixDenied {
                requested: match requested.prefix.as_str() {
                    "" => "an empty prefix".to_owned(),
                    prefix => prefix.to_owned(),
                },
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
        let annotated = || self.pod.parsed.options.storage_prefix.clone().map(named);
        let Some(container) = self.pod.wired else {
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
        let allowed = self.rule.stores.as_deref();
        if let Some(container) = self.pod.wired {
            // The container's environment names its store; the original knows only DynamoDB.
            let own = container
                .variable(env::STORE)
                .and_then(|text| text.parse().ok());
            let allowed = allowed.filter(|_| self.enforces());
            return (
                own.unwrap_or_default(),
                allowed.unwrap_or(&StoreName::ALL).to_vec(),
            );
        }
        let others = self.settings.stores.iter().copied();
        let mut all = vec![default];
        all.extend(others.filter(|store| *store != default));
        let is_allowed = |store: &StoreName| allowed.is_none_or(|names| names.contains(store));
        let (mut stores, others): (Vec<_>, Vec<_>) = all.into_iter().partition(is_allowed);
        if !self.enforces() {
            // The default stays that of the rule.
            stores.extend(others);
        }
        (stores.first().copied().unwrap_or(default), stores)
    }

    /// The ARNs that the pod names and may use.
    fn references(&self) -> References {
        let arns = self.pod.parsed.entries.iter().filter_map(Entry::arn);
        let is_allowed = |arn: &&str| !self.enforces() || self.rule.references.matches_object(arn);
        arns.filter(is_allowed).collect()
    }

    /// Collects the errors of the annotations, each by itself and in combination.
    fn plan(
        &mut self,
        prefix: Option<&StoragePrefix>,
        store: StoreName,
        stores: &[StoreName],
        references: &References,
    ) {
        let settings = PlanSettings {
            prefix: prefix.cloned().unwrap_or_else(StoragePrefix::root),
            store,
            allowed: stores.to_vec(),
            references: Some(references.clone()),
            local_mode_allowed: self.rule.local_mode || !self.enforces(),
            layout: self.layout(),
        };
        let of_templates = kees_template::check_annotations(self.pod.parsed);
        let of_templates = of_templates.into_iter().map(Into::into);
        self.findings.errors.extend(of_templates);
        match Plan::new(self.pod.parsed, &settings) {
            Ok(plan) => {
                self.findings.entries = EntryList::with_paths(self.pod.parsed, &plan);
                self.findings.plan = Some(plan);
            }
            Err(errors) => {
                let errors = errors.into_iter().map(Into::into);
                self.findings.errors.extend(errors);
                self.findings.entries = EntryList::names(self.pod.parsed);
            }
        }
    }

    /// The files that are written: as the annotations say, or as the environment of a container
    /// that is wired by hand says.
    fn layout(&self) -> Layout {
        let options = &self.pod.parsed.options;
        let format = options.format.unwrap_or_default();
        let Some(container) = self.pod.wired else {
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

    /// Checks that the rule allows the default store . The plan checks the stores that the pod
    /// names.
    fn default_store(&mut self, default: StoreName, stores: &[StoreName]) {
        if self.local_only() || stores.contains(&default) {
            return;
        }
        let options = &self.pod.parsed.options;
        let names: Vec<_> = stores.iter().map(|store| store.as_str()).collect();
        for entry in &self.pod.parsed.entries {
            let store = entry.store.or(options.store).unwrap_or(default);
            if store != default {
                continue;
            }
            let allowed = if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            };
            let kind = AnnotationErrorKind::StoreNotAllowed { store, allowed };
            let error = kind.at(&entry.annotation);
            self.findings.errors.push(error.into());
        }
    }

    /// Checks that somebody gives the pod the numbers of its leases.
    fn leases(&mut self) {
        if self.rule.create != Create::Never || self.pod.parsed.options.local_mode != LocalMode::Off
        {
            return;
        }
        let is_lease = |entry: &&Entry| matches!(entry.source, Source::Lease(_));
        for entry in self.pod.parsed.entries.iter().filter(is_lease) {
            let place = Place::annotation(&entry.annotation);
            self.findings.error(place, PodErrorKind::LeaseNever);
        }
    }

    fn local_only(&self) -> bool {
        self.pod.parsed.options.local_mode == LocalMode::On
    }
}

/// The prefix that a pod names.
struct RequestedPrefix {
    prefix: StoragePrefix,
    /// The pod names none: it is the default of the init container.
    is_default: bool,
}
