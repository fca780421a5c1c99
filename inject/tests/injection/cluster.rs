//! A cluster with classes and roles, for the tests.

use std::{collections::BTreeMap, sync::Arc};

use kees_inject::{
    ClassAccess, Classes, Decision, InjectSettings, Lookup, PodView, decide_with_classes,
};
use kees_secret_provider_class::ClassSpec;
use serde_json::{Value, json};

/// Classes by name, and the role of every ServiceAccount.
#[derive(Clone)]
pub(crate) struct Cluster {
    classes: BTreeMap<String, Lookup<Arc<ClassSpec>>>,
    pub(crate) role: Lookup<Arc<str>>,
    /// Whether the request comes for the volumes of classes.
    pub(crate) requested: bool,
}

impl Classes for Cluster {
    fn class(&self, namespace: &str, name: &str) -> Lookup<Arc<ClassSpec>> {
        assert_eq!(namespace, "team-a");
        let class = self.classes.get(name).cloned();
        class.unwrap_or(Lookup::Missing)
    }

    fn role(&self, _: &str, _: &str) -> Lookup<Arc<str>> {
        self.role.clone()
    }
}

impl Cluster {
    /// The classes `db` and `api` of AWS's provider, `vault` of another one, and a role.
    pub(crate) fn new() -> Self {
        let cluster = Self {
            classes: BTreeMap::new(),
            role: Lookup::Found("arn:aws:iam::111122223333:role/web".into()),
            requested: true,
        };
        let objects = "- objectName: team-a/db\n  objectType: secretsmanager\n  objectAlias: db.json\n  filePermission: '0400'\n";
        cluster
            .with("db", &json!({"objects": objects, "region": "eu-west-1"}))
            .with(
                "api",
                &json!({"objects": "- {objectName: /team-a/api, objectType: ssmparameter}"}),
            )
            .with_spec(
                "vault",
                json!({"provider": "vault", "parameters": {"objects": "- x"}}),
            )
    }

    /// The same cluster with a class of AWS's provider.
    pub(crate) fn with(self, name: &str, parameters: &Value) -> Self {
        self.with_spec(name, json!({"provider": "aws", "parameters": parameters}))
    }

    pub(crate) fn with_spec(mut self, name: &str, spec: Value) -> Self {
        let spec: ClassSpec = serde_json::from_value(spec).unwrap();
        self.classes
            .insert(name.to_owned(), Lookup::Found(Arc::new(spec)));
        self
    }

    /// The same cluster, in which a class cannot be read.
    pub(crate) fn with_unknown(mut self, name: &str, reason: &str) -> Self {
        self.classes
            .insert(name.to_owned(), Lookup::Unknown(reason.to_owned()));
        self
    }

    pub(crate) fn decision(&self, pod: &Value, settings: &InjectSettings) -> Decision {
        let text = pod.to_string();
        let pod = PodView::from_json(&text).unwrap();
        let access = ClassAccess::On {
            classes: self,
            requested: self.requested,
        };
        decide_with_classes(&pod, "team-a", settings, access)
    }

    pub(crate) fn operations(&self, pod: &Value, settings: &InjectSettings) -> Value {
        match self.decision(pod, settings) {
            Decision::Patch { operations, .. } => {
                serde_json::from_str(operations.as_json()).unwrap()
            }
            other => panic!("not injected: {other:?}"),
        }
    }

    pub(crate) fn injected(&self, pod: &Value, settings: &InjectSettings) -> Value {
        let patch: json_patch::Patch =
            serde_json::from_value(self.operations(pod, settings)).unwrap();
        let mut pod = pod.clone();
        json_patch::patch(&mut pod, &patch).unwrap();
        pod
    }

    pub(crate) fn errors(&self, pod: &Value, settings: &InjectSettings) -> Vec<String> {
        match self.decision(pod, settings) {
            Decision::Deny { errors, .. } => errors.iter().map(ToString::to_string).collect(),
            other => panic!("not denied: {other:?}"),
        }
    }

    pub(crate) fn warnings(&self, pod: &Value, settings: &InjectSettings) -> Vec<String> {
        let (Decision::Skip { warnings, .. }
        | Decision::Deny { warnings, .. }
        | Decision::Patch { warnings, .. }) = self.decision(pod, settings);
        warnings
    }
}

/// A CSI volume of the driver.
pub(crate) fn csi(name: &str, class: &str) -> Value {
    json!({"name": name, "csi": {
        "driver": "secrets-store.csi.k8s.io",
        "readOnly": true,
        "volumeAttributes": {"secretProviderClass": class},
    }})
}

/// A pod without annotations, whose container mounts a volume of the class `db`.
pub(crate) fn pod() -> Value {
    json!({
        "metadata": {"name": "web"},
        "spec": {
            "containers": [{
                "name": "app",
                "image": "app:1",
                "volumeMounts": [{"name": "secrets", "mountPath": "/mnt/secrets", "readOnly": true}],
            }],
            "volumes": [csi("secrets", "db")],
        },
    })
}
