//! The classes and the roles in manifests, as `kees inject` uses them in place of those of a cluster.

use std::{collections::BTreeMap, sync::Arc};

use kees_inject::{Classes, Lookup, ROLE_ANNOTATION};
use kees_secret_provider_class::{API_GROUP, ClassSpec, KIND};
use serde::Deserialize as _;
use serde_json::Value;

use crate::manifest::Document;

/// A namespace and a name in it.
type Key = (String, String);

/// What the manifests have.
#[derive(Debug, Default)]
pub(crate) struct ClassSource {
    classes: BTreeMap<Key, Result<Arc<ClassSpec>, String>>,
    roles: BTreeMap<Key, Arc<str>>,
}

impl ClassSource {
    /// Collects the classes and the ServiceAccounts. Objects without a namespace are in `namespace`.
    pub(crate) fn new(documents: &[Document], namespace: &str) -> Self {
        let mut source = Self::default();
        for document in documents {
            match document.value.get("items").and_then(Value::as_array) {
                Some(items) => items.iter().for_each(|item| source.add(item, namespace)),
                None => source.add(&document.value, namespace),
            }
        }
        source
    }

    fn add(&mut self, object: &Value, namespace: &str) {
        let metadata = &object["metadata"];
        let name = metadata["name"].as_str().unwrap_or_default().to_owned();
        let namespace = metadata["namespace"].as_str().unwrap_or(namespace);
        let key = (namespace.to_owned(), name);
        let version = object["apiVersion"].as_str().unwrap_or_default();
        let group = version.split_once('/').map_or("", |(group, _)| group);
        match object["kind"].as_str() {
            Some(KIND) if group == API_GROUP => {
                let spec = Option::<ClassSpec>::deserialize(&object["spec"]);
                let spec = spec.map(|spec| Arc::new(spec.unwrap_or_default()));
                self.classes
                    .insert(key, spec.map_err(|error| error.to_string()));
            }
            Some("ServiceAccount") if version == "v1" => {
                if let Some(role) = metadata["annotations"][ROLE_ANNOTATION].as_str() {
                    self.roles.insert(key, role.into());
                }
            }
            _ => {}
        }
    }
}

impl Classes for ClassSource {
    fn class(&self, namespace: &str, name: &str) -> Lookup<Arc<ClassSpec>> {
        match self.classes.get(&(namespace.to_owned(), name.to_owned())) {
            Some(Ok(class)) => Lookup::Found(Arc::clone(class)),
            Some(Err(reason)) => Lookup::Unknown(reason.clone()),
            None => Lookup::Missing,
        }
    }

    fn role(&self, namespace: &str, service_account: &str) -> Lookup<Arc<str>> {
        let key = (namespace.to_owned(), service_account.to_owned());
        let role = self.roles.get(&key).map(Arc::clone);
        role.map_or(Lookup::Missing, Lookup::Found)
    }
}
