//! What decides about the Kubernetes Secrets of a pod: its annotations, and the classes of its volumes.

use std::collections::{BTreeMap, BTreeSet};

use kees_common::{Domain, names::init};
use kees_secret_provider_class::CLASS_ATTRIBUTE;

/// A class, and the attributes of a volume that take precedence over it.
pub(crate) type ClassOfVolume = (String, BTreeMap<String, String>);

/// What decides about the Kubernetes Secrets of a pod. Pods of one template have the same.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Asks {
    pub(crate) service_account: String,
    /// The Secret of `init.DOMAIN/sync`.
    pub(crate) secret: Option<String>,
    /// The annotations of kees. None, if the pod asks for no Secret with them.
    pub(crate) annotations: BTreeMap<String, String>,
    /// The classes of its volumes.
    pub(crate) classes: BTreeSet<ClassOfVolume>,
}

impl Asks {
    /// What a pod with these annotations asks for. Its volumes of classes are in an annotation if they are replaced already.
    pub(crate) fn new<'a>(
        service_account: &str,
        annotations: impl Iterator<Item = (&'a str, &'a str)>,
        domain: &Domain,
    ) -> Self {
        let mut asks = Self {
            service_account: service_account.to_owned(),
            ..Self::default()
        };
        let (of_sync, of_volumes) = (domain.init(init::SYNC), domain.init(init::CLASS_VOLUMES));
        let of_version = domain.init(init::INJECTED);
        for (key, value) in annotations {
            if key == of_volumes {
                // The controller tells a pod if it is not what the webhook writes.
                let volumes =
                    serde_json::from_str::<BTreeMap<String, BTreeMap<String, String>>>(value);
                for attributes in volumes.unwrap_or_default().into_values() {
                    asks.add_class(attributes);
                }
            } else if domain.split(key).is_some() && key != of_version {
                if key == of_sync {
                    asks.secret = Some(value.trim().to_owned());
                }
                asks.annotations.insert(key.to_owned(), value.to_owned());
            }
        }
        if asks.secret.is_none() {
            asks.annotations.clear();
        }
        asks
    }

    /// Adds the class of a volume with these attributes.
    pub(crate) fn add_class(&mut self, mut attributes: BTreeMap<String, String>) {
        if let Some(class) = attributes.remove(CLASS_ATTRIBUTE) {
            self.classes.insert((class, attributes));
        }
    }

    /// Whether it asks for no Secret.
    pub(crate) fn is_empty(&self) -> bool {
        self.secret.is_none() && self.classes.is_empty()
    }

    /// The bytes of its texts.
    pub(crate) fn bytes(&self) -> usize {
        let of_map = |map: &BTreeMap<String, String>| -> usize {
            map.iter().map(|(key, value)| key.len() + value.len()).sum()
        };
        let classes = self.classes.iter();
        let classes = classes.map(|(class, attributes)| class.len() + of_map(attributes));
        self.service_account.len() + of_map(&self.annotations) + classes.sum::<usize>()
    }
}
