//! From entries to what is read and what is generated: every path joined and looked at, every
//! value of one generation gathered, before a store is asked for anything.

mod planner;
#[cfg(test)]
mod tests;

use crate::{
    AnnotationError, Field, Layout, Parsed, SecretType, Spec, StoragePath, StoragePrefix, StoreName,
};

/// What the operator, or the environment, has settled before the annotations are looked at.
#[derive(Debug, Clone)]
pub struct PlanSettings {
    /// The prefix of every path.
    pub prefix: StoragePrefix,
    /// The store of an entry that names none in a pod that names none.
    pub store: StoreName,
    /// The stores that a pod and an entry may name, beside `store`.
    pub allowed: Vec<StoreName>,
    /// Whether the pod's `local-mode` is obeyed; where it is not, asking for it is a fault.
    pub local_mode_allowed: bool,
    /// The files that are written.
    pub layout: Layout,
}

/// What is to be read, and what is to be generated where it is absent. Leases are not in it: they
/// belong to no store that this version writes. With `local-mode: "true"` nothing of it is asked
/// for: each value is the entry's own or derived from its name ([`crate::local`]), and the plan
/// says that the entries agree.
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

    /// Where the value of one field lies.
    pub fn locator(&self, field: Field) -> Locator {
        Locator {
            path: self.path_of(field).unwrap_or(&self.path).clone(),
            member: (field != Field::Whole).then(|| Member {
                secret: self.path.clone(),
                field,
                secret_type: self.spec.secret_type(),
            }),
            property: None,
            version_stage: None,
            version_id: None,
        }
    }
}

impl Plan {
    /// Joins every path and gathers every generation.
    ///
    /// # Errors
    /// Every fault there is, sorted by annotation: those of `parsed`, and what only shows beside
    /// the settings and the other entries: paths, stores that are not allowed, keys that a store
    /// does not understand, two entries that ask for different things at one path or would be
    /// written to one file, leases outside local mode, local mode without a value to hand out or
    /// where it is not allowed.
    pub fn new(parsed: &Parsed, settings: &PlanSettings) -> Result<Self, Vec<AnnotationError>> {
        let (plan, mut faults) = planner::plan(parsed, settings);
        faults.extend_from_slice(&parsed.faults);
        faults.extend(settings.layout.check(&parsed.entries));
        faults.sort_by(|a, b| a.annotation.cmp(&b.annotation));
        if faults.is_empty() {
            Ok(plan)
        } else {
            Err(faults)
        }
    }
}
