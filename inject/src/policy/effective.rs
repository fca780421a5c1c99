//! What the operator's policy gives to a pod, and what of the pod's wishes goes beyond it.

use std::path::PathBuf;

use kees_common::{
    AnnotationErrorKind, Entry, Layout, LocalMode, MountPath, Parsed, Plan, PlanSettings, Secret,
    Source, StoragePrefix, StoreName,
    names::{env, init},
    output::Format,
};

use crate::{
    InjectSettings, PodError, PodView,
    decide::Standing,
    error::{Place, PodErrorKind, shown},
    pod::view::ContainerView,
    policy::file::{Create, Rule, Storage},
    policy::template::Owner,
    settings::Resources,
};

/// What a pod may do, once nothing that it asks for goes beyond it.
#[derive(Debug)]
pub(crate) struct Grant<'s> {
    /// `STORAGE_PREFIX`; none in a pod that uses no store and names none.
    pub(crate) prefix: Option<StoragePrefix>,
    /// `STORE`
    pub(crate) store: StoreName,
    /// `STORES`, with [`Grant::store`] first.
    pub(crate) stores: Vec<StoreName>,
    /// `LOCAL_MODE`
    pub(crate) local_mode: bool,
    /// `CREATE`
    pub(crate) create: Create,
    /// Requests and limits.
    pub(crate) resources: &'s Resources,
    /// Whether the node's own identity may be used.
    pub(crate) instance_metadata: bool,
}

impl<'s> Grant<'s> {
    /// Checks all that the annotations say, by themselves and against the policy; what is wrong is
    /// added to `faults`.
    pub(crate) fn new(
        pod: &PodView<'_>,
        namespace: &str,
        settings: &'s InjectSettings,
        parsed: &Parsed,
        standing: Standing,
        faults: &mut Vec<PodError>,
    ) -> Option<Self> {
        let owner = Owner {
            cluster: settings.cluster.as_deref(),
            namespace,
            service_account: pod.service_account(),
        };
        let Some(rule) = settings.policy.rule(owner) else {
            faults.push(PodError::at(
                Place::Field("policy".to_owned()),
                PodErrorKind::NoRule {
                    namespace: owner.namespace.to_owned(),
                    service_account: shown(owner.service_account),
                },
            ));
            faults.extend(parsed.errors.iter().cloned().map(PodError::from));
            return None;
        };
        let wired = match standing {
            Standing::WiredByHand(index) => pod.spec.init_containers.get(index),
            Standing::Absent | Standing::Injected(_) => None,
        };
        let mut applicant = Applicant {
            settings,
            parsed,
            wired,
            owner,
            rule,
            faults,
        };
        let prefix = applicant.prefix();
        let (store, stores) = applicant.stores();
        applicant.plan(prefix.as_ref(), store, &stores);
        for entry in &parsed.entries {
            applicant.entry(entry, store, &stores);
        }
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

/// A pod before the rule that matches it.
struct Applicant<'a> {
    settings: &'a InjectSettings,
    parsed: &'a Parsed,
    /// The init container of a pod that was wired by hand.
    wired: Option<&'a ContainerView<'a>>,
    owner: Owner<'a>,
    rule: &'a Rule,
    faults: &'a mut Vec<PodError>,
}

impl Applicant<'_> {
    /// The prefix of the pod's paths: what it asks for where the rule gives that, else what the
    /// rule gives.
    fn prefix(&mut self) -> Option<StoragePrefix> {
        let asked = self.asked();
        let given = match &self.rule.storage {
            Storage::AsAnnotated => {
                return Some(asked.map_or_else(StoragePrefix::root, |asked| asked.prefix));
            }
            Storage::Prefix(template) => template.fill(self.owner).map_err(PodErrorKind::Template),
            // Local mode alone needs no prefix.
            Storage::Nowhere if self.local_only() => return asked.map(|asked| asked.prefix),
            Storage::Nowhere => Err(PodErrorKind::NoPrefix {
                namespace: self.owner.namespace.to_owned(),
                service_account: shown(self.owner.service_account),
            }),
        };
        let problem = match (given, &asked) {
            (Ok(given), None) => return Some(given),
            (Ok(given), Some(asked)) if given.contains(&asked.prefix) => None,
            (Ok(given), Some(asked)) if asked.implied => Some(PodErrorKind::PrefixMissing {
                given: given.to_string(),
            }),
            (Ok(given), Some(asked)) => Some(PodErrorKind::ForeignPrefix {
                asked: asked.prefix.to_string(),
                given: given.to_string(),
            }),
            (Err(problem), _) => Some(problem),
        };
        if let Some(problem) = problem {
            let place = Place::Annotation(self.settings.domain.init(init::STORAGE_PREFIX));
            self.faults.push(PodError::at(place, problem));
        }
        asked.map(|asked| asked.prefix)
    }

    /// The prefix that the pod names. One that is wired by hand may name it in its container's
    /// environment, which init obeys over the annotation, and has `/` where it names none.
    fn asked(&self) -> Option<Asked> {
        let written = |prefix| Asked {
            prefix,
            implied: false,
        };
        let annotated = || self.parsed.options.storage_prefix.clone().map(written);
        let Some(container) = self.wired else {
            return annotated();
        };
        let own = container
            .variable(env::STORAGE_PREFIX)
            .and_then(|text| text.parse().ok());
        own.map(written).or_else(annotated).or_else(|| {
            Some(Asked {
                prefix: StoragePrefix::root(),
                implied: true,
            })
        })
    }

    /// The store of a pod that names none, and all that it may name.
    fn stores(&self) -> (StoreName, Vec<StoreName>) {
        if let Some(container) = self.wired {
            // Its own container says which store it uses; the original knows DynamoDB alone.
            let own = container
                .variable(env::STORE)
                .and_then(|text| text.parse().ok());
            let allowed = self
                .rule
                .stores
                .clone()
                .unwrap_or_else(|| StoreName::ALL.to_vec());
            return (own.unwrap_or(StoreName::DynamoDb), allowed);
        }
        let mut stores = vec![self.settings.store];
        stores.extend(
            self.settings
                .stores
                .iter()
                .filter(|store| **store != self.settings.store),
        );
        if let Some(allowed) = &self.rule.stores {
            stores.retain(|store| allowed.contains(store));
        }
        (
            stores.first().copied().unwrap_or(self.settings.store),
            stores,
        )
    }

    /// Finds what is wrong with the annotations, each by itself and beside one another.
    fn plan(&mut self, prefix: Option<&StoragePrefix>, store: StoreName, stores: &[StoreName]) {
        let settings = PlanSettings {
            prefix: prefix.cloned().unwrap_or_else(StoragePrefix::root),
            store,
            allowed: stores.to_vec(),
            local_mode_allowed: self.rule.local_mode,
            layout: self.layout(),
        };
        if let Err(faults) = Plan::new(self.parsed, &settings) {
            self.faults.extend(faults.into_iter().map(PodError::from));
        }
    }

    /// The files that are written: where the pod says, or where the environment of a container
    /// that was wired by hand has them.
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

    /// Whether an entry's store and ARN are among those that the rule gives.
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
        // A store that is named is looked at by the plan; the default needs leave as well.
        if store == default && !stores.contains(&store) {
            let names: Vec<_> = stores.iter().map(|store| store.as_str()).collect();
            let allowed = if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            };
            let kind = AnnotationErrorKind::StoreNotAllowed { store, allowed };
            self.faults.push(kind.at(&entry.annotation).into());
        }
        let arn = lookup
            .and_then(|lookup| lookup.storage_key.as_ref())
            .filter(|key| key.is_arn());
        if let (Some(arn), StoreName::SecretsManager) = (arn, store)
            && !self.rule.references.matches(arn.as_str())
        {
            let place = Place::Annotation(entry.annotation.clone());
            let problem = PodErrorKind::Reference {
                arn: arn.as_str().to_owned(),
            };
            self.faults.push(PodError::at(place, problem));
        }
    }

    fn local_only(&self) -> bool {
        self.parsed.options.local_mode == LocalMode::On
    }
}

/// The prefix that a pod names.
struct Asked {
    prefix: StoragePrefix,
    /// Nobody wrote it: it is init's own default.
    implied: bool,
}
