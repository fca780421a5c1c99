//! Local mode: values that need no store and are the same on every run and machine.

use std::collections::HashMap;

use kees_common::{Entry, Field, Generated, Secret, SecretValue, Source, Spec, local};

use crate::{error::InitError, request::Request};

/// Whether `entry` has a local value: its `localModeValue` or one derived from its name.
pub(crate) fn has_value(entry: &Entry) -> bool {
    let is_derived = match &entry.source {
        Source::Secret(Secret::Dynamic { .. }) | Source::Lease(_) => true,
        Source::Secret(Secret::Reference { local_spec, .. }) => local_spec.is_some(),
        Source::Resource(_) => false,
    };
    is_derived || entry.local_value.is_some()
}

/// Derives the values of a run, each generation once.
#[derive(Debug, Default)]
pub(crate) struct Derivation(HashMap<(Spec, String), Generated>);

impl Derivation {
    /// The local value of `entry`: its `localModeValue`, or the value derived from its name. `None`
    /// if it has neither.
    pub(crate) fn value(
        &mut self,
        entry: &Entry,
        request: &Request,
    ) -> Result<Option<SecretValue>, InitError> {
        if let Some(value) = &entry.local_value {
            return Ok(Some(value.clone()));
        }
        let (spec, field) = match &entry.source {
            Source::Secret(Secret::Dynamic { spec, field, .. }) => (spec, *field),
            Source::Secret(Secret::Reference {
                local_spec: Some(spec),
                member,
                ..
            }) => (spec, member.map_or(Field::Whole, |(_, field)| field)),
            Source::Lease(lease) => {
                let pod = request.pod_name.as_deref().unwrap_or_default();
                let index = local::lease_index(lease, request.prefix.as_str(), pod);
                return Ok(Some(SecretValue::new(index.to_string().into_bytes())));
            }
            Source::Secret(Secret::Reference { .. }) | Source::Resource(_) => return Ok(None),
        };
        let key = (spec.clone(), entry.name.base().to_owned());
        if !self.0.contains_key(&key) {
            let generated =
                kees_generate::local::derive(spec, entry.name.base()).map_err(|source| {
                    InitError::Derivation {
                        annotation: entry.annotation.clone(),
                        source,
                    }
                })?;
            self.0.insert(key.clone(), generated);
        }
        let derived = self.0.get(&key).and_then(|generated| generated.get(field));
        Ok(derived.map(|value| entry.encode(value.clone())))
    }
}
