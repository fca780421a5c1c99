//! From entries to what is read and what is generated: every path joined and looked at, every
//! value of one generation gathered, before a store is asked for anything.

use std::collections::{BTreeMap, btree_map};

use crate::{
    Entry, Field, Parsed, Secret, SecretType, Source, Spec, StoragePath, StoragePrefix, StoreName,
    entry::{Lookup, StorageKey},
    fault::{Fault, Problem},
    names::keys,
};

/// What the operator, or the environment, has settled before the annotations are looked at.
#[derive(Debug, Clone)]
pub struct PlanSettings {
    /// The prefix of every path.
    pub prefix: StoragePrefix,
    /// The store of an entry that names none in a pod that names none.
    pub store: StoreName,
    /// The stores that a pod and an entry may name.
    pub allowed: Vec<StoreName>,
}

/// What is to be read, and what is to be generated where it is absent. Leases are not in it: they
/// belong to no store that this version writes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// One for each secret and resource, in the order of the entries.
    pub items: Vec<Item>,
    /// Each generation that DYNAMIC entries name, once.
    pub generations: Vec<Generation>,
}

/// One value to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its entry, as an index into [`Parsed::entries`].
    pub entry: usize,
    /// Where it is looked for.
    pub store: StoreName,
    /// What is looked for there.
    pub locator: Locator,
    /// For a DYNAMIC entry: its generation, as an index into [`Plan::generations`], and its field.
    pub generation: Option<(usize, Field)>,
}

/// Where one value lies, for every kind of store: a flat one (DynamoDB, embedded, memory) looks at
/// `path`, Secrets Manager at `member` where there is one, and at `path` otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Locator {
    /// The value's own path: a key of kees's table, the name of a whole secret, or an ARN.
    pub path: StoragePath,
    /// The secret that holds a whole generation, and the member that this value is of it.
    pub member: Option<Member>,
    /// `property=`
    pub property: Option<String>,
    /// `versionStage=`
    pub version_stage: Option<String>,
    /// `versionId=`
    pub version_id: Option<String>,
}

impl Locator {
    /// The name or ARN of the Secrets Manager secret that holds this value.
    pub fn secret_id(&self) -> &StoragePath {
        self.member
            .as_ref()
            .map_or(&self.path, |member| &member.secret)
    }

    /// Whether the current version is asked for.
    pub fn is_current(&self) -> bool {
        self.version_stage.is_none() && self.version_id.is_none()
    }
}

/// One member of the JSON object that Secrets Manager holds for a generation with several values.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Member {
    /// The name or ARN of the secret.
    pub secret: StoragePath,
    /// The member.
    pub field: Field,
    /// The type, which says how the member's text is read: GPG as it is, all else base64.
    pub secret_type: SecretType,
}

impl Member {
    /// Whether the member's text is base64 of the value (RSA's DER, an api-key's bytes) rather
    /// than the value itself (GPG's armor and passphrase).
    pub fn is_base64(&self) -> bool {
        self.secret_type != SecretType::Gpg
    }
}

/// Values that are made together and stored together, or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// Where it is stored.
    pub store: StoreName,
    /// Its path without a field: the name of its one secret in Secrets Manager.
    pub path: StoragePath,
    /// What is generated.
    pub spec: Spec,
    /// Each field with its own path, in the order of [`Spec::fields`]: the keys of kees's table.
    pub fields: Vec<(Field, StoragePath)>,
    /// The name without its field, from which local mode derives.
    pub name: String,
    /// The entries that read it, as indexes into [`Parsed::entries`]; at least one.
    pub entries: Vec<usize>,
}

impl Generation {
    /// The path of one field.
    pub fn path_of(&self, field: Field) -> Option<&StoragePath> {
        self.fields
            .iter()
            .find(|(f, _)| *f == field)
            .map(|(_, path)| path)
    }
}

impl Plan {
    /// Joins every path and gathers every generation.
    ///
    /// # Errors
    /// Every fault there is: paths, stores that are not allowed, keys that a store does not
    /// understand, two entries that ask for different things at one path.
    pub fn new(parsed: &Parsed, settings: &PlanSettings) -> Result<Self, Vec<Fault>> {
        let mut planner = Planner {
            settings,
            pod_store: parsed.options.store.unwrap_or(settings.store),
            plan: Self::default(),
            owners: BTreeMap::new(),
            faults: Vec::new(),
        };
        for (index, entry) in parsed.entries.iter().enumerate() {
            if let Err(problem) = planner.add(index, entry, &parsed.entries) {
                planner.faults.push(Fault {
                    annotation: entry.annotation.clone(),
                    problem,
                });
            }
        }
        if planner.faults.is_empty() {
            Ok(planner.plan)
        } else {
            Err(planner.faults)
        }
    }
}

struct Planner<'a> {
    settings: &'a PlanSettings,
    pod_store: StoreName,
    plan: Plan,
    /// Which generation each path of a store belongs to.
    owners: BTreeMap<(StoreName, StoragePath), usize>,
    faults: Vec<Fault>,
}

impl Planner<'_> {
    fn add(&mut self, index: usize, entry: &Entry, all: &[Entry]) -> Result<(), Problem> {
        let store = match &entry.source {
            Source::Lease(_) => return Ok(()),
            Source::Secret(_) | Source::Resource(_) => self.store(entry)?,
        };
        let (locator, generation) = match &entry.source {
            Source::Secret(Secret::Dynamic {
                spec,
                field,
                storage_key,
            }) => {
                let generation =
                    self.generation(entry, store, spec, *field, storage_key.as_ref())?;
                let field = *field;
                let locator = Locator {
                    path: generation
                        .path_of(field)
                        .unwrap_or(&generation.path)
                        .clone(),
                    member: (field != Field::Whole).then(|| Member {
                        secret: generation.path.clone(),
                        field,
                        secret_type: spec.secret_type(),
                    }),
                    property: None,
                    version_stage: None,
                    version_id: None,
                };
                let at = self.settle(index, generation, all)?;
                (locator, Some((at, field)))
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

    fn store(&self, entry: &Entry) -> Result<StoreName, Problem> {
        let store = entry.store.unwrap_or(self.pod_store);
        if store == self.settings.store || self.settings.allowed.contains(&store) {
            return Ok(store);
        }
        let mut allowed = self.settings.allowed.clone();
        if !allowed.contains(&self.settings.store) {
            allowed.insert(0, self.settings.store);
        }
        let allowed = allowed
            .iter()
            .map(|s| s.as_str())
            .collect::<Vec<_>>()
            .join(", ");
        Err(Problem::StoreNotAllowed { store, allowed })
    }

    /// The path of `suffix`, sound for `store`.
    fn path(&self, store: StoreName, suffix: &str) -> Result<StoragePath, Problem> {
        let path = self
            .settings
            .prefix
            .join(suffix)
            .map_err(|problem| Problem::Path {
                path: format!(
                    "{}/{suffix}",
                    self.settings.prefix.as_str().trim_end_matches('/')
                )
                .escape_debug()
                .to_string(),
                problem,
            })?;
        if store == StoreName::SecretsManager && !is_secret_name(path.as_str()) {
            return Err(Problem::SecretName(path.as_str().to_owned()));
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
    ) -> Result<Generation, Problem> {
        // With several fields the name's own is left off; with one, it is just part of the name.
        let name = if field == Field::Whole {
            entry.name.as_str()
        } else {
            entry.name.base()
        };
        if store == StoreName::SecretsManager && storage_key.is_some_and(StorageKey::is_arn) {
            return Err(Problem::DynamicArn);
        }
        let suffix = storage_key.map_or(name, StorageKey::as_str);
        let fields = spec
            .fields()
            .iter()
            .map(|field| {
                let path = match field {
                    Field::Whole => self.path(store, suffix),
                    named => self.path(store, &format!("{suffix}_{named}")),
                };
                path.map(|path| (*field, path))
            })
            .collect::<Result<_, _>>()?;
        Ok(Generation {
            store,
            path: self.path(store, suffix)?,
            spec: spec.clone(),
            fields,
            name: entry.name.base().to_owned(),
            entries: Vec::new(),
        })
    }

    /// Finds the generation among those that are planned, or adds it.
    fn settle(
        &mut self,
        index: usize,
        generation: Generation,
        all: &[Entry],
    ) -> Result<usize, Problem> {
        let next = self.plan.generations.len();
        let mut at = next;
        // Secrets Manager keeps a generation under one name, a flat store each field under its own.
        let paths: Vec<_> = match generation.store {
            StoreName::SecretsManager => vec![generation.path.clone()],
            _ => generation
                .fields
                .iter()
                .map(|(_, path)| path.clone())
                .collect(),
        };
        for path in paths {
            match self.owners.entry((generation.store, path.clone())) {
                btree_map::Entry::Vacant(vacant) => {
                    vacant.insert(next);
                }
                btree_map::Entry::Occupied(owner) => {
                    let owner = *owner.get();
                    let other = self.plan.generations.get(owner);
                    if let Some(other) = other.filter(|other| other.spec != generation.spec) {
                        return Err(Problem::Conflict {
                            path: path.as_str().to_owned(),
                            this: generation.spec.to_string(),
                            other: other.spec.to_string(),
                            by: other
                                .entries
                                .first()
                                .and_then(|first| all.get(*first))
                                .map_or_else(String::new, |entry| entry.annotation.clone()),
                        });
                    }
                    at = owner;
                }
            }
        }
        if at == next {
            self.plan.generations.push(generation);
        }
        if let Some(generation) = self.plan.generations.get_mut(at) {
            generation.entries.push(index);
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
    ) -> Result<Locator, Problem> {
        let secrets_manager = store == StoreName::SecretsManager;
        let asked = [
            (keys::PROPERTY, &lookup.property),
            (keys::VERSION_STAGE, &lookup.version_stage),
            (keys::VERSION_ID, &lookup.version_id),
        ];
        if let Some((key, _)) = asked
            .into_iter()
            .find(|(_, v)| v.is_some() && !secrets_manager)
        {
            return Err(Problem::NeedsSecretsManager { key, store });
        }
        let at = |suffix: &str| match &lookup.storage_key {
            Some(key) if secrets_manager && key.is_arn() => Ok(StoragePath::arn(key.as_str())),
            Some(key) => self.path(store, key.as_str()),
            None => self.path(store, suffix),
        };
        let member = match member {
            Some((secret_type, field)) if lookup.property.is_none() => Some(Member {
                secret: at(entry.name.base())?,
                field,
                secret_type,
            }),
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

/// What Secrets Manager takes as the name of a secret (CreateSecret, API reference).
fn is_secret_name(name: &str) -> bool {
    name.len() <= 512
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"/_+=.@-".contains(&b))
}
