//! A Kubernetes Secret as the API server has it, and what it becomes.
//!
//! It is kept as JSON, because everything in it that the controller does not write stays as it is. It has no `Debug`.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kees_common::SecretValue;
use serde_json::{Map, Value, json};

/// The label of the Secrets that the controller writes, and its value.
pub(super) const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "kees");

/// The label of the Secrets that the Secrets Store CSI driver writes, and its value.
pub(super) const OF_DRIVER: (&str, &str) = ("secrets-store.csi.k8s.io/managed", "true");

/// What a Secret has to be.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Desired {
    /// What asks for it, such as `Deployment web` or `SecretProviderClass web`.
    pub(super) source: String,
    /// Its type.
    pub(super) secret_type: String,
    /// Labels that it gets, besides those of the controller.
    pub(super) labels: BTreeMap<String, String>,
    /// Annotations that it gets, besides that of the controller.
    pub(super) annotations: BTreeMap<String, String>,
    /// All of its keys and values.
    pub(super) data: BTreeMap<String, SecretValue>,
    /// Whether a class asks for it, as a class asks the driver.
    pub(super) is_of_class: bool,
}

impl Desired {
    /// Whether both are the same Secret, whatever asks for it.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.secret_type == other.secret_type
            && self.labels == other.labels
            && self.annotations == other.annotations
            && self.data == other.data
            && self.is_of_class == other.is_of_class
    }

    fn data(&self) -> Map<String, Value> {
        let data = self.data.iter();
        data.map(|(key, value)| (key.clone(), json!(base64(value))))
            .collect()
    }
}

/// Base64 of the bytes, whatever they are.
fn base64(value: &SecretValue) -> String {
    let text = if value.is_verbatim() {
        SecretValue::new(value.expose().to_vec()).to_base64()
    } else {
        value.to_base64()
    };
    text.as_str().to_owned()
}

/// A Secret that exists, or a new one.
#[derive(Clone)]
pub(super) struct Stored(pub(super) Value);

/// To whom a Secret belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Belongs {
    /// To the controller.
    Controller,
    /// To the Secrets Store CSI driver.
    Driver,
    /// To something else.
    Other,
}

impl Stored {
    /// A Secret that does not exist.
    pub(super) fn new(namespace: &str, name: &str, secret_type: &str) -> Self {
        Self(json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"namespace": namespace, "name": name},
            "type": secret_type,
        }))
    }

    pub(super) fn belongs(&self) -> Belongs {
        let has = |(name, value): (&str, &str)| self.0["metadata"]["labels"][name] == value;
        if has(MANAGED_BY) {
            Belongs::Controller
        } else if has(OF_DRIVER) {
            Belongs::Driver
        } else {
            Belongs::Other
        }
    }

    pub(super) fn secret_type(&self) -> &str {
        self.0["type"].as_str().unwrap_or("Opaque")
    }

    /// What asked for it.
    pub(super) fn source(&self, annotation: &str) -> Option<&str> {
        self.0["metadata"]["annotations"][annotation].as_str()
    }

    pub(super) fn version(&self) -> Option<&str> {
        self.0["metadata"]["resourceVersion"].as_str()
    }

    /// Whether its type and data are those of `desired`.
    pub(super) fn has_content_of(&self, desired: &Desired) -> bool {
        let none = Map::new();
        let data = self.0["data"].as_object().unwrap_or(&none);
        self.secret_type() == desired.secret_type && *data == desired.data()
    }

    /// This Secret with the content of `desired`, if that changes anything: all of its data, and the labels,
    /// annotations and owners that it has to have. Others stay. `annotation` names what asks for it.
    pub(super) fn with(
        &self,
        desired: &Desired,
        owners: &[OwnerReference],
        annotation: &str,
    ) -> Option<Self> {
        let mut next = self.clone();
        let object = next.0.as_object_mut()?;
        object.insert("data".to_owned(), Value::Object(desired.data()));
        let metadata = object.get_mut("metadata")?.as_object_mut()?;
        let (managed_by, kees) = MANAGED_BY;
        let of_driver = desired.is_of_class.then_some(OF_DRIVER);
        let ours = [(managed_by, kees)].into_iter().chain(of_driver);
        let theirs = desired.labels.iter();
        let theirs = theirs.map(|(name, value)| (name.as_str(), value.as_str()));
        set(metadata, "labels", theirs.chain(ours));
        let theirs = desired.annotations.iter();
        let theirs = theirs.map(|(name, value)| (name.as_str(), value.as_str()));
        let ours = [(annotation, desired.source.as_str())];
        set(metadata, "annotations", theirs.chain(ours));
        add_owners(metadata, owners);
        (next.0 != self.0).then_some(next)
    }

    /// This Secret with further owners, if it lacks some.
    pub(super) fn with_owners(&self, owners: &[OwnerReference]) -> Option<Self> {
        let mut next = self.clone();
        add_owners(next.0.get_mut("metadata")?.as_object_mut()?, owners);
        (next.0 != self.0).then_some(next)
    }
}

fn set<'a>(
    metadata: &mut Map<String, Value>,
    field: &str,
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
) {
    let of_field = metadata.entry(field).or_insert_with(|| json!({}));
    if !of_field.is_object() {
        *of_field = json!({});
    }
    for (name, value) in pairs {
        of_field[name] = json!(value);
    }
}

fn add_owners(metadata: &mut Map<String, Value>, owners: &[OwnerReference]) {
    if owners.is_empty() {
        return;
    }
    let list = metadata
        .entry("ownerReferences")
        .or_insert_with(|| json!([]));
    let Some(list) = list.as_array_mut() else {
        return;
    };
    for owner in owners {
        if !list.iter().any(|known| known["uid"] == owner.uid.as_str()) {
            list.push(json!(owner));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "kees.d/source";

    fn desired(value: &str) -> Desired {
        Desired {
            source: "Deployment web".to_owned(),
            secret_type: "Opaque".to_owned(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            data: [("a".to_owned(), SecretValue::new(value.as_bytes().to_vec()))].into(),
            is_of_class: false,
        }
    }

    fn owner(uid: &str) -> OwnerReference {
        OwnerReference {
            uid: uid.to_owned(),
            ..OwnerReference::default()
        }
    }

    #[test]
    fn what_others_wrote_stays_except_data() {
        let before = Stored(json!({
            "metadata": {
                "name": "web", "resourceVersion": "7", "uid": "u", "finalizers": ["x/y"],
                "labels": {"app": "web"}, "annotations": {"note": "1"},
                "ownerReferences": [{"uid": "1", "kind": "Pod"}],
            },
            "type": "Opaque", "immutable": false, "data": {"old": "eA=="},
        }));
        let after = before
            .with(&desired("x"), &[owner("1"), owner("2")], SOURCE)
            .unwrap();
        let Value::Object(metadata) = &after.0["metadata"] else {
            panic!();
        };
        assert_eq!(after.0["data"], json!({"a": "eA=="}));
        assert_eq!(
            metadata["labels"],
            json!({"app": "web", "app.kubernetes.io/managed-by": "kees"})
        );
        let annotations = json!({"note": "1", "kees.d/source": "Deployment web"});
        assert_eq!(metadata["annotations"], annotations);
        assert_eq!(metadata["finalizers"], json!(["x/y"]));
        assert_eq!(
            (&after.0["immutable"], after.version()),
            (&json!(false), Some("7"))
        );
        let owners: Vec<_> = metadata["ownerReferences"]
            .as_array()
            .unwrap()
            .iter()
            .collect();
        assert_eq!(owners.len(), 2);
        assert_eq!(
            (&owners[0]["kind"], &owners[1]["uid"]),
            (&json!("Pod"), &json!("2"))
        );
    }

    #[test]
    fn what_is_as_it_has_to_be_is_not_written() {
        let new = Stored::new("team-a", "web", "Opaque");
        let once = new.with(&desired("x"), &[owner("1")], SOURCE).unwrap();
        assert!(once.with(&desired("x"), &[owner("1")], SOURCE).is_none());
        assert!(once.with(&desired("x"), &[owner("2")], SOURCE).is_some());
        assert!(once.with(&desired("y"), &[owner("1")], SOURCE).is_some());
        assert!(once.with_owners(&[owner("1")]).is_none());
        assert!(once.has_content_of(&desired("x")) && !once.has_content_of(&desired("y")));
    }

    #[test]
    fn the_labels_say_to_whom_a_secret_belongs() {
        let of = |labels: Value| Stored(json!({"metadata": {"labels": labels}})).belongs();
        assert_eq!(of(json!({})), Belongs::Other);
        assert_eq!(
            of(json!({"app.kubernetes.io/managed-by": "Helm"})),
            Belongs::Other
        );
        assert_eq!(
            of(json!({"secrets-store.csi.k8s.io/managed": "true"})),
            Belongs::Driver
        );
        let both = json!({"secrets-store.csi.k8s.io/managed": "true", "app.kubernetes.io/managed-by": "kees"});
        assert_eq!(of(both), Belongs::Controller);
        assert_eq!(Stored(json!({})).belongs(), Belongs::Other);
    }

    #[test]
    fn the_labels_of_a_class_do_not_replace_those_of_the_controller() {
        let mut desired = desired("x");
        desired.is_of_class = true;
        desired.labels = [
            ("app".to_owned(), "web".to_owned()),
            (MANAGED_BY.0.to_owned(), "Helm".to_owned()),
        ]
        .into();
        let after = Stored::new("team-a", "web", "Opaque").with(&desired, &[], SOURCE);
        let labels = after.unwrap().0["metadata"]["labels"].clone();
        let expected = json!({"app": "web", "app.kubernetes.io/managed-by": "kees",
                              "secrets-store.csi.k8s.io/managed": "true"});
        assert_eq!(labels, expected);
    }

    #[test]
    fn bytes_that_are_no_text_are_encoded() {
        let mut desired = desired("");
        desired.data = [("a".to_owned(), SecretValue::new(vec![0, 255]))].into();
        let after = Stored::new("n", "web", "Opaque").with(&desired, &[], SOURCE);
        assert_eq!(after.unwrap().0["data"], json!({"a": "AP8="}));
    }
}
