//! Pods that ask for one Kubernetes Secret.

use std::{collections::BTreeMap, sync::Arc};

use kees_inject::{
    ClassAccess, Classes, ClusterView, Decision, InjectSettings, LivePod, LivePods, Lookup,
    NamespacePods, OtherPods, PodView, Policy, decide_with_classes, workload,
};
use kees_secret_provider_class::ClassSpec;
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use crate::{cluster::csi, pods::settings};

/// Live pods and classes of the namespace `team-a`.
#[derive(Default)]
struct Others {
    pods: LivePods,
    classes: BTreeMap<String, Arc<ClassSpec>>,
    policy: Option<Policy>,
}

impl OtherPods for Others {
    fn of_namespace(&self, namespace: &str) -> Option<Arc<NamespacePods>> {
        self.pods.of_namespace(namespace)
    }

    fn class(&self, namespace: &str, name: &str) -> Option<Arc<ClassSpec>> {
        assert_eq!(namespace, "team-a");
        self.classes.get(name).cloned()
    }
}

impl Classes for Others {
    fn class(&self, namespace: &str, name: &str) -> Lookup<Arc<ClassSpec>> {
        OtherPods::class(self, namespace, name).map_or(Lookup::Missing, Lookup::Found)
    }

    fn role(&self, _: &str, _: &str) -> Lookup<Arc<str>> {
        Lookup::Missing
    }
}

fn synced() -> InjectSettings {
    InjectSettings {
        secret_sync: true,
        ..settings()
    }
}

impl Others {
    fn decision(&self, pod: &Value) -> Decision {
        let text = pod.to_string();
        let view = ClusterView {
            classes: ClassAccess::On {
                classes: self,
                requested: true,
            },
            pods: Some(self),
        };
        let pod = PodView::from_json(&text).unwrap();
        let settings = InjectSettings {
            policy: self.policy.clone().unwrap_or_else(Policy::absent),
            ..synced()
        };
        decide_with_classes(&pod, "team-a", &settings, view)
    }

    fn errors(&self, pod: &Value) -> Vec<String> {
        match self.decision(pod) {
            Decision::Deny { errors, .. } => errors.iter().map(ToString::to_string).collect(),
            _ => Vec::new(),
        }
    }

    /// The pod is admitted, and lives.
    fn admit(&mut self, pod: &Value) {
        let Decision::Patch { operations, .. } = self.decision(pod) else {
            panic!("not injected: {:?}", self.decision(pod));
        };
        let patch: json_patch::Patch = serde_json::from_str(operations.as_json()).unwrap();
        let mut pod = pod.clone();
        json_patch::patch(&mut pod, &patch).unwrap();
        let label = &pod["metadata"]["labels"]["init.bsycorp.com/secret-sync"];
        assert_eq!(label, "true");
        self.live(&pod);
    }

    fn live(&mut self, pod: &Value) {
        let metadata = &pod["metadata"];
        let owner = &metadata["ownerReferences"][0];
        let owner = owner["kind"].as_str().zip(owner["name"].as_str());
        let name = metadata["name"].as_str().unwrap();
        let workload = workload(owner, name, |key| {
            metadata["labels"][key].as_str().map(str::to_owned)
        });
        let annotations = serde_json::from_value(metadata["annotations"].clone()).unwrap();
        let account = pod["spec"]["serviceAccountName"].as_str();
        let live = LivePod {
            namespace: "team-a",
            name,
            service_account: account.unwrap_or("default"),
            workload: &workload,
            annotations: &annotations,
        };
        assert!(self.pods.insert(live, &synced().domain));
    }

    fn class(mut self, name: &str, object: &str, secret: &Value) -> Self {
        let objects =
            format!("- {{objectName: {object}, objectType: secretsmanager, objectAlias: file}}");
        let spec = json!({"provider": "aws", "secretObjects": [secret],
                          "parameters": {"objects": objects, "region": "eu-west-1"}});
        let spec: ClassSpec = serde_json::from_value(spec).unwrap();
        self.classes.insert(name.to_owned(), Arc::new(spec));
        self
    }
}

const TOKEN: (&str, &str) = (
    "secret.bsycorp.com/token",
    "kind=REFERENCE,storageKey=a/token",
);
const SYNC: (&str, &str) = ("init.bsycorp.com/sync", "shared");
const KEY: &str = "init.bsycorp.com/sync-key.k";

fn pod(name: &str, annotations: &[(&str, &str)]) -> Value {
    let annotations: BTreeMap<_, _> = annotations.iter().copied().collect();
    json!({
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"containers": [{"name": "app", "image": "app:1"}]},
    })
}

fn of_workload(mut pod: Value, kind: &str, name: &str) -> Value {
    pod["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "v1", "kind": kind, "name": name, "uid": "1", "controller": true}]);
    pod
}

fn of_deployment(pod: Value, name: &str, hash: &str) -> Value {
    let mut pod = of_workload(pod, "ReplicaSet", &format!("{name}-{hash}"));
    pod["metadata"]["labels"] = json!({"pod-template-hash": hash});
    pod
}

#[test]
fn a_pod_with_other_contents_is_denied_and_both_are_named() {
    let mut others = Others::default();
    others.admit(&of_deployment(pod("web-1", &[TOKEN, SYNC]), "web", "7f9c"));
    let other = (
        "secret.bsycorp.com/token",
        "kind=REFERENCE,storageKey=b/token",
    );
    let mut api = of_workload(pod("api-0", &[other, SYNC]), "StatefulSet", "api");
    assert_eq!(
        others.errors(&api),
        [
            "init.bsycorp.com/sync: pod api-0 (StatefulSet api) and pod web-1 (Deployment web) ask for one Secret, shared, \
             with different contents: the key token is /b/token (dynamodb) here and /a/token (dynamodb) there; give each of \
             them a Secret of its own, let both ask for the same, or create the pod when pod web-1 (Deployment web) has ended"
        ]
    );
    // The name of a pod of a controller is complete only after admission.
    api["metadata"]["name"].take();
    api["metadata"]["generateName"] = "api-".into();
    let error = others.errors(&api).remove(0);
    assert!(error.contains("pod api-… (StatefulSet api)"), "{error}");
    others.pods.remove("team-a", "web-1");
    assert_eq!(others.errors(&api), Vec::<String>::new());
}

#[rstest]
#[case::key(&[TOKEN, ("resource.bsycorp.com/more", "")], "only this pod wants the key more")]
#[case::no_key(&[("resource.bsycorp.com/more", "")], "only this pod wants the key more, only the other pod wants the key token")]
#[case::secret_type(
    &[TOKEN, ("init.bsycorp.com/sync-type", "kubernetes.io/dockerconfigjson"), ("init.bsycorp.com/sync-key..dockerconfigjson", "x")],
    "the type is kubernetes.io/dockerconfigjson here and Opaque there, only this pod wants the key .dockerconfigjson"
)]
#[case::template(&[TOKEN, ("init.bsycorp.com/sync-key.token", "planted-1")], "the key token is a template here and /a/token (dynamodb) there")]
#[case::prefix(&[TOKEN, ("init.bsycorp.com/storage-prefix", "/x")], "the key token is /x/a/token (dynamodb) here and /a/token")]
fn the_error_says_how_the_contents_differ(
    #[case] annotations: &[(&str, &str)],
    #[case] expected: &str,
) {
    let mut others = Others::default();
    others.admit(&pod("first", &[TOKEN, SYNC]));
    let error = others.errors(&pod("second", &[annotations, &[SYNC]].concat()));
    let [error] = &error[..] else {
        panic!("{error:?}");
    };
    assert!(error.contains(expected), "{error}");
    assert!(!error.contains("planted"), "{error}");
}

#[test]
fn the_encoding_and_values_of_local_mode_are_compared_and_not_shown() {
    let rsa = "secret.bsycorp.com/web_private";
    let der = (rsa, "kind=DYNAMIC,type=RSA,size=2048");
    let pem = (rsa, "kind=DYNAMIC,type=RSA,size=2048,encoding=pem");
    let mut others = Others::default();
    others.admit(&pod("first", &[der, SYNC]));
    let error = others.errors(&pod("second", &[pem, SYNC])).remove(0);
    let expected = "the key web_private is /web_private (dynamodb), but not in the same version, Region or encoding";
    assert!(error.contains(expected), "{error}");

    let policy = "rules:\n- {namespaces: ['*'], storagePrefix: /a, localMode: true}";
    let mut others = Others {
        policy: Some(policy.parse().unwrap()),
        ..Others::default()
    };
    let mode = ("init.bsycorp.com/local-mode", "true");
    // `planted` and `planted2` in base64.
    let one = ("resource.bsycorp.com/token", "localModeValue=cGxhbnRlZA==");
    let two = ("resource.bsycorp.com/token", "localModeValue=cGxhbnRlZDI=");
    others.admit(&pod("first", &[one, SYNC, mode]));
    assert_eq!(
        others.errors(&pod("second", &[one, SYNC, mode])),
        Vec::<String>::new()
    );
    let error = others.errors(&pod("second", &[two, SYNC, mode])).remove(0);
    assert!(
        error.contains("the key token is a value of local mode"),
        "{error}"
    );
    assert!(
        !error.contains("planted") && !error.contains("cGxhbn"),
        "{error}"
    );
}

#[rstest]
#[case::same(&[TOKEN, SYNC])]
#[case::another_secret(&[("resource.bsycorp.com/more", ""), ("init.bsycorp.com/sync", "other")])]
#[case::no_secret(&[("resource.bsycorp.com/more", "")])]
#[case::same_by_a_prefix(&[
    ("secret.bsycorp.com/token", "kind=REFERENCE,storageKey=token"), SYNC, ("init.bsycorp.com/storage-prefix", "/a")
])]
#[case::other_annotations(&[TOKEN, SYNC, ("init.bsycorp.com/format", "json"), ("lease.bsycorp.com/n", "kind=INDEX,rangeStart=1,rangeEnd=9")])]
fn pods_with_the_same_contents_share_a_secret(#[case] annotations: &[(&str, &str)]) {
    let mut others = Others::default();
    others.admit(&pod("first", &[TOKEN, SYNC]));
    assert_eq!(
        others.errors(&pod("second", annotations)),
        Vec::<String>::new()
    );
}

#[test]
fn only_entries_that_a_template_uses_count() {
    let more = ("resource.bsycorp.com/more", "");
    let url = (KEY, "db://{{ secret.token }}");
    let mut others = Others::default();
    others.admit(&pod("first", &[TOKEN, SYNC, url]));
    let second = |annotations: &[(&str, &str)]| others.errors(&pod("second", annotations));
    assert_eq!(second(&[TOKEN, more, SYNC, url]), Vec::<String>::new());
    let other = (
        "secret.bsycorp.com/token",
        "kind=REFERENCE,storageKey=b/token",
    );
    let error = second(&[other, SYNC, url]).remove(0);
    let expected = "the key k is a template with secret.bsycorp.com/token: /b/token (dynamodb) here and /a/token";
    assert!(error.contains(expected), "{error}");
    let error = second(&[TOKEN, SYNC, (KEY, "planted {{ secret.token }}")]).remove(0);
    assert!(error.contains("the key k is another template"), "{error}");
    assert!(!error.contains("planted"), "{error}");
}

#[rstest]
#[case::deployment(of_deployment(pod("web-1", &[]), "web", "7f9c"), of_deployment(pod("web-2", &[]), "web", "5d4b"), true)]
#[case::other_deployment(of_deployment(pod("web-1", &[]), "web", "7f9c"), of_deployment(pod("api-1", &[]), "api", "5d4b"), false)]
#[case::stateful_set(of_workload(pod("db-0", &[]), "StatefulSet", "db"), of_workload(pod("db-1", &[]), "StatefulSet", "db"), true)]
#[case::daemon_set(of_workload(pod("a", &[]), "DaemonSet", "log"), of_workload(pod("b", &[]), "DaemonSet", "log"), true)]
#[case::cron_job(of_workload(pod("a", &[]), "Job", "nightly-29384750"), of_workload(pod("b", &[]), "Job", "nightly-29384751"), true)]
#[case::other_jobs(of_workload(pod("a", &[]), "Job", "one"), of_workload(pod("b", &[]), "Job", "two"), false)]
#[case::kinds(of_workload(pod("a", &[]), "DaemonSet", "web"), of_workload(pod("b", &[]), "StatefulSet", "web"), false)]
#[case::replaced(pod("web", &[]), pod("web", &[]), true)]
fn a_workload_may_change_what_its_secret_contains(
    #[case] mut first: Value,
    #[case] mut second: Value,
    #[case] is_same_workload: bool,
) {
    first["metadata"]["annotations"] = json!({TOKEN.0: TOKEN.1, SYNC.0: SYNC.1});
    second["metadata"]["annotations"] =
        json!({TOKEN.0: TOKEN.1, SYNC.0: SYNC.1, KEY: "{{ secret.token }}"});
    let mut others = Others::default();
    others.admit(&first);
    assert_eq!(others.errors(&second).is_empty(), is_same_workload);
    // A pod of another workload among those of the own one is found.
    others.admit(&pod("alone", &[TOKEN, SYNC]));
    assert_eq!(others.errors(&second).len(), 1);
}

fn secret(name: &str, secret_type: &str) -> Value {
    json!({"secretName": name, "type": secret_type, "data": [{"objectName": "file", "key": "k"}]})
}

fn with_class(name: &str, class: &str) -> Value {
    let mut pod = pod(name, &[]);
    pod["metadata"]["annotations"].take();
    pod["spec"]["volumes"] = json!([csi("secrets", class)]);
    pod
}

#[test]
fn classes_that_ask_for_one_secret_are_compared() {
    let mut others = Others::default()
        .class("one", "team-a/one", &secret("shared", "Opaque"))
        .class("same", "team-a/one", &secret("shared", "Opaque"))
        .class("two", "team-a/two", &secret("shared", "Opaque"))
        .class("label", "team-a/one", &{
            let mut secret = secret("shared", "Opaque");
            secret["labels"] = json!({"a": "b"});
            secret
        })
        .class("other", "team-a/two", &secret("other", "Opaque"));
    others.admit(&with_class("first", "one"));
    for class in ["one", "same", "other"] {
        assert_eq!(
            others.errors(&with_class("second", class)),
            Vec::<String>::new()
        );
    }
    let error = others.errors(&with_class("second", "two")).remove(0);
    let expected = "spec.volumes: pod second (Pod second) and pod first (Pod first) ask for one Secret, shared, with \
                    different contents: the key k is team-a/two (secretsmanager) here and team-a/one (secretsmanager) there";
    assert!(error.starts_with(expected), "{error}");
    let error = others.errors(&with_class("second", "label")).remove(0);
    assert!(error.contains("other labels or annotations"), "{error}");
    let error = others.errors(&pod("second", &[TOKEN, SYNC])).remove(0);
    assert!(
        error.starts_with("init.bsycorp.com/sync: pod second"),
        "{error}"
    );
    // A class that is changed is the same for both pods.
    let mut others = others.class("one", "team-a/edited", &secret("shared", "Opaque"));
    others.admit(&with_class("second", "one"));
}

#[test]
fn the_label_is_added_once_and_only_with_secret_sync() {
    let labels = |pod: &Value, settings: &InjectSettings| {
        let pod = crate::pods::injected(pod, settings);
        assert_eq!(crate::pods::operations(&pod, settings), json!([]));
        pod["metadata"]["labels"].clone()
    };
    let mut pod = pod("web", &[TOKEN, SYNC]);
    assert_eq!(labels(&pod, &settings()), json!(null));
    let label = json!({"init.bsycorp.com/secret-sync": "true"});
    assert_eq!(labels(&pod, &synced()), label);
    pod["metadata"]["labels"] = json!({"app": "web", "init.bsycorp.com/secret-sync": "false"});
    let both = json!({"app": "web", "init.bsycorp.com/secret-sync": "true"});
    assert_eq!(labels(&pod, &synced()), both);
    pod["metadata"]["annotations"] = json!({TOKEN.0: TOKEN.1});
    pod["metadata"]["labels"] = json!({"app": "web"});
    assert_eq!(labels(&pod, &synced()), json!({"app": "web"}));
}

/// Annotations that ask for the Secret `shared`, of which most combinations are valid.
fn asking() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    let token = prop_oneof![
        Just(TOKEN),
        Just((
            "secret.bsycorp.com/token",
            "kind=REFERENCE,storageKey=b/token"
        )),
        Just((
            "secret.bsycorp.com/token",
            "kind=DYNAMIC,type=PASSWORD,size=256"
        )),
        Just(("resource.bsycorp.com/token", "encoding=base64")),
    ];
    let more = prop_oneof![
        Just(None),
        Just(Some(("resource.bsycorp.com/more", ""))),
        Just(Some((KEY, "x"))),
        Just(Some((KEY, "{{ secret.token }}"))),
        Just(Some(("init.bsycorp.com/storage-prefix", "/x"))),
        Just(Some(("init.bsycorp.com/format", "json"))),
        Just(Some(("init.bsycorp.com/local-mode", "remote-then-local"))),
    ];
    (token, more).prop_map(|(token, more)| [token, SYNC].into_iter().chain(more).collect())
}

proptest! {
    #[test]
    fn pods_of_one_workload_and_equal_pods_are_never_denied_for_each_other(
        first in asking(),
        second in asking(),
        hashes in ("[a-f0-9]{4,10}", "[a-f0-9]{4,10}"),
    ) {
        let (first, second) = (pod("web-1", &first), pod("web-2", &second));
        let mut others = Others::default();
        // A pod that is denied for itself is not there.
        prop_assume!(others.errors(&first).is_empty() && others.errors(&second).is_empty());
        let old = of_deployment(first.clone(), "web", &hashes.0);
        others.admit(&old);
        let new = of_deployment(second.clone(), "web", &hashes.1);
        prop_assert_eq!(others.errors(&new), Vec::<String>::new());
        let mut equal = first;
        equal["metadata"]["name"] = "other".into();
        prop_assert_eq!(others.errors(&equal), Vec::<String>::new());
        // Denial goes both ways.
        let is_denied = !others.errors(&second).is_empty();
        let mut turned = Others::default();
        turned.admit(&second);
        prop_assert_eq!(!turned.errors(&old).is_empty(), is_denied);
    }
}
