//! Builds a plan, entry by entry.

use std::collections::HashMap;

use super::{
    Generation, Item, Plan, PlanSettings, PlannedLease, reserved,
    text::{created_or_derived, reason_not_text},
};
use crate::{
    annotation::Parsed,
    entry::{Entry, Lease, Lookup, Secret, Source, StorageKey},
    error::{AnnotationError, AnnotationErrorKind},
    excerpt::excerpt,
    field::Field,
    lease_range::LeaseRange,
    locator::{Locator, Member},
    names::{init, keys},
    options::LocalMode,
    output::Format,
    password_rules::Alphabet,
    path::StoragePath,
    secret_type::SecretType,
    spec::Spec,
    store_name::StoreName,
};

/// What a value must be to become a shell variable.
const TEXT: &str = "text (UTF-8 without NUL)";

/// The plan, and the errors that only show together with `settings` and other entries.
pub(super) fn plan(parsed: &Parsed, settings: &PlanSettings) -> (Plan, Vec<AnnotationError>) {
    let mut planner = Planner {
        parsed,
        settings,
        pod_store: settings.store,
        plan: Plan::default(),
        generations: HashMap::new(),
        errors: Vec::new(),
    };
    planner.options();
    for (index, entry) in parsed.entries.iter().enumerate() {
        if let Err(kind) = planner.add(index, entry) {
            planner.errors.push(kind.at(&entry.annotation));
        }
    }
    let of_rotation = reserved::check(parsed, &planner.plan);
    planner.errors.extend(of_rotation);
    (planner.plan, planner.errors)
}

struct Planner<'a> {
    parsed: &'a Parsed,
    settings: &'a PlanSettings,
    /// The store of an entry that names none.
    pod_store: StoreName,
    plan: Plan,
    /// The generation of each path of a store.
    generations: HashMap<(StoreName, StoragePath), usize>,
    errors: Vec<AnnotationError>,
}

impl Planner<'_> {
    /// Checks the pod's `init.` annotations against what the operator allows.
    fn options(&mut self) {
        let domain = &self.parsed.domain;
        let options = &self.parsed.options;
        if options.local_mode != LocalMode::Off && !self.settings.local_mode_allowed {
            let error = AnnotationErrorKind::LocalModeDenied.at(domain.init(init::LOCAL_MODE));
            self.errors.push(error);
        }
        match options.store.map(|store| self.allowed(store)) {
            Some(Ok(store)) => self.pod_store = store,
            Some(Err(kind)) => self.errors.push(kind.at(domain.init(init::STORE))),
            None => {}
        }
    }

    fn add(&mut self, index: usize, entry: &Entry) -> Result<(), AnnotationErrorKind> {
        if entry.is_previous {
            self.add_previous(index);
            return Ok(());
        }
        self.check_local_mode(entry)?;
        self.check_format(entry)?;
        if let Source::Lease(lease) = &entry.source {
            return self.add_lease(index, lease);
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
                let at = self.add_generation(index, generation)?;
                (locator, Some((at, *field)))
            }
            Source::Secret(Secret::Reference { lookup, member, .. }) => (
                self.locator(entry, store, lookup, *member, entry.name.as_str())?,
                None,
            ),
            Source::Resource(resource) => (
                self.locator(entry, store, &resource.lookup, None, entry.name.base())?,
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

    /// The same value in the generation before the current one, if the current one has no error.
    fn add_previous(&mut self, index: usize) {
        let current = self.plan.items.last();
        let current = current.filter(|item| item.entry + 1 == index);
        let previous = current.map(|item| Item {
            entry: index,
            locator: item.locator.previous(),
            ..item.clone()
        });
        self.plan.items.extend(previous);
    }

    fn add_lease(&mut self, index: usize, lease: &Lease) -> Result<(), AnnotationErrorKind> {
        let store = self.pod_store;
        let prefix = &self.settings.prefix;
        let range = LeaseRange::new(prefix, lease).map_err(|reason| {
            let path = format!("{}/leases/{}", prefix.trimmed(), lease.key_prefix);
            AnnotationErrorKind::path(&path, reason)
        })?;
        if self.is_local_only() {
            return Ok(());
        }
        if !store.keeps_leases() {
            let supports = |store: StoreName| store.keeps_leases() && store.is_persistent();
            return Err(AnnotationErrorKind::LeaseStore {
                store,
                option: self.parsed.domain.init(init::STORE),
                supported: StoreName::names_with(supports),
            });
        }
        self.plan.leases.push(PlannedLease {
            entry: index,
            store,
            range,
        });
        Ok(())
    }

    fn is_local_only(&self) -> bool {
        self.parsed.options.local_mode == LocalMode::On
    }

    /// Whether the pod's `local-mode` can give this entry a value.
    fn check_local_mode(&self, entry: &Entry) -> Result<(), AnnotationErrorKind> {
        match &entry.source {
            Source::Secret(Secret::Dynamic {
                spec: Spec::Random { .. },
                storage_key: None,
                ..
            }) if entry.name.is_api_key() && self.parsed.options.local_mode == LocalMode::Off => {
                Err(AnnotationErrorKind::api_key_field())
            }
            Source::Resource(_)
            | Source::Secret(Secret::Reference {
                local_spec: None, ..
            }) if self.is_local_only() && entry.local_value.is_none() => {
                Err(AnnotationErrorKind::NoLocalValue)
            }
            _ => Ok(()),
        }
    }

    /// Whether the format can contain each value that kees creates, derives or decodes for `entry`.
    /// A value that is only read is checked when it is written.
    fn check_format(&self, entry: &Entry) -> Result<(), AnnotationErrorKind> {
        let format = self.settings.layout.format;
        if !format.has_variables() {
            return Ok(());
        }
        let local_mode = self.parsed.options.local_mode;
        let error = |needs, reason| AnnotationErrorKind::Format {
            format,
            needs,
            reason,
        };
        if let Some(reason) = reason_not_text(entry, local_mode) {
            return Err(error(TEXT, reason));
        }
        let spec = created_or_derived(entry, local_mode);
        let rules = spec.and_then(Spec::password_rules);
        if format == Format::Dotenv && rules.is_some_and(|rules| rules.alphabet == Alphabet::Ascii)
        {
            let reason = "alphabet=ascii has quotes, backslashes and $".to_owned();
            return Err(error("values that all of its readers read alike", reason));
        }
        Ok(())
    }

    /// `store`, if the operator allows it. Without a store, in local mode, every name is allowed.
    fn allowed(&self, store: StoreName) -> Result<StoreName, AnnotationErrorKind> {
        let PlanSettings {
            store: default,
            allowed,
            ..
        } = self.settings;
        if self.is_local_only() || store == *default || allowed.contains(&store) {
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

    /// The path of `suffix`, if `store` accepts it.
    fn path(&self, store: StoreName, suffix: &str) -> Result<StoragePath, AnnotationErrorKind> {
        let prefix = &self.settings.prefix;
        let path = prefix.join(suffix).map_err(|reason| {
            let prefix = prefix.as_str();
            let joined = format!("{}/{suffix}", prefix.strip_suffix('/').unwrap_or(prefix));
            AnnotationErrorKind::path(&joined, reason)
        })?;
        match store.accepts(path.as_str()) {
            Ok(()) => Ok(path),
            Err(right) => Err(AnnotationErrorKind::PathNotAccepted {
                path: path.as_str().to_owned(),
                store,
                right,
            }),
        }
    }

    fn generation(
        &self,
        entry: &Entry,
        store: StoreName,
        spec: &Spec,
        field: Field,
        storage_key: Option<&StorageKey>,
    ) -> Result<Generation, AnnotationErrorKind> {
        // The name of a generation with several fields is without the field. With one field, what
        // looks like a field is part of the name.
        let name = if field == Field::Whole {
            entry.name.as_str()
        } else {
            entry.name.base()
        };
        if store.takes_arns() && storage_key.is_some_and(StorageKey::is_arn) {
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

    /// The index of the generation in the plan, to which it is added if it is not there yet.
    fn add_generation(
        &mut self,
        index: usize,
        generation: Generation,
    ) -> Result<usize, AnnotationErrorKind> {
        let place = |path: &StoragePath| (generation.store, path.clone());
        let places: Vec<_> = if generation.store.has_members() {
            vec![place(&generation.path)]
        } else {
            let paths = generation.fields.iter().map(|(_, path)| place(path));
            paths.collect()
        };
        let known = places
            .iter()
            .find_map(|place| Some((place, *self.generations.get(place)?)));
        let at = known.map_or(self.plan.generations.len(), |(_, at)| at);
        match (known, self.plan.generations.get_mut(at)) {
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
            (_, Some(same)) => {
                check_rotation(&self.parsed.entries, &same.entries, index)?;
                same.entries.push(index);
            }
            (_, None) => {
                self.plan.generations.push(Generation {
                    entries: vec![index],
                    ..generation
                });
                self.generations
                    .extend(places.into_iter().map(|place| (place, at)));
            }
        }
        Ok(at)
    }

    /// Whether the store supports the keys that choose a member or a version.
    fn check_keys(&self, store: StoreName, lookup: &Lookup) -> Result<(), AnnotationErrorKind> {
        type Supports = fn(StoreName) -> bool;

        if self.is_local_only() {
            return Ok(());
        }
        let keys: [(_, _, Supports); 3] = [
            (keys::PROPERTY, &lookup.property, StoreName::has_members),
            (
                keys::VERSION_STAGE,
                &lookup.version_stage,
                StoreName::has_versions,
            ),
            (
                keys::VERSION_ID,
                &lookup.version_id,
                StoreName::has_versions,
            ),
        ];
        for (key, value, supports) in keys {
            if value.is_some() && !supports(store) {
                return Err(AnnotationErrorKind::UnsupportedKey {
                    key,
                    store,
                    supported: StoreName::names_with(supports),
                });
            }
        }
        Ok(())
    }

    /// Checks that the operator allows the ARN of a value that is only read.
    fn check_reference(&self, arn: &StorageKey) -> Result<(), AnnotationErrorKind> {
        let references = self.settings.references.as_ref();
        if self.is_local_only() || references.is_none_or(|arns| arns.allow(arn.as_str())) {
            return Ok(());
        }
        Err(AnnotationErrorKind::ReferenceNotAllowed(excerpt(
            arn.as_str(),
        )))
    }

    /// Where a value is that is only read. `name` is its place where `storageKey=` is absent.
    fn locator(
        &self,
        entry: &Entry,
        store: StoreName,
        lookup: &Lookup,
        member: Option<(SecretType, Field)>,
        name: &str,
    ) -> Result<Locator, AnnotationErrorKind> {
        self.check_keys(store, lookup)?;
        if let Some(key) = &lookup.storage_key
            && store.takes_arns()
            && key.is_arn()
        {
            self.check_reference(key)?;
        }
        let at = |suffix: &str| match &lookup.storage_key {
            Some(key) if store.takes_arns() && key.is_arn() => StoragePath::arn(key.as_str())
                .map_err(|reason| AnnotationErrorKind::path(key.as_str(), reason)),
            Some(key) => self.path(store, key.as_str()),
            None => self.path(store, suffix),
        };
        let member = match member {
            // An api-key that is only read is a whole secret, as any other RANDOM.
            Some((secret_type, field))
                if secret_type.fields().contains(&field) && lookup.property.is_none() =>
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
            // The whole object is read. Its members are handed out when the files are written.
            property: lookup
                .property
                .clone()
                .filter(|_| !lookup.has_every_member()),
            version_stage: lookup.version_stage.clone(),
            version_id: lookup.version_id.clone(),
            is_previous: false,
        })
    }
}

/// Whether the entry at `index` and the `others` of its generation agree when it is rotated.
fn check_rotation(
    entries: &[Entry],
    others: &[usize],
    index: usize,
) -> Result<(), AnnotationErrorKind> {
    let Some(rotation) = entries.get(index).and_then(|entry| entry.rotation) else {
        return Ok(());
    };
    let others = others.iter().filter_map(|other| entries.get(*other));
    let differs = |other: &&Entry| other.rotation.is_some_and(|of_other| of_other != rotation);
    match others.into_iter().find(differs) {
        None => Ok(()),
        Some(other) => {
            let by = &other.annotation;
            let right = format!(
                "its generation is rotated as a whole: use the same rotate= and retain= as {by}"
            );
            let every = rotation.every.to_string();
            Err(AnnotationErrorKind::invalid(keys::ROTATE, &every, right))
        }
    }
}
