//! How a plan is made: entry by entry, in their order.

use std::collections::HashMap;

use super::{Generation, Item, Locator, Member, Plan, PlanSettings};
use crate::{
    AnnotationError, AnnotationErrorKind, Entry, Field, LocalMode, Lookup, Parsed, Secret,
    SecretType, Source, Spec, StorageKey, StoragePath, StoreName,
    names::{init, keys},
};

/// The plan, and what is wrong with the entries beside `settings`.
pub(super) fn plan(parsed: &Parsed, settings: &PlanSettings) -> (Plan, Vec<AnnotationError>) {
    let mut planner = Planner {
        parsed,
        settings,
        pod_store: settings.store,
        plan: Plan::default(),
        owners: HashMap::new(),
        faults: Vec::new(),
    };
    planner.options();
    for (index, entry) in parsed.entries.iter().enumerate() {
        if let Err(problem) = planner.add(index, entry) {
            planner.fault(&entry.annotation, problem);
        }
    }
    (planner.plan, planner.faults)
}

struct Planner<'a> {
    parsed: &'a Parsed,
    settings: &'a PlanSettings,
    /// The store of an entry that names none.
    pod_store: StoreName,
    plan: Plan,
    /// Which generation each path of a store belongs to.
    owners: HashMap<(StoreName, StoragePath), usize>,
    faults: Vec<AnnotationError>,
}

impl Planner<'_> {
    fn fault(&mut self, annotation: &str, problem: AnnotationErrorKind) {
        self.faults.push(AnnotationError {
            annotation: annotation.to_owned(),
            problem,
        });
    }

    /// Looks at the pod's `init.` annotations that the operator may refuse.
    fn options(&mut self) {
        let domain = &self.parsed.domain;
        let options = &self.parsed.options;
        if options.local_mode != LocalMode::Off && !self.settings.local_mode_allowed {
            self.fault(
                &domain.init(init::LOCAL_MODE),
                AnnotationErrorKind::LocalModeDenied,
            );
        }
        match options.store.map(|store| self.allowed(store)) {
            Some(Ok(store)) => self.pod_store = store,
            Some(Err(problem)) => self.fault(&domain.init(init::STORE), problem),
            None => {}
        }
    }

    fn add(&mut self, index: usize, entry: &Entry) -> Result<(), AnnotationErrorKind> {
        self.check_mode(entry)?;
        if let Source::Lease(lease) = &entry.source {
            let path = format!("leases/{}.{}", lease.key_prefix, lease.start);
            return self.path(self.pod_store, &path).map(|_| ());
        }
        let store = entry
            .store
            .map_or(Ok(self.pod_store), |store| self.allowed(store))?;
        let (locator, generation) = match &entry.source {
            Source::Secret(Secret::Dynamic {
                spec,
                field,
                storage_key,
            }) => {
                let generation =
                    self.generation(entry, store, spec, *field, storage_key.as_ref())?;
                let locator = generation.locator(*field);
                let at = self.settle(index, generation)?;
                (locator, Some((at, *field)))
            }
            Source::Secret(Secret::Reference { lookup, member, .. }) => (
                self.lookup(entry, store, lookup, *member, entry.name.as_str())?,
                None,
            ),
            Source::Resource(resource) => (
                self.lookup(entry, store, &resource.lookup, None, entry.name.base())?,
                None,
            ),
            Source::Lease(_) => return Ok(()),
        };
        self.plan.items.push(Item {
            entry: index,
            store,
            locator,
            generation,
        });
        Ok(())
    }

    fn local_only(&self) -> bool {
        self.parsed.options.local_mode == LocalMode::On
    }

    /// What the pod's `local-mode` has no answer for.
    fn check_mode(&self, entry: &Entry) -> Result<(), AnnotationErrorKind> {
        match &entry.source {
            Source::Lease(_) if !self.local_only() => Err(AnnotationErrorKind::StoreLease(
                self.parsed.domain.init(init::LOCAL_MODE),
            )),
            Source::Resource(_)
            | Source::Secret(Secret::Reference {
                local_spec: None, ..
            }) if self.local_only() && entry.local_value.is_none() => {
                Err(AnnotationErrorKind::NoLocalValue)
            }
            _ => Ok(()),
        }
    }

    /// `store`, where the operator allows it; without any store at all every name is as good.
    fn allowed(&self, store: StoreName) -> Result<StoreName, AnnotationErrorKind> {
        let PlanSettings {
            store: default,
            allowed,
            ..
        } = self.settings;
        if self.local_only() || store == *default || allowed.contains(&store) {
            return Ok(store);
        }
        let others = allowed.iter().filter(|store| *store != default);
        let names: Vec<_> = std::iter::once(default)
            .chain(others)
            .map(|s| s.as_str())
            .collect();
        Err(AnnotationErrorKind::StoreNotAllowed {
            store,
            allowed: names.join(", "),
        })
    }

    /// The path of `suffix`, sound for `store`.
    fn path(&self, store: StoreName, suffix: &str) -> Result<StoragePath, AnnotationErrorKind> {
        let prefix = &self.settings.prefix;
        let path = prefix.join(suffix).map_err(|problem| {
            let prefix = prefix.as_str();
            let joined = format!("{}/{suffix}", prefix.strip_suffix('/').unwrap_or(prefix));
            AnnotationErrorKind::path(&joined, problem)
        })?;
        if store == StoreName::SecretsManager && !is_secret_name(path.as_str()) {
            return Err(AnnotationErrorKind::SecretName(path.as_str().to_owned()));
        }
        Ok(path)
    }

    fn generation(
        &self,
        entry: &Entry,
        store: StoreName,
        spec: &Spec,
        field: Field,
        storage_key: Option<&StorageKey>,
    ) -> Result<Generation, AnnotationErrorKind> {
        // With several fields the name's own is left off; with one, it is just part of the name.
        let name = if field == Field::Whole {
            entry.name.as_str()
        } else {
            entry.name.base()
        };
        if store == StoreName::SecretsManager && storage_key.is_some_and(StorageKey::is_arn) {
            return Err(AnnotationErrorKind::DynamicArn);
        }
        let suffix = storage_key.map_or(name, StorageKey::as_str);
        let path = self.path(store, suffix)?;
        let fields = spec
            .fields()
            .iter()
            .map(|field| {
                let path = match field {
                    Field::Whole => Ok(path.clone()),
                    named => self.path(store, &format!("{suffix}_{named}")),
                };
                path.map(|path| (*field, path))
            })
            .collect::<Result<_, _>>()?;
        Ok(Generation {
            store,
            path,
            spec: spec.clone(),
            fields,
            entries: Vec::new(),
        })
    }

    /// Finds the generation among those that are planned, or adds it.
    fn settle(
        &mut self,
        index: usize,
        generation: Generation,
    ) -> Result<usize, AnnotationErrorKind> {
        // Secrets Manager keeps a generation under one name, a flat store each field under its own.
        let place = |path: &StoragePath| (generation.store, path.clone());
        let places: Vec<_> = match generation.store {
            StoreName::SecretsManager => vec![place(&generation.path)],
            _ => generation
                .fields
                .iter()
                .map(|(_, path)| place(path))
                .collect(),
        };
        let owned = places
            .iter()
            .find_map(|place| Some((place, *self.owners.get(place)?)));
        let at = owned.map_or(self.plan.generations.len(), |(_, at)| at);
        match (owned, self.plan.generations.get_mut(at)) {
            (Some(((_, path), _)), Some(other)) if other.spec != generation.spec => {
                let first = other
                    .entries
                    .first()
                    .and_then(|at| self.parsed.entries.get(*at));
                return Err(AnnotationErrorKind::Conflict {
                    path: path.as_str().to_owned(),
                    this: generation.spec.to_string(),
                    other: other.spec.to_string(),
                    by: first.map_or_else(String::new, |entry| entry.annotation.clone()),
                });
            }
            (_, Some(same)) => same.entries.push(index),
            (_, None) => {
                self.plan.generations.push(Generation {
                    entries: vec![index],
                    ..generation
                });
                self.owners
                    .extend(places.into_iter().map(|place| (place, at)));
            }
        }
        Ok(at)
    }

    fn lookup(
        &self,
        entry: &Entry,
        store: StoreName,
        lookup: &Lookup,
        member: Option<(SecretType, Field)>,
        name: &str,
    ) -> Result<Locator, AnnotationErrorKind> {
        let secrets_manager = store == StoreName::SecretsManager;
        let asked = [
            (keys::PROPERTY, &lookup.property),
            (keys::VERSION_STAGE, &lookup.version_stage),
            (keys::VERSION_ID, &lookup.version_id),
        ];
        let other_store = !secrets_manager && !self.local_only();
        if let Some((key, _)) = asked.into_iter().find(|(_, v)| v.is_some() && other_store) {
            return Err(AnnotationErrorKind::NeedsSecretsManager { key, store });
        }
        let at = |suffix: &str| match &lookup.storage_key {
            Some(key) if secrets_manager && key.is_arn() => StoragePath::arn(key.as_str())
                .map_err(|problem| AnnotationErrorKind::path(key.as_str(), problem)),
            Some(key) => self.path(store, key.as_str()),
            None => self.path(store, suffix),
        };
        let member = match member {
            // An api-key that is only read is the whole secret, as any other RANDOM.
            Some((secret_type @ (SecretType::Rsa | SecretType::Gpg), field))
                if lookup.property.is_none() =>
            {
                Some(Member {
                    secret: at(entry.name.base())?,
                    field,
                    secret_type,
                })
            }
            _ => None,
        };
        Ok(Locator {
            path: at(name)?,
            member,
            property: lookup.property.clone(),
            version_stage: lookup.version_stage.clone(),
            version_id: lookup.version_id.clone(),
        })
    }
}

/// What Secrets Manager takes as the name of a secret (`CreateSecret`, API reference).
fn is_secret_name(name: &str) -> bool {
    name.len() <= 512
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"/_+=.@-".contains(&b))
}
