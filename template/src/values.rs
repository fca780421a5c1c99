//! The values of a pod, as templates read them.

use std::{collections::BTreeMap, sync::Arc};

use kees_common::{Entry, SecretValue};
use minijinja::{
    Value,
    value::{Enumerator, Object, ObjectRepr},
};

use crate::{
    details::{self, error},
    lookup::Root,
};

/// The values of a pod by kind and name.
#[derive(Default)]
pub struct TemplateValues(BTreeMap<Root, BTreeMap<String, Value>>);

/// What an entry has for a template.
pub enum TemplateValue<'a> {
    /// Its value.
    One(&'a SecretValue),
    /// A value for each member of its JSON object.
    Members(Vec<(&'a str, &'a SecretValue)>),
}

impl TemplateValues {
    /// Adds the value of `entry`.
    pub fn add(&mut self, entry: &Entry, value: &TemplateValue<'_>) {
        let value = match value {
            TemplateValue::One(value) => to_value(value),
            TemplateValue::Members(members) => {
                let members = members.iter();
                let members = members.map(|(name, value)| ((*name).to_owned(), to_value(value)));
                Value::from_object(Named(members.collect()))
            }
        };
        let names = self.0.entry(Root::of(entry)).or_default();
        names.insert(entry.name.to_string(), value);
    }

    /// What the engine gets: an object for each kind.
    pub(crate) fn context(&self) -> Value {
        let root = |root: Root| {
            let names = self.0.get(&root).cloned().unwrap_or_default();
            (root.as_str().to_owned(), Value::from_object(Named(names)))
        };
        Value::from_object(Named(Root::ALL.map(root).into()))
    }
}

/// Text as text, anything else as bytes. A stored text that is not base64 has no value: it is an error
/// where it is used.
fn to_value(value: &SecretValue) -> Value {
    if value.is_verbatim() {
        return error(details::NOT_BASE64).into();
    }
    match value.expose_text() {
        Some(text) => Value::from(text),
        None => Value::from_bytes(value.expose().to_vec()),
    }
}

/// Values by name. It is no map of the engine, because those print their values.
struct Named(BTreeMap<String, Value>);

impl std::fmt::Debug for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Named").finish_non_exhaustive()
    }
}

impl Object for Named {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_str()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(
            self.0
                .keys()
                .map(|name| Value::from(name.as_str()))
                .collect(),
        )
    }
}
